"""What is written of a scored point: for a person, for a program, and where it came from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pth2map import __version__
from pth2map.datasets.index import DatasetIndex
from pth2map.files.errors import some

_STAMPS = {
    "synthetic": ("SYNTHETIC WEIGHTS, made of a formula", "these figures say nothing of the model"),
    "rehearsal": ("REHEARSAL, computed by stand-ins on a CPU", "these figures say nothing of the hardware"),
    "calibrated_on_evaluation": ("CALIBRATED WITH IMAGES OF THE EVALUATION", "these figures are not of unseen ones"),
    "trained_on_evaluation": ("TRAINED ON IMAGES OF THE EVALUATION", "these figures are not of unseen ones"),
    "rendered": ("RENDERED PICTURES, no photographs", "these figures compare with no published ones"),
}
"""By the key of ``map.json``: what table, page and curves of a result say too, and what follows from it."""
_BETWEEN_CLAUSES = re.compile(r"; (?=[a-z ]+: )")
_PACKAGES = {"onnxruntime": "onnxruntime", "torchscript": "torch"}


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
    """Where they come from: ``declared``, ``own``, ``formula`` or ``trained``."""
    rehearsal: bool
    """Whether stand-ins computed in the place of a vendor's engine: then the figures say nothing of the hardware."""
    trained_on_evaluation: bool
    """Whether images that are scored here were trained on: then the figures are not of unseen ones."""
    calibrated_on_evaluation: bool
    """Whether int8 was calibrated with images that are scored here: then the figures are not of unseen ones."""
    protocol: Sequence[str]
    """From network to engine; what is of images and evaluator comes from index and scores."""
    hashes: Mapping[str, str]

    def caption(self) -> list[str]:
        """What a picture of the result must say, in lines."""
        published = self.index.full or self.index.rendered
        images = f"{len(self.index.images):,} images" + ("" if published else ", not the published set")
        return [f"{self.scores.title()}, {images}", *(stamp for stamp, _ in stamps(self.to_json()))]

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
            "rendered": self.index.rendered,
            **self.scores.to_json(),
            "synthetic": self.synthetic,
            "rehearsal": self.rehearsal,
            "trained_on_evaluation": self.trained_on_evaluation,
            "calibrated_on_evaluation": self.calibrated_on_evaluation,
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
            *(line for stamp in stamps(self.to_json()) for line in ("", ": ".join(stamp))),
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


def stamps(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the content of a ``map.json`` must be read with, and what follows from it for the figures."""
    return [stamp for key, stamp in _STAMPS.items() if result[key]]


def clauses(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The protocol of the content of a ``map.json``: of each clause what it is of, and its words."""
    return [(of, words) for of, _, words in (c.partition(": ") for c in _BETWEEN_CLAUSES.split(result["protocol"]))]


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
    return f"engine: {' and '.join(sorted(set(map(_software, runs))))}, {precision}, batch {batch}"


def training_clause(training: Mapping[str, Any], seen: Mapping[str, int]) -> str:
    """The protocol's words on weights that were trained here, as ``training`` of the point's config says.

    ``seen`` is how many of the evaluated images are among those of each part of the training set.
    """
    trained, chosen = seen.get("train", 0), seen.get("validation", 0)
    settings, start = training["settings"], training["start_from"] or training["backbone"]
    length = f"{settings['epochs']} epochs" if settings["epochs"] > 1 else "1 epoch"
    if settings["max_steps"]:
        length += f" (at most {settings['max_steps']} steps)"
    words = [
        f"weights: trained here, {length} of {training['data']} at {settings['size']} px",
        f"batch {settings['batch_size']} on {training['processes']} × {training['device']}",
        f"learning rate {settings['learning_rate']:g} ({settings['schedule']} schedule)",
        *([f"mixed precision (loss scale {settings['loss_scale']:g})"] if settings["amp"] else []),
        _start(training, str(start)) if start else "from random weights",
        f"seed {settings['seed']}",
        f"the {settings['weights']} checkpoint",
        *([f"by the loss on {chosen:,} of the evaluated images"] if chosen and settings["weights"] == "best" else []),
        *([f"{trained:,} of the evaluated images are among those trained on"] if trained else []),
    ]
    return ", ".join(words)


def _start(training: Mapping[str, Any], start: str) -> str:
    what = "weights" if training["start_from"] else "a backbone"
    return f"from {what} of the user's own" if start == "own" else f"from {what} {start}"


def _software(run: Mapping[str, Any]) -> str:
    """What ran a graph: a package of this interpreter, or in the words of the run itself."""
    if run["kind"] not in _PACKAGES:
        return str(run["software"])
    providers = f" ({', '.join(run['options']['providers'])})" if "providers" in run["options"] else ""
    return f"{run['kind']} {run['packages'][_PACKAGES[run['kind']]]}{providers}"


@dataclass(frozen=True)
class PublishedSet:
    """What scores of a kind of dataset are published on."""

    title: str
    form: str
    """Whose layout and annotations a folder of that kind has."""
    images: int


def images_clause(index: DatasetIndex, published: PublishedSet, of_it: bool) -> str:
    """The protocol's words on the images; ``of_it`` says whether they are called as those of the published set."""
    count = f"{len(index.images):,} images"
    if index.rendered:
        part = f", a subset: {index.subset}" if index.subset else ""
        return f"images: {index.rendered}{part}; comparable with no published figures"
    if index.full:
        return f"images: {published.title}, all {count} of the published ground truth"
    if of_it:
        title, folder = published.title, f"a folder that is not the published set of {published.images:,}"
    else:
        title, folder = f"a set in {published.form}'s format", "a folder"
    what = f"a subset: {index.subset}" if index.subset else f"{count} of {folder}"
    return f"images: {title}, {what}; not comparable with published figures"


def shown(value: float | None, factor: int, digits: int) -> str:
    """A figure times ``factor``, a dash for none."""
    return "-" if value is None else f"{factor * value:.{digits}f}"
