"""One head, drawn into a picture, and what is known of its face."""

from dataclasses import dataclass

import numpy as np

from pth2map.datasets.demo import features, hair, hats, worn
from pth2map.datasets.demo.brush import Brush
from pth2map.datasets.demo.canvas import Layer, hull
from pth2map.datasets.demo.heads import FACE_EDGE, Pose, Shape
from pth2map.datasets.demo.light import Light
from pth2map.datasets.demo.looks import Expression, Look

_BALD_TOP = -0.66  # where a face begins without hair
_NOSE_TIP = 0.18  # over the surface
_NEUTRAL = Expression(0, 0, False, 0, 0, 1, (0, 0))


@dataclass(frozen=True, eq=False)
class Head:
    """A drawn head. ``layer`` is None when it lies outside the picture."""

    layer: Layer | None
    outline: np.ndarray
    """``(n, 2)`` convex outline of the face, from hairline or hat to the chin, in pixels; also where it is hidden."""
    landmarks: np.ndarray
    """``(5, 2)`` eyes, nose, corners of the mouth in pixels, those on the left of a face from the front first."""
    shown: np.ndarray
    """``(5,)`` bool: the landmarks that are turned to the viewer, with no hair and nothing worn over them."""
    worn: Layer | None
    """255 where something worn or held hides the face, over the same part of the picture as ``layer``.

    Hair and hats are no part of it.
    """


def draw_head(
    look: Look, expression: Expression, pose: Pose, light: Light, picture: tuple[int, int], rng: np.random.Generator
) -> Head:
    """Draw into a picture of a width and height, which decide what part of the head is drawn at all."""
    shape = Shape(look.width, look.jaw)
    top = max(_BALD_TOP if look.hair in {"bald", "receding"} else look.hairline, hats.EDGE.get(look.hat, -1.0))
    edge = hats.HEADSCARF_EDGE if look.hat == "headscarf" else FACE_EDGE
    skin = hull(pose.project(shape.face(top, edge)))
    nose = np.array([(0, look.nose_base - 0.07)])
    eyes = np.array([(-look.eye_gap, 0.0), (look.eye_gap, 0.0)])
    spots = np.concatenate([eyes, nose, features.mouth_corners(look, expression)])
    marks = shape.on_face(spots, np.array([0, 0, _NOSE_TIP, 0, 0]))
    landmarks = pose.project(marks)
    outline = hull(np.concatenate([skin, landmarks[2:3]]))
    shown = pose.towards(marks * (1 / look.width, 0, 1 / 0.8)) > 0.12
    layer = _layer(look, pose, picture)
    if layer is None:
        return Head(None, outline, landmarks, shown, None)
    brush = Brush(look, expression, pose, light, layer, rng)
    shown &= ~_paint(brush, skin, landmarks)
    if brush.worn is not None:
        shown &= brush.worn.under(landmarks) < 128
    return Head(layer, outline, landmarks, shown, brush.worn)


def draw_back(look: Look, pose: Pose, light: Light, picture: tuple[int, int], rng: np.random.Generator) -> Layer | None:
    """A head from behind; ``pose`` is that of a face that looks the other way, and no face is seen of it."""
    layer = _layer(look, pose, picture)
    if layer is not None:
        brush = Brush(look, _NEUTRAL, pose, light, layer, rng)
        brush.polygon(hull(pose.project(brush.shape.face(0.0))), look.skin)
        features.draw_ears(brush, near=False)
        if look.hat not in {"headscarf", "turban"}:
            hair.draw_volume(brush)
            hair.draw_hanging(brush)
            hair.draw_strands(brush)
        hats.draw_behind(brush)
        features.draw_ears(brush, near=True)
        hats.draw_hat(brush, behind=True)
        brush.light()
    return layer


def _layer(look: Look, pose: Pose, picture: tuple[int, int]) -> Layer | None:
    large = look.hair in {"long", "tails", "afro"} or look.cover != "none" or look.hat != "none"
    wide, tall = 1.8 * pose.unit, (2.5 if large else 1.8) * pose.unit
    scale = 1 if pose.unit > 75 else 2 if pose.unit > 22 else 4 if pose.unit > 9 else 8
    return Layer.around((pose.x - wide, pose.y - tall, pose.x + wide, pose.y + tall), scale, picture)


def _paint(brush: Brush, skin: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Paint a head from the back to the front; ``(n,)`` bool, the landmarks that its hair or hat came over."""
    look = brush.look
    hair_shows = look.hat not in {"headscarf", "turban"}
    hats.draw_behind(brush)
    if hair_shows:
        hair.draw_hanging(brush)
        hair.draw_volume(brush)
    features.draw_ears(brush, near=False)
    features.draw_skin(brush, skin)
    features.draw_beard(brush)
    features.draw_nose_body(brush)
    features.draw_eyes(brush)
    features.draw_brows(brush)
    features.draw_mouth(brush)
    features.draw_nose(brush)
    if brush.small:
        features.draw_folds(brush)
    features.draw_ears(brush, near=True)
    bare = brush.layer.under(landmarks)
    if hair_shows:
        hair.draw_bald_front(brush)
        hair.draw_strands(brush)
        hair.draw_fringe(brush)
    hats.draw_hat(brush, behind=False)
    overlaid: np.ndarray = (brush.layer.under(landmarks) != bare).any(axis=1)
    worn.draw_glasses(brush)
    if look.cover == "mask":
        worn.draw_mask(brush)
    elif look.cover == "scarf":
        worn.draw_scarf(brush)
    hand = worn.hold_hand(brush) if look.cover == "hand" else None
    brush.light()
    if hand:
        hand.paint(brush.layer, look.skin * 0.97, brush.lighting)
    return overlaid
