"""A batch of images with what their priors learn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pth2map.training.augment import FILL_BGR
from pth2map.training.matching import Targets


@dataclass(frozen=True, eq=False)
class Batch:
    """B images of side S with what K of their B · P priors learn."""

    images: Tensor
    """``(B, S, S, 3)`` uint8 BGR."""
    counts: tuple[int, ...]
    """Of each image, how many priors learn a face."""
    positives: Tensor
    """``(K,)`` int64, row of each such prior among all of the batch."""
    loc: Tensor
    """``(K, 4)`` float32."""
    landmarked: Tensor
    """``(L,)`` int64, rows of those that have landmarks to learn."""
    landms: Tensor
    """``(L, 10)`` float32."""

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return self._moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same in memory that a device reads by itself; called by the loader."""
        return self._moved(lambda tensor: tensor.pin_memory())

    def _moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        tensors: dict[str, Any] = {name: move(value) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def inputs(self) -> Tensor:
        """``(B, 3, S, S)`` float32 BGR minus mean, its channels innermost in memory."""
        count, height, width, channels = self.images.shape
        rows = self.images.view(count, height, width * channels).float()
        # A whole row at a time: torch is slow where the last dimension is short.
        rows -= torch.tensor(FILL_BGR, dtype=torch.float32, device=rows.device).repeat(width)
        return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


def collate(samples: Sequence[tuple[np.ndarray, Targets]], priors: int) -> Batch:
    """One batch of images that have ``priors`` priors each."""
    targets = [target for _, target in samples]
    rows = [target.rows + number * priors for number, target in enumerate(targets)]
    landmarked = [where[target.landmarked] for where, target in zip(rows, targets, strict=True)]
    landms = [target.landms[target.landmarked] for target in targets]
    return Batch(
        images=torch.from_numpy(np.stack([image for image, _ in samples])),
        counts=tuple(len(target.rows) for target in targets),
        positives=torch.from_numpy(np.concatenate(rows)),
        loc=torch.from_numpy(np.concatenate([target.loc for target in targets])),
        landmarked=torch.from_numpy(np.concatenate(landmarked)),
        landms=torch.from_numpy(np.concatenate(landms)),
    )
