"""What a config may ask of the recipe of RetinaMask. No arithmetic here."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pth2map.recipes.settings import Fraction, RecipeSection, Section, Size

INPUT_MULTIPLE = 32
"""The side of the input is a multiple of this: the pyramid halves it five times and doubles it again."""

ROWS = 1000
"""Rows of the outputs of the published graph, whatever the image."""

CLASSES = 80
"""Labels are 1 to this: the places of COCO's categories in the order of its annotation files."""

MASK_SIDE = 28
"""Width and height of a mask of the outputs."""

Paste = Literal["published", "masker"]
"""How masks get into the image: as the Ascend page's script does it, or as the training repository does."""


class RetinaMaskPreprocess(Section):
    """How an image becomes the input of RetinaMask."""

    mean_bgr: tuple[float, float, float] = Field(
        default=(102.9801, 115.9465, 122.7717),
        strict=False,
        description="subtracted from blue, green, red; the pixels are 0 to 255 and BGR",
    )

    def refusal(self, size: Size) -> str | None:
        """Why inputs of ``size`` cannot be had."""
        if size.width is not None and size.width == size.height and size.width % INPUT_MULTIPLE == 0:
            return None
        return (
            "does not go with recipe.kind: retinamask; expected one square for all images, its side a multiple of "
            f"{INPUT_MULTIPLE}"
        )


class RetinaMaskDecode(Section):
    """How the outputs of RetinaMask become detections."""

    nms_threshold: Fraction = Field(
        default=0.4, description="IoU, sides counted in pixels (+1), above which the lesser box of a class goes"
    )
    keep: Annotated[int, Field(ge=1)] = Field(default=100, description="best rows of an image that are kept after that")
    mask_threshold: Fraction = Field(default=0.5, description="a pixel is of a mask above this")
    paste: Paste = Field(
        default="published",
        description="published: masks between rounded corners, resized by OpenCV, as the Ascend page's script pastes "
        "them; masker: between truncated corners, the last column and row included, resized by Pillow, as the training "
        "repository does",
    )


class RetinaMaskSettings(RecipeSection):
    """RetinaMask: upper left corner of a square, BGR minus mean, boxes with classes and masks for COCO."""

    kind: Literal["retinamask"] = Field(description="the family of preprocessing and decode")
    preprocess: RetinaMaskPreprocess = Field(default_factory=RetinaMaskPreprocess)
    decode: RetinaMaskDecode = Field(default_factory=RetinaMaskDecode)

    one_image: ClassVar[bool] = True
    output_numbers: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    decodes_on_device: ClassVar[bool] = False
