"""The geometry of a head, and what is known of a drawn face."""

from dataclasses import replace

import numpy as np
import pytest

from pth2map.datasets.demo.canvas import Composite
from pth2map.datasets.demo.faces import draw_back, draw_head
from pth2map.datasets.demo.heads import Pose, Shape
from pth2map.datasets.demo.light import Light
from pth2map.datasets.demo.looks import Expression, draw_look

CALM = Expression(0, 0, False, 0, 0, 1, (0, 0))
LIGHT = Light(np.full(3, 0.5), np.full(3, 0.6), np.array([0, -0.6, 0.8]), np.zeros(3), np.array([1.0, 0, 0]))
FRONT = Pose(160, 120, 60)


def look(**changes):
    """Somebody whose face is bare."""
    nothing = {"hair": "short", "hat": "none", "glasses": "none", "cover": "none", "beard": "none", "fringe": "none"}
    return replace(draw_look(np.random.default_rng(5)), **{**nothing, **changes})


def head(pose=FRONT, **changes):
    return draw_head(look(**changes), CALM, pose, LIGHT, (320, 240), np.random.default_rng(1))


def test_a_face_from_the_front_is_symmetrical_and_in_order():
    found = head()
    left, right, nose, left_corner, right_corner = found.landmarks
    for one, other in ((left, right), (left_corner, right_corner)):
        assert (one + other)[0] / 2 == pytest.approx(160)
        assert one[1] == pytest.approx(other[1])
    assert left[0] < nose[0] < right[0]
    assert left[1] < nose[1] < left_corner[1]
    assert found.shown.all()
    assert found.worn is None


def test_the_outline_goes_from_the_hairline_to_the_chin():
    outline = head(hairline=-0.6, width=0.7).outline
    assert outline[:, 1].min() == pytest.approx(120 - 0.6 * 60, abs=0.2)
    assert outline[:, 1].max() == pytest.approx(120 + 60, abs=0.2)
    assert outline[:, 0].max() - 160 == pytest.approx(0.7 * np.sin(np.radians(78)) * 60, abs=1)
    with_cap = head(hairline=-0.6, hat="cap").outline
    assert with_cap[:, 1].min() == pytest.approx(120 - 0.5 * 60, abs=0.2)


@pytest.mark.parametrize("yaw", [-0.6, 0.6])
def test_a_turned_face_has_its_nose_on_that_side_and_a_narrow_far_half(yaw):
    left, right, nose, *_ = head(replace(FRONT, yaw=yaw)).landmarks
    far, near = (right, left) if yaw > 0 else (left, right)
    assert (nose[0] - 160) * yaw > 0
    assert abs(far[0] - nose[0]) < 0.5 * abs(near[0] - nose[0])


def test_a_face_that_looks_down_and_one_that_leans():
    assert head(replace(FRONT, pitch=0.3)).landmarks[2, 1] > head().landmarks[2, 1]
    left, right, *_ = head(replace(FRONT, roll=0.3)).landmarks
    assert np.arctan2(*(right - left)[::-1]) == pytest.approx(0.3)


def test_a_profile_hides_the_far_eye():
    assert head(replace(FRONT, yaw=1.3)).shown.tolist() == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("worn", "shown", "least", "most"),
    [
        ({"cover": "mask"}, [True, True, False, False, False], 0.38, 0.55),
        ({"cover": "scarf"}, [True, True, True, False, False], 0.2, 0.4),
        ({"glasses": "dark"}, [False, False, True, True, True], 0.08, 0.2),
    ],
)
def test_what_is_worn_hides_landmarks_and_a_part_of_the_face(worn, shown, least, most):
    found = head(**worn)
    assert found.shown.tolist() == shown
    assert least < Composite(320, 240).covered(found.outline, found.worn) < most


@pytest.mark.parametrize(
    ("yaw", "fringe", "shown"),
    [(0, "left", [True] * 5), (0.75, "left", [True] * 5), (-0.75, "left", [False, *[True] * 4])],
)
def test_hair_hides_the_landmarks_under_it_and_none_of_the_face(yaw, fringe, shown):
    """A fringe that is swept to the left of the picture, over the eye of a head that turns there."""
    pose = replace(FRONT, yaw=yaw)
    found, without = head(pose, fringe=fringe), head(pose)
    assert without.shown.all()
    assert found.shown.tolist() == shown
    assert (found.outline == without.outline).all()
    assert found.worn is None


@pytest.mark.parametrize("hair", ["bald", "receding", "buzz", "short", "spiky", "bob", "long", "curly", "afro", "bun"])
def test_the_middle_of_a_face_is_skin_whatever_the_hair(hair):
    """Between eyes and mouth, under light that falls on it from the front."""
    calm = look(hair=hair, fringe="none", skin=np.array([120.0, 150, 210]), freckles=False, old=0.0)
    drawn = draw_head(calm, CALM, FRONT, LIGHT, (320, 240), np.random.default_rng(1))
    x, y = (np.array([160 - 14, 120 + 14]) - (drawn.layer.left, drawn.layer.top)) * drawn.layer.scale
    blue, green, red, opacity = drawn.layer.pixels[int(y), int(x)].astype(int).tolist()
    assert opacity == 255
    assert red > green > blue > 60


def test_a_head_outside_the_picture_is_not_drawn():
    found = head(replace(FRONT, x=-500))
    assert found.layer is None
    assert found.outline[:, 0].max() < 0


def test_a_head_from_behind_has_no_eyes():
    """No white of eyes, and no dark of pupils, on a bald head."""
    bald = look(hair="bald", skin=np.array([120.0, 150, 210]), earrings=False)
    layer = draw_back(bald, replace(FRONT, yaw=np.pi), LIGHT, (320, 240), np.random.default_rng(1))
    inside = layer.pixels[layer.pixels[:, :, 3] == 255].astype(int)
    ratio = inside[:, 2] / inside[:, 0]
    assert ratio.min() > 1.2, "all of it has the colour of skin"


def test_drawing_a_head_is_repeatable():
    assert (head(cover="hand").layer.pixels == head(cover="hand").layer.pixels).all()


@pytest.mark.parametrize("jaw", [0.0, 1.0])
def test_the_surface_of_a_head_is_closed_and_round(jaw):
    shape = Shape(0.7, jaw)
    heights = np.linspace(-1, 1, 41)
    widths = shape.half_width(heights)
    assert widths[20] == pytest.approx(0.7, abs=1e-3)
    assert widths[[0, -1]] == pytest.approx(0, abs=1e-3)
    assert (np.diff(widths[:21]) >= 0).all()
    assert (np.diff(widths[20:]) <= 0).all()
    side = shape.on_face(np.stack([widths, heights], axis=1))
    assert side[:, 2] == pytest.approx(0, abs=0.05), "the edge of the face from the front has no depth"
