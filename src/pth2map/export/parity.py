"""How closely the outputs of an exported graph follow those of the network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from pth2map.files.errors import InputError


@dataclass(frozen=True)
class OutputParity:
    """Differences of one output over all elements seen; sums are kept so that images can be merged exactly.

    ``shape`` holds None for an axis whose length differed between images.
    """

    shape: tuple[int | None, ...]
    elements: int
    max_abs: float
    sum_abs: float
    dot: float
    reference_square: float
    candidate_square: float

    @property
    def mean_abs(self) -> float:
        return self.sum_abs / self.elements if self.elements else 0.0

    @property
    def cosine(self) -> float:
        """Of both outputs as one long vector; 1 if both are zero, 0 if one of them is."""
        if self.reference_square == self.candidate_square == 0:
            return 1.0
        norms = math.sqrt(self.reference_square) * math.sqrt(self.candidate_square)
        return self.dot / norms if norms else 0.0

    def merged(self, other: "OutputParity") -> "OutputParity":
        if len(self.shape) != len(other.shape):
            raise InputError(f"an output has shapes {self.shape} and {other.shape} on two images")
        return OutputParity(
            shape=tuple(a if a == b else None for a, b in zip(self.shape, other.shape, strict=True)),
            elements=self.elements + other.elements,
            max_abs=max(self.max_abs, other.max_abs),
            sum_abs=self.sum_abs + other.sum_abs,
            dot=self.dot + other.dot,
            reference_square=self.reference_square + other.reference_square,
            candidate_square=self.candidate_square + other.candidate_square,
        )


@dataclass(frozen=True)
class Parity:
    """The differences by output, over ``images`` comparisons."""

    outputs: Mapping[str, OutputParity]
    images: int

    def merged(self, other: "Parity") -> "Parity":
        if self.outputs.keys() != other.outputs.keys():
            raise ValueError(f"outputs {list(self.outputs)} and {list(other.outputs)} cannot be merged")
        outputs = {name: parity.merged(other.outputs[name]) for name, parity in self.outputs.items()}
        return Parity(outputs, self.images + other.images)

    def check(self, tolerance: float, tolerance_of: Mapping[str, float] = MappingProxyType({})) -> None:
        """Raises ``InputError`` naming the outputs with an absolute difference above ``tolerance`` or their own."""
        allowed = {name: tolerance_of.get(name, tolerance) for name in self.outputs}
        found = [
            f"{name} by {parity.max_abs:.3g}, more than {allowed[name]:g}"
            for name, parity in self.outputs.items()
            if not parity.max_abs <= allowed[name]
        ]
        if found:
            raise InputError(f"the exported graph differs from the network on {self.images} images: {'; '.join(found)}")

    def to_json(self) -> dict[str, Any]:
        outputs = {
            name: {
                "cosine": parity.cosine,
                "max_abs": parity.max_abs,
                "mean_abs": parity.mean_abs,
                "shape": list(parity.shape),
            }
            for name, parity in self.outputs.items()
        }
        return {"images": self.images, "outputs": outputs}


def compare(reference: Sequence[np.ndarray], candidate: Sequence[np.ndarray], names: Sequence[str]) -> Parity:
    """The differences of one image's outputs, computed in float64.

    Raises ``InputError`` if the number or a shape of the outputs differs, or a value on either side is not
    finite.
    """
    if not len(reference) == len(candidate) == len(names):
        raise InputError(f"{len(reference)} and {len(candidate)} outputs to compare, {len(names)} names for them")
    outputs = {
        name: _compare(ours, theirs, name) for ours, theirs, name in zip(reference, candidate, names, strict=True)
    }
    return Parity(outputs, 1)


SWAP = 1e-5
"""Rows whose scores are closer than this may stand in another order, or one of them beyond the last row."""
LEFT_OUT = 0.01
"""The largest share of the rows that may lie beyond the last row of the other side (one row always may)."""


def compare_rows(
    reference: Sequence[np.ndarray], candidate: Sequence[np.ndarray], names: Sequence[str], scores_within: float = SWAP
) -> Parity:
    """As :func:`compare` for outputs that are rows by falling score, ``bboxs``, ``labels`` and ``scores`` among them.

    Rows are paired first: of equal label, their scores within ``scores_within`` or :data:`SWAP`, whichever is more,
    their boxes and scores as near as can be. A row without its like is left out where its score is that close to the
    last one.

    Raises ``InputError`` for outputs of another shape or dtype, values that are not finite, no rows at all, scores of
    the candidate that rise, and rows without their like that are elsewhere or more than :data:`LEFT_OUT`.
    """
    if not len(reference) == len(candidate) == len(names):
        raise InputError(f"{len(reference)} and {len(candidate)} outputs to compare, {len(names)} names for them")
    for name, output, other in zip(names, reference, candidate, strict=True):
        _check_alike(output, other, name)
        if output.dtype != other.dtype:
            raise InputError(f"output {name} is of {other.dtype}, the network's of {output.dtype}")
    ours, theirs = dict(zip(names, reference, strict=True)), dict(zip(names, candidate, strict=True))
    within = max(SWAP, scores_within)
    scores, others_scores = (side["scores"].astype(np.float64) for side in (ours, theirs))
    count = len(scores)
    if not count or any(len(output) != count for output in reference):
        counts = ", ".join(f"{name} {len(output)}" for name, output in zip(names, reference, strict=True))
        raise InputError(f"rows of the outputs: {counts}; expected as many of each, and one at least")
    rise = (others_scores - np.minimum.accumulate(others_scores)).max()  # above any row before it
    if rise > within:
        raise InputError(f"output scores of the exported graph rises by {rise:.3g}; expected rows by falling score")
    boxes_apart = np.abs(ours["bboxs"][:, None].astype(np.float64) - theirs["bboxs"]).max(axis=2)
    scores_apart = np.abs(scores[:, None] - others_scores)
    strangers = (ours["labels"][:, None] != theirs["labels"]) | (scores_apart > within)
    apart = boxes_apart + scores_apart  # boxes may be the same to the bit, all of them as large as the picture
    rows, others = linear_sum_assignment(np.where(strangers, (apart.max() + 1) * count, apart))
    alone = strangers[rows, others]
    left_out = int(np.count_nonzero(alone))
    if left_out:
        below = np.concatenate([scores[rows[alone]] - scores.min(), others_scores[others[alone]] - others_scores.min()])
        if below.max() > within or left_out > max(1, int(LEFT_OUT * count)) or left_out == count:
            raise InputError(
                f"{left_out} of {count} rows of the exported graph have no like among those of the network"
            )
    rows, others = rows[~alone], others[~alone]
    return compare([output[rows] for output in reference], [output[others] for output in candidate], names)


def merge(parities: Iterable[Parity]) -> Parity:
    """All images as one: the largest difference, the mean over all elements, the cosine over all of them."""
    return reduce(Parity.merged, parities)


def _check_alike(reference: np.ndarray, candidate: np.ndarray, name: str) -> None:
    """Raise ``InputError`` for another shape and for values that are not finite."""
    if reference.shape != candidate.shape:
        raise InputError(f"output {name} has shape {candidate.shape}, the network's is {reference.shape}")
    for side, values in (("network", reference), ("exported graph", candidate)):
        if not np.isfinite(values).all():
            raise InputError(f"output {name} of the {side} holds values that are not finite")


def _compare(reference: np.ndarray, candidate: np.ndarray, name: str) -> OutputParity:
    _check_alike(reference, candidate, name)
    ours, theirs = reference.astype(np.float64).ravel(), candidate.astype(np.float64).ravel()
    difference = np.abs(ours - theirs)
    return OutputParity(
        shape=reference.shape,
        elements=ours.size,
        max_abs=float(difference.max(initial=0.0)),
        sum_abs=float(difference.sum()),
        dot=float(ours @ theirs),
        reference_square=float(ours @ ours),
        candidate_square=float(theirs @ theirs),
    )
