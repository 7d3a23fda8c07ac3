"""The WIDER FACE evaluator beside the step-by-step reference, on a published result set of 297,333 boxes."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from harness import Figure, Result, Table, mirror
from reference_widerface import reference_evaluate

from pth2map.datasets.widerface import GroundTruth, read_ground_truth
from pth2map.evaluation.widerface import evaluate
from pth2map.recipes.detections import Detections, read_texts, write_texts

T = TypeVar("T")
TIMES_OURS = 3


def measure(rounds: int, images: int | None = None) -> Result:
    """CPU seconds of the reference over ours, from arrays to three APs, on the first ``images`` (default: all).

    Raises ``AssertionError`` when the APs differ by more than rounding.
    """
    folder = mirror() / "widerface-ground-truth"
    detections, ground_truth = _published_detections(images), read_ground_truth(folder)
    ground_truth = ground_truth.subset(detections.names) if images else ground_truth
    seconds: dict[str, list[float]] = {}

    def timed(what: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        seconds.setdefault(what, []).append(time.process_time() - start)
        return result

    with tempfile.TemporaryDirectory() as temporary:
        texts = Path(temporary) / "texts"
        for _ in range(rounds):
            for _ in range(TIMES_OURS):
                ours = timed("arrays to three APs", lambda: evaluate(detections, ground_truth))
                timed("writing texts", lambda: write_texts(texts, detections))
                timed("reading texts", lambda: read_texts(texts))
                timed("reading .mat", lambda: read_ground_truth(folder))
            reference = timed("reference, arrays to three APs", lambda: _reference(detections, ground_truth))
    off = max(abs(ap - reference[subset]) for subset, ap in ours.ap.items())
    assert off < 1e-12, f"the APs differ by {off}"
    fast = seconds["arrays to three APs"]
    ratios = tuple(
        slow / median(fast[TIMES_OURS * turn : TIMES_OURS * (turn + 1)])
        for turn, slow in enumerate(seconds["reference, arrays to three APs"])
    )
    rows = tuple((what, f"{median(values):.3f}") for what, values in seconds.items())
    return Result(
        "evaluator",
        (Figure("CPU: reference / ours", ratios, 20, 40),),
        (Table(f"{len(detections.scores):,} boxes of {len(detections.names):,} images", ("step", "CPU s"), rows),),
    )


def _reference(detections: Detections, ground_truth: GroundTruth) -> dict[str, float]:
    return {subset: ap for subset, (ap, _) in reference_evaluate(detections, ground_truth, 0.5).items()}


def golden() -> Path:
    """The folder of golden values; ends the program when there is none."""
    folder = os.environ.get("PTH2MAP_GOLDEN")
    if not folder:
        raise SystemExit("error: set PTH2MAP_GOLDEN to the folder of golden values, or leave this one out")
    return Path(folder)


def _published_detections(images: int | None) -> Detections:
    with np.load(golden() / "widerface_eval/thflgg133/arrays.npz") as arrays:
        counts = arrays["counts"].astype(np.int64)[:images]
        rows = int(counts.sum())
        names = tuple(arrays["names"].tolist())[:images]
        return Detections(names, counts, arrays["boxes"][:rows], arrays["scores"][:rows])


if __name__ == "__main__":
    print(measure(rounds=1).markdown())
