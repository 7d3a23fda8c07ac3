"""Boxes and non-maximum suppression in the pixel-count convention of the face detectors.

A box ``x1, y1, x2, y2`` covers the pixels x1..x2 and y1..y2, both included: a side is ``x2 - x1 + 1`` wide.
"""

import numpy as np

_BLOCK = 32  # boxes taken at once: one by one, the calls cost more than the arithmetic


def nms(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Greedy non-maximum suppression.

    ``boxes`` is ``(N, 4)`` float32 corners in pixels, ``scores`` ``(N,)``. A box goes when its IoU with a better one
    that stays is above ``iou_threshold``; the arithmetic is that of the boxes' dtype, step by step as in the published
    RetinaFace code, so that borderline boxes fall on the same side. Returns the indices kept, int64, by falling score;
    equal scores keep their order of input.

    Raises ``ValueError`` when the lengths differ or a score is not finite.
    """
    if boxes.shape != (len(scores), 4):
        raise ValueError(f"nms: boxes {boxes.shape} and scores {scores.shape} do not belong together")
    if not np.isfinite(scores).all():
        raise ValueError("nms: a score is not finite")
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    table = np.stack([x1, y1, x2, y2, (x2 - x1 + 1) * (y2 - y1 + 1)])
    kept = [np.empty(0, dtype=np.int64)]
    waiting = np.arange(len(order))
    while len(waiting):
        block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
        apart = _iou(table[:, block], table[:, block]) <= iou_threshold
        stays = np.ones(len(block), dtype=bool)
        for row in range(len(block)):
            if stays[row]:
                stays[row + 1 :] &= apart[row, row + 1 :]
        kept.append(block[stays])
        waiting = waiting[(_iou(table[:, kept[-1]], table[:, waiting]) <= iou_threshold).all(axis=0)]
    return order[np.concatenate(kept)]


def _iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU ``(n, m)`` of boxes given as ``(5, n)`` and ``(5, m)``: x1, y1, x2, y2, area."""
    x1, y1, x2, y2, area = boxes[:, :, None]
    width = np.minimum(x2, others[2]) - np.maximum(x1, others[0]) + 1
    height = np.minimum(y2, others[3]) - np.maximum(y1, others[1]) + 1
    overlap = np.maximum(0, width) * np.maximum(0, height)
    iou: np.ndarray = overlap / (area + others[4] - overlap)
    return iou
