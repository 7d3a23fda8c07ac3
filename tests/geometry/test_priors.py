from hashlib import sha256
from itertools import product
from math import ceil

import numpy as np
import pytest

from pth2map.geometry.priors import (
    decode_boxes,
    decode_landmarks,
    encode_boxes,
    encode_landmarks,
    retinaface_prior_count,
    retinaface_priors,
)


def test_priors_at_1000_are_the_published_ones():
    priors = retinaface_priors(1000, 1000)
    assert sha256(priors.tobytes()).hexdigest() == "5800b6f72b083d2c761316fc0a4fba939c33ec85b4e84159cba7cdb040574079"
    np.testing.assert_allclose(
        priors[[0, 1, -1]], [[0.004] * 2 + [0.016] * 2, [0.004] * 2 + [0.032] * 2, [1.008] * 2 + [0.512] * 2]
    )


@pytest.mark.parametrize(("side", "count"), [(1000, 41236), (840, 29126), (640, 16800), (1600, 105000)])
def test_prior_counts(side, count):
    assert retinaface_prior_count(side, side) == count
    assert retinaface_priors(side, side).shape == (count, 4)


def test_priors_of_a_rectangle_one_by_one():
    height, width = 167, 231
    expected = []
    for step, sizes in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        for row, column, size in product(range(ceil(height / step)), range(ceil(width / step)), sizes):
            expected.append(((column + 0.5) * step / width, (row + 0.5) * step / height, size / width, size / height))
    np.testing.assert_array_equal(retinaface_priors(height, width), np.array(expected).astype(np.float32))
    assert retinaface_prior_count(height, width) == len(expected)


def test_shared_priors_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        retinaface_priors(64, 64)[0] = 0


def test_decode_of_a_prior_by_hand():
    prior = np.array([[0.5, 0.25, 0.2, 0.1]], np.float32)
    box = decode_boxes(np.array([[1, -1, 0, np.log(2) / 0.2]], np.float32), prior)
    np.testing.assert_allclose(
        box, [[0.5 + 0.02 - 0.1, 0.25 - 0.01 - 0.1, 0.5 + 0.02 + 0.1, 0.25 - 0.01 + 0.1]], rtol=1e-6
    )
    points = decode_landmarks(np.arange(10, dtype=np.float32)[None], prior)
    np.testing.assert_allclose(points[0, 3], [0.5 + 6 * 0.1 * 0.2, 0.25 + 7 * 0.1 * 0.1], rtol=1e-6)


def test_boxes_and_landmarks_are_encoded_as_published_and_back(golden):
    with np.load(golden / "retinaface_train" / "arrays.npz") as arrays:
        published = {name.removeprefix("codec_"): arrays[name] for name in arrays if name.startswith("codec_")}
    priors = retinaface_priors(320, 320)[published["prior_idx"]]
    loc, landms = (
        encode_boxes(published["boxes"], priors),
        encode_landmarks(published["landm"].reshape(-1, 5, 2), priors),
    )
    np.testing.assert_allclose(loc, published["loc"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(landms, published["loc_landm"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(decode_boxes(loc, priors), published["decoded"], rtol=1e-5, atol=1e-5)
    points = decode_landmarks(landms, priors).reshape(-1, 10)
    np.testing.assert_allclose(points, published["decoded_landm"], rtol=1e-5, atol=1e-5)
