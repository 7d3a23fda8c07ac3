"""What is written of a scored point: for a person, for a program, and where it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pth2map import __version__
from pth2map.datasets import coco, widerface
from pth2map.datasets.index import DatasetIndex
from pth2map.evaluation.coco import EVALUATOR, FIGURES, MOST_DETECTIONS, CocoEvaluation
from pth2map.evaluation.widerface import THRESHOLDS, Evaluation
from pth2map.files.errors import some

_STAMP = "SYNTHETIC WEIGHTS, made of a formula"
_SYNTHETIC = f"{_STAMP}: these figures say nothing of the model"


class Scores(Protocol):
    """The figures of a point, from the evaluator of its dataset."""

    def to_json(self) -> dict[str, Any]:
        """What is theirs in ``map.json``; ``metrics`` among it: fractions, None where there is nothing to measure."""

    def table(self) -> list[str]:
        """Lines for a person."""

    def title(self) -> str:
        """What the curves are of, for their picture."""

    def clauses(self, index: DatasetIndex) -> list[str]:
        """The protocol's words on images and evaluator."""

    def notes(self) -> list[str]:
        """What a reader should know of them."""


@dataclass(frozen=True)
class Result:
    """The score of one point."""

    model: str
    engine: str
    kind: str
    """What the engine is, whatever its name in the config."""
    variant: str
    index: DatasetIndex
    scores: Scores
    synthetic: bool
    """Whether the weights were made of a formula: then the figures say nothing of the model."""
    weights: str
    """Where they come from: ``declared``, ``own`` or ``formula``."""
    protocol: Sequence[str]
    """From network to engine; what is of images and evaluator comes from index and scores."""
    hashes: Mapping[str, str]

    def caption(self) -> list[str]:
        """What a picture of the result must say, in lines."""
        images = f"{len(self.index.images):,} images" + ("" if self.index.full else ", not the published set")
        return [f"{self.scores.title()}, {images}", *([_STAMP] if self.synthetic else [])]

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
            **self.scores.to_json(),
            "synthetic": self.synthetic,
            "weights": self.weights,
            "protocol": "; ".join(self._whole_protocol()),
            "notes": self._notes(),
            "hashes": dict(self.hashes),
            "pth2map": __version__,
        }

    def to_text(self) -> str:
        """The content of ``map.txt``."""
        rows = [
            f"{self.model} on {self.engine}, {self.variant}: {self.index.dataset}, {len(self.index.images)} images",
            *(["", _SYNTHETIC] if self.synthetic else []),
            "",
            *self.scores.table(),
            "",
            "Protocol",
            *(f"  {clause}" for clause in self._whole_protocol()),
        ]
        if notes := self._notes():
            rows += ["", "Notes", *(f"  {note}" for note in notes)]
        rows += ["", "Hashes", *(f"  {name:<13}{value}" for name, value in self.hashes.items())]
        return "\n".join(rows) + "\n"

    def _whole_protocol(self) -> list[str]:
        return [*self.protocol, *self.scores.clauses(self.index)]

    def _notes(self) -> list[str]:
        return [*dataset_notes(self.index), *self.scores.notes()]


@dataclass(frozen=True)
class WiderFaceScores:
    """AP of the subsets of WIDER FACE; ``evaluations`` differ in the IoU threshold alone, that of the result first."""

    evaluations: Sequence[Evaluation]

    def to_json(self) -> dict[str, Any]:
        first = self.evaluations[0]
        return {
            "metrics": dict(first.metrics),
            "iou_threshold": first.iou_threshold,
            "metrics_at_iou": {f"{each.iou_threshold:g}": dict(each.metrics) for each in self.evaluations},
        }

    def table(self) -> list[str]:
        """AP by subset; a label says of which IoU."""
        rows = [f"{'AP':<18}" + "".join(f"{name:>10}" for name in self.evaluations[0].metrics)]
        for each in self.evaluations:
            for unit, factor, digits in (("%", 100, 2), ("fraction", 1, 6)):
                shown = "".join(f"{_shown(value, factor, digits):>10}" for value in each.metrics.values())
                rows.append(f"{f'IoU {each.iou_threshold:g} {unit}':<18}{shown}")
        return rows

    def title(self) -> str:
        return f"AP at IoU {self.evaluations[0].iou_threshold:g}"

    def clauses(self, index: DatasetIndex) -> list[str]:
        first, *others = (f"{each.iou_threshold:g}" for each in self.evaluations)
        beside = f" and beside it at {', '.join(others)}" if others else ""
        return [
            _images_clause(index, "WIDER FACE val", widerface.OFFICIAL_IMAGES),
            f"evaluator: WIDER FACE, AP at IoU {first}{beside} (sides counted +1 px), {len(THRESHOLDS):,} "
            f"thresholds, scores scaled to 0…1 over all images, {self.evaluations[0].mode} mode",
        ]

    def notes(self) -> list[str]:
        return list(self.evaluations[0].notes)


@dataclass(frozen=True)
class CocoScores:
    """The twelve figures of COCO, of boxes and of masks."""

    evaluation: CocoEvaluation

    def to_json(self) -> dict[str, Any]:
        return {"metrics": {kind: dict(values) for kind, values in self.evaluation.metrics.items()}}

    def table(self) -> list[str]:
        """A line for each figure."""
        kinds = self.evaluation.metrics
        head = "".join(f"{kind + ' %':>10}" for kind in kinds) + "".join(f"{kind + ' fraction':>17}" for kind in kinds)
        rows = [f"{'COCO':<6}{head}"]
        for name in FIGURES:
            values = [figures[name] for figures in kinds.values()]
            percent = "".join(f"{_shown(value, 100, 2):>10}" for value in values)
            rows.append(f"{name:<6}{percent}" + "".join(f"{_shown(value, 1, 6):>17}" for value in values))
        return rows

    def title(self) -> str:
        return "COCO, mean of the categories"

    def clauses(self, index: DatasetIndex) -> list[str]:
        area = {"box": "its box", "mask": "the mask itself"}[self.evaluation.segm_area]
        return [
            _images_clause(index, "COCO val2017", coco.OFFICIAL_IMAGES),
            f"evaluator: COCO ({EVALUATOR}), AP over IoU 0.50:0.95, 101 recall points, at most {MOST_DETECTIONS} "
            f"detections of an image and category; the area of a detected mask is that of {area}",
        ]

    def notes(self) -> list[str]:
        return list(self.evaluation.notes)


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
