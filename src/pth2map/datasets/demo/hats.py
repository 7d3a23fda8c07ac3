"""Hats and headscarves, drawn."""

import numpy as np

from pth2map.datasets.demo.brush import Brush
from pth2map.datasets.demo.canvas import hull, mixed, smooth
from pth2map.datasets.demo.heads import at_depth, disc

EDGE = {"beanie": -0.46, "cap": -0.5, "brim": -0.52, "headscarf": -0.56, "helmet": -0.5, "turban": -0.5}
"""Where the face begins under a hat."""
HEADSCARF_EDGE = np.radians(64)
"""How far around the head the face goes in a headscarf."""
_DOME = {  # how much wider and higher than the skull
    "beanie": (1.13, 1.16),
    "cap": (1.09, 1.1),
    "brim": (1.08, 1.2),
    "helmet": (1.2, 1.2),
    "turban": (1.22, 1.22),
}
_FRONT = np.linspace(-1.3, 1.3, 15)
_DOWN = np.linspace(0, 1, 6)


def draw_behind(brush: Brush) -> None:
    """What of a hat lies behind the head."""
    look = brush.look
    if look.hat == "brim":
        brush.polygon(brush.free(_BRIM), look.hat_colour * 0.55)
    elif look.hat == "headscarf":
        cloth = np.concatenate([brush.shape.cap(0.6, 1.13, 1.1), _CLOTH])
        brush.polygon(smooth(hull(brush.free(cloth)), 1), look.hat_colour)


def draw_hat(brush: Brush, behind: bool) -> None:
    """What is on the head, or around the face; from ``behind`` without what is in front alone."""
    look = brush.look
    if look.hat == "none":
        return
    if look.hat == "headscarf":
        if behind:
            return
        for fold in _FOLDS:
            brush.darken_line(brush.free(fold), 85, 0.06)
        edge = brush.pose.project(brush.shape.face(EDGE["headscarf"], HEADSCARF_EDGE))
        brush.darken_line(smooth(hull(edge), 1), 110, 0.1, closed=True)
        return
    colour, low = look.hat_colour, EDGE[look.hat]
    wider, higher = _DOME[look.hat]
    if look.hat == "brim":
        brush.polygon(brush.free(_BRIM[6:21]), colour * 0.82)
    brush.polygon(smooth(hull(brush.pose.project(brush.shape.cap(low, wider, higher))), 1), colour)
    {"beanie": _knit, "cap": _seam, "brim": _band, "helmet": _vents, "turban": _folds}[look.hat](brush, low)
    brush.lines([brush.around(_FRONT, low, wider * 1.02)], colour * 0.6, 0.02)
    if not behind:
        if look.hat == "cap":
            _visor(brush, low)
        elif look.hat == "helmet":
            _straps(brush, low)
        brush.darken_line(brush.around(_FRONT, low + 0.02, 1.0), 120, 0.16)


def _between(brush: Brush, high: float, low: float, wider: float) -> np.ndarray:
    """A band around the front of a hat."""
    upper, lower = brush.around(_FRONT * 1.2, high, wider), brush.around(_FRONT * 1.2, low, wider)
    return np.concatenate([upper, lower[::-1]])


def _seams(brush: Brush, angles: tuple[float, ...], low: float, shade: float, width: float) -> None:
    """Lines from the top of a hat down."""
    wider, higher = _DOME[brush.look.hat]
    heights = -0.96 + (low + 0.96) * _DOWN
    lines = [brush.around(np.full(6, angle), heights, wider * 1.01, higher) for angle in angles]
    brush.lines(lines, brush.look.hat_colour * shade, width)


def _knit(brush: Brush, low: float) -> None:
    colour = brush.look.hat_colour
    brush.polygon(_between(brush, low - 0.2, low + 0.03, 1.16), colour * 0.78)
    if brush.fine:
        _seams(brush, (-1.2, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.2), low - 0.2, 0.86, 0.02)
    brush.disc(brush.free([(0, -1.26, 0)])[0], 0.17, mixed(colour, (240, 240, 240), 0.5))


def _seam(brush: Brush, low: float) -> None:
    if brush.fine:
        _seams(brush, (-0.7, 0.0, 0.7), low, 0.82, 0.012)


def _visor(brush: Brush, low: float) -> None:
    look = brush.look
    inner = brush.shape.around(_FRONT, np.full(15, low), 1.09)
    outer = inner * (1.05, 1, 1.5) + (0, 0.16, 0.1)
    brush.polygon(brush.free(np.concatenate([inner, outer[::-1]])), look.hat_colour * 0.7)
    brush.lines([brush.free(inner)], look.hat_colour * 0.5, 0.025)
    if brush.fine:
        brush.polygon(brush.free(_BADGE), mixed(look.hat_colour, look.second_cloth, 0.8))


def _band(brush: Brush, low: float) -> None:
    brush.polygon(_between(brush, low - 0.16, low - 0.02, 1.09), brush.look.second_cloth * 0.8)


def _vents(brush: Brush, low: float) -> None:
    _seams(brush, (-0.8, -0.27, 0.27, 0.8), low - 0.15, 0.4, 0.075)


def _straps(brush: Brush, low: float) -> None:
    straps = [[(sign * 0.72, low, 0.2), (sign * 0.68, 0.4, 0.15), (sign * 0.3, 1.03, 0.4)] for sign in (-1, 1)]
    brush.lines([brush.free(strap) for strap in straps], (40, 40, 40), 0.035)


def _folds(brush: Brush, low: float) -> None:
    wider, higher = _DOME["turban"]
    folds = [
        brush.around(_FRONT * 0.9, low - (_FRONT * 0.2 + start) * 0.36 - 0.12, wider, higher)
        for start in np.linspace(-0.1, 0.9, 5)
    ]
    brush.lines(folds, brush.look.hat_colour * 0.78, 0.025)


_AROUND = np.linspace(-np.pi, np.pi, 27)
_BRIM = np.stack([1.18 * np.sin(_AROUND), -0.5 + 0.04 * np.cos(2 * _AROUND), 1.25 * np.cos(_AROUND)], axis=1)
_BADGE = at_depth(disc((0, -0.74), 0.16, 0.12), 0.78)
_CLOTH = at_depth(
    [(x * sign, y) for sign in (-1, 1) for x, y in ((0.8, 0.2), (0.85, 0.9), (0.95, 1.45), (0.5, 1.75), (0, 1.85))], 0.1
)
_FOLDS = tuple(
    np.array([(sign * 0.72, start - 0.3, 0.3), (sign * 0.4, start + 0.35, 0.6), (0, end, 0.7)])
    for sign in (-1, 1)
    for start, end in ((0.75, 1.25), (0.95, 1.5), (0.55, 0.9))
)
