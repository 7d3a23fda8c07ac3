"""What is behind everything: walls, leaves, streets, rooms and lights, without a face in them.

Each function draws ``(height, width, 3)`` uint8 BGR in daylight; the scene decides what becomes of it.
"""

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from pth2map.datasets.demo.canvas import cut, mixed, mottle
from pth2map.datasets.demo.looks import draw_cloth, draw_skin

Backdrop: TypeAlias = Callable[[int, int, np.random.Generator], np.ndarray]


def studio(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A lit wall of one colour, or of two that run into each other."""
    middle = mixed(draw_cloth(rng), (200, 200, 200), rng.uniform(0.1, 0.7))
    edge = mixed(middle * rng.uniform(0.35, 0.7), draw_cloth(rng), rng.uniform(0, 0.4))
    x, y = (np.linspace(0, 1, 40) - rng.uniform(0.2, 0.8) for _ in range(2))
    part = np.minimum(np.hypot(x[None, :], y[:, None]) * 1.5, 1)[..., None]
    field = (middle * (1 - part) + edge * part).astype(np.uint8)
    return _mottled(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), rng, 0.08)


def wall(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Plaster or striped paper, with frames, a skirting, a window or a shelf."""
    colour = mixed(draw_cloth(rng), (225, 228, 230), rng.uniform(0.35, 0.8))
    image = _plain(width, height, colour)
    if rng.random() < 0.35:
        step = int(rng.integers(14, 60))
        for x in range(int(rng.integers(step)), width, step):
            cv2.rectangle(image, (x, 0), (x + step // 2, height), (colour * rng.uniform(0.9, 0.97)).tolist(), -1)
    image = _mottled(image, rng, 0.12)
    for _ in range(int(rng.integers(0, 4))):
        x, y = int(rng.integers(width)), int(rng.integers(height // 2))
        w, h = int(rng.integers(40, 140)), int(rng.integers(40, 120))
        frame = rng.uniform(20, 110) * np.array([0.7, 0.9, 1.0])
        cv2.rectangle(image, (x + 4, y + 5), (x + w + 4, y + h + 5), (colour * 0.7).tolist(), -1)
        cv2.rectangle(image, (x, y), (x + w, y + h), frame.tolist(), -1)
        inner = image[y + 6 : y + h - 5, x + 6 : x + w - 5]
        if inner.size:
            kind = (foliage, dusk, studio)[int(rng.integers(3))]
            inner[:] = kind(inner.shape[1], inner.shape[0], rng)
    if rng.random() < 0.4:
        y = int(height * rng.uniform(0.55, 0.9))
        cv2.rectangle(image, (0, y), (width, height), (colour * rng.uniform(0.4, 0.8)).tolist(), -1)
        cv2.line(image, (0, y), (width, y), np.minimum(colour * 1.1, 250).tolist(), 5)
    return image


def brick(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A wall of bricks, 10 to 34 pixels high each, in mortar."""
    tall = int(rng.integers(10, 34))
    wide = int(tall * rng.uniform(2.0, 2.8))
    rows, columns = height // tall + 2, width // wide + 2
    base = mixed((62, 84, 150), (170, 176, 190), rng.uniform(0, 0.9))
    shades = rng.normal(1, 0.10, (rows, columns, 1)) * base * rng.normal(1, 0.03, (rows, columns, 3))
    bricks = cv2.resize(
        np.clip(shades, 0, 250).astype(np.uint8), (columns * wide, rows * tall), interpolation=cv2.INTER_NEAREST
    )
    image = np.empty((height, width, 3), np.uint8)
    mortar = mixed(base, (190, 195, 200), 0.6) * rng.uniform(0.6, 1.0)
    for row in range(rows):
        top, bottom = row * tall, min((row + 1) * tall, height)
        if top >= height:
            break
        shift = wide // 2 if row % 2 else 0
        image[top:bottom] = bricks[top:bottom, shift : shift + width]
        image[top : top + max(1, tall // 9)] = mortar
        for x in range(-shift, width, wide):
            image[top:bottom, max(x, 0) : max(x + max(1, tall // 9), 0)] = mortar
    return _mottled(image, rng, 0.2)


def foliage(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Leaves far behind the plane of focus, with the light between them."""
    small = max(4, width // 4), max(4, height // 4)
    base = np.array([rng.uniform(30, 70), rng.uniform(70, 120), rng.uniform(40, 90)])
    image = _plain(*small, base * 0.6)
    count = 70
    places = rng.random((count, 2)) * small
    sizes = rng.uniform(0.03, 0.11, count) * small[0]
    turns = rng.uniform(0, 180, count)
    shades = np.clip(base * rng.uniform(0.4, 1.9, (count, 1)) * rng.normal(1, 0.12, (count, 3)), 0, 255)
    for place, size, turn, shade in zip(places.tolist(), sizes.tolist(), turns.tolist(), shades.tolist(), strict=True):
        cv2.ellipse(image, (place, (size * 2.2, size), turn), shade, -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 14))):
        centre = (rng.random(2) * small).astype(int).tolist()
        light = mixed((190, 235, 235), (120, 210, 190), rng.random()).tolist()
        cv2.circle(image, centre, int(rng.integers(1, max(3, small[0] // 26))), light, -1, cv2.LINE_AA)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


def street(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Houses under a sky, and the ground before them from :data:`HORIZON` on."""
    image = _sky(width, height, rng)
    ground = int(height * HORIZON)
    x = -int(rng.integers(60))
    while x < width:
        w, top = int(rng.integers(70, 200)), int(height * rng.uniform(-0.1, 0.25))
        colour = mixed(draw_cloth(rng), (170, 180, 190), rng.uniform(0.3, 0.8))
        cv2.rectangle(image, (x, top), (x + w, ground), colour.tolist(), -1)
        step = int(rng.integers(18, 34))
        glass = mixed((150, 120, 90), (60, 50, 40), rng.random())
        for wx in range(x + 8, x + w - step // 2, step):
            for wy in range(top + 10, ground - step * 2, int(step * 1.5)):
                shade = (glass * rng.uniform(0.6, 1.5)).tolist()
                cv2.rectangle(image, (wx, wy), (wx + step // 2, wy + int(step * 0.8)), shade, -1)
        cv2.rectangle(image, (x, ground - step * 2 + 4), (x + w, ground - step * 2 + 8), (colour * 0.6).tolist(), -1)
        cv2.rectangle(
            image, (x + 8, ground - step * 2 + 12), (x + w - 8, ground), (colour * rng.uniform(0.25, 0.6)).tolist(), -1
        )
        x += w
    _floor(image, ground, mixed((120, 120, 122), (160, 170, 180), rng.random()), rng)
    cv2.line(image, (0, ground + 6), (width, ground + 6), (150, 152, 154), 3)
    return _mottled(image, rng, 0.14)


def room(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A wall with a window and shelves of books, and a floor."""
    image = wall(width, height, rng)
    ground = int(height * HORIZON)
    if rng.random() < 0.6:
        x, y, w, h = int(rng.integers(width)), int(height * 0.05), int(width * 0.22), int(height * 0.35)
        pane = image[y : y + h, x : x + w]
        if pane.size:
            kind = foliage if rng.random() < 0.5 else dusk
            pane[:] = np.minimum(kind(pane.shape[1], pane.shape[0], rng).astype(np.uint16) + 60, 250).astype(np.uint8)
            for step in range(3):
                cv2.rectangle(image, (x + step * w // 2 - 3, y), (x + step * w // 2 + 3, y + h), (225, 228, 230), -1)
            cv2.rectangle(image, (x - 3, y), (x + w + 3, y + h), (225, 228, 230), 7)
    if rng.random() < 0.7:
        x, w = int(rng.integers(-60, width)), int(rng.integers(90, 220))
        for y in range(int(height * 0.12), ground, 46):
            cv2.rectangle(image, (x, y - 4), (x + w, y + 46), (44, 56, 74), -1)
            place = x + 3
            while place < x + w - 6:
                thick, tall = int(rng.integers(4, 13)), int(rng.integers(24, 38))
                cv2.rectangle(image, (place, y + 42 - tall), (place + thick - 2, y + 41), draw_cloth(rng).tolist(), -1)
                place += thick
    _floor(image, ground, mixed((70, 100, 140), (150, 160, 170), rng.random()), rng)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.5))


def shore(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Sky, sea and sand."""
    image = _sky(width, height, rng)
    sea, sand = int(height * rng.uniform(0.25, 0.34)), int(height * HORIZON)
    cv2.rectangle(image, (0, sea), (width, height), (150, 120, 40), -1)
    for _ in range(30):
        y = int(sea + (sand - sea) * rng.random() ** 0.7)
        x = int(rng.integers(width))
        cv2.line(image, (x, y), (x + int(rng.integers(10, 80)), y), (190, 170, 110), 1)
    _floor(image, sand, np.array([150.0, 196, 222]), rng)
    return _mottled(image, rng, 0.2)


def stand(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Seats far away with specks of people on them, too small for faces."""
    image = _plain(width // 2 + 1, height // 2 + 1, draw_cloth(rng) * 0.4)
    clothes = [(draw_cloth(rng) * 0.8).tolist() for _ in range(24)]
    skins = [(draw_skin(rng) * 0.85).tolist() for _ in range(12)]
    rows = int(rng.integers(20, 34))
    for row in range(rows):
        y = int(row / rows * image.shape[0])
        places = np.cumsum(rng.integers(5, 9, image.shape[1] // 6))
        for x, chosen in zip(places.tolist(), rng.integers(40, size=len(places)).tolist(), strict=True):
            if chosen < 24:
                cv2.rectangle(image, (x - 1, y + 2), (x + 2, y + 6), clothes[chosen], -1)
                cv2.rectangle(image, (x, y), (x + 1, y + 1), skins[chosen % 12], -1)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 1.7))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


def dusk(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Two colours of a sky over hills."""
    image = _sky(width, height, rng, evening=True)
    for level in (0.5, 0.65, 0.8):
        x = np.linspace(0, 1, 12)
        y = level + 0.08 * np.sin(x * rng.uniform(3, 9) + rng.uniform(0, 6))
        points = np.concatenate([np.stack([x, y], axis=1), [(1, 1), (0, 1)]]) * (width, height)
        cv2.fillPoly(image, [points.astype(np.int32)], (draw_cloth(rng) * 0.5 * (1.2 - level)).tolist(), cv2.LINE_AA)
    return image


def lights(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Lamps of a town at night, out of focus."""
    small = max(4, width // 2), max(4, height // 2)
    image = _plain(*small, np.array([rng.uniform(14, 40), rng.uniform(10, 24), rng.uniform(10, 30)]))
    layer = np.zeros_like(image)
    for _ in range(int(rng.integers(15, 60))):
        centre = (rng.random(2) * small * (1, 0.8)).astype(int).tolist()
        colour = np.clip(draw_cloth(rng) * rng.uniform(0.8, 1.8), 30, 255)
        radius = int(rng.uniform(0.006, 0.035) * small[0]) + 1
        cv2.circle(layer, centre, radius, (colour * rng.uniform(0.2, 0.9)).tolist(), -1, cv2.LINE_AA)
    image = cv2.add(image, cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.8, 4)))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


HORIZON = 0.42
"""Where the ground begins, as a part of the height."""


def _plain(width: int, height: int, colour: np.ndarray) -> np.ndarray:
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.clip(colour, 0, 255)
    return image


def _sky(width: int, height: int, rng: np.random.Generator, evening: bool = False) -> np.ndarray:
    top = mixed((230, 170, 110), (225, 215, 205), rng.random())
    low = mixed((245, 230, 215), (230, 230, 235), rng.random())
    if evening:
        top, low = (
            mixed((140, 80, 50), (180, 110, 120), rng.random()),
            mixed((120, 180, 250), (190, 170, 240), rng.random()),
        )
    part = np.linspace(0, 1, height)[:, None, None] ** 0.8
    column = (top * (1 - part) + low * part).astype(np.uint8)
    return np.repeat(column, width, axis=1)


def _floor(image: np.ndarray, top: int, colour: np.ndarray, rng: np.random.Generator) -> None:
    """Ground from a row on, lines on it running to a point on the horizon."""
    height, width = image.shape[:2]
    part = np.linspace(0.75, 1.1, height - top)[:, None, None]
    image[top:] = np.clip(colour * part, 0, 250).astype(np.uint8)
    if rng.random() < 0.6:
        centre = int(width * rng.uniform(0.2, 0.8))
        for x in range(-2 * width, 3 * width, int(rng.integers(90, 220))):
            cv2.line(image, (centre + (x - centre) // 12, top), (x, height), (colour * 0.72).tolist(), 1, cv2.LINE_AA)
        y = top + 4.0
        while y < height:
            cv2.line(image, (0, int(y)), (width, int(y)), (colour * 0.74).tolist(), 1)
            y = top + (y - top) * 1.5 + 2


def _mottled(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Lighter and darker by cloudy noise; ``strength`` 1 is all of it."""
    height, width = image.shape[:2]
    noise = cv2.cvtColor(cut(mottle(), width, height, rng), cv2.COLOR_GRAY2BGR)
    factors = cv2.addWeighted(noise, strength, noise, 0.0, 128 * (1 - strength))
    return cv2.multiply(image, factors, scale=1 / 128)
