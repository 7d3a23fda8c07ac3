"""Tensor files of CenterFace as its Ascend page lays them out.

Inputs: ``<stem>.bin``, raw float32 ``(1, 3, H, W)`` in C order. Outputs: raw float32 ``<stem>_0.bin`` to
``<stem>_3.bin``, in the network's order. Where an image lies on its input follows from its size: nothing is kept of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pth2map.geometry.affine import AffinePlacement
from pth2map.recipes.centerface_decode import Decode
from pth2map.recipes.centerface_preprocess import Preprocess
from pth2map.recipes.centerface_settings import CenterFaceSettings
from pth2map.recipes.tensor_files import raw_output_bytes, read_raw, read_raw_outputs, stem_of, write_raw_outputs

NUMBERS = CenterFaceSettings.output_numbers


@dataclass(frozen=True)
class Files:
    """The files of a shard; :class:`pth2map.recipes.recipe.TensorFiles` says what each method is for."""

    preprocess: Preprocess
    decode: Decode

    stem = staticmethod(stem_of)

    def write_input(self, folder: Path, name: str, image: np.ndarray) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem_of(name)}.bin").write_bytes(self.preprocess(image)[0].tobytes())

    def list_inputs(self, folder: Path, names: Sequence[str], place: Path) -> None:
        """Nothing: runners take the folder."""

    def places(self, folder: Path, names: Sequence[str]) -> Sequence[int]:
        return range(len(names))

    def read_input(self, folder: Path, name: str, placement: AffinePlacement) -> np.ndarray:
        path = folder / f"{stem_of(name)}.bin"
        shape = (3, placement.height, placement.width)
        return read_raw(path, shape, f"an input {shape}", "run the prepare stage again")

    def write_outputs(self, folder: Path, place: int, name: str, outputs: Sequence[np.ndarray]) -> None:
        write_raw_outputs(folder, name, NUMBERS, outputs)

    def output_bytes(self, placement: AffinePlacement) -> dict[int, int]:
        return raw_output_bytes(NUMBERS, self.decode.output_shapes(placement))

    def read_outputs(
        self, folder: Path, inputs: Path, places: Mapping[str, AffinePlacement]
    ) -> Iterator[tuple[AffinePlacement, list[np.ndarray]]]:
        for name, placement in places.items():
            yield placement, read_raw_outputs(folder, name, NUMBERS, self.decode.output_shapes(placement))
