"""What becomes of faults in labelled faces, kind by kind. No arithmetic here."""

from typing import Literal, Self

from pydantic import Field, ValidationError

from pth2map.files.errors import InputError
from pth2map.recipes.settings import Section


class Faults(Section):
    """Each kind of fault that labelled faces can have: refused by default, so that nobody trains on it unknowingly."""

    empty_box: Literal["refuse", "drop"] = Field(
        default="refuse", description="a box of no width or no height; drop leaves the face out"
    )
    outside: Literal["refuse", "clip", "keep"] = Field(
        default="refuse",
        description="a box or a landmark that reaches beyond its image; clip moves what is outside to the edge, keep "
        "takes it as it is",
    )
    no_faces: Literal["refuse", "drop"] = Field(
        default="refuse", description="an image without a face, or with none that stays; drop leaves the image out"
    )
    unreadable: Literal["refuse", "drop"] = Field(
        default="refuse", description="an image that is missing, empty, truncated or broken; drop leaves it out"
    )
    short_line: Literal["refuse", "drop"] = Field(
        default="refuse",
        description="a line of a face with another number of columns than the others, or with what is no number; drop "
        "leaves the face out",
    )

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the JSON of ``datasets.<name>.training.faults``. Raises ``InputError`` for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f" {key}:" for key in first["loc"])
            raise InputError(f"--faults is not the JSON of such a block:{where} {first['msg']}") from None
