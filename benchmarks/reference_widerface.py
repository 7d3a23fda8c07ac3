"""The WIDER FACE evaluator step by step, in the published order of operations: slow and plain.

Tests and the benchmark compare :func:`pth2map.evaluation.widerface.evaluate` with it. It follows the behaviour of
``widerface_evaluate`` in biubug6/Pytorch_Retinaface (MIT), quirks included.
"""

import numpy as np

from pth2map.datasets.widerface import SUBSETS, GroundTruth
from pth2map.recipes.detections import Detections

STEPS = 1000


def reference_evaluate(
    detections: Detections, ground_truth: GroundTruth, iou_threshold: float, skip_missing: bool = False
) -> dict[str, tuple[float, np.ndarray]]:
    """AP and curve ``(1000, 2)`` of each subset; ``skip_missing`` leaves images without detections out."""
    tables = normalised_tables(detections)
    faces = np.split(ground_truth.boxes, ground_truth.offsets[1:-1])
    results = {}
    for subset in SUBSETS:
        counted = np.split(ground_truth.counted[subset], ground_truth.offsets[1:-1])
        total, sums = 0, np.zeros((STEPS, 2))
        for name, boxes, counts in zip(ground_truth.names, faces, counted, strict=True):
            if name not in tables and skip_missing:
                continue
            rows = tables[name]
            total += int(counts.sum())
            if len(rows) and len(boxes):
                sums += image_sums(rows[:, 4], *match(rows, boxes, counts, iou_threshold))
        results[subset] = curve_and_ap(sums, total)
    return results


def normalised_tables(detections: Detections) -> dict[str, np.ndarray]:
    """Rows ``(n, 5)`` x, y, w, h, score of each image, scores normalised over all of them in file order."""
    rows = np.concatenate([detections.boxes, detections.scores[:, None]], axis=1)
    tables = dict(zip(detections.names, np.split(rows, detections.offsets[1:-1]), strict=True))
    tables = dict(sorted(tables.items(), key=lambda item: (item[0] + ".txt").split("/")))
    highest, lowest = 0.0, 1.0
    for table in tables.values():
        if len(table):
            highest = max(np.max(table[:, 4]), highest)
            lowest = min(np.min(table[:, 4]), lowest)
    with np.errstate(all="ignore"):
        for table in tables.values():
            table[:, 4] = (table[:, 4] - lowest) / (np.float64(highest) - lowest)
    return tables


def corners(boxes: np.ndarray) -> np.ndarray:
    """``(n, 4)`` x, y, w, h → x1, y1, x2, y2."""
    with np.errstate(all="ignore"):
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def overlaps(rows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU ``(n, m)`` of boxes ``(n, 4)`` and ``(m, 4)`` given as x1, y1, x2, y2, every side counted +1."""
    with np.errstate(all="ignore"):
        x1, y1, x2, y2 = rows[:, None, :4].transpose(2, 0, 1)
        u1, v1, u2, v2 = boxes[None].transpose(2, 0, 1)
        width = np.minimum(x2, u2) - np.maximum(x1, u1) + 1
        height = np.minimum(y2, v2) - np.maximum(y1, v1) + 1
        shared = width * height
        iou = shared / ((x2 - x1 + 1) * (y2 - y1 + 1) + (u2 - u1 + 1) * (v2 - v1 + 1) - shared)
        return np.where((width > 0) & (height > 0), iou, 0.0)


def match(
    rows: np.ndarray, boxes: np.ndarray, counts: np.ndarray, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each row of an image whether it is a proposal, and how many counted faces were found up to it."""
    iou = overlaps(corners(rows[:, :4]), corners(boxes))
    found = np.zeros(len(boxes), dtype=bool)
    is_proposal, found_so_far = np.ones(len(rows), dtype=bool), np.zeros(len(rows))
    for row, row_iou in enumerate(iou):
        best = int(row_iou.argmax())
        if row_iou[best] >= iou_threshold:
            if counts[best]:
                found[best] = True
            else:
                is_proposal[row] = False
        found_so_far[row] = np.count_nonzero(found)
    return is_proposal, found_so_far


def image_sums(scores: np.ndarray, is_proposal: np.ndarray, found_so_far: np.ndarray) -> np.ndarray:
    """Proposals and faces found of one image at every threshold ``(1000, 2)``."""
    sums = np.zeros((STEPS, 2))
    for step in range(STEPS):
        reaching = np.where(scores >= 1 - (step + 1) / STEPS)[0]
        if len(reaching):
            last = reaching[-1]
            sums[step] = np.count_nonzero(is_proposal[: last + 1]), found_so_far[last]
    return sums


def curve_and_ap(sums: np.ndarray, total: int) -> tuple[float, np.ndarray]:
    with np.errstate(all="ignore"):
        curve = np.stack([sums[:, 1] / sums[:, 0], sums[:, 1] / np.float64(total)], axis=1)
    recall = [0.0, *curve[:, 1].tolist(), 1.0]
    precision = [0.0, *curve[:, 0].tolist(), 0.0]
    for step in range(len(precision) - 1, 0, -1):
        precision[step - 1] = float(np.maximum(precision[step - 1], precision[step]))
    area = 0.0
    for step in range(len(recall) - 1):
        if recall[step + 1] != recall[step]:
            area += (recall[step + 1] - recall[step]) * precision[step + 1]
    return area, curve
