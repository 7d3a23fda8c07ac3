"""Who is drawn: skin, hair, features, what is worn, and the expression of a face."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pth2map.datasets.demo.canvas import mixed

# What there is to choose from, each with its weight.
_HAIR_OF_WOMEN = {"short": 1.0, "bob": 3.0, "long": 5.0, "curly": 2.0, "afro": 1.0, "bun": 2.0, "tails": 2.0}
_HAIR_OF_CHILDREN = {"short": 5.0, "spiky": 2.0, "bob": 1.0, "curly": 1.0}
_HAIR_OF_MEN = {
    "bald": 1.5,
    "receding": 1.5,
    "buzz": 2.0,
    "short": 6.0,
    "spiky": 2.0,
    "bob": 0.5,
    "long": 0.5,
    "curly": 1.0,
    "afro": 1.0,
}
_FRINGES = {"none": 2.0, "straight": 2.0, "left": 2.0, "right": 2.0, "parted": 1.2}
_NO_FRINGE = {"bald", "receding", "buzz", "spiky", "afro"}
_BEARDS = {"none": 5.0, "stubble": 2.0, "moustache": 1.0, "goatee": 1.0, "full": 2.0}
_GLASSES = {"none": 6.0, "round": 2.0, "square": 2.0, "dark": 2.0}
_HATS_OF_ALL = {"beanie": 3.0, "cap": 4.0, "brim": 2.0, "helmet": 1.0}
_COVERS = {"none": 5.0, "mask": 2.0, "scarf": 1.0, "hand": 2.0}
_HAIR_OF_THE_OLD = {"grey": 3.0, "white": 3.0, "dark": 1.0}
_HAIR_OVER_DARK_SKIN = {"black": 10.0, "dark": 6.0, "brown": 2.0, "blond": 0.4, "pink": 0.3}
_HAIR_OVER_LIGHT_SKIN = {
    "black": 4.0,
    "dark": 5.0,
    "brown": 5.0,
    "chestnut": 3.0,
    "red": 2.0,
    "blond": 4.0,
    "fair": 2.0,
    "pink": 0.3,
    "blue": 0.3,
    "green": 0.2,
}
CLOTHES = ("tee", "v-neck", "shirt", "suit", "hoodie", "turtleneck", "stripes", "dress")
_SKIN_RGB = np.array(
    [
        (252, 226, 208),
        (243, 207, 179),
        (231, 186, 150),
        (212, 160, 121),
        (184, 128, 90),
        (151, 99, 68),
        (116, 75, 52),
        (86, 56, 41),
        (62, 42, 33),
    ],
    np.float64,
)
_HAIR_RGB = {
    "black": (34, 28, 30),
    "dark": (58, 40, 32),
    "brown": (98, 66, 44),
    "chestnut": (124, 72, 44),
    "red": (172, 84, 40),
    "blond": (214, 172, 104),
    "fair": (236, 210, 156),
    "grey": (150, 148, 148),
    "white": (222, 220, 216),
    "pink": (222, 96, 160),
    "blue": (64, 104, 196),
    "green": (72, 160, 110),
}
_EYES_RGB = ((64, 40, 24), (92, 60, 34), (86, 94, 66), (78, 112, 146), (110, 120, 126), (40, 28, 20))
_CLOTH_RGB = (
    *((40, 44, 54), (232, 230, 224), (190, 46, 48), (36, 74, 134), (60, 118, 84), (232, 178, 60), (126, 78, 138)),
    *((224, 118, 70), (112, 160, 200), (88, 66, 52), (230, 160, 176), (58, 62, 70), (120, 132, 96), (24, 108, 118)),
)


_FRAMES = (0, 0, 2, 3, 9, 11)  # which of them frames of glasses have


@dataclass(frozen=True, eq=False)
class Look:
    """A person. Colours are ``(3,)`` BGR; lengths are in units of half a head's height."""

    skin: np.ndarray
    child: bool
    old: float
    """0 to 1."""
    freckles: bool
    width: float
    """Half the width of the head."""
    jaw: float
    """From pointed, 0, to square, 1."""
    hair: str
    hair_colour: np.ndarray
    fringe: str
    hairline: float
    brow_width: float
    eye_colour: np.ndarray
    eye_size: float
    eye_gap: float
    eye_slant: float
    lashes: float
    nose_width: float
    nose_base: float
    mouth: float
    mouth_width: float
    lips: float
    lip_colour: np.ndarray
    ears: float
    beard: str
    glasses: str
    glasses_colour: np.ndarray
    hat: str
    hat_colour: np.ndarray
    cover: str
    cover_colour: np.ndarray
    earrings: bool
    clothes: str
    cloth: np.ndarray
    second_cloth: np.ndarray
    shoulders: float


@dataclass(frozen=True)
class Expression:
    """What a face does at this moment."""

    smile: float
    """-1 to 1."""
    open_mouth: float
    """0 to 1."""
    teeth: bool
    brow_lift: float
    frown: float
    eyes_open: float
    """0 closed, 1 open, a little more when wide open."""
    gaze: tuple[float, float]


def draw_look(rng: np.random.Generator, bare: float = 0.5) -> Look:
    """Anybody; ``bare`` is the probability of wearing nothing on head and face."""
    depth = rng.random() * (len(_SKIN_RGB) - 1)
    lower = int(depth)
    skin = _bgr(mixed(_SKIN_RGB[lower], _SKIN_RGB[lower + 1], depth - lower)) * rng.uniform(0.95, 1.03, 3)
    child, woman = rng.random() < 0.14, rng.random() < 0.5
    old = 0.0 if child else max(0.0, rng.uniform(-0.8, 1.0))
    worn = rng.random() >= bare
    hats = {**_HATS_OF_ALL, **({"headscarf": 2.0} if woman else {"turban": 1.0})}
    hat = _one_of(rng, hats) if worn and rng.random() < 0.5 else "none"
    glasses = _one_of(rng, _GLASSES if worn else {**_GLASSES, "dark": 0.0})
    cover = _one_of(rng, _COVERS) if worn and hat != "headscarf" else "none"
    hair = _hair(rng, child, woman)
    fringe = "none" if hair in _NO_FRINGE else _one_of(rng, _FRINGES)
    beard = "none" if child or woman else _one_of(rng, _BEARDS)
    lip_colour = mixed(skin, (92, 84, 176), 0.38) * 0.94
    if woman and not child and rng.random() < 0.5:
        lip_colour = mixed(lip_colour, _bgr((200, 30, 60)), rng.uniform(0.3, 0.8))
    return Look(
        skin=np.minimum(skin, 252),
        child=child,
        old=old,
        freckles=bool(depth < 3 and rng.random() < 0.2),
        width=rng.uniform(0.66, 0.75) + 0.03 * child,
        jaw=rng.uniform(0.0, 0.45) if woman or child else rng.uniform(0.25, 1.0),
        hair=hair,
        hair_colour=_hair_colour(rng, depth, old),
        fringe=fringe,
        hairline=rng.uniform(-0.70, -0.58),
        brow_width=rng.uniform(0.022, 0.04) if woman or child else rng.uniform(0.035, 0.065),
        eye_colour=_bgr(_EYES_RGB[int(rng.integers(3 if depth > 3.5 else len(_EYES_RGB)))]),
        eye_size=rng.uniform(0.92, 1.12) + 0.22 * child,
        eye_gap=rng.uniform(0.285, 0.325),
        eye_slant=rng.uniform(-0.03, 0.025),
        lashes=rng.uniform(0.016, 0.022) + 0.014 * (woman and not child),
        nose_width=rng.uniform(0.105, 0.165) - 0.02 * child,
        nose_base=rng.uniform(0.36, 0.43) - 0.03 * child,
        mouth=rng.uniform(0.61, 0.67),
        mouth_width=rng.uniform(0.20, 0.27) - 0.03 * child,
        lips=rng.uniform(0.7, 1.3) + 0.15 * woman,
        lip_colour=lip_colour,
        ears=rng.uniform(0.85, 1.15),
        beard=beard,
        glasses=glasses,
        glasses_colour=_bgr(_CLOTH_RGB[_FRAMES[int(rng.integers(len(_FRAMES)))]]) * 0.7,
        hat=hat,
        hat_colour=draw_cloth(rng),
        cover=cover,
        cover_colour=draw_cloth(rng) if rng.random() < 0.5 else _bgr((206, 226, 236)),
        earrings=bool(woman and rng.random() < 0.4),
        clothes=CLOTHES[int(rng.integers(len(CLOTHES)))],
        cloth=draw_cloth(rng),
        second_cloth=draw_cloth(rng),
        shoulders=rng.uniform(1.45, 1.7) if woman else rng.uniform(1.65, 2.0) - 0.45 * child,
    )


def draw_expression(rng: np.random.Generator) -> Expression:
    """Any mood: most smile, three in ten laugh, one in twelve shouts, and one in fourteen has its eyes closed."""
    mood = rng.random()
    smile = rng.uniform(0.3, 1.0) if mood < 0.58 else rng.uniform(-0.4, 0.3)
    laughing = mood < 0.28
    shouting = mood > 0.92
    eyes = rng.uniform(0.75, 1.1)
    if rng.random() < 0.07:
        eyes = 0.0
    return Expression(
        smile=smile,
        open_mouth=rng.uniform(0.25, 0.6) if laughing else rng.uniform(0.6, 1.0) if shouting else 0.0,
        teeth=bool(laughing or shouting),
        brow_lift=rng.uniform(-0.02, 0.05) + 0.04 * shouting,
        frown=rng.uniform(-0.7, 0.1) if smile > 0.3 else rng.uniform(-0.7, 0.7),
        eyes_open=eyes,
        gaze=(float(rng.normal(0, 0.35)), float(rng.normal(0, 0.25))),
    )


def draw_cloth(rng: np.random.Generator) -> np.ndarray:
    """A colour of cloth, ``(3,)`` BGR."""
    colour = _bgr(_CLOTH_RGB[int(rng.integers(len(_CLOTH_RGB)))]) * rng.uniform(0.8, 1.12, 3)
    cloth: np.ndarray = np.minimum(mixed(colour, np.full(3, colour.mean()), rng.uniform(0, 0.4)), 248)
    return cloth


def draw_skin(rng: np.random.Generator) -> np.ndarray:
    """A colour of skin, ``(3,)`` BGR."""
    return _bgr(_SKIN_RGB[int(rng.integers(len(_SKIN_RGB)))]) * rng.uniform(0.95, 1.03, 3)


def _hair(rng: np.random.Generator, child: bool, woman: bool) -> str:
    return _one_of(rng, _HAIR_OF_WOMEN if woman else _HAIR_OF_CHILDREN if child else _HAIR_OF_MEN)


def _hair_colour(rng: np.random.Generator, depth: float, old: float) -> np.ndarray:
    names = _HAIR_OF_THE_OLD if old > 0.55 else _HAIR_OVER_DARK_SKIN if depth > 3.5 else _HAIR_OVER_LIGHT_SKIN
    return np.minimum(_bgr(_HAIR_RGB[_one_of(rng, names)]) * rng.uniform(0.85, 1.15), 245)


def _one_of(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))]


def _bgr(rgb: tuple[int, int, int] | np.ndarray) -> np.ndarray:
    return np.asarray(rgb, np.float64)[::-1].copy()
