"""Matching against the published code's targets, and against a plain reading of its rules."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pth2map.geometry.priors import encode_boxes, retinaface_priors
from pth2map.training.matching import FORCED_IOU, MATCHED_IOU, assign, match

SETS = [(side, name) for side in (320, 840) for name in "ABCD"]


@pytest.fixture(scope="module")
def published(golden):
    folder = golden / "retinaface_train"
    with np.load(folder / "arrays.npz") as arrays:
        return json.loads((folder / "case.json").read_text()), dict(arrays)


@pytest.mark.parametrize(("side", "name"), SETS)
def test_the_targets_are_the_published_ones(published, side, name):
    case, arrays = published
    faces, priors = arrays[f"s{side}_{name}_gt"], retinaface_priors(side, side)
    targets = match(faces, priors)
    key = f"s{side}_{name}_pos"
    np.testing.assert_array_equal(targets.rows, arrays[key])
    np.testing.assert_array_equal(np.where(targets.landmarked, 1, -1), arrays[f"{key}_conf"])
    np.testing.assert_allclose(targets.loc, arrays[f"{key}_loc"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(targets.landms, arrays[f"{key}_landm"], rtol=1e-5, atol=1e-5)

    truth, positive = assign(faces, priors)
    expected = case["sides"][str(side)]["gts"][name]
    assert (positive.sum(), targets.landmarked.sum()) == (expected["positives"], expected["positives_with_landmarks"])
    loc = encode_boxes(faces[truth, :4], priors) if positive.any() else np.zeros((len(priors), 4), np.float32)
    np.testing.assert_allclose(loc[::97], arrays[f"s{side}_{name}_loc_every97"], rtol=1e-5, atol=1e-5)
    assert np.abs(loc.astype(np.float64)).sum() == pytest.approx(expected["loc_t"]["abs_sum"], rel=1e-5)


def test_a_face_too_small_to_be_learnt_takes_its_best_prior_from_a_larger_one():
    priors = retinaface_priors(320, 320)
    small = np.array([0.001, 0.001, 0.007, 0.007, *[-1.0] * 11], np.float32)
    large = np.array([0.0, 0.0, 0.044, 0.044, *[0.02] * 10, 1.0], np.float32)
    alone = match(large[None], priors)
    both = match(np.stack([large, small]), priors)
    assert alone.rows[0] == both.rows[0] == 0
    assert (alone.landmarked[0], both.landmarked[0]) == (True, False)
    np.testing.assert_array_equal(both.loc[0], encode_boxes(small[None, :4], priors[:1])[0])


def test_an_image_without_faces_teaches_nothing():
    targets = match(np.empty((0, 15), np.float32), retinaface_priors(320, 320))
    assert (len(targets.rows), targets.loc.shape, targets.landms.shape) == (0, (0, 4), (0, 10))


@st.composite
def some_faces(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    number = draw(st.integers(1, 40))
    low, sides = rng.uniform(0, 0.9, (number, 2)), rng.uniform(0.001, 0.6, (number, 2)) ** 2 + 1e-3
    corners = np.concatenate([low, low + sides], axis=1)
    if draw(st.booleans()):  # the same face twice
        corners[-1] = corners[0]
    labels = rng.choice([1.0, -1.0], (number, 1))
    return np.concatenate([corners, rng.uniform(0, 1, (number, 10)), labels], axis=1).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(some_faces())
def test_blocks_of_faces_give_what_the_whole_table_gives(faces):
    priors = retinaface_priors(160, 96)
    low, high = priors[:, :2] - priors[:, 2:] / 2, priors[:, :2] + priors[:, 2:] / 2
    sides = np.minimum(high, faces[:, None, 2:4]) - np.maximum(low, faces[:, None, :2])
    inter = np.maximum(sides, 0).prod(axis=2)
    areas = (faces[:, 2:4] - faces[:, :2]).prod(axis=1)
    table = inter / (areas[:, None] + (high - low).prod(axis=1) - inter)
    best, overlap, truth = table.argmax(axis=1), table.max(axis=0), table.argmax(axis=0)
    learnable = table.max(axis=1) >= FORCED_IOU
    overlap[best[learnable]] = 2
    for number, prior in enumerate(best):
        truth[prior] = number
    expected = (overlap >= np.float32(MATCHED_IOU)) & learnable.any()
    found, positive = assign(faces, priors)
    np.testing.assert_array_equal(positive, expected)
    np.testing.assert_array_equal(found[positive], truth[expected])
