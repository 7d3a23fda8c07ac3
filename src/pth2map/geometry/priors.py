"""Priors of the RetinaFace family, and the boxes and landmarks encoded against them.

Numbers from the published RetinaFace configuration: three levels, two square priors a cell.
"""

from functools import lru_cache

import numpy as np

STEPS = (8, 16, 32)
MIN_SIZES = ((16, 32), (64, 128), (256, 512))
VARIANCES = (0.1, 0.2)


@lru_cache(maxsize=8)
def retinaface_priors(height: int, width: int) -> np.ndarray:
    """Priors of an input of ``height`` × ``width`` pixels: ``(P, 4)`` float32 centre x, centre y, width, height.

    All four are fractions of the input, computed in float64 and rounded once; priors at the right and lower edge may
    reach beyond 1. Order: level, row, column, size. The array is shared and read-only.
    """
    levels = []
    for step, sizes in zip(STEPS, MIN_SIZES, strict=True):
        rows, columns = -(-height // step), -(-width // step)
        level = np.empty((rows, columns, len(sizes), 4))
        level[..., 0] = ((np.arange(columns) + 0.5) * step / width)[None, :, None]
        level[..., 1] = ((np.arange(rows) + 0.5) * step / height)[:, None, None]
        level[..., 2] = np.array(sizes) / width
        level[..., 3] = np.array(sizes) / height
        levels.append(level.reshape(-1, 4))
    priors = np.concatenate(levels).astype(np.float32)
    priors.setflags(write=False)
    return priors


def retinaface_prior_count(height: int, width: int) -> int:
    """Number of priors of an input of ``height`` × ``width`` pixels.

    >>> retinaface_prior_count(1000, 1000)
    41236
    """
    return sum(-(-height // step) * -(-width // step) * len(s) for step, s in zip(STEPS, MIN_SIZES, strict=True))


def decode_boxes(loc: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Encoded boxes ``(N, 4)`` float32 → corners x1, y1, x2, y2 ``(N, 4)`` float32, fractions of the input."""
    centre = priors[:, :2] + loc[:, :2] * np.float32(VARIANCES[0]) * priors[:, 2:]
    size = priors[:, 2:] * np.exp(loc[:, 2:] * np.float32(VARIANCES[1]))
    top_left = centre - size / 2
    return np.concatenate([top_left, top_left + size], axis=1)


def decode_landmarks(landms: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Encoded landmarks ``(N, 10)`` float32 → five points ``(N, 5, 2)`` x, y float32, fractions of the input."""
    offsets = landms.reshape(-1, 5, 2) * np.float32(VARIANCES[0])
    points: np.ndarray = priors[:, None, :2] + offsets * priors[:, None, 2:]
    return points


def encode_boxes(corners: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """What :func:`decode_boxes` reverses: ``(N, 4)`` float32 corners → ``(N, 4)`` float32, each against its prior."""
    centre = ((corners[:, :2] + corners[:, 2:]) / 2 - priors[:, :2]) / (np.float32(VARIANCES[0]) * priors[:, 2:])
    size = np.log((corners[:, 2:] - corners[:, :2]) / priors[:, 2:]) / np.float32(VARIANCES[1])
    return np.concatenate([centre, size], axis=1)


def encode_landmarks(points: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """What :func:`decode_landmarks` reverses: five points ``(N, 5, 2)`` float32 → ``(N, 10)`` float32."""
    offsets: np.ndarray = (points - priors[:, None, :2]) / (np.float32(VARIANCES[0]) * priors[:, None, 2:])
    return offsets.reshape(-1, 10)
