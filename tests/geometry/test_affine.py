import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.geometry.affine import AffinePlacement

side = st.integers(1, 5000)


@pytest.mark.parametrize(
    ("image", "scale", "left", "top"),
    [
        ((651, 1024), 0.78125, 0, 145.703125),
        ((1914, 1024), 0.4179728317659352, 185.99791013584118, 0),
        ((750, 1024), 0.78125, 0, 107.03125),
        ((800, 800), 1, 0, 0),
    ],
)
def test_placements_on_800_are_the_published_ones(image, scale, left, top):
    placement = AffinePlacement.fit(*image, 800, 800)
    assert (placement.height, placement.width) == (800, 800)
    assert (placement.scale, placement.left, placement.top) == pytest.approx((scale, left, top), rel=1e-14, abs=1e-12)


@given(side, side, side, side)
def test_the_image_fits_is_centred_and_touches_two_borders(image_height, image_width, height, width):
    placement = AffinePlacement.fit(image_height, image_width, height, width)
    assert min(placement.left, placement.top) == pytest.approx(0, abs=1e-9 * max(height, width))
    assert placement.left + placement.scale * image_width + placement.left == pytest.approx(width)
    assert placement.top + placement.scale * image_height + placement.top == pytest.approx(height)


@given(side, side, side, side, st.lists(st.tuples(*[st.floats(-9000, 9000)] * 2), max_size=5))
def test_to_image_undoes_the_placement(image_height, image_width, height, width, points):
    placement = AffinePlacement.fit(image_height, image_width, height, width)
    points = np.array(points).reshape(-1, 2)
    placed = points * placement.scale + (placement.left, placement.top)
    tolerance = 1e-9 * max(1, 1 / placement.scale) * max(height, width)
    np.testing.assert_allclose(placement.points_to_image(placed), points, rtol=1e-12, atol=tolerance)


def test_points_of_any_shape_and_dtype_come_back_in_float64():
    points = np.array([[[400, 400], [0, 145.703125]]], dtype=np.float32)
    placed = AffinePlacement.fit(651, 1024, 800, 800).points_to_image(points)
    assert placed.dtype == np.float64
    np.testing.assert_allclose(placed, [[[512, 325.5], [0, 0]]], atol=1e-12)
