"""Tensor files of CenterFace on a Vastai card: :mod:`card_files <pth2map.recipes.card_files>` with maps as outputs.

A graph without post-processing hands over its four maps, ``output_0`` to ``output_3`` in the network's order. The
card's are float16 and may have the axis of a batch of one, ``(1, c, h, w)``; those of a runtime of our own process are
the float32 maps ``(c, h, w)`` that it computed. Every float16 is a float32 too: both are read as that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.card_files import CardFiles
from pth2map.recipes.centerface_decode import Decode


@dataclass(frozen=True)
class Files(CardFiles):
    """The files of a shard; :class:`pth2map.recipes.recipe.TensorFiles` says what each method is for."""

    decode: Decode

    outputs = ("output_0", "output_1", "output_2", "output_3")

    def read_outputs(
        self, folder: Path, inputs: Path, places: Mapping[str, Letterbox]
    ) -> Iterator[tuple[Letterbox, list[np.ndarray]]]:
        for placement, outputs in super().read_outputs(folder, inputs, places):
            yield placement, [_map(output) for output in outputs]


def _map(output: np.ndarray) -> np.ndarray:
    """``(c, h, w)`` float32; of any other shape or dtype it stays what it is, for the decode to refuse."""
    if output.ndim == 4 and len(output) == 1:
        output = output[0]
    return output.astype(np.float32) if output.dtype == np.float16 else output
