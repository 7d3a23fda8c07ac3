"""``retinaface_nms``, which vamc puts behind a RetinaFace: priors, decode, threshold and NMS on the card."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROWS = 300
_END = np.float16(-1)
_STEPS = (8, 16, 32)
_VARIANCES = np.array([0.1, 0.2], np.float32)
SIZES = 2 * len(_STEPS)
"""Number of priors' sizes: two for each step."""


@dataclass(frozen=True)
class RetinaFaceNms:
    """One class of faces; ``anchor`` are the six sizes of priors in pixels of the input, two for each step."""

    nms_threshold: float
    confidence_threshold: float
    anchor: tuple[int, ...]

    def __call__(self, outputs: Sequence[np.ndarray], height: int, width: int) -> list[np.ndarray]:
        """``outputs`` are (1, P, 4) boxes, (1, P, 2) class scores, (1, P, 10) points, float32, of one picture.

        Gives (1, 300, 1) scores by falling score, (1, 300, 4) corners and (1, 300, 10) points in pixels of the input
        of ``height`` × ``width``, float16, -1 in all three where there are no more rows.
        """
        loc, conf, landms = (output[0] for output in outputs)
        above = np.flatnonzero(conf[:, 1] > np.float32(self.confidence_threshold))
        above = above[np.argsort(-conf[above, 1], kind="stable")]
        loc, scores, landms = loc[above], conf[above, 1], landms[above]
        priors, pixels = self.priors(height, width)[above], np.array([width, height], np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # infinite in float16, and so on the card
            sides = priors[:, 2:] * np.exp(loc[:, 2:] * _VARIANCES[1])
            least = priors[:, :2] + loc[:, :2] * _VARIANCES[0] * priors[:, 2:] - sides / 2
            corners = np.concatenate([least, least + sides], axis=1) * np.tile(pixels, 2)
            offsets = landms.reshape(-1, 5, 2) * _VARIANCES[0] * priors[:, None, 2:]
            points = ((priors[:, None, :2] + offsets) * pixels).reshape(-1, 10)
            kept = _suppress(corners, self.nms_threshold)
            found = [values[kept].astype(np.float16) for values in (scores[:, None], corners, points)]
        rows = []
        for values in found:
            filled = np.full((1, ROWS, values.shape[1]), _END)
            filled[0, : len(kept)] = values
            rows.append(filled)
        return rows

    def priors(self, height: int, width: int) -> np.ndarray:
        """(P, 4) float32 centre x, y, width, height, in parts of the input; by step, row, column, size."""
        levels = []
        for number, step in enumerate(_STEPS):
            y, x, size = np.meshgrid(
                (np.arange(-(-height // step)) + 0.5) * step,
                (np.arange(-(-width // step)) + 0.5) * step,
                self.anchor[2 * number : 2 * number + 2],
                indexing="ij",
            )
            levels.append(np.stack([x / width, y / height, size / width, size / height], axis=-1).reshape(-1, 4))
        return np.concatenate(levels).astype(np.float32)


def _suppress(corners: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the best 300 of corners by falling score that no better one overlaps; a side has its last pixel."""
    areas = (corners[:, 2] - corners[:, 0] + 1) * (corners[:, 3] - corners[:, 1] + 1)
    waiting, kept = np.arange(len(corners)), list[int]()
    while len(waiting) and len(kept) < ROWS:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        least = np.maximum(corners[best, :2], corners[waiting, :2])
        most = np.minimum(corners[best, 2:], corners[waiting, 2:])
        common = np.maximum(0, most - least + 1).prod(axis=1)
        waiting = waiting[common / (areas[best] + areas[waiting] - common) <= threshold]
    return np.array(kept, dtype=np.int64)
