"""What a config may ask of RetinaFace in a letterbox, the recipe of the Vastai page. No arithmetic here."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from pth2map.recipes.settings import Fraction, RecipeSection, Section, Size

Form = Literal["host", "card"]
"""Who decodes: the host in float32, or the compiled graph on the card in float16."""

CardText = Literal["vsx", "npz"]
"""Which published script writes the result: that of the card's Python interface, or that for result ``.npz`` files."""


class LetterboxPreprocess(Section):
    """How an image becomes a letterboxed input."""

    resize: Literal["letterbox", "stretch"] = Field(
        default="letterbox",
        description="letterbox: scale to fit, small images enlarged, and centre; stretch: to the whole input, whatever "
        "that does to its proportions",
    )
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

    def refusal(self, size: Size) -> str | None:
        """Why inputs of ``size`` cannot be had."""
        if size.native:
            return "does not go with recipe.kind: retinaface_letterbox; expected one size for all images"
        return None


class LetterboxDecode(Section):
    """How the outputs of RetinaFace become detections, on the host or on the card."""

    form: Form = Field(
        default="host",
        description="host: priors and NMS in float32, every row; card: what a graph compiled with "
        "`retinaface_nms` gives, the best 300 rows in float16, here computed beside the network",
    )
    confidence_threshold: Fraction = Field(default=0.02, description="a prior needs a face score above this")
    nms_threshold: Fraction = Field(
        default=0.4, description="IoU in pixels of the input, sides counted +1, above which the lesser box goes"
    )
    text: CardText = Field(
        default="vsx",
        description="arithmetic and digits of the result: vsx: float32 boxes with one decimal, scores with three; npz: "
        "float64 boxes with all digits, scores with the digits of their own precision",
    )


class LetterboxSettings(RecipeSection):
    """RetinaFace in a centred letterbox: BGR minus mean, priors and NMS in pixels of the input."""

    kind: Literal["retinaface_letterbox"] = Field(description="the family of preprocessing and decode")
    preprocess: LetterboxPreprocess = Field(default_factory=LetterboxPreprocess)
    decode: LetterboxDecode = Field(default_factory=LetterboxDecode)

    input_ending: ClassVar[str] = "npz"

    def on_card(self) -> Self:
        return self.model_copy(update={"decode": self.decode.model_copy(update={"form": "card"})})

    @property
    def decodes_on_device(self) -> bool:
        return self.decode.form == "card"
