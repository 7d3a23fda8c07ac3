"""Pictures with the faces that were found, those that were missed, and false detections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from pth2map.evaluation.widerface import Outcome


@dataclass(frozen=True)
class Line:
    """How a kind of box is drawn: its colour, and its dashes, which tell the kinds apart without it."""

    colour: str
    """``#rrggbb``."""
    dash: int
    """Pixels of a dash; 0 for a whole line."""
    gap: int
    """Pixels behind it."""


LINES = {
    "found": Line("#009E73", 0, 0),
    "missed": Line("#F0A000", 12, 8),
    "false": Line("#E0559F", 3, 6),
}
"""Of the kinds of boxes of an :class:`Outcome`: near to Okabe and Ito's palette, fit for photographs."""

_LONGEST, _WIDTH = 800, 3
_CASING = (24, 24, 24)
"""Around every line, so that it stands out on any ground."""


def choose_outcomes(outcomes: Sequence[Outcome], worst: int = 3, spread: int = 6) -> dict[str, list[Outcome]]:
    """Pictures worth a look, none of them twice.

    ``missed`` are the ``worst`` by missed faces, ``false`` those by false detections, on ties in their order. So many
    as ``spread`` says are taken from the rest in even steps. Where there are fewer, all of them.
    """
    rest = list(outcomes)
    chosen = {}
    for kind in ("missed", "false"):
        telling = [(-len(boxes), place) for place, o in enumerate(rest) if len(boxes := getattr(o, kind))]
        places = [place for _, place in sorted(telling)[:worst]]
        chosen[kind] = [rest[place] for place in places]
        rest = [outcome for place, outcome in enumerate(rest) if place not in places]
    spread = min(spread, len(rest))
    return {**chosen, "spread": [rest[step * len(rest) // spread] for step in range(spread)]}


def draw_outcome(image: np.ndarray, outcome: Outcome) -> np.ndarray:
    """A copy of ``image`` ``(h, w, 3)`` uint8 BGR with its boxes, the longer side at most 800 pixels.

    What was found lies on top of what was missed, and both on what is false. What lies outside the image is cut off.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for kind in reversed(LINES):
        strokes = [s for box in getattr(outcome, kind) for s in _strokes(box * scale, size, LINES[kind])]
        for colour, thickness in ((_CASING, _WIDTH + 2), (_bgr(LINES[kind].colour), _WIDTH)):
            for start, end in strokes:
                cv2.line(drawn, start, end, colour, thickness, cv2.LINE_AA)
    return drawn


def _strokes(box: np.ndarray, size: tuple[int, int], line: Line) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The dashes of a frame, from pixel to pixel, each side of the box beginning with one."""
    x, y, w, h = box
    beyond = 4 * _WIDTH
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]])
    corners = np.rint(np.clip(corners, -beyond, np.add(size, beyond)))
    for start, end in pairwise(corners):
        length = float(np.abs(end - start).sum())
        step = line.dash + line.gap or length + 1
        way = (end - start) / max(length, 1)
        for begin in np.arange(0, max(length, 1), step):
            stop = min(begin + line.dash, length) if line.dash else length
            yield _pixel(start + way * begin), _pixel(start + way * stop)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(point).astype(int)
    return int(x), int(y)


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


def jpeg(image: np.ndarray) -> bytes:
    """``image`` ``(h, w, 3)`` uint8 BGR as the bytes of a JPEG file."""
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return content.tobytes()
