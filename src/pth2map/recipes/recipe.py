"""A recipe at work: from the words of the config to a preprocess and a decode that compute."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pth2map.files.errors import InputError
from pth2map.recipes.catalogue import RECIPES, RecipeSettings
from pth2map.recipes.settings import Size

_SETTINGS: TypeAdapter[RecipeSettings] = TypeAdapter(RecipeSettings)


class Placed(Protocol):
    """Where an image lies on the input: what all kinds of it have. Only the recipe that made it knows the rest."""

    @property
    def height(self) -> int:
        """Pixels of the input."""

    @property
    def width(self) -> int: ...


class Preprocess(Protocol):
    """Before the network; see :class:`pth2map.recipes.retinaface_preprocess.Preprocess` for the meaning of each."""

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Placed]: ...

    def placement(self, height: int, width: int) -> Placed: ...

    def protocol(self) -> list[str]: ...


class Decode(Protocol):
    """After the network; see :class:`pth2map.recipes.retinaface_decode.Decode` for the meaning of each."""

    def device_outputs(self, outputs: Sequence[np.ndarray], placement: Any) -> Sequence[np.ndarray]: ...

    def __call__(self, outputs: Sequence[np.ndarray], placement: Any) -> dict[str, np.ndarray]: ...

    def nothing(self) -> dict[str, np.ndarray]: ...

    def protocol(self) -> list[str]: ...


class WritesTexts(Protocol):
    """A decode of detections that are published as one text for each image, as WIDER FACE's are."""

    def text(self, name: str, boxes: np.ndarray, scores: np.ndarray) -> str: ...


class RawOutputs(Protocol):
    """Tensor files whose outputs are raw arrays, ``<stem>_<number>.bin``."""

    def output_bytes(self, placement: Any) -> dict[int, int]:
        """Bytes of each output file of an image that lies at ``placement``, by its number."""


class TensorFiles(Protocol):
    """What lies between the stages of a route over files, as the vendor's tools of this recipe read and write it.

    ``name`` is ``event/stem``. Every method raises ``InputError`` for files that are not there or not as expected.
    """

    def stem(self, name: str) -> str:
        """What the files of an image are called by."""

    def write_input(self, folder: Path, name: str, image: np.ndarray) -> None:
        """Write the input of an image ``(h, w, 3)`` uint8 BGR, and what else the decode will need of it."""

    def list_inputs(self, folder: Path, names: Sequence[str], place: Path) -> None:
        """Write a list of the inputs in ``folder``, for runners that need one; ``place`` is where it will lie."""

    def places(self, folder: Path, names: Sequence[str]) -> Sequence[int]:
        """The place of each input in the order in which a runner takes them: what outputs may be numbered by."""

    def read_input(self, folder: Path, name: str, placement: Any) -> np.ndarray:
        """What the network gets of the input of an image that lies at ``placement``: ``(3, H, W)`` float32."""

    def write_outputs(self, folder: Path, place: int, name: str, outputs: Sequence[np.ndarray]) -> None:
        """Write what a device hands over for image ``name``, whose input is at ``place``."""

    def read_outputs(
        self, folder: Path, inputs: Path, places: Mapping[str, Any]
    ) -> Iterator[tuple[Placed, list[np.ndarray]]]:
        """Of each image of ``places`` (name → where it lies), in that order, where it lies and the device's outputs."""


@dataclass(frozen=True)
class Recipe:
    """A recipe block of the config at a size. Its parts are loaded apart: a stage loads what it uses."""

    settings: RecipeSettings
    size: Size

    @classmethod
    def parse(cls, settings_json: str, size: str) -> "Recipe":
        """From the JSON of ``models.<name>.recipe`` and a size (``"1000"``, ``"native"``)."""
        try:
            return cls(_SETTINGS.validate_json(settings_json), Size.parse(size))
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

    def of_each_image(self, outputs: Sequence[np.ndarray]) -> Iterator[Sequence[np.ndarray]]:
        """The outputs of a run, image by image, without the batch axis that most networks have."""
        return iter([outputs] if self.settings.one_image else zip(*outputs, strict=True))

    def files(self, raw: bool = False) -> TensorFiles:
        """With ``raw``, of raw pixels: raises ``InputError`` for a recipe that has no such files."""
        if raw and not self.settings.raw_files:
            raise InputError(f"recipe {self.settings.kind} has no tensor files of raw pixels")
        module = importlib.import_module(RECIPES[self.settings.kind].files)
        files = module.RawFiles if raw else module.Files
        return cast(TensorFiles, files(self.preprocess(), self.decode()))
