"""One picture of the demo dataset: a kind of scene, the people in it, and how it was taken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from pth2map.datasets.demo import backdrops, things
from pth2map.datasets.demo.backdrops import Backdrop
from pth2map.datasets.demo.bodies import draw_body
from pth2map.datasets.demo.canvas import Composite, Layer, cut, grain
from pth2map.datasets.demo.faces import draw_back, draw_head
from pth2map.datasets.demo.heads import Pose
from pth2map.datasets.demo.light import Light
from pth2map.datasets.demo.looks import draw_expression, draw_look
from pth2map.datasets.demo.things import LOOKALIKES, Place, Thing

FACE = 1.64
"""Height of a face from the front in units of half a head's height."""
LEAST = 8
"""Pixels of the height of the smallest face that is drawn at all."""
MOST_HIDDEN = 0.7
"""Who would be hidden by more is not drawn."""
WITH_LANDMARKS = 20
"""Pixels of the height of the smallest face that has landmarks."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face of a picture, as it is labelled."""

    box: tuple[int, int, int, int]
    """x, y, w, h in whole pixels, inside the picture."""
    landmarks: np.ndarray | None
    """``(5, 2)`` x, y of eyes, nose and corners of the mouth, left in the picture first.

    None where one of them is not seen, which its own hair or hat may be over too, and below :data:`WITH_LANDMARKS`.
    """
    hidden: float
    """Part of the face that is not seen, 0 to :data:`MOST_HIDDEN`.

    It is hidden by other people and things, or by what is worn over it or held before it, or lies beyond the picture.
    The face's own hair and hat hide nothing of it: it begins below them, and a fringe over it does not count.
    """


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and all faces in it, the front ones first."""

    pixels: np.ndarray
    """``(h, w, 3)`` uint8 BGR."""
    faces: tuple[Face, ...]


class _Stage:
    """A scene while it is filled, from the front to the back."""

    def __init__(self, width: int, height: int, light: Light, rng: np.random.Generator) -> None:
        self.width, self.height, self.light, self.rng = width, height, light, rng
        self.size = width, height
        self.zoom = min(width / 640, height / 480)
        self.composite = Composite(width, height)
        self.faces: list[Face] = []
        self.bare = 0.55
        """Probability, 0 to 1, that somebody wears nothing on head and face."""

    def put(self, layer: Layer | None) -> None:
        if layer is not None:
            self.composite.put(layer)

    def thing(self, thing: Thing, x: float, y: float, size: float) -> None:
        """``size`` is half the thing's in pixels."""
        self.put(thing(Place(x, y, size, self.light, self.size), self.rng))

    def person(self, x: float, y: float, height: float, turned: float) -> None:
        """Somebody with a face of a height in pixels around a point; nobody if they would be too small or too hidden.

        ``turned`` is the deviation of the angle by which they look to a side.
        """
        rng = self.rng
        look, expression = draw_look(rng, self.bare), draw_expression(rng)
        yaw = float(np.clip(rng.normal(0, turned), -1.25, 1.25))
        pose = Pose(x, y, height / FACE, yaw, float(rng.normal(0, 0.14)), float(rng.normal(0, 0.11)))
        head = draw_head(look, expression, pose, self.light, self.size, rng)
        hidden = self.composite.covered(head.outline, head.worn)
        box = _box(head.outline, self.size)
        if head.layer is None or hidden > MOST_HIDDEN or box[3] < LEAST:
            return
        seen = box[3] >= WITH_LANDMARKS and bool(head.shown.all()) and not self.composite.covers(head.landmarks).any()
        if height < 60 and rng.random() < 0.15:
            head.layer.blurred(height * rng.uniform(0.008, 0.025))
        self.put(head.layer)
        self.put(draw_body(look, pose, self.light, self.size))
        self.faces.append(Face(box, head.landmarks if seen else None, hidden))

    def back(self, x: float, y: float, height: float) -> None:
        """Somebody who looks away."""
        rng = self.rng
        look = draw_look(rng, self.bare)
        pose = Pose(
            x, y, height / FACE, np.pi + float(np.clip(rng.normal(0, 0.35), -0.8, 0.8)), float(rng.normal(0, 0.08))
        )
        self.put(draw_back(look, pose, self.light, self.size, rng))
        self.put(draw_body(look, pose, self.light, self.size, behind=True))


def _portrait(stage: _Stage) -> np.ndarray:
    rng, width, height = stage.rng, stage.width, stage.height
    stage.bare = 0.5
    if rng.random() < 0.2:
        side = int(rng.integers(2))
        stage.thing(things.branch, side * width, height * rng.uniform(0, 1), 110 * stage.zoom)
    count = 1 if rng.random() < 0.6 else 2
    for number in range(count):
        tall = stage.zoom * (rng.uniform(120, 300) if count == 1 else rng.uniform(90, 190))
        x = width * ((number + 0.5) / count + rng.normal(0, 0.07))
        y = height * rng.uniform(0.38, 0.52)
        stage.person(x, max(y, tall * 0.55), tall, 0.38)
    if rng.random() < 0.12:
        stage.back(width * rng.uniform(0.05, 0.95), height * 0.6, stage.zoom * rng.uniform(50, 90))
    return _backdrop(
        stage,
        backdrops.studio,
        backdrops.foliage,
        backdrops.wall,
        backdrops.brick,
        backdrops.room,
        backdrops.lights,
        backdrops.shore,
    )


def _group(stage: _Stage) -> np.ndarray:
    """Rows of people, each row higher and further back, in the gaps of the one before it."""
    rng, width, zoom = stage.rng, stage.width, stage.zoom
    stage.bare = 0.62
    tall = zoom * rng.uniform(52, 92)
    gap = tall * rng.uniform(2.0, 2.7)
    count = int(np.clip(width * rng.uniform(0.75, 1.0) / gap, 2, 5))
    middle, y = width * rng.uniform(0.42, 0.58), stage.height * rng.uniform(0.5, 0.64)
    if rng.random() < 0.35:
        thing = (things.box, things.flower, things.balloon, things.branch)[int(rng.integers(4))]
        stage.thing(thing, width * rng.random(), y + tall * rng.uniform(-0.2, 1.5), tall * rng.uniform(0.4, 0.8))
    for row in range(int(rng.integers(1, 4))):
        if y < tall:
            break
        across = count - row % 2 if count > 2 else count
        for place in rng.permutation(across):
            x = middle + gap * (place - (across - 1) / 2 + rng.normal(0, 0.1))
            stage.person(x, y + rng.normal(0, tall * 0.12), tall * rng.uniform(0.88, 1.12), 0.33)
        y -= tall * rng.uniform(1.25, 1.6)
        tall *= 0.92
    return _backdrop(
        stage,
        backdrops.wall,
        backdrops.brick,
        backdrops.room,
        backdrops.foliage,
        backdrops.shore,
        backdrops.studio,
        backdrops.street,
    )


def _crowd(stage: _Stage) -> np.ndarray:
    rng, width, height, zoom = stage.rng, stage.width, stage.height, stage.zoom
    stage.bare = 0.65
    tall, y = zoom * rng.uniform(34, 62), height * rng.uniform(0.78, 0.95)
    for _ in range(int(rng.integers(0, 3))):
        thing = (things.hand, things.box, things.balloon, things.umbrella, things.pole)[int(rng.integers(5))]
        size = tall * (0.12 if thing is things.pole else rng.uniform(0.4, 0.8))
        stage.thing(thing, width * rng.random(), height * rng.uniform(0.4, 0.8), size)
    looking_away = rng.uniform(0.05, 0.4)
    people = 0
    while tall > 9 * zoom and people < 20:
        x = width * rng.uniform(-0.05, 0.05)
        while x < width * 1.03:
            place = x, y + rng.normal(0, tall * 0.16)
            people += 1
            if rng.random() < looking_away:
                stage.back(*place, tall)
            elif rng.random() < 0.85:
                stage.person(*place, tall * rng.uniform(0.88, 1.12), 0.42)
            x += tall * rng.uniform(2.0, 3.4)
        y -= tall * rng.uniform(1.25, 1.7)
        tall *= rng.uniform(0.62, 0.82)
    return _backdrop(stage, backdrops.stand, backdrops.street, backdrops.foliage, backdrops.shore, backdrops.stand)


def _street(stage: _Stage) -> np.ndarray:
    rng, width, height, zoom = stage.rng, stage.width, stage.height, stage.zoom
    horizon = height * backdrops.HORIZON
    talls = np.sort(zoom * np.exp(rng.uniform(np.log(9), np.log(92), int(rng.integers(3, 7)))))[::-1]
    if rng.random() < 0.3:
        stage.thing(things.pole, width * rng.random(), 0, zoom * rng.uniform(5, 16))
    for tall in talls.tolist():
        eyes = horizon + rng.normal(0, 0.06) * tall - 0.1 * tall
        x = width * rng.uniform(0.04, 0.96)
        if rng.random() < 0.12:
            stage.back(x, eyes, tall)
        else:
            stage.person(x, eyes, tall, 0.5)
        if rng.random() < 0.25:
            stage.thing(things.umbrella, x, eyes - tall * 0.5, tall * 1.3)
    for _ in range(int(rng.integers(0, 3))):
        size = zoom * rng.uniform(28, 90)
        stage.thing(things.car, width * rng.random(), horizon + size * 0.7, size)
    return _backdrop(stage, backdrops.street, backdrops.street, backdrops.street, backdrops.shore)


def _night(stage: _Stage) -> np.ndarray:
    rng, width, height, zoom = stage.rng, stage.width, stage.height, stage.zoom
    for _ in range(int(rng.integers(0, 3))):
        stage.thing(things.lamp, width * rng.random(), height * rng.uniform(0.05, 0.3), zoom * rng.uniform(12, 40))
    for tall in np.sort(zoom * np.exp(rng.uniform(np.log(26), np.log(170), int(rng.integers(1, 5)))))[::-1].tolist():
        y = height * (0.45 + rng.normal(0, 0.06))
        stage.person(width * rng.uniform(0.08, 0.92), max(y, tall * 0.6), tall, 0.4)
    return _backdrop(stage, backdrops.lights, backdrops.lights, backdrops.brick, backdrops.street)


def _distractors(stage: _Stage) -> np.ndarray:
    rng, width, height, zoom = stage.rng, stage.width, stage.height, stage.zoom
    for _ in range(int(rng.integers(1, 3))):
        _lookalike(stage, zoom * rng.uniform(20, 70))
    for tall in np.sort(zoom * np.exp(rng.uniform(np.log(28), np.log(150), int(rng.integers(1, 4)))))[::-1].tolist():
        stage.person(width * rng.uniform(0.1, 0.9), height * rng.uniform(0.3, 0.6), tall, 0.4)
    for _ in range(int(rng.integers(4, 10))):
        _lookalike(stage, zoom * np.exp(rng.uniform(np.log(7), np.log(75))))
    return _backdrop(
        stage, backdrops.wall, backdrops.room, backdrops.studio, backdrops.foliage, backdrops.shore, backdrops.brick
    )


def _lookalike(stage: _Stage, size: float) -> None:
    thing = LOOKALIKES[int(stage.rng.integers(len(LOOKALIKES)))]
    if thing in {things.mannequin, things.hand} and size < 22:  # smaller heads could not be told from faces
        thing = things.ball
    stage.thing(thing, stage.width * stage.rng.random(), stage.height * stage.rng.random(), size)


NIGHT = "4--Night"
_Scene: TypeAlias = Callable[[_Stage], np.ndarray]
EVENTS: Mapping[str, tuple[_Scene, float]] = {
    "0--Portrait": (_portrait, 0.22),
    "1--Group": (_group, 0.26),
    "2--Crowd": (_crowd, 0.13),
    "3--Street": (_street, 0.15),
    NIGHT: (_night, 0.12),
    "5--Distractors": (_distractors, 0.12),
}
"""What is drawn for an event, and what part of the pictures is of it."""
_GOLDEN = (5**0.5 - 1) / 2


def event_of(number: int) -> str:
    """The event of picture ``number``, from 0, of a set: each has its part of the first so many, however many."""
    ends = np.cumsum([part for _, part in EVENTS.values()])
    return list(EVENTS)[int(np.searchsorted(ends, number * _GOLDEN % 1 * ends[-1], side="right"))]


def draw_picture(event: str, width: int, height: int, key: tuple[int, ...]) -> Picture:
    """A picture of an event, with one face at least. All that is random in it comes from ``key``."""
    for attempt in range(100):
        rng = np.random.default_rng([*key, attempt])
        night = event == NIGHT
        light = _night_light(rng) if night else _day_light(rng)
        stage = _Stage(width, height, light, rng)
        backdrop = EVENTS[event][0](stage)
        if stage.faces:
            pixels = _taken(stage.composite.over(backdrop), night, rng)
            return Picture(pixels, tuple(stage.faces))
    # Cannot be: with sides of 160 pixels, too, four of five pictures of any event have a face at the first attempt.
    raise AssertionError(f"no face in 100 pictures of {event}, {width}×{height}")


def _backdrop(stage: _Stage, *choice: Backdrop) -> np.ndarray:
    """One of them, under the light of the scene unless it shines itself."""
    draw = choice[int(stage.rng.integers(len(choice)))]
    drawn = draw(stage.width, stage.height, stage.rng)
    if draw is backdrops.lights:
        return drawn
    night = bool(stage.light.rim.any())
    factors = stage.light.ambient + stage.light.key * (0.26 if night else 0.75)
    levels = np.minimum(np.arange(256)[None, :, None] * factors, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(drawn, levels))


def _day_light(rng: np.random.Generator) -> Light:
    side = rng.random() < 0.3  # hard light from one side
    ambient = rng.uniform(0.26, 0.40) if side else rng.uniform(0.46, 0.66)
    key = rng.uniform(0.62, 0.85) if side else rng.uniform(0.42, 0.6)
    warmth = rng.uniform(-0.07, 0.07)
    direction = np.array([_sign(rng) * (rng.uniform(0.7, 1.2) if side else rng.uniform(0, 0.7)), -0.55, 0.75])
    colour = np.array([1 - warmth, 1.0, 1 + warmth])
    return Light(
        ambient / colour, key * colour, direction / np.linalg.norm(direction), np.zeros(3), np.array([1.0, 0, 0])
    )


def _night_light(rng: np.random.Generator) -> Light:
    warm = np.array([rng.uniform(0.5, 0.9), rng.uniform(0.75, 0.95), 1.0])
    neon = rng.uniform(0.05, 0.9, 3)
    side = _sign(rng)
    direction = np.array([side * rng.uniform(0.2, 1.0), -0.4, rng.uniform(0.5, 0.9)])
    rim = np.array([-side, -0.1, 0.15])
    ambient = rng.uniform(0.2, 0.32) * np.array([1.1, 0.95, 0.9])
    key = rng.uniform(0.48, 0.8) * warm
    return Light(ambient, key, direction / np.linalg.norm(direction), neon, rim / np.linalg.norm(rim))


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _taken(image: np.ndarray, night: bool, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of a scene: exposure, colours, blur and noise."""
    height, width = image.shape[:2]
    kind = rng.random()
    if kind < 0.10:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.3))
    elif kind < 0.17:
        length, angle = int(rng.integers(3, 8)), rng.uniform(0, np.pi)
        kernel = np.zeros((length, length), np.float32)
        half = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
        ends = np.rint([(length - 1) / 2 - half, (length - 1) / 2 + half]).astype(int).tolist()
        cv2.line(kernel, ends[0], ends[1], 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    exposure = float(np.exp(rng.normal(0.1, 0.12)))
    extreme = rng.random()
    if extreme < 0.06:
        exposure *= rng.uniform(1.25, 1.5)
    elif extreme < 0.12 and not night:
        exposure *= rng.uniform(0.45, 0.65)
    cast = np.exp(rng.normal(0, 0.035 if extreme < 0.9 else 0.12, 3))
    contrast, black = rng.uniform(0.88, 1.12), rng.uniform(0, 14)
    levels = np.arange(256)[:, None] / 255 * exposure * cast
    rolled = np.where(levels < 0.7, levels, 0.7 + 0.3 * np.tanh((levels - 0.7) / 0.3))  # bright parts keep some shape
    curve = np.minimum(rolled, 1) ** (1 / contrast) * (255 - black) + black
    image = cv2.LUT(image, np.rint(curve).astype(np.uint8)[None])
    strength = rng.uniform(0.08, 0.3) if night or rng.random() < 0.15 else rng.uniform(0.01, 0.08)
    return cv2.addWeighted(image, 1.0, cut(grain(), width, height, rng), strength, -128 * strength)


def _box(outline: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x1, y1 = np.clip(np.rint(outline.min(axis=0)), 0, size).astype(int).tolist()
    x2, y2 = np.clip(np.rint(outline.max(axis=0)), 0, size).astype(int).tolist()
    return x1, y1, x2 - x1, y2 - y1
