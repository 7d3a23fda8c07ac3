"""What is written of a scored point: for a person, for a program, and where it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pth2map import __version__
from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.widerface import OFFICIAL_IMAGES
from pth2map.evaluation.widerface import THRESHOLDS, Evaluation
from pth2map.files.errors import some

_STAMP = "SYNTHETIC WEIGHTS, made of a formula"
_SYNTHETIC = f"{_STAMP}: these figures say nothing of the model"


@dataclass(frozen=True)
class Result:
    """The score of one point."""

    model: str
    engine: str
    kind: str
    """What the engine is, whatever its name in the config."""
    variant: str
    index: DatasetIndex
    metrics: Mapping[float, Mapping[str, float | None]]
    """By IoU threshold, that of the result first: fractions; None where there is nothing to measure."""
    synthetic: bool
    """Whether the weights were made of a formula: then the figures say nothing of the model."""
    weights: str
    """Where they come from: ``declared``, ``own`` or ``formula``."""
    protocol: Sequence[str]
    notes: Sequence[str]
    hashes: Mapping[str, str]

    @property
    def iou_threshold(self) -> float:
        """That of the result."""
        return next(iter(self.metrics))

    def caption(self) -> list[str]:
        """What a picture of the result must say, in lines."""
        images = f"{len(self.index.images):,} images" + ("" if self.index.full else ", not the published set")
        return [f"AP at IoU {self.iou_threshold:g}, {images}", *([_STAMP] if self.synthetic else [])]

    def to_json(self) -> dict[str, Any]:
        """The content of ``map.json``: nothing that differs between two equal runs."""
        return {
            "model": self.model,
            "engine": self.engine,
            "kind": self.kind,
            "variant": self.variant,
            "dataset": self.index.dataset,
            "images": len(self.index.images),
            "subset": self.index.subset,
            "full_dataset": self.index.full,
            "metrics": dict(self.metrics[self.iou_threshold]),
            "iou_threshold": self.iou_threshold,
            "metrics_at_iou": {f"{iou:g}": dict(metrics) for iou, metrics in self.metrics.items()},
            "synthetic": self.synthetic,
            "weights": self.weights,
            "protocol": "; ".join(self.protocol),
            "notes": list(self.notes),
            "hashes": dict(self.hashes),
            "pth2map": __version__,
        }

    def to_text(self) -> str:
        """The content of ``map.txt``."""
        rows = [
            f"{self.model} on {self.engine}, {self.variant}: {self.index.dataset}, {len(self.index.images)} images",
            *(["", _SYNTHETIC] if self.synthetic else []),
            "",
            *_table(self.metrics),
            "",
            "Protocol",
            *(f"  {clause}" for clause in self.protocol),
        ]
        if self.notes:
            rows += ["", "Notes", *(f"  {note}" for note in self.notes)]
        rows += ["", "Hashes", *(f"  {name:<13}{value}" for name, value in self.hashes.items())]
        return "\n".join(rows) + "\n"


def _table(metrics: Mapping[float, Mapping[str, float | None]]) -> list[str]:
    """AP by subset; a label says of which IoU where there are several."""
    rows = [f"{'AP':<18}" + "".join(f"{name:>10}" for name in next(iter(metrics.values())))]
    for iou, values in metrics.items():
        for unit, factor, digits in (("%", 100, 2), ("fraction", 1, 6)):
            label = f"IoU {iou:g} {unit}"
            rows.append(f"{label:<18}" + "".join(f"{_shown(value, factor, digits):>10}" for value in values.values()))
    return rows


def dataset_notes(index: DatasetIndex) -> list[str]:
    """What a reader should know of the images."""
    notes = []
    if index.extra:
        notes.append(
            f"{len(index.extra)} images of the folder have no ground truth and were left out: {some(index.extra)}"
        )
    if index.damaged:
        notes.append(f"{len(index.damaged)} images hold corrupt bytes, some pixels are made up: {some(index.damaged)}")
    return notes


def engine_clause(runs: Sequence[Mapping[str, Any]], precision: str, batch: int) -> str:
    """The protocol's words on what ran the graph; ``runs`` are those of :func:`pth2map.files.provenance.merge_runs`."""
    packages = {"onnxruntime": "onnxruntime", "torchscript": "torch"}
    used = {
        f"{run['kind']} {run['packages'][packages[run['kind']]]}"
        + (f" ({', '.join(run['options']['providers'])})" if "providers" in run["options"] else "")
        for run in runs
    }
    return f"engine: {' and '.join(sorted(used))}, {precision}, batch {batch}"


def widerface_clauses(index: DatasetIndex, evaluations: Sequence[Evaluation]) -> list[str]:
    """The protocol's words on images and evaluator; ``evaluations`` differ in the IoU threshold alone."""
    first, *others = (f"{evaluation.iou_threshold:g}" for evaluation in evaluations)
    beside = f" and beside it at {', '.join(others)}" if others else ""
    return [
        _images_clause(index, "WIDER FACE val", OFFICIAL_IMAGES),
        f"evaluator: WIDER FACE, AP at IoU {first}{beside} (sides counted +1 px), {len(THRESHOLDS):,} "
        f"thresholds, scores scaled to 0…1 over all images, {evaluations[0].mode} mode",
    ]


def _images_clause(index: DatasetIndex, title: str, full_count: int) -> str:
    count = f"{len(index.images):,} images"
    if index.full:
        return f"images: {title}, all {count} of the published ground truth"
    what = (
        f"a subset: {index.subset}"
        if index.subset
        else f"{count} of a folder that is not the published set of {full_count:,}"
    )
    return f"images: {title}, {what}; not comparable with published figures"


def _shown(value: float | None, factor: int, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"
