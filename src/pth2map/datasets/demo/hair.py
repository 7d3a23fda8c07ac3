"""Hair of the head, drawn."""

import numpy as np

from pth2map.datasets.demo.brush import Brush
from pth2map.datasets.demo.canvas import hull, mixed, ring, smooth
from pth2map.datasets.demo.heads import FACE_EDGE, at_depth, disc

_VOLUME = {  # how much wider and higher than the skull, and how far down
    "receding": (1.03, 1.0, 0.35),
    "buzz": (1.02, 1.02, 0.25),
    "short": (1.07, 1.09, 0.28),
    "spiky": (1.05, 1.08, 0.25),
    "bob": (1.2, 1.1, 0.85),
    "long": (1.14, 1.1, 0.6),
    "curly": (1.16, 1.13, 0.35),
    "afro": (1.42, 1.42, 0.3),
    "bun": (1.05, 1.07, 0.3),
    "tails": (1.06, 1.07, 0.3),
}


def draw_hanging(brush: Brush) -> None:
    """Hair that hangs below the head or stands above it."""
    look = brush.look
    if look.hair == "bun":
        if look.hat == "none":
            brush.polygon(brush.free(_BUN), look.hair_colour * 0.92)
        return
    locks = {"long": _LONG * (1, 1.3 + 0.4 * look.jaw, 1), "tails": _TAIL}.get(look.hair)
    if locks is None:
        return
    for sign in (-1, 1):
        lock = smooth(locks * (sign, 1, 1))
        brush.polygon(brush.free(lock), look.hair_colour * 0.86)
        if brush.fine:
            middle = lock.mean(axis=0)
            for part, shade in ((0.3, 0.74), (0.5, 1.08), (0.7, 0.74), (0.88, 1.1)):
                strand = brush.free(middle + (lock - middle) * (part, 0.97, 1))
                brush.lines([strand], look.hair_colour * shade, 0.018, closed=True)


def draw_volume(brush: Brush) -> None:
    """What lies around the skull, or the bald skull itself; the face comes over it."""
    look = brush.look
    if look.hair == "bald":
        brush.polygon(hull(brush.pose.project(brush.shape.cap(0.45, 1.0, 1.0))), look.skin)
        return
    wider, higher, low = _VOLUME[look.hair]
    outline = smooth(hull(brush.pose.project(brush.shape.cap(low, wider, higher))), 1)
    colour = mixed(look.hair_colour, look.skin, 0.3) if look.hair == "buzz" else look.hair_colour
    brush.polygon(outline, colour)
    if look.hair in {"curly", "afro"}:
        _curls(brush, outline)
    elif look.hair == "spiky":
        _spikes(brush, outline)


def draw_bald_front(brush: Brush) -> None:
    """The skin above the forehead of somebody who loses hair."""
    if brush.look.hair == "receding":
        y = np.linspace(-0.98, brush.look.hairline, 5)
        brush.polygon(hull(brush.around(np.tile(_TEMPLES, 5), np.repeat(y, 9), 1.02, 1.02)), brush.look.skin)


def draw_fringe(brush: Brush) -> None:
    look = brush.look
    stretch = look.width / 0.70, 1.0
    for edges in _FRINGE[look.fringe]:
        first, second = edges[0] * stretch, edges[1] * stretch
        # The fringe hangs from the volume, so it is a little in front of the skin.
        brush.polygon(smooth(brush.at(np.concatenate([first, second[::-1]]), 0.06), 1), look.hair_colour)
        if brush.fine:
            strands = brush.all_at(
                [mixed(first, second, part)[:-1] for part in (0.12, 0.45, 0.78, 0.3, 0.62, 0.9)], 0.07
            )
            brush.lines(strands[:3], look.hair_colour * 0.7, 0.013)
            brush.lines(strands[3:], look.hair_colour * 1.25 + 4, 0.013)


def draw_strands(brush: Brush) -> None:
    """Single hairs from the crown down to the hairline."""
    look, rng, pose = brush.look, brush.rng, brush.pose
    if not brush.fine or look.hair in {"bald", "receding", "buzz", "curly", "afro"}:
        return
    wider, higher, low = _VOLUME[look.hair]
    count = 72 if brush.finest else 28
    angles = rng.uniform(-np.pi, np.pi, count)
    hairline = look.hairline - 0.04 + 0.30 * (angles / FACE_EDGE) ** 2
    end = np.minimum(np.where(np.cos(angles) > 0.2, hairline, low), low)
    part = np.linspace(0.02, 1, 5)
    heights = -0.99 + (end[:, None] + 0.99) * part**1.3
    drift = angles[:, None] + 0.25 * np.sin(3 * angles)[:, None] * part
    points = brush.shape.around(drift.ravel(), heights.ravel(), wider * 1.01, higher)
    seen = (pose.towards(points).reshape(count, -1)[:, 1:] > -0.15).all(axis=1)
    lines = list(pose.project(points).reshape(count, -1, 2)[seen])
    for number, shade in enumerate((0.68, 0.84, 1.14, 1.28)):
        if chosen := lines[number::4]:
            brush.lines(chosen, look.hair_colour * shade + 4, 0.014)


def _curls(brush: Brush, outline: np.ndarray) -> None:
    rng, colour = brush.rng, brush.look.hair_colour
    radius = 0.13 if brush.look.hair == "afro" else 0.16
    unit = brush.pose.unit
    edge = outline[:: max(1, len(outline) // (26 if brush.small else 14))]
    for point, size in zip(edge, rng.uniform(0.7, 1.1, len(edge)).tolist(), strict=True):
        brush.disc(point, radius * size, colour)
    if brush.fine:
        centre = outline.mean(axis=0)
        for shade in (0.72, 0.86, 1.12, 1.25):
            count = 18 if brush.finest else 7
            middles = centre + (outline[rng.integers(len(outline), size=count)] - centre) * np.sqrt(
                rng.random((count, 1))
            )
            arcs = ring(12)[None, :7] * (radius * unit * rng.uniform(0.25, 0.5, (count, 1, 1)))
            turned = rng.choice([-1.0, 1.0], (count, 1, 2))
            brush.lines(list(middles[:, None] + arcs * turned), colour * shade + 5, 0.022)


def _spikes(brush: Brush, outline: np.ndarray) -> None:
    centre, unit = outline.mean(axis=0), brush.pose.unit
    high = outline[outline[:, 1] < centre[1]]
    for point in high[:: max(1, len(high) // 12)]:
        out = (point - centre) / np.hypot(*(point - centre))
        across = np.array([-out[1], out[0]]) * 0.14 * unit
        tip = point + out * 0.17 * unit + across * brush.rng.uniform(-0.5, 0.5)
        brush.polygon(np.array([point - across, tip, point + across]), brush.look.hair_colour)


def _mirrored(edges: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return edges[0] * (-1, 1), edges[1] * (-1, 1)


def _tuft(x: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """One of the tufts of a straight fringe, from its root down."""
    top, middle = -0.9 + 0.5 * x * x, -0.6 + 0.4 * x * x
    first = [(x, top), (x * 1.25, middle), (x * 1.3, end - 0.06), (x * 1.3 + 0.05, end)]
    second = [(x + 0.15, top), (x * 1.25 + 0.19, middle), (x * 1.3 + 0.2, end - 0.06), (x * 1.3 + 0.13, end)]
    return np.array(first), np.array(second)


_TEMPLES = np.linspace(-0.95, 0.95, 9)
_BUN = at_depth(disc((0, -1.28), 0.34, 0.30), -0.3)
_LONG = at_depth([(0.5, -0.5), (0.80, -0.15), (0.88, 0.3), (0.92, 0.85), (0.74, 1.05), (0.45, 0.95), (0.3, 0.4)], -0.25)
_TAIL = at_depth([(0.6, -0.5), (0.95, -0.45), (1.12, -0.05), (1.05, 0.6), (0.92, 0.75), (0.85, 0.1), (0.7, -0.2)], -0.4)
# Two edges each, between which strands of the fringe run from its root to its tip.
_SWEPT = (
    np.array([(0.24, -0.95), (-0.2, -0.86), (-0.5, -0.64), (-0.64, -0.4), (-0.69, 0.0)]),
    np.array([(0.24, -0.72), (0.0, -0.55), (-0.26, -0.42), (-0.48, -0.28), (-0.67, 0.0)]),
)
_OTHER_SIDE = (
    np.array([(0.22, -0.95), (0.45, -0.82), (0.60, -0.6), (0.68, -0.3), (0.69, -0.05)]),
    np.array([(0.22, -0.72), (0.36, -0.62), (0.50, -0.46), (0.60, -0.26), (0.67, -0.05)]),
)
_CURTAIN = (
    np.array([(0.02, -0.95), (-0.42, -0.86), (-0.64, -0.55), (-0.71, -0.1), (-0.69, 0.3)]),
    np.array([(0.0, -0.70), (-0.28, -0.56), (-0.50, -0.34), (-0.62, -0.02), (-0.67, 0.3)]),
)
_TUFTS = (
    (-0.5, -0.2),
    (-0.38, -0.26),
    (-0.26, -0.29),
    (-0.14, -0.26),
    (-0.02, -0.29),
    (0.1, -0.27),
    (0.22, -0.28),
    (0.34, -0.22),
)
_FRINGE: dict[str, tuple[tuple[np.ndarray, np.ndarray], ...]] = {
    "none": (),
    "straight": tuple(_tuft(x, end) for x, end in _TUFTS),
    "left": (_SWEPT, _OTHER_SIDE),
    "right": (_mirrored(_SWEPT), _mirrored(_OTHER_SIDE)),
    "parted": (_CURTAIN, _mirrored(_CURTAIN)),
}
