"""Things in a scene that are no faces, though some look like one in part, and things that stand before faces."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pth2map.datasets.demo.canvas import Layer, mixed, ring, smooth
from pth2map.datasets.demo.hands import Hand
from pth2map.datasets.demo.heads import disc
from pth2map.datasets.demo.light import Light, shade_round
from pth2map.datasets.demo.looks import draw_cloth, draw_skin


@dataclass(frozen=True, eq=False)
class Place:
    """Where a thing is drawn: its middle and half its size in pixels, in a picture of a width and height."""

    x: float
    y: float
    size: float
    light: Light
    picture: tuple[int, int]

    def layer(self, reach: float = 1.15) -> Layer | None:
        far = self.size * reach
        scale = 1 if self.size > 60 else 2 if self.size > 16 else 4
        return Layer.around((self.x - far, self.y - far, self.x + far, self.y + far), scale, self.picture)

    def at(self, points: object) -> np.ndarray:
        """Pixels of points in units of the size, from the middle."""
        placed: np.ndarray = np.asarray(points, np.float64) * self.size + (self.x, self.y)
        return placed

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.x - self.size, self.y - self.size, self.x + self.size, self.y + self.size


Thing: TypeAlias = Callable[[Place, np.random.Generator], "Layer | None"]


def ball(place: Place, rng: np.random.Generator) -> Layer | None:
    """A basketball, football, tennis ball or one of beach balls' colours."""
    layer = place.layer()
    if layer is None:
        return None
    kind, size = int(rng.integers(4)), place.size
    colour = np.array([(40, 110, 215), (235, 235, 235), (70, 225, 205), (235, 235, 235)][kind], np.float64)
    layer.polygon(place.at(ring(32)), colour)
    turn = rng.uniform(0, 6)
    if kind in {0, 2}:
        line = (30, 40, 60) if kind == 0 else (235, 240, 240)
        t = np.linspace(-1, 1, 13)
        edge = np.sqrt(1 - t * t)
        for curve in [0.0, -0.6, 0.6] if kind == 0 else [-0.65, 0.65]:
            points = np.stack([curve * edge + (0.35 * curve if kind == 2 else 0), t], axis=1)
            layer.line(place.at(_turned(points, turn)), line, size * 0.045)
        if kind == 0:
            layer.line(place.at(_turned(np.stack([t, 0 * t], axis=1), turn)), line, size * 0.045)
    elif kind == 1:
        for angle in [None, *(np.arange(5) * 2 * np.pi / 5)]:
            centre = (0.0, 0.0) if angle is None else (0.78 * np.cos(angle), 0.78 * np.sin(angle))
            patch = _turned(ring(5) * (0.3 if angle is None else 0.24) + centre, turn)
            layer.polygon(place.at(patch), (44, 40, 40))
    else:
        for part in range(3):
            angles = np.linspace(0, np.pi / 3, 7) + part * 2 * np.pi / 3 + turn
            wedge = np.concatenate([[(0, 0)], np.stack([np.cos(angles), np.sin(angles)], axis=1)])
            layer.polygon(place.at(wedge), draw_cloth(rng))
    shade_round(layer, place.box, place.light)
    return layer


def clock(place: Place, rng: np.random.Generator) -> Layer | None:
    """A round clock with two hands and ticks for the hours."""
    layer = place.layer()
    if layer is None:
        return None
    rim, dial = draw_cloth(rng), mixed((235, 240, 242), draw_cloth(rng), rng.uniform(0, 0.3))
    layer.polygon(place.at(ring(32)), rim)
    layer.polygon(place.at(ring(32) * 0.86), dial)
    ticks = [np.array([spot * 0.68, spot * 0.8]) for spot in ring(12)]
    layer.lines([place.at(tick) for tick in ticks], (40, 40, 40), place.size * 0.05)
    for length, width in ((0.4, 0.08), (0.62, 0.05)):
        angle = rng.uniform(0, 2 * np.pi)
        layer.line(
            place.at([(0, 0), (length * np.cos(angle), length * np.sin(angle))]), (30, 30, 30), place.size * width
        )
    shade_round(layer, _wider(place, 2.0), place.light)
    return layer


def plate(place: Place, rng: np.random.Generator) -> Layer | None:
    """A plate, with two eggs on it now and then."""
    layer = place.layer()
    if layer is None:
        return None
    layer.polygon(place.at(ring(32)), (232, 234, 236))
    layer.line(place.at(ring(32) * 0.93), draw_cloth(rng), place.size * 0.04, closed=True)
    layer.line(place.at(ring(32) * 0.66), (196, 200, 204), place.size * 0.03, closed=True)
    if rng.random() < 0.5:
        for x in (-0.22, 0.26):
            layer.polygon(smooth(place.at(disc((x, rng.uniform(-0.15, 0.15)), 0.26, 0.22, 7))), (246, 248, 250))
            layer.polygon(place.at(disc((x, 0), 0.1, 0.1)), (40, 180, 245))
    shade_round(layer, _wider(place, 2.0), place.light)
    return layer


def lamp(place: Place, rng: np.random.Generator) -> Layer | None:
    """A hanging lamp that shines, a globe or one with a shade."""
    layer = place.layer(2.1)
    if layer is None:
        return None
    warm = np.array([150.0, 215, 250]) * rng.uniform(0.9, 1.02)
    layer.line(place.at([(0, -2), (0, -0.5)]), (50, 50, 50), place.size * 0.06)
    if rng.random() < 0.5:
        layer.polygon(place.at(ring(24) * 0.85), warm)
        layer.polygon(place.at(ring(24) * 0.6), np.minimum(warm * 1.12, 255))
    else:
        layer.polygon(
            place.at([(-0.45, -0.6), (0.45, -0.6), (0.9, 0.6), (-0.9, 0.6)]), mixed(warm, draw_cloth(rng), 0.4)
        )
        layer.polygon(place.at(disc((0, 0.62), 0.9, 0.12)), warm)
    return layer


def balloon(place: Place, rng: np.random.Generator) -> Layer | None:
    """An oval of any colour, that of skin among them."""
    layer = place.layer(2.3)
    if layer is None:
        return None
    colour = draw_skin(rng) if rng.random() < 0.35 else np.minimum(draw_cloth(rng) * 1.15, 250)
    string = [(0, 1.1), (0.1, 1.4), (-0.06, 1.8), (0.04, 2.2)]
    layer.line(place.at(string), (200, 200, 200), max(place.size * 0.025, 0.4))
    layer.polygon(place.at([(-0.12, 1.16), (0.12, 1.16), (0, 0.98)]), colour * 0.85)
    layer.polygon(place.at(ring(32) * (0.84, 1.02)), colour)
    shade_round(layer, place.box, place.light)
    layer.polygon(place.at(disc((-0.32, -0.42), 0.12, 0.2)), np.minimum(colour * 1.35 + 40, 255))
    return layer


def smiley(place: Place, rng: np.random.Generator) -> Layer | None:
    """A yellow disc that laughs without eyes."""
    layer = place.layer()
    if layer is None:
        return None
    layer.polygon(place.at(ring(32)), (50, 205, 250))
    layer.line(place.at(ring(32) * 0.95), (30, 150, 200), place.size * 0.07, closed=True)
    t = np.linspace(0.15 * np.pi, 0.85 * np.pi, 11)
    layer.line(place.at(np.stack([0.6 * np.cos(t), 0.6 * np.sin(t)], axis=1)), (30, 60, 90), place.size * 0.1)
    shade_round(layer, _wider(place, 1.5), place.light)
    return layer


def hand(place: Place, rng: np.random.Generator) -> Layer | None:
    """A raised hand with its arm."""
    bottom = place.picture[1]
    box = (place.x - 3 * place.size, place.y - 2 * place.size, place.x + 3 * place.size, bottom)
    layer = Layer.around(box, 1 if place.size > 60 else 2, place.picture)
    if layer is None:
        return None
    palm, forearm = place.size * 0.8, max(3.4, (bottom - place.y) / place.size * 1.4)
    drawn = Hand.draw(np.array([place.x, place.y]), palm, -np.pi / 2 + rng.normal(0, 0.2), rng, forearm)
    drawn.paint(layer, draw_skin(rng), place.light)
    return layer


def mannequin(place: Place, rng: np.random.Generator) -> Layer | None:
    """A head of one colour without any feature, on a stick."""
    layer = place.layer(1.8)
    if layer is None:
        return None
    colour = draw_skin(rng) if rng.random() < 0.6 else mixed(draw_cloth(rng), (220, 220, 220), 0.6)
    layer.polygon(place.at([(-0.25, 0.7), (0.25, 0.7), (0.3, 1.4), (0.8, 1.8), (-0.8, 1.8), (-0.3, 1.4)]), colour * 0.9)
    oval = [
        (0, -1),
        (0.55, -0.8),
        (0.74, -0.2),
        (0.6, 0.55),
        (0.2, 1),
        (-0.2, 1),
        (-0.6, 0.55),
        (-0.74, -0.2),
        (-0.55, -0.8),
    ]
    layer.polygon(smooth(place.at(oval), 2), colour)
    if rng.random() < 0.6:
        wig = [
            (-0.8, 0.3),
            (-0.9, -0.5),
            (-0.4, -1.1),
            (0.4, -1.1),
            (0.9, -0.5),
            (0.8, 0.3),
            (0.6, -0.4),
            (0, -0.7),
            (-0.6, -0.4),
        ]
        layer.polygon(smooth(place.at(wig), 2), draw_cloth(rng) * 0.5)
    shade_round(layer, place.box, place.light)
    return layer


def dog(place: Place, rng: np.random.Generator) -> Layer | None:
    """The head of a dog from the front."""
    layer = place.layer(1.4)
    if layer is None:
        return None
    fur = mixed((90, 140, 190), (50, 60, 80), rng.random()) * rng.uniform(0.7, 1.3)
    light = mixed(fur, (225, 232, 240), 0.6)
    layer.polygon(smooth(place.at([(-0.6, 0.3), (0.6, 0.3), (0.9, 1.4), (-0.9, 1.4)]), 2), fur * 0.85)
    head = [
        (-0.5, -0.85),
        (0.5, -0.85),
        (0.78, -0.3),
        (0.55, 0.35),
        (0.35, 0.85),
        (-0.35, 0.85),
        (-0.55, 0.35),
        (-0.78, -0.3),
    ]
    layer.polygon(smooth(place.at(head), 2), fur)
    for sign in (-1, 1):
        ear = [(sign * 0.4, -0.9), (sign * 0.85, -0.75), (sign * 1.05, 0.1), (sign * 0.85, 0.35), (sign * 0.68, -0.3)]
        layer.polygon(smooth(place.at(ear), 2), fur * 0.6)
    layer.polygon(smooth(place.at([(-0.12, -0.8), (0.12, -0.8), (0.4, 0.5), (0, 0.95), (-0.4, 0.5)]), 2), light)
    for sign in (-1, 1):
        layer.polygon(place.at(disc((sign * 0.34, -0.2), 0.11, 0.12)), (24, 22, 26))
        layer.disc(place.at([(sign * 0.34 + 0.03, -0.24)])[0], place.size * 0.03, (240, 240, 240))
    layer.polygon(smooth(place.at([(-0.2, 0.28), (0.2, 0.28), (0.1, 0.5), (-0.1, 0.5)]), 1), (30, 28, 30))
    layer.line(place.at([(-0.25, 0.66), (0, 0.6), (0, 0.48), (0, 0.6), (0.25, 0.66)]), (40, 36, 44), place.size * 0.04)
    layer.polygon(smooth(place.at([(-0.1, 0.66), (0.1, 0.66), (0.09, 0.9), (-0.09, 0.9)]), 1), (130, 110, 220))
    shade_round(layer, place.box, place.light)
    return layer


def car(place: Place, rng: np.random.Generator) -> Layer | None:
    """A car from the front: two lamps over a grille."""
    layer = place.layer(1.3)
    if layer is None:
        return None
    colour = draw_cloth(rng)
    for sign in (-1, 1):
        layer.polygon(
            place.at([(sign * 0.55, 0.5), (sign * 0.95, 0.5), (sign * 0.95, 0.95), (sign * 0.55, 0.95)]), (30, 30, 32)
        )
    layer.polygon(smooth(place.at([(-0.6, -0.65), (0.6, -0.65), (0.85, 0.0), (-0.85, 0.0)]), 1), colour * 0.9)
    layer.polygon(place.at([(-0.52, -0.55), (0.52, -0.55), (0.7, -0.08), (-0.7, -0.08)]), (110, 92, 78))
    layer.polygon(smooth(place.at([(-1.05, 0.0), (1.05, 0.0), (1.1, 0.7), (-1.1, 0.7)]), 1), colour)
    layer.polygon(place.at([(-0.45, 0.2), (0.45, 0.2), (0.38, 0.48), (-0.38, 0.48)]), (34, 34, 36))
    for sign in (-1, 1):
        layer.polygon(place.at(disc((sign * 0.74, 0.25), 0.2, 0.13)), (215, 235, 240))
    layer.polygon(place.at([(-0.28, 0.54), (0.28, 0.54), (0.28, 0.66), (-0.28, 0.66)]), (225, 230, 232))
    shade_round(layer, _wider(place, 1.3), place.light)
    return layer


def flower(place: Place, rng: np.random.Generator) -> Layer | None:
    """A disc amid 7 to 14 petals, on a stalk."""
    layer = place.layer(2.4)
    if layer is None:
        return None
    layer.line(place.at([(0, 0), (0.1, 1.2), (0, 2.4)]), (50, 130, 60), place.size * 0.1)
    colour, count = np.minimum(draw_cloth(rng) * 1.2, 250), int(rng.integers(7, 15))
    for x, y in ring(count):
        petal = _turned(disc((0.66, 0), 0.36, 0.2), float(np.arctan2(y, x)))
        layer.polygon(place.at(petal), colour * rng.uniform(0.85, 1.05))
    layer.polygon(place.at(ring(20) * 0.42), (40, 70, 110) if rng.random() < 0.5 else (60, 190, 230))
    shade_round(layer, place.box, place.light)
    return layer


def box(place: Place, rng: np.random.Generator) -> Layer | None:
    """A carton, or a sign with lines of writing."""
    layer = place.layer(1.3)
    if layer is None:
        return None
    tall = rng.uniform(0.5, 1.0)
    corners = np.array([(-1, -tall), (1, -tall), (1, tall), (-1, tall)])
    colour = mixed(draw_cloth(rng), (150, 180, 200), 0.5)
    layer.polygon(place.at(_turned(corners, rng.normal(0, 0.06))), colour)
    if rng.random() < 0.5:
        for y in np.linspace(-tall * 0.6, tall * 0.6, 4):
            layer.line(place.at([(-0.7, y), (rng.uniform(0.1, 0.75), y)]), colour * 0.45, place.size * 0.09)
    else:
        layer.polygon(place.at([(-0.12, -tall), (0.12, -tall), (0.12, tall), (-0.12, tall)]), colour * 0.82)
    shade_round(layer, _wider(place, 1.6), place.light)
    return layer


def pole(place: Place, rng: np.random.Generator) -> Layer | None:
    """A post from the top of the picture to its bottom; the size is that of its half width."""
    layer = Layer.around((place.x - place.size, 0, place.x + place.size, place.picture[1]), 1, place.picture)
    if layer is None:
        return None
    layer.polygon(
        np.array([(place.x + sign * place.size, y) for sign, y in ((-1, -9), (1, -9), (1, 9999), (-1, 9999))]),
        draw_cloth(rng) * 0.7,
    )
    shade_round(layer, (place.x - place.size, -9999, place.x + place.size, 9999), place.light)
    return layer


def branch(place: Place, rng: np.random.Generator) -> Layer | None:
    """A branch with leaves, near and out of focus."""
    layer = place.layer(1.4)
    if layer is None:
        return None
    angle = rng.uniform(0, 2 * np.pi)
    green = np.array([rng.uniform(30, 80), rng.uniform(90, 150), rng.uniform(50, 110)])
    layer.line(place.at(_turned(np.array([(-1.3, 0), (0, 0.1), (1.1, 0)]), angle)), (40, 60, 80), place.size * 0.06)
    for part in np.linspace(-1.1, 1.0, 9):
        for sign in (-1, 1):
            leaf = smooth(np.array([(0, 0), (0.16, 0.22), (0.1, 0.55), (-0.04, 0.26)]), 1) * (1, sign) + (part, 0.05)
            layer.polygon(place.at(_turned(leaf, angle)), green * rng.uniform(0.7, 1.3))
    shade_round(layer, _wider(place, 1.5), place.light)
    layer.blurred(place.size * 0.025)
    return layer


def umbrella(place: Place, rng: np.random.Generator) -> Layer | None:
    """An open umbrella from the side."""
    layer = place.layer(1.9)
    if layer is None:
        return None
    layer.line(place.at([(0, -0.6), (0, 1.8)]), (60, 60, 66), place.size * 0.05)
    colour, second = draw_cloth(rng), draw_cloth(rng)
    angles = np.linspace(np.pi, 2 * np.pi, 25)
    layer.polygon(place.at(np.stack([np.cos(angles), 0.8 * np.sin(angles)], axis=1)), colour)
    for left in (-0.5, 0.5):
        layer.polygon(
            smooth(
                place.at([(0, -0.82), (left - 0.25, -0.3), (left - 0.3, 0.1), (left + 0.3, 0.1), (left + 0.25, -0.3)]),
                1,
            ),
            second,
        )
    shade_round(layer, place.box, place.light)
    return layer


LOOKALIKES: tuple[Thing, ...] = (ball, clock, plate, lamp, balloon, smiley, hand, mannequin, dog, flower)
"""What a detector might take for a face that has only learnt ovals, colours of skin, or pairs of dots."""


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    turned: np.ndarray = points @ np.array([[cosine, sine], [-sine, cosine]])
    return turned


def _wider(place: Place, factor: float) -> tuple[float, float, float, float]:
    far = place.size * factor
    return place.x - far, place.y - far, place.x + far, place.y + far
