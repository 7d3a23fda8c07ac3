"""Tensor files of RetinaFace as the Ascend pages lay them out.

Inputs: ``prep/<stem>.npy``, ``(1, 3, H, W)`` float32 in C order, and ``prep_info/<event>/<stem>.bin``, the scale as
four bytes float32. Outputs: raw float32 ``<stem>_0.bin`` landmarks, ``<stem>_1.bin`` scores, ``<stem>_2.bin`` boxes:
the numbering of the published scripts. The page's sibling for ``atc`` leaves the mean to the card
and has raw pixels in ``prep/<stem>.bin``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.retinaface_decode import Decode
from pth2map.recipes.retinaface_preprocess import Preprocess
from pth2map.recipes.retinaface_settings import RetinaFaceSettings
from pth2map.recipes.tensor_files import raw_output_bytes, read_raw, read_raw_outputs, stem_of, write_raw_outputs

NUMBERS = RetinaFaceSettings.output_numbers


@dataclass(frozen=True)
class Files:
    """The files of a shard; :class:`pth2map.recipes.recipe.TensorFiles` says what each method is for."""

    preprocess: Preprocess
    decode: Decode

    stem = staticmethod(stem_of)

    def write_input(self, folder: Path, name: str, image: np.ndarray) -> None:
        tensor, placement = self.preprocess(image)
        (folder / "prep").mkdir(parents=True, exist_ok=True)
        np.save(folder / "prep" / f"{stem_of(name)}.npy", tensor[None], allow_pickle=False)
        _write_scale(folder, name, placement.scale)

    def list_inputs(self, folder: Path, names: Sequence[str], place: Path) -> None:
        """Nothing: runners take the folder."""

    def places(self, folder: Path, names: Sequence[str]) -> Sequence[int]:
        return range(len(names))

    def read_input(self, folder: Path, name: str, placement: Placement) -> np.ndarray:
        path = folder / "prep" / f"{stem_of(name)}.npy"
        try:
            tensor: np.ndarray = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: not a readable .npy file ({error}); run the prepare stage again") from None
        expected = (1, 3, placement.height, placement.width)
        if tensor.dtype != np.float32 or tensor.shape != expected:
            raise InputError(f"{path}: holds {tensor.dtype} {tensor.shape}, expected float32 {expected}")
        first: np.ndarray = tensor[0]
        return first

    def write_outputs(self, folder: Path, place: int, name: str, outputs: Sequence[np.ndarray]) -> None:
        write_raw_outputs(folder, name, NUMBERS, outputs)

    def output_bytes(self, placement: Placement) -> dict[int, int]:
        return raw_output_bytes(NUMBERS, self.decode.output_shapes(placement))

    def read_outputs(
        self, folder: Path, inputs: Path, places: Mapping[str, Placement]
    ) -> Iterator[tuple[Placement, list[np.ndarray]]]:
        """The scale that was kept for each, which the published decode takes, must be that of the image's size."""
        for name, placement in places.items():
            _check_scale(inputs, name, placement.scale)
            yield placement, read_raw_outputs(folder, name, NUMBERS, self.decode.output_shapes(placement))


@dataclass(frozen=True)
class RawFiles(Files):
    """As :class:`Files` for a device that subtracts the mean: ``prep/<stem>.bin``, ``(1, H, W, 3)`` uint8 BGR."""

    def write_input(self, folder: Path, name: str, image: np.ndarray) -> None:
        pixels, placement = self.preprocess.raw(image)
        (folder / "prep").mkdir(parents=True, exist_ok=True)
        (folder / "prep" / f"{stem_of(name)}.bin").write_bytes(pixels.tobytes())
        _write_scale(folder, name, placement.scale)

    def read_input(self, folder: Path, name: str, placement: Placement) -> np.ndarray:
        path = folder / "prep" / f"{stem_of(name)}.bin"
        shape = (placement.height, placement.width, 3)
        pixels = read_raw(path, shape, f"raw pixels {shape}", "run the prepare stage again", np.uint8)
        return self.preprocess.minus_mean(pixels)


def _write_scale(folder: Path, name: str, scale: np.float32) -> None:
    path = folder / "prep_info" / f"{name}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.float32(scale).tobytes())


def _check_scale(folder: Path, name: str, expected: np.float32) -> None:
    path = folder / "prep_info" / f"{name}.bin"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the prepare stage again") from None
    if len(content) != 4:
        raise InputError(f"{path}: {len(content)} bytes, expected the 4 of one float32; run the prepare stage again")
    scale = np.float32(np.frombuffer(content, dtype="<f4")[0])
    if scale != expected:
        raise InputError(f"{path}: holds {scale}, expected {expected}; run the prepare stage again")
