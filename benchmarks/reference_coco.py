"""COCO's figures as pycocotools computes them."""

import contextlib
import copy
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def reference_evaluate(
    annotations: Mapping[str, Any], records: Sequence[Mapping[str, Any]], kind: str
) -> dict[str, float | None]:
    """The twelve figures of ``kind``, ``bbox`` or ``segm``; None for its -1. What it is given is left as it is."""
    return figures(*prepared(copy.deepcopy(dict(annotations)), copy.deepcopy(list(records))), kind)


def prepared(annotations: dict[str, Any], records: list[dict[str, Any]]) -> tuple[COCO, COCO]:
    """What :func:`figures` wants; both sides are changed on the way."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations
        truth.createIndex()
        return truth, truth.loadRes(records)


def figures(truth: COCO, found: COCO, kind: str) -> dict[str, float | None]:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(truth, found, kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return {name: None if value == -1 else float(value) for name, value in zip(NAMES, evaluator.stats, strict=True)}
