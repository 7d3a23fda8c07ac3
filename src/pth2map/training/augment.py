"""What a training sees of an image: a random square of it in random colours, or the whole, at the size of the network.

The steps, their order and their chances are those of the published RetinaFace (biubug6/Pytorch_Retinaface).
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

FILL_BGR = (104, 117, 123)
"""What an image is padded with: the mean that networks subtract."""
SCALES = np.array([0.3, 0.45, 0.6, 0.8, 1.0])
"""Sides that a random square may have, as parts of the shorter side of the image."""
BLOCKS = (10, 40, 200)
"""Squares that are drawn at once, until one of them has a face; 250 in all."""
INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)
_HUES = 180  # of 8 bits in OpenCV
_LEVELS = np.arange(256)
# Corners and landmarks by where they are once left is right: the eyes change places, and the corners of the mouth.
_MIRROR = [2, 1, 0, 3, 6, 7, 4, 5, 8, 9, 12, 13, 10, 11, 14]


@dataclass(frozen=True)
class Square:
    """A part of an image, in pixels."""

    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Colours:
    """What is done to the colours of an image; as it stands here, nothing."""

    brightness: float = 0.0
    """Added to every grey level, from -32 up to 32."""
    contrast: float = 1.0
    """Factor of every grey level, from 0.5 up to 1.5."""
    saturation: float = 1.0
    """Factor, from 0.5 up to 1.5."""
    hue: int = 0
    """Added to it, from -18 to 18 of 180."""
    contrast_last: bool = False
    """Whether contrast comes after saturation and hue and not before."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Each of the five with a chance of one half."""
        brightness, contrast, saturation, hue = rng.random(4)
        brighten, contrast_it, saturate, turn, contrast_last = rng.random(5) < 0.5
        return cls(
            brightness=64 * brightness - 32 if brighten else 0.0,
            contrast=0.5 + contrast if contrast_it else 1.0,
            saturation=0.5 + saturation if saturate else 1.0,
            hue=int(37 * hue) - 18 if turn else 0,
            contrast_last=bool(contrast_last),
        )


def augment(image: np.ndarray, faces: np.ndarray, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An image ``(side, side, 3)`` uint8 BGR to train with, and the m faces on it.

    ``image`` is ``(h, w, 3)`` uint8 BGR, ``faces`` ``(n, 15)`` float64 as in
    :class:`pth2map.datasets.training_set.TrainingSet`, boxes with an area; both are left as they are. A random square
    is cut out, unless none was found; its colours change, it is mirrored or not, and resized by a random
    interpolation. Where no square was found, the whole image is padded to one.

    The faces come as ``(m, 15)`` float32, coordinates as fractions of the side: those whose centre lies inside the
    square, clipped to it, or all of the whole image. A face without landmarks has -1 for all ten coordinates.

    All that is random comes from ``rng``: equal arguments give equal bytes.
    """
    height, width = image.shape[:2]
    square = draw_square(width, height, faces[:, :4], rng)
    colours = Colours.draw(rng)
    turned, interpolation = rng.random(2)
    if square:
        image = image[square.top : square.top + square.side, square.left : square.left + square.side]
        faces = cropped(faces, square)
    image = recoloured(image, colours)
    if not square:
        image = padded(image)
    if turned < 0.5:
        image, faces = cv2.flip(image, 1), mirrored(faces, image.shape[1])
    chosen = INTERPOLATIONS[int(len(INTERPOLATIONS) * interpolation)]
    return cv2.resize(image, (side, side), interpolation=chosen), normalised(faces, image.shape[1])


def plain(image: np.ndarray, faces: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`augment`, without anything random: the whole image, padded to a square and resized bilinearly."""
    image = padded(image)
    resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
    return resized, normalised(faces, image.shape[1])


def draw_square(width: int, height: int, boxes: np.ndarray, rng: np.random.Generator) -> Square | None:
    """A random square of the image that has at least one of the ``(n, 4)`` boxes wholly inside; None if none is found.

    Its right and bottom edges are never those of the image, unless its side is that of the image.
    """
    for tries in BLOCKS:
        scale, right, down = rng.random((3, tries))
        sides = (SCALES[(len(SCALES) * scale).astype(np.int64)] * min(width, height)).astype(np.int64)
        lefts = (right * (width - sides)).astype(np.int64)
        tops = (down * (height - sides)).astype(np.int64)
        start = np.stack([lefts, tops], axis=1)[:, None]
        whole = (boxes[:, :2] >= start) & (boxes[:, 2:] <= start + sides[:, None, None])
        (found,) = whole.all(axis=2).any(axis=1).nonzero()
        if len(found):
            return Square(int(lefts[found[0]]), int(tops[found[0]]), int(sides[found[0]]))
    return None


def cropped(faces: np.ndarray, square: Square) -> np.ndarray:
    """The faces whose centre lies inside a square, and not on its edge; in its own pixels and clipped to it."""
    corner = np.array([square.left, square.top])
    centres = (faces[:, :2] + faces[:, 2:4]) / 2 - corner
    faces = faces[((centres > 0) & (centres < square.side)).all(axis=1)]
    faces[:, :14] = np.clip(faces[:, :14] - np.tile(corner, 7), 0, square.side)
    return faces


def recoloured(image: np.ndarray, colours: Colours) -> np.ndarray:
    """A copy in other colours. Every step ends in whole grey levels from 0 to 255, cut off and not rounded.

    The image goes through HSV whether its saturation and hue change or not, which itself moves grey levels a little.
    """
    brightened, contrasted = _stored(_LEVELS + colours.brightness), _stored(_LEVELS * colours.contrast)
    turned, saturated = (_LEVELS + colours.hue) % _HUES, _stored(_LEVELS * colours.saturation)
    image = _mapped(image, brightened if colours.contrast_last else contrasted[brightened])
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    if (colours.hue, colours.saturation) != (0, 1.0):
        hsv = cv2.LUT(hsv, np.stack([turned, saturated, _LEVELS], axis=1)[None].astype(np.uint8))
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return _mapped(image, contrasted) if colours.contrast_last else image


def _stored(levels: np.ndarray) -> np.ndarray:
    stored: np.ndarray = np.clip(levels, 0, 255).astype(np.uint8)
    return stored


def _mapped(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    return image if (table == _LEVELS).all() else cv2.LUT(image, table)


def padded(image: np.ndarray) -> np.ndarray:
    """The image at the upper left of a square, the rest of which is filled."""
    height, width = image.shape[:2]
    side = max(height, width)
    return cv2.copyMakeBorder(image, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=FILL_BGR)


def mirrored(faces: np.ndarray, width: int) -> np.ndarray:
    """The faces of an image whose left and right change places."""
    faces = faces[:, _MIRROR]
    faces[:, 0:14:2] = width - faces[:, 0:14:2]
    return faces


def normalised(faces: np.ndarray, side: int) -> np.ndarray:
    """``(n, 15)`` float32: coordinates as fractions of the side of a square image, -1 for landmarks that are not."""
    fractions = (faces / side).astype(np.float32)
    fractions[:, 14] = faces[:, 14]
    fractions[faces[:, 14] < 0, 4:14] = -1
    return fractions
