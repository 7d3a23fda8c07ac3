"""The result text of CenterFace, as its page publishes it for WIDER FACE."""

import numpy as np

_BOX, _SCORE = ".1f", ".3f"


def boxes_as_written(corners: np.ndarray) -> np.ndarray:
    """Corners ``(n, 4)`` float32 x1, y1, x2, y2 → ``(n, 4)`` float64 x, y, w, h as the digits of the text stand for.

    A side is ``x2 - x1 + 1`` wide, computed in float64. A small negative number is written ``-0.0`` and stays a
    negative zero here.
    """
    exact = corners.astype(np.float64)
    boxes = np.concatenate([exact[:, :2], exact[:, 2:] - exact[:, :2] + 1], axis=1)
    return _as_written(boxes, _BOX)


def scores_as_written(scores: np.ndarray) -> np.ndarray:
    """Scores ``(n,)`` float32 → ``(n,)`` float64 as the digits of the text stand for."""
    return _as_written(scores, _SCORE)


def result_text(name: str, boxes: np.ndarray, scores: np.ndarray) -> str:
    """The whole text of image ``name`` (``event/stem``): its file, the number 1, then ``x y w h score`` a row.

    ``boxes`` ``(n, 4)`` x, y, w, h in pixels, ``scores`` ``(n,)``. The published writer puts the number of classes
    into line 2, where others put that of the rows; evaluators do not read it.
    """
    rows = [
        f"{x:{_BOX}} {y:{_BOX}} {w:{_BOX}} {h:{_BOX}} {score:{_SCORE}}\n"
        for (x, y, w, h), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]
    return f"{name}.jpg\n1\n{''.join(rows)}"


def _as_written(values: np.ndarray, digits: str) -> np.ndarray:
    # By way of the digits: rounding by arithmetic errs where a value lies next to the middle of two numbers.
    written = [float(format(value, digits)) for value in values.ravel().tolist()]
    return np.array(written, dtype=np.float64).reshape(values.shape)
