"""A recipe at work: from the words of the config to a preprocess and a decode that compute."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from pydantic import ValidationError

from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.catalogue import RECIPES
from pth2map.recipes.settings import RecipeSettings, RetinaFaceSettings, Size


class Preprocess(Protocol):
    """Before the network; see :class:`pth2map.recipes.retinaface_preprocess.Preprocess` for the meaning of each."""

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Placement]: ...

    def placement(self, height: int, width: int) -> Placement: ...

    def protocol(self) -> list[str]: ...


class Decode(Protocol):
    """After the network; see :class:`pth2map.recipes.retinaface_decode.Decode` for the meaning of each."""

    def __call__(self, outputs: Sequence[np.ndarray], placement: Placement) -> dict[str, np.ndarray]: ...

    def nothing(self) -> dict[str, np.ndarray]: ...

    def output_shapes(self, placement: Placement) -> Mapping[str, tuple[int, ...]]: ...

    def protocol(self) -> list[str]: ...


@dataclass(frozen=True)
class Recipe:
    """A recipe block of the config at a size. Its halves are loaded apart: a stage loads what it uses."""

    settings: RecipeSettings
    size: Size

    @classmethod
    def parse(cls, settings_json: str, size: str) -> "Recipe":
        """From the JSON of ``models.<name>.recipe`` and a size (``"1000"``, ``"native"``)."""
        try:
            return cls(RetinaFaceSettings.model_validate_json(settings_json), Size.parse(size))
        except ValidationError as error:
            raise InputError(f"--recipe is not the JSON of a recipe block: {error.errors()[0]['msg']}") from None
        except ValueError:
            raise InputError(f"--size {size}: expected pixels, WxH or native") from None

    def preprocess(self) -> Preprocess:
        module = importlib.import_module(RECIPES[self.settings.kind].preprocess)
        return cast(Preprocess, module.Preprocess(self.settings.preprocess, self.size))

    def decode(self) -> Decode:
        module = importlib.import_module(RECIPES[self.settings.kind].decode)
        return cast(Decode, module.Decode(self.settings.decode))
