"""How closely the outputs of an exported graph follow those of the network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

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

    def check(self, tolerance: float) -> None:
        """Raises ``InputError`` naming the outputs with an absolute difference above ``tolerance``."""
        worst = {name: parity.max_abs for name, parity in self.outputs.items() if not parity.max_abs <= tolerance}
        if worst:
            found = ", ".join(f"{name} by {difference:.3g}" for name, difference in worst.items())
            raise InputError(
                f"the exported graph differs from the network by more than {tolerance:g} "
                f"on {self.images} images: {found}"
            )

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


def merge(parities: Iterable[Parity]) -> Parity:
    """All images as one: the largest difference, the mean over all elements, the cosine over all of them."""
    return reduce(Parity.merged, parities)


def _compare(reference: np.ndarray, candidate: np.ndarray, name: str) -> OutputParity:
    if reference.shape != candidate.shape:
        raise InputError(f"output {name} has shape {candidate.shape}, the network's is {reference.shape}")
    for side, values in (("network", reference), ("exported graph", candidate)):
        if not np.isfinite(values).all():
            raise InputError(f"output {name} of the {side} holds values that are not finite")
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
