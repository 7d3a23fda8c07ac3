"""Tensor files of RetinaMask as its Ascend page lays them out.

Inputs: ``<stem>.bin``, raw float32 ``(1, 3, S, S)`` in C order, and ``retinamask_coco2017.info``, the list of them that
the page's scripts read. Outputs: raw ``<stem>_0.bin`` boxes, float32, ``<stem>_1.bin`` labels, int32, ``<stem>_2.bin``
scores and ``<stem>_3.bin`` masks, float32. Where an image lies on its input follows from its size.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pth2map.files.atomic import write_text
from pth2map.files.errors import InputError
from pth2map.geometry.corner import CornerPlacement
from pth2map.recipes.retinamask_decode import OUTPUTS, Decode
from pth2map.recipes.retinamask_preprocess import Preprocess
from pth2map.recipes.retinamask_settings import RetinaMaskSettings
from pth2map.recipes.tensor_files import raw_output_bytes, read_raw, read_raw_outputs, stem_of, write_raw_outputs

INFO = "retinamask_coco2017.info"
NUMBERS = RetinaMaskSettings.output_numbers
DTYPES = [dtype for dtype, _ in OUTPUTS.values()]


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
        """The list has a line ``<index> <path> <width> <height>`` for each input, in the order of ``names``.

        The page's script takes the order of a directory listing. Raises ``InputError`` for a path with a blank in it,
        at which the readers of such a list would cut it.
        """
        size = self.preprocess.size
        paths = [str(place / f"{stem_of(name)}.bin") for name in names]
        if broken := next((path for path in paths if path.split() != [path]), None):
            raise InputError(
                f"{folder / INFO}: cannot list {broken!r}, a blank ends a path there; move the inputs to a folder "
                "without blanks, or use route: stream"
            )
        lines = [f"{index} {path} {size.width} {size.height}\n" for index, path in enumerate(paths)]
        write_text(folder / INFO, "".join(lines))

    def places(self, folder: Path, names: Sequence[str]) -> Sequence[int]:
        return range(len(names))

    def read_input(self, folder: Path, name: str, placement: CornerPlacement) -> np.ndarray:
        path = folder / f"{stem_of(name)}.bin"
        shape = (3, placement.height, placement.width)
        return read_raw(path, shape, f"an input {shape}", "run the prepare stage again")

    def write_outputs(self, folder: Path, place: int, name: str, outputs: Sequence[np.ndarray]) -> None:
        write_raw_outputs(folder, name, NUMBERS, outputs, DTYPES)

    def output_bytes(self, placement: CornerPlacement) -> dict[int, int]:
        return raw_output_bytes(NUMBERS, self.decode.output_shapes(placement), DTYPES)

    def read_outputs(
        self, folder: Path, inputs: Path, places: Mapping[str, CornerPlacement]
    ) -> Iterator[tuple[CornerPlacement, list[np.ndarray]]]:
        for name, placement in places.items():
            shapes = self.decode.output_shapes(placement)
            yield placement, read_raw_outputs(folder, name, NUMBERS, shapes, DTYPES)
