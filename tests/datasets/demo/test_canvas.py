"""Layers and what they are put together to."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pth2map.datasets.demo.canvas import Composite, Layer, hull, ring, smooth

SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)


def square(left: float, top: float, side: float) -> np.ndarray:
    return SQUARE * side + (left, top)


def painted(outline: np.ndarray, colour: tuple[float, float, float], scale: int = 4) -> Layer:
    layer = Layer.around((0, 0, 64, 48), scale, (64, 48))
    layer.polygon(outline, colour)
    return layer


def test_what_is_put_first_is_in_front():
    composite = Composite(64, 48)
    composite.put(painted(square(10, 10, 20), (255, 0, 0)))
    composite.put(painted(square(20, 20, 20), (0, 255, 0)))
    picture = composite.over(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    assert picture[15, 15].tolist() == [255, 0, 0]
    assert picture[25, 25].tolist() == [255, 0, 0]
    assert picture[35, 35].tolist() == [0, 255, 0]
    assert picture[5, 5].tolist() == [0, 0, 255]


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_an_edge_covers_what_part_of_a_pixel_it_covers(scale):
    """A square of 20.5 pixels, at any resolution of the drawing; edges are wider by the antialiasing of a line."""
    layer = painted(square(10, 10, 20.5), (255, 255, 255), scale)
    covered = layer.reduced()[:, :, 3].sum() / 255
    assert covered == pytest.approx((20.5 + 1 / scale) ** 2, rel=0.03)


@pytest.mark.parametrize("scale", [1, 4])
def test_a_polygon_lies_where_it_is_told(scale):
    alpha = painted(square(10, 20, 10), (255, 255, 255), scale).reduced()[:, :, 3].astype(float)
    rows, columns = np.indices(alpha.shape) + 0.5
    assert (alpha * columns).sum() / alpha.sum() == pytest.approx(15, abs=0.1)
    assert (alpha * rows).sum() / alpha.sum() == pytest.approx(25, abs=0.55 / scale)  # OpenCV fills one row more below


GRID = np.stack(np.meshgrid(np.arange(0.5, 100), np.arange(0.5, 100)), axis=-1).reshape(-1, 2) / 50 - 1
DISC = GRID[np.hypot(*GRID.T) < 1]
"""Points that are spread evenly over the unit circle."""
PLACES = st.tuples(st.floats(-40, 160), st.floats(-40, 120))
LENGTHS = st.tuples(st.floats(10, 150), st.floats(10, 150))


@settings(max_examples=40)
@given(st.tuples(st.floats(-20, 180), st.floats(-20, 140)), st.tuples(*[st.floats(15, 80)] * 2), *[PLACES, LENGTHS] * 2)
def test_covered_is_what_points_all_over_an_outline_say(centre, radii, corner, sides, corner_worn, sides_worn):
    """An ellipse of 30 to 160 pixels across the edge of the picture; rectangles are before it, and worn."""
    outline, points = ring(60) * radii + centre, DISC * radii + centre

    def within(corner: tuple[float, float], sides: tuple[float, float]) -> np.ndarray:
        return ((points >= corner) & (points < np.add(corner, sides))).all(axis=1)

    beyond, behind, under = ~within((0, 0), (160, 120)), within(corner, sides), within(corner_worn, sides_worn)
    layer = Layer.around((0, 0, 160, 120), 8, (160, 120))
    layer.polygon(SQUARE * sides + corner, (9, 9, 9))
    worn = Layer(np.zeros((120 * 4, 160 * 4), np.uint8), 0, 0, 4)
    worn.polygon(SQUARE * sides_worn + corner_worn, 255)
    composite = Composite(160, 120)
    assert composite.covered(outline, None) == pytest.approx(beyond.mean(), abs=0.02)
    assert composite.covered(outline, worn) == pytest.approx((beyond | under).mean(), abs=0.02)
    composite.put(layer)
    assert composite.covered(outline, None) == pytest.approx((beyond | behind).mean(), abs=0.02)
    assert composite.covered(outline, worn) == pytest.approx((beyond | behind | under).mean(), abs=0.02)


def test_points_that_are_covered():
    composite = Composite(64, 48)
    composite.put(painted(square(10, 10, 20), (9, 9, 9)))
    points = np.array([(20, 20), (40, 20), (-1, 20), (20, 48), (63.9, 47.9)])
    assert composite.covers(points).tolist() == [True, False, True, True, False]


def test_values_under_points():
    layer = painted(square(10, 10, 20), (1, 2, 3))
    points = np.array([(20, 20), (40, 20), (-1, 20), (20, 48)])
    assert layer.under(points).tolist() == [[1, 2, 3, 255], *[[0, 0, 0, 0]] * 3]
    assert layer.coarse(9).under(points).tolist() == [0, 0, 0, 0]


def test_light_never_exceeds_the_opacity():
    layer = painted(ring(20) * 15 + 24, (200, 100, 50))
    before = layer.pixels.copy()
    layer.multiply(np.full((3, 3, 4), (240, 120, 60, 120), np.uint8), 120)
    assert (layer.pixels <= layer.pixels[:, :, 3:]).all()
    assert (layer.pixels[:, :, 3] == before[:, :, 3]).all()
    middle = layer.pixels[96, 96].tolist()
    assert middle == [255, 100, 25, 255], "twice, once, and half of it"


def test_a_layer_outside_the_picture_is_none():
    assert Layer.around((64, 0, 80, 20), 2, (64, 48)) is None
    assert Layer.around((-9, -9, 0, 20), 2, (64, 48)) is None


def test_smooth_cuts_corners_and_keeps_the_middle():
    once = smooth(square(0, 0, 4), 1)
    assert once.tolist() == [[1, 0], [3, 0], [4, 1], [4, 3], [3, 4], [1, 4], [0, 3], [0, 1]]
    assert smooth(square(0, 0, 4), 3).mean(axis=0).tolist() == [2, 2]


def test_hull_drops_what_is_inside():
    corners = {tuple(point) for point in hull(np.concatenate([square(0, 0, 4), [(2, 2), (1, 3)]])).tolist()}
    assert corners == {tuple(point) for point in square(0, 0, 4).tolist()}


def test_drawing_does_not_depend_on_the_threads_of_opencv():
    def drawn() -> bytes:
        layer = painted(ring(30) * 20 + 24, (10, 200, 90))
        layer.blurred(1.5)
        layer.multiply(np.arange(7 * 9 * 4, dtype=np.uint8).reshape(7, 9, 4), 120)
        return layer.reduced().tobytes()

    one, threads = drawn(), cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        assert drawn() == one
    finally:
        cv2.setNumThreads(threads)
