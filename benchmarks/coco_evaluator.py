"""The COCO evaluator beside pycocotools, on a made-up set as large as val2017 with masks throughout."""

import gc
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any, TypeVar

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from harness import Figure, Result, Table
from reference_coco import figures, prepared

from pth2map.datasets.coco import parse_annotations
from pth2map.evaluation.coco import evaluate
from pth2map.evaluation.coco_records import read_records, write_records
from pth2map.files.json_input import read_json_input

T = TypeVar("T")
Metrics = dict[str, dict[str, float | None]]
IMAGES, CATEGORIES = 5000, 80
OBJECTS, RECORDS = 7.36, 36
"""Of an image, on average: 36,800 and 180,000 in all. Objects are as many as val2017 has."""


class Clock:
    """CPU seconds of each step, turn by turn."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def __call__(self, what: str, work: Callable[[], T]) -> T:
        gc.collect()  # of what an earlier step left
        start = time.process_time()
        result = work()
        self.seconds.setdefault(what, []).append(time.process_time() - start)
        return result


def measure(rounds: int, images: int = IMAGES) -> Result:
    """CPU seconds of pycocotools over ours, to the twelve figures of boxes and of masks.

    From values in memory: ours checks the annotations, draws their polygons, checks the records and evaluates. From
    files: the same, and reading them. Raises ``AssertionError`` when a figure differs by more than rounding.
    """
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        annotations, records = Path(folder) / "annotations.json", Path(folder) / "records.json"
        objects, found, characters = _write(images, annotations, records)
        for _ in range(rounds):
            _ours(clock, annotations, records)
            reference = _reference(clock, annotations, records)
            ours = _ours(clock, annotations, records)
    for kind, expected in reference.items():
        for name, value in expected.items():
            assert _near(value, ours[kind][name]), f"{kind} {name}: {ours[kind][name]}, pycocotools has {value}"
    per_turn = {what: _turns(seconds, rounds) for what, seconds in clock.seconds.items()}
    memory, files = (_ratios(per_turn, with_files) for with_files in (False, True))
    rows = tuple((what, f"{median(seconds):.2f}") for what, seconds in clock.seconds.items())
    title = f"{images:,} images, {objects:,} objects, {found:,} records with masks of {characters:.0f} characters"
    return Result(
        "coco",
        (
            Figure("CPU: pycocotools / ours, boxes and masks", memory, 4, 5),
            Figure("CPU: pycocotools / ours, with reading the files", files, 4),
        ),
        (Table(title, ("step", "CPU s"), rows),),
    )


def _ours(clock: Clock, annotations: Path, records: Path) -> Metrics:
    content = clock("ours: reading annotations", lambda: read_json_input(annotations, "annotations"))
    found = clock("ours: reading records", lambda: read_records(records))
    truth = clock("ours: checking annotations, drawing polygons", lambda: parse_annotations(content, "val2017"))
    result = clock("ours: checking records, boxes, masks", lambda: evaluate(found, truth))
    return result.metrics


def _reference(clock: Clock, annotations: Path, records: Path) -> Metrics:
    content = clock("pycocotools: reading annotations", lambda: json.loads(annotations.read_bytes()))
    found = clock("pycocotools: reading records", lambda: json.loads(records.read_bytes()))
    sides = clock("pycocotools: index", lambda: prepared(content, found))
    return {
        kind: clock(f"pycocotools: {what}", lambda kind=kind: figures(*sides, kind))
        for kind, what in (("bbox", "boxes"), ("segm", "masks"))
    }


def _near(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else abs(one - other) < 1e-9


def _turns(seconds: list[float], rounds: int) -> list[float]:
    """The mean over each turn."""
    times = len(seconds) // rounds
    return [mean(seconds[times * turn : times * (turn + 1)]) for turn in range(rounds)]


def _ratios(per_turn: dict[str, list[float]], with_files: bool) -> tuple[float, ...]:
    def total(side: str) -> np.ndarray:
        counted = [name for name in per_turn if name.startswith(side) and (with_files or "reading" not in name)]
        return np.sum([per_turn[name] for name in counted], axis=0)

    return tuple((total("pycocotools") / total("ours")).tolist())


def _write(images: int, annotations: Path, records: Path) -> tuple[int, int, float]:
    """Make up a set. Returns the numbers of objects and records, and the mean length of a record's mask."""
    content, found = synthetic(images)
    annotations.write_text(json.dumps(content), encoding="utf-8")
    write_records(records, found)
    return len(content["annotations"]), len(found), mean(len(each["segmentation"]["counts"]) for each in found)


def synthetic(images: int, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and records: objects of few categories an image, most records near one, the others anywhere."""
    generator = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, CATEGORIES + 1)
    frequency /= frequency.sum()
    content: dict[str, Any] = {"images": [], "annotations": []}
    content["categories"] = [{"id": number, "name": f"thing {number}"} for number in range(1, CATEGORIES + 1)]
    records = []
    for image in range(1, images + 1):
        width, height = (640, 480) if generator.random() < 0.7 else (480, 640)
        content["images"].append({"id": image, "file_name": f"{image:012}.jpg", "width": width, "height": height})
        present = generator.choice(CATEGORIES, size=3, p=frequency) + 1
        objects = []
        for _ in range(0 if generator.random() < 0.01 else min(generator.geometric(1 / OBJECTS), 60)):
            objects.append(_object(generator, image, int(generator.choice(present)), width, height))
            content["annotations"].append({"id": len(content["annotations"]) + 1, **objects[-1]})
        for _ in range(generator.poisson(RECORDS)):
            near = objects[generator.integers(len(objects))] if objects and generator.random() < 0.6 else None
            box = _box(generator, width, height) if near is None else _shaken(generator, near["bbox"], width, height)
            other = near is None or generator.random() < 0.15
            (mask,) = coco_mask.frPyObjects([_outline(generator, box)], height, width)
            records.append(
                {
                    "image_id": image,
                    "category_id": int(generator.choice(CATEGORIES, p=frequency)) + 1 if other else near["category_id"],
                    "bbox": box,
                    "score": float(generator.beta(1, 4) if near is None else generator.beta(3, 2)),
                    "segmentation": {"size": [height, width], "counts": mask["counts"].decode()},
                }
            )
    return content, records


def _object(generator: np.random.Generator, image: int, category: int, width: int, height: int) -> dict[str, Any]:
    """An annotation without id; one in eighty is a crowd, its mask a list of runs."""
    box = _box(generator, width, height)
    outline = _outline(generator, box)
    (mask,) = coco_mask.frPyObjects([outline], height, width)
    crowd = generator.random() < 1 / 80
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [round(value, 2) for value in box],
        "area": float(coco_mask.area(mask)),
        "iscrowd": int(crowd),
        "segmentation": {"size": [height, width], "counts": _runs(mask)} if crowd else [outline],
    }


def _box(generator: np.random.Generator, width: int, height: int) -> list[float]:
    """x, y, w, h of any size from 8 pixels on, small ones as often as large ones."""
    side, shape = np.exp(generator.uniform(np.log(8), np.log(400))), np.exp(generator.normal(0, 0.4))
    w, h = min(side * shape, width - 2), min(side / shape, height - 2)
    return [float(value) for value in (generator.uniform(0, width - w), generator.uniform(0, height - h), w, h)]


def _shaken(generator: np.random.Generator, box: list[float], width: int, height: int) -> list[float]:
    x, y, w, h = box
    moves, scales = generator.normal(0, 0.12, 2), np.exp(generator.normal(0, 0.12, 2))
    x, y = np.clip(x + moves[0] * w, 0, width - 4), np.clip(y + moves[1] * h, 0, height - 4)
    return [float(value) for value in (x, y, min(w * scales[0], width - x), min(h * scales[1], height - y))]


def _outline(generator: np.random.Generator, box: list[float]) -> list[float]:
    """A bumpy ellipse in a box, 24 corners."""
    x, y, w, h = box
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 1 - 0.25 * generator.random(24)
    corners = [x + w / 2 * (1 + radius * np.cos(angle)), y + h / 2 * (1 + radius * np.sin(angle))]
    return np.stack(corners, axis=1).round(2).ravel().tolist()


def _runs(mask: dict[str, Any]) -> list[int]:
    pixels = coco_mask.decode(mask).ravel(order="F")
    edges = np.flatnonzero(np.diff(pixels, prepend=0))
    return np.diff(edges, prepend=0, append=len(pixels)).tolist()


if __name__ == "__main__":
    print(measure(rounds=1).markdown())
