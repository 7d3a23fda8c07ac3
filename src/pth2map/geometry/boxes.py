"""Boxes and non-maximum suppression in the pixel-count convention of the face detectors.

A box ``x1, y1, x2, y2`` covers the pixels x1..x2 and y1..y2, both included: a side is ``x2 - x1 + 1`` wide.
"""

import numpy as np


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
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    kept = []
    alive = np.arange(len(order))
    while len(alive):
        best, alive = alive[0], alive[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[alive]) - np.maximum(x1[best], x1[alive]) + 1
        height = np.minimum(y2[best], y2[alive]) - np.maximum(y1[best], y1[alive]) + 1
        overlap = np.maximum(0, width) * np.maximum(0, height)
        iou = overlap / (areas[best] + areas[alive] - overlap)
        alive = alive[iou <= iou_threshold]
    return order[np.array(kept, dtype=np.int64)]
