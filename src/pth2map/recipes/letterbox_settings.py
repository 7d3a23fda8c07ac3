"""What a config may ask of RetinaFace in a letterbox, with the decode on the card. No arithmetic here."""

from typing import Annotated, Literal

from pydantic import Field

from pth2map.recipes.settings import Fraction, Section

CardText = Literal["vsx", "npz"]
"""Which published script writes the result: that of the card's Python interface, or that for result ``.npz`` files."""


class LetterboxPreprocess(Section):
    """How an image becomes a letterboxed input."""

    even_sizes: bool = Field(
        default=False,
        description="resize an odd height or width to the next lower even one first, as the card's Python script does; "
        "the route over `.npz` files does not",
    )
    pad: Annotated[int, Field(ge=0, le=255)] | Literal["mean"] = Field(
        default=0,
        description="what fills the input around the image, before the mean is subtracted: a grey level, or `mean` for "
        "the colour `mean_bgr`, which becomes 0",
    )
    mean_bgr: tuple[float, float, float] = Field(
        default=(104.0, 117.0, 123.0),
        strict=False,
        description="subtracted from blue, green, red; the pixels are 0 to 255 and BGR",
    )


class CardDecode(Section):
    """What the card does with the network's outputs, and how its rows become detections."""

    confidence_threshold: Fraction = Field(default=0.02, description="a prior needs a face score above this")
    nms_threshold: Fraction = Field(default=0.4, description="IoU above which the lesser box goes")
    text: CardText = Field(
        description="arithmetic and digits of the result: vsx: float32 boxes with one decimal, scores with three; npz: "
        "float64 boxes with all digits, scores with the digits of their float16"
    )


class LetterboxSettings(Section):
    """RetinaFace in a centred letterbox: BGR minus mean; priors, NMS and the best 300 on the card."""

    kind: Literal["retinaface_letterbox"] = Field(description="the family of preprocessing and decode")
    preprocess: LetterboxPreprocess = Field(default_factory=LetterboxPreprocess)
    decode: CardDecode
