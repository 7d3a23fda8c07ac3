"""What a config may ask of a recipe. No arithmetic here: the workflow reads these without loading an image library."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pth2map.files.errors import nearest


class Section(BaseModel):
    """A block of the config: frozen, nothing unknown in it, every value of exactly its type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, dict):
            allowed = sorted(cls.model_fields)
            for key in value:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key {key}; {advice}",
                        {"key": str(key), "advice": nearest(str(key), allowed)},
                    )
        return value


Fraction = Annotated[float, Field(ge=0, le=1)]


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


class RetinaFaceSettings(Section):
    """RetinaFace: one long-side resize or none, BGR minus mean, priors, NMS, integer boxes in the result text."""

    kind: Literal["retinaface"] = Field(description="the family of preprocessing and decode")
    preprocess: RetinaFacePreprocess
    decode: RetinaFaceDecode = Field(default_factory=RetinaFaceDecode)


RecipeSettings = RetinaFaceSettings


class Size(Section):
    """The input size of a variant: ``1000`` is a square, ``640x480`` width and height, ``native`` the image's own."""

    width: int | None
    height: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"1000"``, ``"640x480"`` or ``"native"``."""
        if text == "native":
            return cls(width=None, height=None)
        width, _, height = text.partition("x")
        return cls(width=int(width), height=int(height or width))

    @property
    def native(self) -> bool:
        return self.width is None

    def __str__(self) -> str:
        if self.native:
            return "native"
        return str(self.width) if self.width == self.height else f"{self.width}x{self.height}"
