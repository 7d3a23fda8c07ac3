"""What a config may ask of the recipe of CenterFace. No arithmetic here."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pth2map.recipes.settings import Fraction, Positive, RecipeSection, Section, Size

INPUT_MULTIPLE = 32
"""Width and height of the input are multiples of this: the network halves them five times and doubles them again."""

OUTPUT_STRIDE = 4
"""Pixels of the input to a cell of the outputs, each way."""


class CenterFacePreprocess(Section):
    """How an image becomes the input of CenterFace."""

    mean_bgr: tuple[float, float, float] = Field(
        default=(0.40789654, 0.44719302, 0.47026115),
        strict=False,
        description="subtracted from blue, green, red; the pixels are 0 to 1 and BGR",
    )
    std_bgr: tuple[Positive, Positive, Positive] = Field(
        default=(0.28863828, 0.27408164, 0.27809835),
        strict=False,
        description="what blue, green, red are divided by after that",
    )

    recipe: ClassVar[str] = "centerface"
    """The kind that it is part of."""

    def refusal(self, size: Size) -> str | None:
        """Why inputs of ``size`` cannot be had."""
        if all(side is not None and side % INPUT_MULTIPLE == 0 for side in (size.width, size.height)):
            return None
        return (
            f"does not go with recipe.kind: {self.recipe}; expected one size for all images, multiples of "
            f"{INPUT_MULTIPLE}"
        )


class CenterFaceDecode(Section):
    """How the outputs of CenterFace become detections."""

    top_k: Annotated[int, Field(ge=1)] = Field(default=200, description="best peaks of an image that are kept")
    confidence_threshold: Fraction | None = Field(
        default=None, description="a peak needs a score above this; null: any will do, as in the published evaluations"
    )
    nms_threshold: Fraction | None = Field(
        default=None,
        description="IoU, sides counted in pixels (+1), above which the lesser box goes; null: no NMS, as in the "
        "published evaluations",
    )


class CenterFaceSettings(RecipeSection):
    """CenterFace: centred letterbox, normalised BGR, peaks of a heat map, boxes to a tenth of a pixel in the text."""

    kind: Literal["centerface"] = Field(description="the family of preprocessing and decode")
    preprocess: CenterFacePreprocess = Field(default_factory=CenterFacePreprocess)
    decode: CenterFaceDecode = Field(default_factory=CenterFaceDecode)

    output_numbers: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    decodes_on_device: ClassVar[bool] = False
