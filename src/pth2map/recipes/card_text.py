"""The result text of the two published scripts of the Vastai RetinaFace page, and the numbers that stand in it.

``vsx`` is the text of the card's Python script, ``npz`` that of the decoder of result ``.npz`` files.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from pth2map.recipes.letterbox_settings import CardText


def card_text(form: CardText, name: str, boxes: np.ndarray, scores: np.ndarray) -> str:
    """The result text of image ``name`` (``event/stem``).

    ``boxes`` is ``(n, 4)`` float64 x, y, w, h; ``scores`` ``(n,)`` float16 or float32 as they were decoded, or
    the float64 values of their shortest digits. Line 1 is ``event/stem`` (vsx) or ``stem.jpg`` (npz, whatever the
    image's format), line 2 the number of rows, then a row a line: one decimal, and three of the score (vsx); or all
    digits and a blank at the end (npz).
    """
    head, end = (name, "\n") if form == "vsx" else (f"{PurePosixPath(name).name}.jpg", " \n")
    rows = _words(form, boxes, scores)
    return f"{head}\n{len(rows)}\n{''.join(' '.join(row) + end for row in rows)}"


def as_printed(form: CardText, boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(n, 4)`` and scores ``(n,)``, float64, as an evaluator reads them from the text, negative zeros too."""
    rows = _words(form, boxes, scores)
    table = np.array([[float(word) for word in row] for row in rows], dtype=np.float64).reshape(-1, 5)
    return table[:, :4].copy(), table[:, 4].copy()


def _words(form: CardText, boxes: np.ndarray, scores: np.ndarray) -> Sequence[Sequence[str]]:
    rows = zip(boxes.astype(np.float64).tolist(), scores, strict=True)
    if form == "vsx":
        return [[*(f"{side:.1f}" for side in box), f"{score:.3f}"] for box, score in rows]
    # str() of a NumPy number has the fewest digits that tell it from its neighbours of the same dtype.
    return [[*map(repr, box), str(score)] for box, score in rows]
