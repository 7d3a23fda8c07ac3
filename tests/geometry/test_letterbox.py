from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.geometry.letterbox import Letterbox

side = st.integers(1, 2000)


def test_figures_of_a_published_size():
    """1024 × 750 in 640: 468.75 rows are rounded to 469, which leaves 171 over, an odd number."""
    placed = Letterbox(640, 640, 750, 1024)
    assert (placed.resized_width, placed.resized_height) == (640, 469)
    assert (placed.pad_x, placed.pad_y) == (0.0, 85.5)
    assert (placed.left, placed.top) == (0, 85)


def test_a_small_image_is_enlarged():
    placed = Letterbox(640, 640, 312, 416)
    assert (placed.resized_width, placed.resized_height, placed.left, placed.top) == (640, 480, 0, 80)


def test_half_a_pixel_is_rounded_to_even():
    assert Letterbox(10, 10, 5, 20).resized_height == 2  # 2.5
    assert Letterbox(10, 10, 7, 20).resized_height == 4  # 3.5


def test_an_input_that_is_no_square():
    wide = Letterbox(height=320, width=640, image_height=100, image_width=100)
    assert (wide.resized_width, wide.resized_height, wide.left, wide.top) == (320, 320, 160, 0)


@pytest.mark.parametrize("size", [320, 416, 512, 608, 640])
def test_every_image_lies_inside_and_in_the_middle(size):
    others = [1, 2, 3, 97, 639, 640, 641, 1024, 1385, 2000]
    placed = 0
    for long in range(1, 2001):
        for short in others:
            for height, width in ((long, short), (short, long)):
                ratio = Fraction(size, max(height, width))
                if min(height, width) * ratio <= Fraction(1, 2):
                    with pytest.raises(ValueError, match="no pixels left"):
                        Letterbox(size, size, height, width)
                    continue
                box = Letterbox(size, size, height, width)
                placed += 1
                for whole, image in ((box.resized_height, height), (box.resized_width, width)):
                    assert 1 <= whole <= size
                    assert abs(whole - image * ratio) <= Fraction(1, 2)
                assert max(box.resized_height, box.resized_width) == size
                for laid, undone, whole in (
                    (box.left, box.pad_x, box.resized_width),
                    (box.top, box.pad_y, box.resized_height),
                ):
                    assert 2 * undone + whole == size
                    assert undone - laid in (0, 0.5)
    assert placed > 30_000


@given(side, side, st.integers(32, 1000), st.integers(32, 1000), st.data())
def test_a_box_comes_back_from_the_input(height, width, input_height, input_width, data):
    try:
        placed = Letterbox(input_height, input_width, height, width)
    except ValueError:
        return  # too thin
    corner = st.tuples(st.floats(-width, 2 * width), st.floats(-height, 2 * height))
    points = np.array(data.draw(st.lists(corner, min_size=2, max_size=6).filter(lambda rows: len(rows) % 2 == 0)))
    # The other way, axis by axis: a share of the image's side is the same share of the scaled side.
    on_input = np.empty_like(points)
    on_input[:, 0] = points[:, 0] / width * placed.resized_width + placed.pad_x
    on_input[:, 1] = points[:, 1] / height * placed.resized_height + placed.pad_y
    # What the addition of the pad takes off a small number comes back enlarged.
    atol = 1e-12 * max(input_height, input_width) * max(1, height, width)
    np.testing.assert_allclose(placed.points_to_image(on_input), points, rtol=1e-12, atol=atol)
    np.testing.assert_array_equal(
        placed.boxes_to_image(on_input.reshape(-1, 4)), placed.points_to_image(on_input).reshape(-1, 4)
    )


def test_the_scaled_image_is_the_whole_image():
    placed = Letterbox(640, 640, 651, 1024)
    edges = [[0, placed.pad_y, 640, 640 - placed.pad_y]]
    np.testing.assert_allclose(placed.boxes_to_image(np.array(edges)), [[0, 0, 1024, 651]], rtol=1e-15)


def test_mapping_is_in_float64_whatever_comes_in_and_leaves_it_alone():
    placed = Letterbox(640, 640, 651, 1024)
    given_boxes = np.array([[195, 352.5, 218.75, 373]], np.float16)
    found = placed.boxes_to_image(given_boxes)
    assert found.dtype == np.float64
    # 352.5 is 236 of 407 rows below the pad of 116.5, so 236 * 651 / 407.
    assert found.tolist() == [[312.0, 236.0 * 651 / 407, 350.0, 256.5 * 651 / 407]]
    assert given_boxes.tolist() == [[195, 352.5, 218.75, 373]]
    assert placed.points_to_image(np.empty((0, 5, 2), np.float16)).shape == (0, 5, 2)


@pytest.mark.parametrize("sides", [(0, 640, 5, 5), (640, 640, 0, 5), (640, 640, 5, -1)])
def test_sides_without_pixels_are_refused(sides):
    with pytest.raises(ValueError, match="side below 1"):
        Letterbox(*sides)
