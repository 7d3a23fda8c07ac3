"""RetinaFace on a Vastai card: the form of its result, its rows, and the host's rows in that form.

The compiled graph decodes, thresholds and suppresses by itself. For one image it gives three float16 arrays of 300
rows: ``output_0`` ``(300, 1)`` scores by falling score, -1 where there are no more rows; ``output_1`` ``(300, 4)``
corners x1, y1, x2, y2 and ``output_2`` ``(300, 10)`` five points x, y, both in pixels of the letterboxed input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.boxes import nms
from pth2map.recipes.letterbox_settings import LetterboxDecode

ROWS = 300
END = np.float16(-1)
"""Stands for the score in the first row that is not used."""
OUTPUTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"output_0": (ROWS, 1), "output_1": (ROWS, 4), "output_2": (ROWS, 10)}
)
"""Shape of each output for one image, in the card's order."""


@dataclass(frozen=True, eq=False)
class CardRows:
    """The rows of one image that are used, n ≤ 300, by falling score."""

    scores: np.ndarray
    """``(n,)`` float16."""
    corners: np.ndarray
    """``(n, 4)`` float16 x1, y1, x2, y2 in pixels of the input."""
    landmarks: np.ndarray
    """``(n, 5, 2)`` float16 x, y in pixels of the input."""


def card_rows(outputs: Sequence[np.ndarray]) -> CardRows:
    """The used rows of one image's three outputs. Axes of length one may lie around the 300 rows, such as the batch's.

    Rows behind the first end marker are not looked at; when all 300 are used there is none.

    Raises ``InputError`` when an output has another shape or dtype, a used row holds a number that is not finite or a
    score below 0, or a score is above the one before it.
    """
    scores, corners, landmarks = _checked(outputs)
    marked = np.flatnonzero(scores == END)
    used = int(marked[0]) if len(marked) else ROWS
    scores, corners, landmarks = scores[:used], corners[:used], landmarks[:used]
    for name, array in zip(OUTPUTS, (scores, corners, landmarks), strict=True):
        bad = np.flatnonzero(~np.isfinite(array.reshape(used, -1)).all(axis=1)) if used else np.empty(0)
        if len(bad):
            raise InputError(
                f"{name} holds numbers that are not finite in {len(bad)} used rows, the first row {bad[0]}"
            )
    below = np.flatnonzero(scores < 0)
    if len(below):
        raise InputError(f"output_0 holds {scores[below[0]]} in row {below[0]}, expected a score or the end marker -1")
    rising = np.flatnonzero(scores[1:] > scores[:-1])
    if len(rising):
        row = rising[0] + 1
        raise InputError(
            f"output_0 rises from {scores[row - 1]} to {scores[row]} in row {row}, expected rows by falling score; are "
            "these the outputs of a graph compiled with retinaface_nms?"
        )
    return CardRows(scores, corners, landmarks.reshape(-1, 5, 2))


def card_outputs(
    corners: np.ndarray, scores: np.ndarray, landmarks: np.ndarray, settings: LetterboxDecode
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three outputs that a card would give for the host's decoded rows of one image.

    ``corners`` is ``(n, 4)``, ``scores`` ``(n,)``, ``landmarks`` ``(n, 5, 2)`` or ``(n, 10)``, in pixels of the
    letterboxed input and in any order: a row a prior, or what an NMS has left. They are taken as float32. Rows with a
    score above the threshold go through the NMS (sides counted +1 px, equal scores in their order), the best 300 are
    rounded to float16, and -1 fills the rest of all three arrays; what a card has there beside the scores is not known.

    Raises ``InputError`` when the lengths differ, a score is not finite, or a row above the threshold is not finite in
    float16.
    """
    count = len(scores)
    if scores.shape != (count,) or corners.shape != (count, 4) or landmarks.shape not in ((count, 10), (count, 5, 2)):
        raise InputError(
            f"scores {scores.shape}, corners {corners.shape} and landmarks {landmarks.shape} do not belong together"
        )
    scores = scores.astype(np.float32)
    if not np.isfinite(scores).all():
        raise InputError(f"{np.count_nonzero(~np.isfinite(scores))} scores are not finite")
    above = np.flatnonzero(scores > np.float32(settings.confidence_threshold))
    scores, corners, landmarks = scores[above], corners[above], landmarks.reshape(-1, 10)[above]
    with np.errstate(over="ignore"):  # what overflows is named below
        halves = [array.astype(np.float16) for array in (scores[:, None], corners, landmarks)]
    if not all(np.isfinite(array).all() for array in halves):
        raise InputError(f"boxes or landmarks are not finite in float16, which ends at {np.finfo(np.float16).max:g} px")
    kept = nms(corners.astype(np.float32), scores, settings.nms_threshold)[:ROWS]
    outputs = [np.full(shape, END) for shape in OUTPUTS.values()]
    for output, half in zip(outputs, halves, strict=True):
        output[: len(kept)] = half[kept]
    return outputs[0], outputs[1], outputs[2]


def _checked(outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores ``(300,)``, corners ``(300, 4)``, landmarks ``(300, 10)``, float16."""
    if len(outputs) != len(OUTPUTS):
        raise InputError(f"{len(outputs)} outputs, expected the three of a graph compiled with retinaface_nms")
    for (name, shape), output in zip(OUTPUTS.items(), outputs, strict=True):
        if output.dtype != np.float16 or without_ones(output.shape) != without_ones(shape):
            raise InputError(f"{name} is {output.dtype} {output.shape}, expected float16 {shape}")
    scores, corners, landmarks = outputs
    return scores.reshape(ROWS), corners.reshape(ROWS, 4), landmarks.reshape(ROWS, 10)


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a shape that are longer than one: those a card may lay around an output, such as the batch's, go."""
    return tuple(length for length in shape if length != 1)
