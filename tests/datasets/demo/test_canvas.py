"""Layers and what they are put together to."""

import cv2
import numpy as np
import pytest
from hypothesis import given
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


@given(st.floats(-30, 60), st.floats(-30, 45), st.floats(6, 40))
def test_covered_is_the_part_that_is_beyond_the_picture(left, top, side):
    inside = max(0.0, min(left + side, 64) - max(left, 0)) * max(0.0, min(top + side, 48) - max(top, 0))
    expected = 1 - inside / side**2
    assert Composite(64, 48).covered(square(left, top, side), None) == pytest.approx(expected, abs=0.09)


@given(st.floats(0, 20))
def test_covered_is_the_part_behind_others_or_behind_what_is_worn(shift):
    """A square of 20 pixels, of which one that is moved to the right covers a part."""
    composite, front = Composite(64, 48), square(10 + shift, 5, 30)
    expected = 1 - shift / 20
    composite.put(painted(front, (9, 9, 9)))
    assert composite.covered(square(10, 10, 20), None) == pytest.approx(expected, abs=0.05)
    worn = Layer(np.zeros((48 * 2, 64 * 2), np.uint8), 0, 0, 2)
    worn.polygon(front, 255)
    assert Composite(64, 48).covered(square(10, 10, 20), worn) == pytest.approx(expected, abs=0.05)
    assert composite.covered(square(10, 10, 20), worn) == pytest.approx(expected, abs=0.05), "counted once"


def test_points_that_are_covered():
    composite = Composite(64, 48)
    composite.put(painted(square(10, 10, 20), (9, 9, 9)))
    points = np.array([(20, 20), (40, 20), (-1, 20), (20, 48), (63.9, 47.9)])
    assert composite.covers(points).tolist() == [True, False, True, True, False]


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
