"""What paints one head: points on its turned surface, a layer for colours, and coarse fields for soft light."""

from collections.abc import Sequence

import numpy as np

from pth2map.datasets.demo.canvas import Layer, cut, skin_grain
from pth2map.datasets.demo.heads import BACK_DEPTH, FRONT_DEPTH, Pose, Shape
from pth2map.datasets.demo.light import Light, shade
from pth2map.datasets.demo.looks import Expression, Look

SMALL, FINE, FINEST = 13, 30, 55
"""Pixels of half a head's height from which on more and more is drawn."""
_FIELD = {True: 72, False: 36}  # most pixels of a side of a coarse field, of fine heads and others
# What the fields change of a colour where they are full.
_DARK, _WARM, _BRIGHT = (-0.72, -0.66, -0.52), (-0.16, -0.15, 0.05), (0.42, 0.42, 0.42)


class Brush:
    """Colours go to ``layer`` and count as they are, in even light; :meth:`light` then puts the light on all of it."""

    def __init__(
        self,
        look: Look,
        expression: Expression,
        pose: Pose,
        light: Light,
        layer: Layer,
        rng: np.random.Generator,
    ) -> None:
        self.look, self.expression, self.pose, self.layer, self.rng = look, expression, pose, layer, rng
        self.shape = Shape(look.width, look.jaw)
        self.small, self.fine, self.finest = (pose.unit >= least for least in (SMALL, FINE, FINEST))
        self.side = 1.0 if light.key_direction[0] > 0 else -1.0
        """Where the light comes from: 1 is the right of the picture."""
        self.worn: Layer | None = None
        self.lighting = light
        """The light of the scene, which :meth:`light` puts on the layer and hands are painted in."""
        self._dark = layer.coarse(_FIELD[self.fine])
        self._warm, self._bright = (layer.coarse(_FIELD[True]) if self.fine else None for _ in range(2))

    def at(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Pixels of ``(n, 2)`` points of the face as seen from the front; ``lift`` is their height over it."""
        return self.pose.project(self.shape.on_face(points, lift))

    def all_at(self, pieces: Sequence[np.ndarray], lift: float = 0.0) -> list[np.ndarray]:
        """:meth:`at` of several pieces at once, which is faster."""
        placed = self.at(np.concatenate(pieces), lift)
        ends = np.cumsum([len(piece) for piece in pieces]).tolist()
        return [placed[end - len(piece) : end] for piece, end in zip(pieces, ends, strict=True)]

    def free(self, points: np.ndarray | Sequence[tuple[float, float, float]]) -> np.ndarray:
        """Pixels of ``(n, 3)`` points of the head's own coordinates."""
        return self.pose.project(np.asarray(points))

    def around(self, angles: np.ndarray, y: np.ndarray | float, wider: float, higher: float = 1.0) -> np.ndarray:
        """Pixels of points around the head, or one that many times as large."""
        return self.pose.project(self.shape.around(angles, np.broadcast_to(y, angles.shape), wider, higher))

    def faces_viewer(self, direction: tuple[float, float, float], least: float) -> bool:
        return bool(self.pose.rotation[2] @ direction > least)

    def polygon(self, points: np.ndarray, colour: np.ndarray | tuple[float, float, float]) -> None:
        self.layer.polygon(points, colour)

    def lines(
        self,
        lines: Sequence[np.ndarray],
        colour: np.ndarray | tuple[float, float, float],
        width: float,
        closed: bool = False,
    ) -> None:
        """Lines of a width in units."""
        self.layer.lines(lines, colour, width * self.pose.unit, closed)

    def disc(self, centre: np.ndarray, radius: float, colour: np.ndarray | tuple[float, float, float]) -> None:
        """A disc of a radius in units."""
        self.layer.disc(centre, radius * self.pose.unit, colour)

    def darken(self, points: np.ndarray, amount: float) -> None:
        """Soft shadow over an outline; ``amount`` is 0 to 255."""
        self._dark.polygon(points, amount)

    def darken_line(self, points: np.ndarray, amount: float, width: float, closed: bool = False) -> None:
        self._dark.line(points, amount, width * self.pose.unit, closed)

    def redden(self, points: np.ndarray, amount: float) -> None:
        """Blush inside an outline of ``(n, 2)`` pixels; ``amount`` is 0 to 255. Heads below :data:`FINE` have none."""
        if self._warm is not None:
            self._warm.polygon(points, amount)

    def brighten(self, points: np.ndarray, amount: float) -> None:
        """Soft shine, as :meth:`redden` has it."""
        if self._bright is not None:
            self._bright.polygon(points, amount)

    def hide(self, points: np.ndarray) -> None:
        """Note that the face is hidden inside an outline."""
        if self.worn is None:
            self.worn = self.layer.coarse(160)
        self.worn.polygon(points, 255)

    def light(self) -> None:
        """Put light on the layer, as on something round of the size of the head, and soft shadows and blushes."""
        turned = self.pose.rotation[:2]
        reach = np.sqrt(turned**2 @ np.array([self.look.width, 1.0, (FRONT_DEPTH + BACK_DEPTH) / 2]) ** 2)
        middle = turned[:, 2] * (FRONT_DEPTH - BACK_DEPTH) / 2
        x1, y1, x2, y2 = np.concatenate([middle - reach, middle + reach]).tolist()
        x, y, unit = self.pose.x, self.pose.y, self.pose.unit
        tone = self.lighting.round(self._dark, (x + x1 * unit, y + y1 * unit, x + x2 * unit, y + y2 * unit))
        for field, effect in ((self._dark, _DARK), (self._warm, _WARM), (self._bright, _BRIGHT)):
            if field is not None:
                field.blurred(0.035 * unit)
                for channel, part in enumerate(effect):
                    tone[channel] *= 1 + field.pixels * np.float32(part / 255)
        shade(self.layer, tone)
        if self.finest:
            height, width = self.layer.pixels.shape[:2]
            self.layer.multiply(cut(skin_grain(), width, height, self.rng), 128)
