"""Drawing: layers with antialiased edges, put together from the front to the back.

Colours are BGR, 0 to 255. Points are ``(n, 2)`` x, y in pixels of the picture; the pixel at column i covers i to i + 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np

Colour: TypeAlias = Sequence[float] | np.ndarray

_SHIFT = 5  # bits of a pixel's fraction
_HALF = 1 << (_SHIFT - 1)


@dataclass(frozen=True)
class Layer:
    """Part of a picture at ``scale`` times its resolution, with its upper left corner at ``left, top`` of it.

    Layers that are put into a :class:`Composite` have four channels: colour, multiplied by the fourth, the opacity.
    """

    pixels: np.ndarray
    left: float
    top: float
    scale: float

    @classmethod
    def around(cls, box: Sequence[float] | np.ndarray, scale: int, picture: tuple[int, int]) -> "Layer | None":
        """Empty, over the part of a box ``x1, y1, x2, y2`` inside a picture of a width and height; None if none is."""
        left, top = max(int(np.floor(box[0])), 0), max(int(np.floor(box[1])), 0)
        right, bottom = min(int(np.ceil(box[2])), picture[0]), min(int(np.ceil(box[3])), picture[1])
        if right <= left or bottom <= top:
            return None
        return cls(np.zeros(((bottom - top) * scale, (right - left) * scale, 4), np.uint8), left, top, scale)

    def coarse(self, side: int) -> "Layer":
        """One channel of zeros over the same part of the picture; the longer side has ``side`` pixels at most."""
        height, width = self.pixels.shape[:2]
        factor = min(1.0, side / max(height, width))
        shape = max(1, round(height * factor)), max(1, round(width * factor))
        return Layer(np.zeros(shape, np.uint8), self.left, self.top, self.scale * factor)

    def polygon(self, points: np.ndarray, colour: Colour | float) -> None:
        cv2.fillPoly(self.pixels, [self._fixed(points)], self._ink(colour), cv2.LINE_AA, _SHIFT)

    def line(self, points: np.ndarray, colour: Colour | float, width: float, closed: bool = False) -> None:
        """A line through the points, ``width`` pixels of the picture wide."""
        self.lines([points], colour, width, closed)

    def lines(self, lines: Sequence[np.ndarray], colour: Colour | float, width: float, closed: bool = False) -> None:
        thick = min(max(1, round(width * self.scale)), 255)
        fixed = [self._fixed(points) for points in lines]
        cv2.polylines(self.pixels, fixed, closed, self._ink(colour), thick, cv2.LINE_AA, _SHIFT)

    def disc(self, centre: Colour, radius: float, colour: Colour | float) -> None:
        x, y = self._fixed(np.array([centre], np.float64))[0].tolist()
        fixed = max(1, round(radius * self.scale * (1 << _SHIFT)))
        cv2.circle(self.pixels, (x, y), fixed, self._ink(colour), cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def multiply(self, tone: np.ndarray, unit: int) -> None:
        """Multiply the colours by a ``(h, w, 4)`` uint8 field of any size, in which ``unit`` stands for 1."""
        height, width = self.pixels.shape[:2]
        if tone.shape[:2] != (height, width):
            tone = cv2.resize(tone, (width, height), interpolation=cv2.INTER_LINEAR)
        opacity = cv2.merge([cv2.extractChannel(self.pixels, 3)] * 4)
        cv2.multiply(self.pixels, tone, dst=self.pixels, scale=1 / unit)
        cv2.min(self.pixels, opacity, dst=self.pixels)  # what is premultiplied never exceeds its opacity

    def blurred(self, sigma: float) -> None:
        """Blur in place; ``sigma`` in pixels of the picture."""
        cv2.GaussianBlur(self.pixels, (0, 0), max(sigma * self.scale, 0.01), dst=self.pixels)

    def reduced(self) -> np.ndarray:
        """``(h, w, 4)`` at the resolution of the picture."""
        if self.scale == 1:
            return self.pixels
        height, width = self.pixels.shape[:2]
        whole = int(self.scale)
        return cv2.resize(self.pixels, (width // whole, height // whole), interpolation=cv2.INTER_AREA)

    def under(self, points: np.ndarray) -> np.ndarray:
        """Value under each point, 0 outside the layer; ``(n,)`` uint8 of one channel, ``(n, 4)`` of four."""
        column, row = np.floor((points - (self.left, self.top)) * self.scale).astype(int).T
        height, width = self.pixels.shape[:2]
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        values = np.zeros((len(points), *self.pixels.shape[2:]), np.uint8)
        values[inside] = self.pixels[row[inside], column[inside]]
        return values

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        fraction = self.scale * (1 << _SHIFT)
        return (points * fraction - (self.left * fraction + _HALF, self.top * fraction + _HALF)).astype(np.int32)

    def _ink(self, colour: Colour | float) -> tuple[float, ...]:
        if isinstance(colour, (int, float)):
            return (float(colour),)
        return (*colour, 255.0)


class Composite:
    """A picture that grows from the front to the back: what is put into it lies behind all that is there."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self._pixels = np.zeros((height, width, 4), np.uint8)

    def put(self, layer: Layer) -> None:
        reduced = layer.reduced()
        height, width = reduced.shape[:2]
        left, top = int(layer.left), int(layer.top)
        place = self._pixels[top : top + height, left : left + width]
        free = cv2.merge([255 - cv2.extractChannel(place, 3)] * 4)
        cv2.add(place, cv2.multiply(reduced, free, scale=1 / 255), dst=place)

    def over(self, backdrop: np.ndarray) -> np.ndarray:
        """The picture ``(h, w, 3)`` with ``backdrop`` of the same size behind it."""
        self.put(Layer(cv2.cvtColor(backdrop, cv2.COLOR_BGR2BGRA), 0, 0, 1))
        return np.asarray(cv2.cvtColor(self._pixels, cv2.COLOR_BGRA2BGR))

    def covered(self, outline: np.ndarray, worn: Layer | None) -> float:
        """How much of a convex outline is covered by now, or by ``worn`` (255), or lies beyond the picture; 0 to 1."""
        first, last = np.floor(outline.min(axis=0)).astype(int), np.ceil(outline.max(axis=0)).astype(int)
        (left, top), (right, bottom) = np.maximum(first, 0).tolist(), np.minimum(last, self.size).tolist()
        if right <= left or bottom <= top:
            return 1.0
        (x, y), (width, height) = first.tolist(), (last - first).tolist()
        fine = 8 if max(width, height) <= 32 else 4 if max(width, height) <= 128 else 1
        mask = Layer(np.zeros((height * fine, width * fine), np.uint8), x, y, fine)
        mask.polygon(outline, 255)
        whole = int(mask.reduced().sum())  # not by its corners: drawn edges are a little wider, of parts of it too
        if worn is not None:
            # From the pixels of the one layer to those of the other.
            factor = fine / worn.scale
            shift = np.array([[factor, 0, (worn.left - x) * fine], [0, factor, (worn.top - y) * fine]])
            shift[:, 2] += (factor - 1) / 2
            bare = 255 - np.asarray(cv2.warpAffine(worn.pixels, shift, (width * fine, height * fine)))
            cv2.min(mask.pixels, bare, dst=mask.pixels)
        free = 255 - self._pixels[top:bottom, left:right, 3].astype(np.int64)
        seen = int((mask.reduced()[top - y : bottom - y, left - x : right - x] * free).sum())
        return 1 - seen / (255 * whole)

    def covers(self, points: np.ndarray) -> np.ndarray:
        """``(n,)`` bool: the points that are covered by now or lie beyond the picture."""
        columns, rows = np.floor(points).astype(int).T
        width, height = self.size
        inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        covered: np.ndarray = ~inside
        covered[inside] = self._pixels[rows[inside], columns[inside], 3] > 127
        return covered


def smooth(points: np.ndarray, rounds: int = 2) -> np.ndarray:
    """A closed outline with its corners cut (Chaikin's curve); each round doubles the points."""
    for _ in range(rounds):
        following = np.concatenate([points[1:], points[:1]])  # np.roll is slower
        cut = np.empty((2 * len(points), points.shape[1]))
        cut[0::2] = 0.75 * points + 0.25 * following
        cut[1::2] = 0.25 * points + 0.75 * following
        points = cut
    return points


def hull(points: np.ndarray) -> np.ndarray:
    """Convex hull of ``(n, 2)`` points."""
    return cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)


@cache
def ring(count: int) -> np.ndarray:
    """``(count, 2)`` points of the unit circle."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@cache
def grain() -> np.ndarray:
    """``(1024, 1024, 3)`` uint8 normal noise around 128, deviation 32, to be cut from at random places."""
    noise = np.random.default_rng([2, 718]).standard_normal((1024, 1024, 3), np.float32)
    rounded: np.ndarray = np.clip(np.rint(noise * 32 + 128), 0, 255).astype(np.uint8)
    return rounded


@cache
def skin_grain() -> np.ndarray:
    """``(1024, 1024, 4)`` uint8 factors around 128 for the texture of skin and cloth; 128 for the opacity."""
    fine = cv2.GaussianBlur(grain()[:, :, 0], (0, 0), 0.8)
    factors = cv2.addWeighted(fine, 0.22, fine, 0.0, 128 * 0.78)
    return cv2.merge([factors, factors, factors, np.full_like(factors, 128)])


@cache
def mottle() -> np.ndarray:
    """``(1024, 1024)`` uint8 cloudy noise around 128, from coarse to fine, to be cut from at random places."""
    rng = np.random.default_rng([3, 1415])
    total = np.zeros((1024, 1024), np.float32)
    for cells, weight in ((8, 1.0), (16, 0.8), (40, 0.7), (100, 0.5), (256, 0.35), (512, 0.3)):
        coarse = rng.standard_normal((cells, cells), np.float32)
        total += weight * cv2.resize(coarse, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    total *= 40 / total.std()
    rounded: np.ndarray = np.clip(total + 128, 0, 255).astype(np.uint8)
    return rounded


def cut(bank: np.ndarray, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A random piece of a bank of noise, resized when the bank is smaller."""
    side = bank.shape[0]
    if width > side or height > side:
        return cv2.resize(bank, (width, height), interpolation=cv2.INTER_CUBIC)
    left, top = int(rng.integers(side - width + 1)), int(rng.integers(side - height + 1))
    return bank[top : top + height, left : left + width]


def mixed(first: Colour, second: Colour, part: float) -> np.ndarray:
    """``part`` of the second colour in the first."""
    return np.asarray(first, np.float64) * (1 - part) + np.asarray(second, np.float64) * part
