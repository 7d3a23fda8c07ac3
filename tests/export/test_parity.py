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


def test_a_row_without_its_like_is_refused():
    ours, theirs = rows(), rows()
    theirs[1][2] = 7
    with pytest.raises(InputError, match=r"1 of 6 rows of the exported graph have no like"):
        compare_rows(ours, theirs, ROWS)
    with pytest.raises(InputError, match=r"^5 rows, the network gives 6$"):
        compare_rows(ours, [output[:5] for output in ours], ROWS)
    theirs = rows()
    theirs[0][0, 0] = np.nan
    with pytest.raises(InputError, match="bboxs holds values that are not finite"):
        compare_rows(ours, theirs, ROWS)


def test_no_rows_are_alike():
    none = [output[:0] for output in rows()]
    assert compare_rows(none, none, ROWS).outputs["masks"].elements == 0


def test_outputs_may_have_tolerances_of_their_own():
    parity = compare(outputs([0, 0], [1]), outputs([0.25, 0.5], [1.25]), NAMES)
    parity.check(0.25, {"loc": 0.5})
    with pytest.raises(InputError, match=r"on 1 images: conf by 0\.25, more than 0\.2$"):
        parity.check(0.5, {"conf": 0.2})
