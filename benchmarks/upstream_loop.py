"""The stream of the workflow beside the published order of operations (``published_order.py``) on some images."""

import json
import random
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from harness import BENCHMARKS, WORKERS, Figure, Result, Table, Workspace, run_together

from pth2map.datasets.index import DatasetIndex
from pth2map.recipes.detections import Detections, concatenate, load_detections, read_texts

IMAGES, SEED = 60, 0
RUNTIMES = {"TorchScript": "ts", "ONNX Runtime": "onnx"}
SCORE_ROUNDING, AGREEING = 1e-4, 0.99


def measure(workspace: Workspace, rounds: int, count: int = IMAGES) -> Result:
    """Images/s of ``stream.py`` over those of the published order, once with each runtime in its loop.

    Of both the work counts, not the start of Python and its imports. Raises ``AssertionError`` when the detections do
    not agree.
    """
    workspace.make(workspace.index, *(workspace.graph(suffix) for suffix in RUNTIMES.values()))
    index = workspace.folder / "sample.json"
    images = DatasetIndex.load(workspace.index).images
    chosen = sorted(random.Random(SEED).sample(range(len(images)), min(count, len(images))))
    sample = replace(DatasetIndex.load(workspace.index), images=tuple(images[i] for i in chosen))
    sample.save(index)
    ours: list[float] = []
    parts: dict[str, list[dict[str, float]]] = {runtime: [] for runtime in RUNTIMES}
    agreement = {}
    for _ in range(rounds):
        workspace.stream(index)
        outputs = [workspace.folder / f"stream-{number}" for number in range(1, WORKERS + 1)]
        seconds = [json.loads(output.with_suffix(".json").read_text())["seconds"] for output in outputs]
        ours.append(len(sample.images) / max(seconds))
        found = concatenate([load_detections(output.with_suffix(".npz")) for output in outputs], sample.names)
        for runtime, suffix in RUNTIMES.items():
            folder = workspace.folder / "published"
            parts[runtime].append(_published(index, workspace.graph(suffix), folder))
            agreement[runtime] = agreeing(found, read_texts(folder / "texts"))
            assert agreement[runtime] >= AGREEING, f"{runtime}: {agreement[runtime]:.2%} of the rows agree"
            shutil.rmtree(folder)
    return _result(sample, ours, parts, agreement)


def _published(index: Path, graph: Path, folder: Path) -> dict[str, float]:
    command = [BENCHMARKS / "published_order.py", "--index", index, "--graph", graph]
    command += ["--folder", folder, "--texts", folder / "texts"]
    (ran,) = run_together([command], index.parent)
    seconds: dict[str, float] = json.loads(ran.output)
    return seconds


def agreeing(ours: Detections, others: Detections) -> float:
    """Share of rows that both have: the same box in the same image, its score the same but for rounding."""
    a, b = (_scores_by_box(detections) for detections in (ours, others))
    both = sum(
        sum(abs(x - y) <= SCORE_ROUNDING for x, y in zip(scores, b.get(box, ()), strict=False))
        for box, scores in a.items()
    )
    return both / max(1, len(ours.scores), len(others.scores))


def _scores_by_box(detections: Detections) -> dict[tuple[object, ...], list[float]]:
    names = np.repeat(np.array(detections.names), detections.counts).tolist()
    scores = defaultdict(list)
    for name, box, score in zip(names, detections.boxes.tolist(), detections.scores.tolist(), strict=True):
        scores[name, *box].append(score)
    return scores


def _result(
    sample: DatasetIndex,
    ours: list[float],
    parts: dict[str, list[dict[str, float]]],
    agreement: dict[str, float],
) -> Result:
    images = len(sample.images)
    figures, rows = [Figure("stream", tuple(ours), unit="images/s")], []
    for runtime, rounds in parts.items():
        rates = tuple(images / sum(each.values()) for each in rounds)
        ratios = tuple(a / b for a, b in zip(ours, rates, strict=True))
        required = 4.0 if runtime == "TorchScript" else None
        figures.append(Figure(f"images/s: stream / published order with {runtime}", ratios, required))
        figures.append(Figure(f"published order with {runtime}", rates, unit="images/s"))
        milliseconds = [1000 * median(each[part] for each in rounds) / images for part in rounds[0]]
        rows.append((runtime, *(f"{value:.0f}" for value in milliseconds), f"{agreement[runtime]:.2%}"))
    head = ("published order with", *parts["TorchScript"][0], "rows as ours")
    title = f"ms per image, {images} images chosen by seed {SEED}"
    return Result("upstream loop", tuple(figures), (Table(title, head, tuple(rows)),))
