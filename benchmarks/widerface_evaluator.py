"""Time of the WIDER FACE evaluator on a published result set of 297,333 boxes, beside a step-by-step reference.

Run ``PTH2MAP_GOLDEN=… PTH2MAP_MIRROR=… python benchmarks/widerface_evaluator.py``; half a minute. Threads of numerical
libraries are held at one; CPU seconds are of this process.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from reference_widerface import reference_evaluate

from pth2map.datasets.widerface import read_ground_truth
from pth2map.evaluation.widerface import evaluate
from pth2map.recipes.detections import Detections, read_texts, write_texts

T = TypeVar("T")


def main() -> None:
    folders = [os.environ.get(name) for name in ("PTH2MAP_GOLDEN", "PTH2MAP_MIRROR")]
    if not all(folders):
        raise SystemExit("error: set PTH2MAP_GOLDEN and PTH2MAP_MIRROR to the folders of golden values and of data")
    golden, mirror = map(Path, folders)
    truth = mirror / "widerface-ground-truth"
    ground_truth = read_ground_truth(truth)
    with np.load(golden / "widerface_eval/thflgg133/arrays.npz") as arrays:
        names, counts = tuple(arrays["names"].tolist()), arrays["counts"].astype(np.int64)
        detections = Detections(names, counts, arrays["boxes"], arrays["scores"])
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts"
        write_texts(texts, detections)
        ours, result = measure("arrays to three APs", 5, lambda: evaluate(detections, ground_truth))
        measure("texts and .mat to three APs", 5, lambda: evaluate(read_texts(texts), read_ground_truth(truth)))
        measure("  of it reading texts", 5, lambda: read_texts(texts))
        measure("  of it reading .mat", 5, lambda: read_ground_truth(truth))
        measure("writing texts", 5, lambda: write_texts(texts, detections))
    slow, reference = measure(
        "reference, arrays to three APs", 1, lambda: reference_evaluate(detections, ground_truth, 0.5)
    )
    off = max(abs(ap - reference[subset][0]) for subset, ap in result.ap.items())
    print(f"the reference takes {slow / ours:.0f} times the CPU; the APs differ by at most {off:.1g}")


def measure(what: str, times: int, work: Callable[[], T]) -> tuple[float, T]:
    """Median CPU seconds of ``work``, and its result; prints them beside the wall seconds."""
    cpu, wall = [], []
    for _ in range(times):
        start = time.process_time(), time.perf_counter()
        result = work()
        cpu.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    print(f"{what:<32}{statistics.median(cpu):8.3f} s CPU{statistics.median(wall):8.3f} s wall  (median of {times})")
    return statistics.median(cpu), result


if __name__ == "__main__":
    main()
