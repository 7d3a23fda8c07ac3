"""Hands, drawn."""

from dataclasses import dataclass

import numpy as np

from pth2map.datasets.demo.canvas import Layer, smooth
from pth2map.datasets.demo.light import Light


@dataclass(frozen=True, eq=False)
class Hand:
    """The outlines of a hand, ``(n, 2)`` each, in pixels."""

    wrist: np.ndarray
    thumb: np.ndarray
    palm: np.ndarray
    fingers: tuple[np.ndarray, ...]
    creases: tuple[np.ndarray, ...]
    size: float
    """Width of the palm in pixels."""

    @classmethod
    def draw(
        cls, place: np.ndarray, size: float, angle: float, rng: np.random.Generator, forearm: float = 2.6
    ) -> "Hand":
        """With its palm, ``size`` pixels wide, at ``place``, and fingers along ``angle``; arms are as long as told."""
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * (1 if rng.random() < 0.5 else -1)

        def at(points: object) -> np.ndarray:
            values = np.asarray(points, np.float64) * size
            placed: np.ndarray = place + values[:, :1] * along + values[:, 1:] * across
            return placed

        spread = rng.uniform(0.02, 0.16)
        fingers = ((-0.39, -1.5, 0.72), (-0.13, -0.5, 0.95), (0.13, 0.5, 1.0), (0.39, 1.5, 0.9))
        palm = [(-0.65, -0.45), (0.1, -0.55), (0.6, -0.5), (0.65, 0.5), (0.1, 0.55), (-0.65, 0.45)]
        return cls(
            wrist=smooth(at([(-forearm, -0.5), (-0.4, -0.42), (-0.2, 0), (-0.4, 0.42), (-forearm, 0.5)]), 1),
            thumb=at(_finger((-0.3, 0.40), 0.9 + spread, 0.75, 0.15)),
            palm=smooth(at(palm), 2),
            fingers=tuple(at(_finger((0.45, y), spread * slant, length, 0.125)) for y, slant, length in fingers),
            creases=tuple(at([(-0.2, y - 0.2), (0.1, y), (0.3, y + 0.25)]) for y in (-0.12, 0.15)),
            size=size,
        )

    @property
    def outlines(self) -> tuple[np.ndarray, ...]:
        return self.wrist, self.thumb, self.palm, *self.fingers

    def paint(self, layer: Layer, skin: np.ndarray, light: Light) -> None:
        colour = np.minimum(skin * light.on(np.array([0.1, -0.2, 0.97])), 250)
        dark = colour * 0.62
        layer.lines(self.outlines, dark, self.size * 0.10, closed=True)
        for outline in (self.wrist, self.thumb, self.palm):
            layer.polygon(outline, colour)
        for finger in self.fingers:
            layer.polygon(finger, colour)
            layer.line(finger[1:-1], dark, self.size * 0.04)
        layer.lines(self.creases, colour * 0.82, self.size * 0.03)


def _finger(root: tuple[float, float], turn: float, length: float, half: float) -> np.ndarray:
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    tip = np.linspace(-np.pi / 2, np.pi / 2, 7)
    points = [np.array(root) - across * half]
    points += [np.array(root) + along * (length + half * np.cos(a)) + across * half * np.sin(a) for a in tip]
    points.append(np.array(root) + across * half)
    return np.array(points)
