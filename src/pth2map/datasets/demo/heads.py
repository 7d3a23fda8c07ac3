"""The shape of a head, and how it is turned.

A head has coordinates of its own in units of half its height: x to the right of the picture, y down, z to the viewer,
the origin in its middle; crown and chin of a face from the front are at y = -1 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pth2map.datasets.demo.canvas import ring

FRONT_DEPTH, BACK_DEPTH = 0.80, 0.98
FACE_EDGE = np.radians(78)
"""How far around the head the face goes, from its middle."""


@dataclass(frozen=True)
class Pose:
    """Angles in radians, and where a head is in the picture.

    Positive angles turn the face to the right of the picture (yaw), down (pitch), and clockwise (roll).
    """

    x: float
    y: float
    unit: float
    """Pixels of half a head's height."""
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @cached_property
    def _projection(self) -> np.ndarray:
        matrix: np.ndarray = self.rotation[:2].T * self.unit
        return matrix

    @cached_property
    def rotation(self) -> np.ndarray:
        (cy, cp, cr), (sy, sp, sr) = (f([self.yaw, self.pitch, self.roll]) for f in (np.cos, np.sin))
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        turned: np.ndarray = roll @ pitch @ yaw
        return turned

    def project(self, points: np.ndarray) -> np.ndarray:
        """``(n, 2)`` pixels of ``(n, 3)`` points of the head."""
        placed: np.ndarray = points @ self._projection + (self.x, self.y)
        return placed

    def towards(self, points: np.ndarray) -> np.ndarray:
        """``(n,)`` how much of a direction of the head points to the viewer."""
        depth: np.ndarray = points @ self.rotation[2]
        return depth


_STEPS = 512
_HEIGHTS = np.linspace(-1, 1, 2 * _STEPS + 1)
_FRONTS = FRONT_DEPTH * np.sqrt(1 - np.abs(_HEIGHTS) ** np.where(_HEIGHTS < 0, 2.6, 5.0))


@dataclass(frozen=True)
class Shape:
    """The surface of a head: ellipses one above the other."""

    width: float
    jaw: float

    @cached_property
    def _widths(self) -> np.ndarray:
        power = np.where(_HEIGHTS < 0, 2.3, 2.15 + 1.1 * self.jaw)
        widths: np.ndarray = self.width * np.sqrt(1 - np.abs(_HEIGHTS) ** power) + 1e-6
        return widths

    @cached_property
    def _flatness(self) -> np.ndarray:
        squared: np.ndarray = (_FRONTS / self._widths) ** 2
        return squared

    def half_width(self, y: np.ndarray) -> np.ndarray:
        """``(n,)`` half the width of the head, in units, at ``(n,)`` heights from -1 to 1."""
        widths: np.ndarray = self._widths[_row(y)]
        return widths

    def on_face(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """``(n, 3)`` of ``(n, 2)`` x, y as seen from the front; ``lift`` is away from the surface, to the front."""
        row, x = _row(points[:, 1]), points[:, 0]
        made = np.empty((len(points), 3))
        made[:, :2] = points
        made[:, 2] = np.sqrt(np.maximum(_FRONTS[row] ** 2 - x * x * self._flatness[row], 0)) + lift
        return made

    def around(self, angles: np.ndarray, y: np.ndarray, wider: float = 1.0, higher: float = 1.0) -> np.ndarray:
        """``(n, 3)`` points at angles around the head (0 is the front), of a head that many times as large."""
        row, cosine = _row(y), np.cos(angles)
        width = self._widths[row]
        back = width * (BACK_DEPTH / self.width) * (1 - 1.1 * np.maximum(y, 0) ** 2)  # round above the neck
        depth = np.where(cosine > 0, _FRONTS[row], back)
        made = np.empty((len(y), 3))
        made[:, 0] = width * np.sin(angles) * wider
        made[:, 1] = np.where(y < 0, y * higher, y)
        made[:, 2] = depth * cosine * wider
        return made

    def cap(self, low: float, wider: float, higher: float) -> np.ndarray:
        """Points all around the part of the head above ``low``."""
        y = np.concatenate([_CROWN, np.linspace(-0.6, low, 4)])
        return self.around(np.tile(_ROUND, len(y)), np.repeat(y, len(_ROUND)), wider, higher)

    def face(self, top: float, edge: float = FACE_EDGE) -> np.ndarray:
        """Points of the edge of the face and on it, below a hairline that falls off to the sides."""
        y = _DOWN
        angles = np.linspace(-edge, edge, 9)
        fall = (0.30 * (angles / edge) ** 2)[None, :] * (1 - y[:, None])
        heights = top + fall + (1 - top - fall) * y[:, None]
        return self.around(np.tile(angles, len(y)), heights.ravel())


_ROUND = np.linspace(-np.pi, np.pi, 18, endpoint=False)
_CROWN = np.array([-1.0, -0.98, -0.92, -0.8])
_DOWN = np.sin(np.linspace(0, np.pi / 2, 12))  # dense at the chin


def _row(y: np.ndarray) -> np.ndarray:
    """Where in the tables a height from -1 on is."""
    return np.minimum((y * _STEPS + _STEPS).astype(np.intp), 2 * _STEPS)


def at_depth(points: Sequence[tuple[float, float]] | np.ndarray, z: float) -> np.ndarray:
    """``(n, 3)`` of ``(n, 2)`` points x, y."""
    return np.column_stack([points, np.full(len(points), z)])


def disc(centre: tuple[float, float], width: float, height: float, count: int = 14) -> np.ndarray:
    """``(count, 2)`` points of an ellipse."""
    return ring(count) * (width, height) + centre
