import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.geometry.corner import CornerPlacement

sides = st.integers(1, 3000)


def test_the_long_sides_that_fall_a_pixel_short_of_1344():
    short = [side for side in range(1, 700) if CornerPlacement(1344, side, side).resized_width != 1344]
    assert short == [79, 158, 165, 285, 291, 316, 321, 330, 333, 570, 582, 601, 617, 632, 642, 660, 666]
    assert {CornerPlacement(1344, side, side).resized_width for side in short} == {1343}


@given(sides, sides, st.sampled_from([32, 800, 1344]))
def test_the_scaled_image_fits_and_is_less_than_a_pixel_short(height, width, side):
    ratio = side / max(height, width)
    try:
        placed = CornerPlacement(side, height, width)
    except ValueError as error:
        assert min(height, width) * ratio < 1
        assert "has no pixels left" in str(error)
        return
    assert (placed.height, placed.width, placed.ratio) == (side, side, ratio)
    for resized, original in ((placed.resized_height, height), (placed.resized_width, width)):
        assert original * ratio - 1 < resized <= min(side, original * ratio)


def test_the_ratio_is_not_rounded_and_the_same_both_ways():
    placed = CornerPlacement(1344, 250, 333)
    assert (placed.resized_height, placed.resized_width) == (1009, 1343)
    assert placed.ratio == 4.036036036036036


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_boxes_are_divided_in_their_own_dtype_and_clipped_to_the_image(dtype):
    placed = CornerPlacement(1344, 250, 333)
    boxes = np.array([[-3, 5, 1344, 1344], [100, 200, 300, 500], [-9, -8, -7, -6]], dtype=dtype)
    before = boxes.copy()
    found = placed.boxes_to_image(boxes)
    assert found.dtype == dtype
    five, *others = (dtype(value) / dtype(placed.ratio) for value in (5, 100, 200, 300, 500))
    assert found.tolist() == [[0, five, 333, 250], others, [0, 0, 0, 0]]
    np.testing.assert_array_equal(boxes, before)
    assert placed.boxes_to_image(boxes[:0]).shape == (0, 4)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match="100×2 px scaled to fit 32×32 has no pixels left"):
        CornerPlacement(32, 2, 100)
    with pytest.raises(ValueError, match="has a side below 1"):
        CornerPlacement(32, 0, 5)
