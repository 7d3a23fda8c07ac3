"""What is worn on a face or held before it, drawn."""

import numpy as np

from pth2map.datasets.demo.brush import Brush
from pth2map.datasets.demo.canvas import hull, ring, smooth
from pth2map.datasets.demo.features import SIDES
from pth2map.datasets.demo.hands import Hand

_ACROSS = np.linspace(-1, 1, 9)


def draw_glasses(brush: Brush) -> None:
    look = brush.look
    if look.glasses == "none":
        return
    rim = _RIMS[look.glasses]
    lenses = brush.all_at([rim + np.array([sign * look.eye_gap, 0.02]) for sign in SIDES], 0.11)
    if look.glasses == "dark":
        for lens in lenses:
            brush.polygon(lens, (34, 28, 26))
            middle = lens.mean(axis=0)
            sheen = middle + (lens - middle) * (0.4, 0.2) + np.array([0.05 * brush.side, -0.07]) * brush.pose.unit
            brush.polygon(sheen, (92, 84, 78))
            brush.hide(lens)
    brush.lines(lenses, look.glasses_colour, 0.028, closed=True)
    reach = float(rim[:, 0].max())
    inner = look.eye_gap - reach
    bars = [brush.at(np.array([(-inner, -0.01), (0, -0.045), (inner, -0.01)]), 0.13)]
    for sign in SIDES:
        if brush.faces_viewer((sign, 0, 0.35), 0.0):
            x = sign * (look.eye_gap + reach), sign * look.width, sign * look.width * 1.02
            bars.append(brush.free([(x[0], -0.02, 0.68), (x[1], -0.03, 0.45), (x[2], 0.0, 0.0)]))
    brush.lines(bars, look.glasses_colour, 0.026)


def draw_mask(brush: Brush) -> None:
    look = brush.look
    loops = [brush.free([(sign * 0.56, 0.3, 0.35), (sign * look.width, 0.1, 0.0)]) for sign in SIDES]
    brush.lines(loops, (235, 235, 235), 0.02)
    outline = smooth(hull(brush.at(_MASK * (look.width / 0.70, 1), _MASK_LIFT)), 1)
    brush.polygon(outline, look.cover_colour)
    if abs(brush.pose.yaw) < 0.7:
        brush.lines(brush.all_at(_PLEATS, 0.14), look.cover_colour * 0.82, 0.016)
    brush.lines([outline], look.cover_colour * 0.86, 0.016, closed=True)
    brush.hide(outline)


def draw_scarf(brush: Brush) -> None:
    """Around the neck, up to the nose."""
    look = brush.look
    tail = brush.free(_TAIL)
    brush.polygon(tail, look.cover_colour * 0.9)
    stripes = [
        np.array([tail[0] + (tail[3] - tail[0]) * part, tail[1] + (tail[2] - tail[1]) * part])
        for part in (0.4, 0.6, 0.8)
    ]
    brush.lines(stripes, look.second_cloth, 0.09)
    outline = smooth(brush.free(_LOOP), 2)
    brush.polygon(outline, look.cover_colour)
    depth = 0.9 * np.sqrt(1 - _ACROSS * _ACROSS)
    for part, colour in ((0.28, look.second_cloth), (0.5, look.cover_colour * 0.72), (0.72, look.second_cloth)):
        y = 0.52 + part * (0.95 - 0.35 * np.abs(_ACROSS)) + 0.06 * _ACROSS
        brush.lines([brush.free(np.stack([0.9 * _ACROSS, y, depth], axis=1))], colour, 0.06)
    fold = np.stack([_ACROSS * 0.9, 0.62 + 0.3 * (1 - _ACROSS * _ACROSS), depth], axis=1)
    brush.darken_line(brush.free(fold), 90, 0.08)
    brush.hide(outline)


def hold_hand(brush: Brush) -> Hand:
    """A hand before cheek or mouth, with its shadow; it is painted when the light is on the face."""
    rng, unit = brush.rng, brush.pose.unit
    x, y = rng.uniform(-0.45, 0.45), rng.uniform(0.45, 0.8)
    place = brush.at(np.array([(x, y)]), 0.2)[0]
    hand = Hand.draw(place, 0.36 * unit, -np.pi / 2 + rng.uniform(-0.6, 0.6) - x, rng)
    for outline in hand.outlines:
        brush.darken(outline + np.array([-0.05 * brush.side, 0.09]) * unit, 130)
        brush.hide(outline)
    return hand


def _rim(width: float, height: float, power: float) -> np.ndarray:
    rim: np.ndarray = np.sign(ring(20)) * np.abs(ring(20)) ** power * (width, height)
    return rim


_RIMS = {"round": _rim(0.205, 0.165, 0.95), "square": _rim(0.205, 0.15, 0.55), "dark": _rim(0.225, 0.175, 0.85)}
_HALF_MASK = np.array([(0.0, 0.14), (0.2, 0.2), (0.52, 0.24), (0.60, 0.5), (0.5, 0.84), (0.24, 1.03), (0.0, 1.08)])
_MASK = np.concatenate([_HALF_MASK, (_HALF_MASK * (-1, 1))[::-1][1:-1]])
_MASK_LIFT = np.interp(np.abs(_MASK[:, 0]), [0, 0.25, 0.6], [0.2, 0.12, 0.03])
_PLEATS = [np.stack([_ACROSS * 0.46, y + 0.05 * (1 - 0.85 * _ACROSS**2)], axis=1) for y in (0.42, 0.58, 0.74)]
_TAIL = np.array([(0.1, 1.0, 0.7), (0.62, 0.95, 0.5), (0.72, 2.3, 0.5), (0.3, 2.4, 0.6)])
_LOOP = np.array(
    [
        *((-0.8, 0.62, 0.1), (-0.55, 0.50, 0.5), (0, 0.50, 0.95), (0.55, 0.46, 0.5), (0.8, 0.56, 0.1)),
        *((0.96, 0.9, 0), (0.88, 1.25, 0.2), (0, 1.5, 0.8), (-0.88, 1.3, 0.2), (-0.96, 0.95, 0)),
    ]
)
