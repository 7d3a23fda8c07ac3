"""From the words of the config to a recipe that computes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from pydantic import ValidationError

from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.retinaface import RetinaFaceRecipe
from pth2map.recipes.settings import RetinaFaceSettings, Size


class Recipe(Protocol):
    """What every recipe can do; see :class:`pth2map.recipes.retinaface.RetinaFaceRecipe` for the meaning of each."""

    def preprocess(self, image: np.ndarray) -> tuple[np.ndarray, Placement]: ...

    def placement(self, height: int, width: int) -> Placement: ...

    def output_shapes(self, placement: Placement) -> Mapping[str, tuple[int, ...]]: ...

    def decode(self, outputs: Sequence[np.ndarray], placement: Placement) -> dict[str, np.ndarray]: ...

    def protocol(self) -> list[str]: ...


def load_recipe(settings_json: str, size: str) -> Recipe:
    """The recipe of a config leaf (JSON text of ``models.<name>.recipe``) at a size (``"1000"``, ``"native"``)."""
    try:
        settings = RetinaFaceSettings.model_validate_json(settings_json)
    except ValidationError as error:
        raise InputError(f"--recipe is not the JSON of a recipe block: {error.errors()[0]['msg']}") from None
    return RetinaFaceRecipe(settings, Size.parse(size))
