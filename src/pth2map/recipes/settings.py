"""What the settings of every recipe share. No arithmetic here: the workflow reads settings without an image library."""

from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pth2map.files.errors import InputError, nearest


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


class RecipeSection(Section):
    """A recipe block, and what the workflow asks of its kind, of tensor files above all."""

    one_image: ClassVar[bool] = False
    """Whether the outputs of its networks are of one image, without a batch axis."""
    output_numbers: ClassVar[tuple[int, ...]] = ()
    """Of the raw output files ``<stem>_<number>.bin``, for each output of the network; none: files of another kind."""
    inputs_folder: ClassVar[str] = "."
    """Where the tensor files lie below the folder that the prepare stage writes."""
    input_ending: ClassVar[str] = "bin"
    """Of the tensor files."""
    raw_files: ClassVar[bool] = False
    """Whether there are also tensor files of raw pixels, for a device that subtracts the mean itself."""

    def on_card(self) -> Self:
        """The recipe where a card does its part of it: itself, unless its decode has a form for that."""
        return self


Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


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


class SizedSettings(Protocol):
    """Settings of a preprocessing that cannot give every size."""

    def refusal(self, size: Size) -> str | None:
        """Why it cannot give ``size``, as what follows the word size; None when it can."""


def require_size(settings: SizedSettings, size: Size) -> None:
    """Raise ``InputError`` for a size that the settings refuse."""
    if refusal := settings.refusal(size):
        raise InputError(f"size {size} {refusal}")
