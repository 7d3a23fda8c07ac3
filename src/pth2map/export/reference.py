"""What a network gives in PyTorch on real images: what every graph of it is held to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pth2map.files.arrays import read_npz
from pth2map.files.atomic import write_npz
from pth2map.files.errors import InputError


@dataclass(frozen=True)
class Reference:
    """Outputs of each of ``images`` (``event/stem``), in the network's order, and what was loaded from the weights."""

    images: tuple[str, ...]
    outputs: tuple[tuple[np.ndarray, ...], ...]
    weights: Mapping[str, Any]

    def save(self, path: Path) -> None:
        arrays = {
            f"{image}_{number}": output
            for image, outputs in enumerate(self.outputs)
            for number, output in enumerate(outputs)
        }
        write_npz(path, images=np.array(self.images), weights=np.array(json.dumps(self.weights)), **arrays)

    @classmethod
    def load(cls, path: Path, outputs: Sequence[str]) -> Self:
        """Read what :meth:`save` wrote of a network with these outputs. Raises ``InputError`` for another file."""
        arrays = read_npz(path, ["images", "weights"])
        names = tuple(map(str, arrays["images"]))
        try:
            found = tuple(tuple(arrays[f"{i}_{n}"] for n in range(len(outputs))) for i in range(len(names)))
            weights = json.loads(str(arrays["weights"]))
        except (KeyError, ValueError):
            raise InputError(f"{path}: not the outputs {', '.join(outputs)} of its images; make it again") from None
        return cls(names, found, weights)
