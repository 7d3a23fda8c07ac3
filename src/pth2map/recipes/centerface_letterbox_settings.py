"""What a config may ask of CenterFace in a letterbox, the recipe for a Vastai card. No arithmetic here."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pth2map.recipes.centerface_settings import CenterFaceDecode, CenterFacePreprocess
from pth2map.recipes.settings import RecipeSection


class CenterFaceLetterboxPreprocess(CenterFacePreprocess):
    """How an image becomes a letterboxed input of CenterFace."""

    pad: Annotated[int, Field(ge=0, le=255)] = Field(
        default=0, description="grey level that fills the input around the image, before it is normalised"
    )

    recipe: ClassVar[str] = "centerface_letterbox"


class CenterFaceLetterboxSettings(RecipeSection):
    """CenterFace behind a card's letterbox of whole pixels: normalised BGR, the decode of `centerface`."""

    kind: Literal["centerface_letterbox"] = Field(description="the family of preprocessing and decode")
    preprocess: CenterFaceLetterboxPreprocess = Field(default_factory=CenterFaceLetterboxPreprocess)
    decode: CenterFaceDecode = Field(default_factory=CenterFaceDecode)

    input_ending: ClassVar[str] = "npz"
    decodes_on_device: ClassVar[bool] = False
