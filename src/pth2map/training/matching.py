"""Which prior learns which face, as in the training of the published RetinaFace (biubug6/Pytorch_Retinaface)."""

from dataclasses import dataclass

import numpy as np

from pth2map.geometry.priors import encode_boxes, encode_landmarks

MATCHED_IOU = 0.35
"""A prior that overlaps a face at least so much learns it; one below is background, with nothing in between."""
FORCED_IOU = 0.2
"""A face whose best prior overlaps it less is too small to be learnt; of any other the best prior learns it."""

_BLOCK = 8  # faces taken at once, so that the table of overlaps stays in the cache


@dataclass(frozen=True, eq=False)
class Targets:
    """What k priors of an image learn."""

    rows: np.ndarray
    """``(k,)`` int64, numbers of the priors, rising."""
    landmarked: np.ndarray
    """``(k,)`` bool: whether the face has landmarks to learn."""
    loc: np.ndarray
    """``(k, 4)`` float32, encoded boxes."""
    landms: np.ndarray
    """``(k, 10)`` float32, encoded landmarks; without meaning where there are none."""


def match(faces: np.ndarray, priors: np.ndarray) -> Targets:
    """What each prior learns of an image.

    ``faces`` is ``(n, 15)`` float32: corners x1, y1, x2, y2 and five landmarks, as fractions of the image, and a
    label: 1, or -1 for a face without landmarks; ``priors`` is ``(P, 4)`` float32 centre and size.
    """
    truth, positive = assign(faces, priors)
    rows = np.flatnonzero(positive)
    chosen, anchors = faces[truth[rows]], priors[rows]
    return Targets(
        rows,
        chosen[:, 14] > 0,
        encode_boxes(chosen[:, :4], anchors),
        encode_landmarks(chosen[:, 4:14].reshape(-1, 5, 2), anchors),
    )


def assign(faces: np.ndarray, priors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face of each prior ``(P,)`` int64, and whether the prior learns it ``(P,)`` bool.

    As published, each face takes over its best prior, a face too small to be learnt too: where that prior also is the
    best of a larger face, it learns the small one. Of several such faces the last has it.
    """
    truth = np.zeros(len(priors), dtype=np.int64)
    overlap = np.zeros(len(priors), dtype=np.float32)
    if not len(faces):
        return truth, np.zeros(len(priors), dtype=bool)
    best = np.empty(len(faces), dtype=np.int64)
    best_overlap = np.empty(len(faces), dtype=np.float32)
    columns = _columns(priors)
    for start in range(0, len(faces), _BLOCK):
        block = slice(start, start + _BLOCK)
        iou = _iou(faces[block, :4], columns)
        best[block] = iou.argmax(axis=1)
        best_overlap[block] = iou.max(axis=1)
        nearest = iou.argmax(axis=0)
        found = iou.max(axis=0)
        better = found > overlap
        truth[better] = start + nearest[better]
        overlap[better] = found[better]
    learnable = best_overlap >= FORCED_IOU
    if not learnable.any():
        return np.zeros_like(truth), np.zeros(len(priors), dtype=bool)
    overlap[best[learnable]] = 2.0
    truth[best] = np.arange(len(faces))
    return truth, overlap >= np.float32(MATCHED_IOU)


def _columns(priors: np.ndarray) -> tuple[np.ndarray, ...]:
    """Corners x1, y1, x2, y2 and areas of the priors, ``(P,)`` each."""
    low, high = priors[:, :2] - priors[:, 2:] / 2, priors[:, :2] + priors[:, 2:] / 2
    sides = high - low
    return low[:, 0].copy(), low[:, 1].copy(), high[:, 0].copy(), high[:, 1].copy(), sides[:, 0] * sides[:, 1]


def _iou(corners: np.ndarray, columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """IoU ``(n, P)`` of boxes ``(n, 4)`` with the priors; sides are counted without +1."""
    left, top, right, bottom, area = columns
    x1, y1, x2, y2 = corners.T[..., None]
    width: np.ndarray = np.minimum(right, x2)
    width -= np.maximum(left, x1)
    np.maximum(width, 0, out=width)
    height = np.minimum(bottom, y2)
    height -= np.maximum(top, y1)
    np.maximum(height, 0, out=height)
    width *= height
    union = area + (x2 - x1) * (y2 - y1)
    union -= width
    width /= union
    return width
