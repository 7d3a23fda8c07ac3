import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pth2map.export.parity import compare, compare_rows, merge
from pth2map.files.errors import InputError

NAMES = ("loc", "conf")


def outputs(*values):
    return [np.array([value], np.float32) for value in values]


def test_figures_of_one_image():
    parity = compare(outputs([3, 4], [1, 0, 0]), outputs([3, 4.5], [0, 1, 0]), NAMES)
    assert parity.to_json() == {
        "images": 1,
        "outputs": {
            "loc": {
                "max_abs": 0.5,
                "mean_abs": 0.25,
                "cosine": pytest.approx(27 / (5 * math.sqrt(29.25))),
                "shape": [1, 2],
            },
            "conf": {"max_abs": 1.0, "mean_abs": pytest.approx(2 / 3), "cosine": 0.0, "shape": [1, 3]},
        },
    }


images = arrays(np.float32, st.tuples(st.integers(0, 4), st.just(3)), elements=st.floats(-8, 8, width=16))


@hypothesis.given(st.lists(st.tuples(images, st.floats(-0.5, 0.5, width=16)), min_size=1, max_size=4))
def test_merged_images_are_one_long_image(pairs):
    references = [reference for reference, _ in pairs]
    candidates = [reference * np.float32(1.5) + np.float32(shift) for reference, shift in pairs]
    merged = merge(compare([r], [c], ["out"]) for r, c in zip(references, candidates, strict=True))
    whole = compare([np.concatenate(references)], [np.concatenate(candidates)], ["out"])
    assert merged.images == len(pairs)
    ours, expected = merged.outputs["out"], whole.outputs["out"]
    assert (ours.max_abs, ours.elements) == (expected.max_abs, expected.elements)
    assert ours.mean_abs == pytest.approx(expected.mean_abs)
    assert ours.cosine == pytest.approx(expected.cosine, abs=1e-12)
    assert ours.shape == (references[0].shape[0] if len({r.shape for r in references}) == 1 else None, 3)


@pytest.mark.parametrize(
    ("reference", "candidate", "cosine"),
    [([0, 0], [0, 0], 1), ([1, 0], [0, 0], 0), ([1, 2], [2, 4], 1), ([1, 2], [-1, -2], -1)],
)
def test_cosine(reference, candidate, cosine):
    parity = compare(outputs(reference), outputs(candidate), ["out"])
    assert parity.outputs["out"].cosine == pytest.approx(cosine)


def test_the_tolerance_itself_passes_and_more_does_not():
    parity = compare(outputs([0, 0], [1]), outputs([0.25, 0.5], [1]), NAMES)
    parity.check(0.5)
    with pytest.raises(InputError, match=r"on 1 images: loc by 0\.5, more than 0\.499$"):
        parity.check(0.499)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused(side, value):
    pair = [outputs([0, 0], [1]), outputs([0, 0], [1])]
    pair[side][1][0, 0] = value
    with pytest.raises(InputError, match=f"conf of the {('network', 'exported graph')[side]} holds values"):
        compare(*pair, NAMES)


def test_other_shapes_and_numbers_of_outputs_are_refused():
    with pytest.raises(InputError, match=r"conf has shape \(1, 2\), the network's is \(1, 1\)"):
        compare(outputs([0], [1]), outputs([0], [1, 2]), NAMES)
    with pytest.raises(InputError, match="2 and 1 outputs to compare, 2 names"):
        compare(outputs([0], [1]), outputs([0]), NAMES)


ROWS = ("bboxs", "labels", "scores", "masks")


def rows(count: int = 6) -> list[np.ndarray]:
    boxes = np.arange(count, dtype=np.float32)[:, None] + np.float32([0, 0, 10, 10])
    scores = np.linspace(0.9, 0.5, count, dtype=np.float32)
    return [boxes, np.arange(count, dtype=np.int32) % 2, scores, np.random.default_rng(0).random((count, 2, 2))]


def test_rows_of_nearly_one_score_may_swap():
    ours = rows()
    ours[2][3] = ours[2][2] - np.float32(5e-6)
    swapped = [output[[0, 1, 3, 2, 4, 5]] for output in ours]
    assert compare(ours, swapped, ROWS).outputs["bboxs"].max_abs == 1
    found = compare_rows(ours, swapped, ROWS)
    assert [found.outputs[name].max_abs for name in ROWS] == [0, 0, 0, 0]
    assert found.outputs["masks"].shape == (6, 2, 2)


def test_rows_keep_their_differences():
    ours, theirs = rows(), rows()
    theirs[0][4] += 0.25
    theirs[3][1] += 0.5
    found = compare_rows(ours, theirs, ROWS)
    assert [found.outputs[name].max_abs for name in ROWS] == pytest.approx([0.25, 0, 0, 0.5])


def test_the_last_row_may_be_another():
    ours, theirs = rows(), rows()
    ours[2][4] = ours[2][5] + np.float32(5e-6)
    theirs[2][4:] = ours[2][5]
    theirs[1][5] = 7
    found = compare_rows(ours, theirs, ROWS)
    assert found.outputs["bboxs"].shape == (5, 4)


def test_one_in_a_hundred_may_lie_beyond_the_last_row():
    ours, theirs = rows(200), rows(200)
    for side in (ours, theirs):
        side[2][-3:] = side[2][-1]
    theirs[1][-2:] = 7
    assert compare_rows(ours, theirs, ROWS).outputs["masks"].shape == (198, 2, 2)
    theirs[1][-3] = 7
    with pytest.raises(InputError, match=r"^3 of 200 rows of the exported graph have no like"):
        compare_rows(ours, theirs, ROWS)


def test_rows_of_one_score_do_not_vanish():
    """All of them lie as close to the last as one that may be left out."""
    ours, theirs = rows(200), rows(200)
    for side, label in ((ours, 3), (theirs, 4)):
        side[2][:] = 9e-6
        side[1][:] = label
    with pytest.raises(InputError, match=r"^200 of 200 rows of the exported graph have no like"):
        compare_rows(ours, theirs, ROWS)
    with pytest.raises(InputError, match=r"^1 of 1 rows"):
        compare_rows([output[:1] for output in ours], [output[:1] for output in theirs], ROWS)


def test_a_row_without_its_like_is_refused():
    ours, theirs = rows(), rows()
    theirs[1][2] = 7
    with pytest.raises(InputError, match=r"^1 of 6 rows of the exported graph have no like"):
        compare_rows(ours, theirs, ROWS)


@pytest.mark.parametrize("output", range(4))
def test_every_output_has_as_many_rows(output):
    ours, theirs = rows(), rows()
    theirs[output] = np.concatenate([theirs[output], theirs[output]])
    with pytest.raises(InputError, match=rf"output {ROWS[output]} has shape \(12\b.*, the network's is \(6\b"):
        compare_rows(ours, theirs, ROWS)
    with pytest.raises(InputError, match=r"rows of the outputs: .*; expected as many of each, and one at least"):
        compare_rows(theirs, theirs, ROWS)
    none = [output[:0] for output in ours]
    with pytest.raises(InputError, match=r"rows of the outputs: bboxs 0, labels 0, scores 0, masks 0; expected"):
        compare_rows(none, none, ROWS)


@pytest.mark.parametrize("output", [0, 2, 3])
def test_a_row_that_may_be_left_out_is_finite_too(output):
    ours, theirs = rows(), rows()
    theirs[1][-1] = 77
    theirs[output][-1] = np.nan
    with pytest.raises(InputError, match=f"output {ROWS[output]} of the exported graph holds values that are not fin"):
        compare_rows(ours, theirs, ROWS)


def test_rows_fall_by_score_and_have_the_dtypes_of_the_network():
    ours = rows(200)
    shuffled = [output[np.random.default_rng(1).permutation(200)] for output in ours]
    with pytest.raises(InputError, match=r"^output scores of the exported graph rises by 0\.\d+; expected rows by"):
        compare_rows(ours, shuffled, ROWS)
    reversed_ = [output[::-1] for output in ours]  # of neighbours none rises by much
    with pytest.raises(InputError, match=r"^output scores of the exported graph rises by 0\.4; "):
        compare_rows(ours, reversed_, ROWS, scores_within=0.01)
    as_float = rows(200)
    as_float[1] = as_float[1].astype(np.float32)
    with pytest.raises(InputError, match=r"^output labels is of float32, the network's of int32$"):
        compare_rows(ours, as_float, ROWS)


def test_scores_may_differ_as_far_as_they_are_allowed_to():
    ours, theirs = rows(), rows()
    theirs[2] += np.float32(2e-5)
    with pytest.raises(InputError, match="6 of 6 rows"):
        compare_rows(ours, theirs, ROWS)
    found = compare_rows(ours, theirs, ROWS, scores_within=0.01)
    assert found.outputs["scores"].max_abs == pytest.approx(2e-5, rel=0.01)
    assert compare_rows(ours, ours, ROWS, scores_within=0).outputs["scores"].max_abs == 0


def test_boxes_that_are_the_same_are_told_apart_by_their_scores():
    ours, theirs = rows(), rows()
    for side in (ours, theirs):
        side[0][:] = [0, 0, 1344, 1344]
        side[1][:] = 1
    assert compare_rows(ours, theirs, ROWS, scores_within=1).outputs["masks"].max_abs == 0


def test_outputs_may_have_tolerances_of_their_own():
    parity = compare(outputs([0, 0], [1]), outputs([0.25, 0.5], [1.25]), NAMES)
    parity.check(0.25, {"loc": 0.5})
    with pytest.raises(InputError, match=r"on 1 images: conf by 0\.25, more than 0\.2$"):
        parity.check(0.5, {"conf": 0.2})
