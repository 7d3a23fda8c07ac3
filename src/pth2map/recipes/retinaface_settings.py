"""What a config may ask of RetinaFace at the upper left of a square. No arithmetic here."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pth2map.recipes.settings import Fraction, RecipeSection, Section, Size


class RetinaFacePreprocess(Section):
    """How an image becomes the input of RetinaFace."""

    resize: Literal["long_side", "none"] = Field(
        description="long_side: scale so that the longer side is the variant's size, small images enlarged; none: keep "
        "the image as it is (size `native`)"
    )
    interpolation: Literal["nearest", "linear"] = Field(
        default="nearest", description="OpenCV's interpolation of the resize; unused with `resize: none`"
    )
    pad_value: Annotated[int, Field(ge=0, le=255)] = Field(
        default=0, description="grey level that fills right and bottom up to the square, before the mean is subtracted"
    )
    mean_bgr: tuple[float, float, float] = Field(
        default=(104.0, 117.0, 123.0),
        strict=False,
        description="subtracted from blue, green, red; the pixels are 0 to 255 and BGR",
    )

    def refusal(self, size: Size) -> str | None:
        """Why inputs of ``size`` cannot be had."""
        if size.native != (self.resize == "none"):
            return f"does not go with recipe.preprocess.resize: {self.resize}"
        return None if size.width == size.height else "is no square; the recipe pads to one, give one number"

    def raw_refusal(self) -> str | None:
        """Why a device cannot be left to subtract the mean from whole grey levels."""
        if self.resize == "long_side" and self.interpolation == "linear":
            return "recipe.preprocess.interpolation: linear gives fractions of grey levels; raw pixels need nearest"
        if not all(value.is_integer() and 0 <= value <= 255 for value in self.mean_bgr):
            found = ", ".join(f"{value:g}" for value in self.mean_bgr)
            return f"recipe.preprocess.mean_bgr: found {found}; a card subtracts whole grey levels, 0 to 255"
        return None


class RetinaFaceDecode(Section):
    """How the outputs of RetinaFace become detections."""

    confidence_threshold: Fraction = Field(default=0.02, description="a prior needs a face score above this")
    nms_threshold: Fraction = Field(
        default=0.4, description="IoU, sides counted in pixels (+1), above which the lesser box goes"
    )
    pre_nms_top_k: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="best candidates that reach the NMS; null: all, as in the published evaluations"
    )
    keep_top_k: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="best detections kept after the NMS; null: all"
    )


class RetinaFaceSettings(RecipeSection):
    """RetinaFace: one long-side resize or none, BGR minus mean, priors, NMS, integer boxes in the result text."""

    kind: Literal["retinaface"] = Field(description="the family of preprocessing and decode")
    preprocess: RetinaFacePreprocess
    decode: RetinaFaceDecode = Field(default_factory=RetinaFaceDecode)

    output_numbers: ClassVar[tuple[int, ...]] = (2, 1, 0)
    inputs_folder: ClassVar[str] = "prep"
    input_ending: ClassVar[str] = "npy"
    raw_files: ClassVar[bool] = True
    decodes_on_device: ClassVar[bool] = False
