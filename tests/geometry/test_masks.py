import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools import mask as pycocotools

from pth2map.geometry.masks import Patch, encode, paste_masker, paste_published, run_lengths

SIDE = 28
PASTES = {"published": paste_published, "masker": paste_masker}


def weights(count: int, smooth: bool) -> np.ndarray:
    """``(count, 30)``: how much of each of 30 values in a row is in each of ``count`` values of the resized row."""
    step = (SIDE + 2) / count
    reach = max(step, 1) if smooth else 1
    centres = (np.arange(count) + 0.5) * step - 0.5
    if not smooth:
        centres = centres.clip(0, SIDE + 1)
    apart = abs(np.arange(SIDE + 2) - centres[:, None]) / reach
    triangle = np.maximum(1 - apart, 0)
    return triangle / triangle.sum(axis=1, keepdims=True)


def drawn(paste: str, mask: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Probability of every pixel of the image by the definition of each paste; 0 where nothing lies.

    The corners come of the arithmetic of the box's dtype: a last bit decides between two pixels.
    """
    x1, y1, x2, y2 = box
    half_x, half_y = ((end - start) * 0.5 * (30 / 28) for start, end in ((x1, x2), (y1, y2)))
    middle_x, middle_y = (x1 + x2) * 0.5, (y1 + y2) * 0.5
    corners = [middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y]
    if paste == "published":
        left, top, right, bottom = map(round, corners)
        columns, rows = (round(max(end - start + 1, 1)) for start, end in zip(corners[:2], corners[2:], strict=True))
    else:
        left, top, right, bottom = map(int, corners)
        right, bottom = right + 1, bottom + 1
        columns, rows = max(right - left, 1), max(bottom - top, 1)
    padded = np.zeros((SIDE + 2, SIDE + 2))
    padded[1:-1, 1:-1] = mask
    smooth = paste == "masker"
    resized = weights(rows, smooth) @ padded @ weights(columns, smooth).T
    image = np.zeros((height, width))
    for y in range(max(top, 0), min(bottom, height)):
        for x in range(max(left, 0), min(right, width)):
            image[y, x] = resized[y - top, x - left]
    return image


def laid(patch: Patch, height: int, width: int) -> np.ndarray:
    image = np.zeros((height, width), np.uint8)
    rows, columns = patch.pixels.shape
    image[patch.top : patch.top + rows, patch.left : patch.left + columns] = patch.pixels
    return image


quarters = st.integers(-60, 200).map(lambda value: value / 4)
box = st.tuples(quarters, quarters, quarters, quarters)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("paste", PASTES)
@given(box=box, height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 9))
@example(box=(0.0, 0.0, 40.0, 30.0), height=30, width=40, seed=0)
@example(box=(1.5, 2.5, 29.5, 30.5), height=33, width=34, seed=1)  # enlarged corners at half pixels
@example(box=(10.0, 10.0, 10.0, 10.0), height=20, width=20, seed=2)
@example(box=(-500.0, -300.0, 600.0, 700.0), height=21, width=17, seed=3)
def test_paste_equals_its_definition(paste, dtype, box, height, width, seed):
    mask = np.random.default_rng(seed).random((SIDE, SIDE), dtype=np.float32)
    corners = np.array([box], dtype=dtype)
    (patch,) = PASTES[paste](mask[None], corners, height, width, 0.5)
    expected = drawn(paste, mask, corners[0], height, width)
    sure = abs(expected - 0.5) > 1e-5
    np.testing.assert_array_equal(laid(patch, height, width)[sure], expected[sure] > 0.5)


@pytest.mark.parametrize("paste", PASTES)
@pytest.mark.parametrize(
    "box",
    [
        (40, 5, 40, 20),  # at the right edge, without width
        (5, 30, 20, 30),
        (60, 5, 80, 20),
        (5, 70, 20, 90),
        (-80, -90, -60, -70),
        (20, 20, 8, 6),  # the second corner before the first
        (1000, 1000, 1000, 1000),
    ],
    ids=str,
)
def test_a_box_that_covers_no_pixel_gives_an_empty_mask(paste, box):
    (patch,) = PASTES[paste](np.ones((1, SIDE, SIDE), np.float32), np.array([box], np.float32), 30, 40)
    assert not patch.pixels.any()
    assert encode(patch, 30, 40) == pycocotools.encode(np.zeros((30, 40), np.uint8, order="F"))["counts"]


def test_the_two_pastes_differ_in_the_last_column_and_row():
    masks, boxes = np.ones((1, SIDE, SIDE), np.float32), np.array([[10, 20, 10, 20]], np.float32)
    published, masker = (laid(paste(masks, boxes, 40, 40)[0], 40, 40) for paste in PASTES.values())
    assert published.sum() == 0
    assert [axis.tolist() for axis in masker.nonzero()] == [[20], [10]]

    # 2 × 2 px, enlarged to 10.93 … 13.07: three pixels wide either way, of which the published paste draws two.
    boxes = np.array([[11, 11, 13, 13]], np.float32)
    published, masker = (laid(paste(masks, boxes, 40, 40)[0], 40, 40) for paste in PASTES.values())
    assert np.unique(published.nonzero()).tolist() == [11, 12]
    assert np.unique(masker.nonzero()).tolist() == [10, 11, 12, 13]


def test_a_mask_that_shrinks_is_smoothed_by_one_paste_alone():
    stripes = np.zeros((1, SIDE, SIDE), np.float32)
    stripes[:, :, 1::5] = 1  # where six columns out of thirty are sampled
    boxes = np.array([[5.5, 5, 10.1, 60]], np.float32)
    sampled, smoothed = (laid(paste(stripes, boxes, 70, 20)[0], 70, 20) for paste in PASTES.values())
    assert sampled.any()
    assert not smoothed.any()


def test_a_pixel_needs_more_than_the_threshold():
    masks, boxes = np.full((1, SIDE, SIDE), 0.75, np.float32), np.array([[5, 5, 60, 60]], np.float32)
    for paste in PASTES.values():
        assert paste(masks, boxes, 70, 70, 0.74)[0].pixels.any()
        assert not paste(masks, boxes, 70, 70, 0.75)[0].pixels.any()


def test_many_masks_are_pasted_like_each_alone():
    random = np.random.default_rng(0)
    masks = random.random((9, SIDE, SIDE), dtype=np.float32)
    boxes = random.uniform(-10, 50, (9, 4)).astype(np.float32)
    for paste in PASTES.values():
        together = paste(masks, boxes, 40, 50)
        for number, patch in enumerate(together):
            (alone,) = paste(masks[number : number + 1], boxes[number : number + 1], 40, 50)
            assert (patch.top, patch.left) == (alone.top, alone.left)
            np.testing.assert_array_equal(patch.pixels, alone.pixels)
        assert paste(masks[:0], boxes[:0], 40, 50) == []


@st.composite
def patches(draw):
    """A patch of an image and the image's height and width; often it covers whole columns, or the last pixel."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    top, left = draw(st.integers(0, height)), draw(st.integers(0, width))
    if draw(st.booleans()):
        top, rows = 0, height
    else:
        rows = draw(st.integers(0, height - top))
    columns = draw(st.integers(0, width - left))
    density = draw(st.sampled_from([0, 0.1, 0.5, 0.95, 1]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    return Patch(top, left, random.random((rows, columns)) < density), height, width


@given(patches())
@example((Patch(0, 0, np.ones((7, 5), np.bool_)), 7, 5))
@example((Patch(0, 1, np.ones((7, 3), np.bool_)), 7, 5))
@example((Patch(7, 5, np.ones((0, 0), np.bool_)), 7, 5))
def test_run_lengths_are_those_of_pycocotools(case):
    patch, height, width = case
    image = laid(patch, height, width)
    assert encode(patch, height, width) == pycocotools.encode(np.asfortranarray(image))["counts"]
    counts = run_lengths(patch, height, width)
    assert counts.sum() == height * width
    assert (counts[1:] > 0).all()
    np.testing.assert_array_equal(np.repeat(np.arange(len(counts)) % 2, counts), image.ravel(order="F"))


def test_long_runs_of_a_large_image():
    pixels = np.ones((2500, 30), np.bool_)
    pixels[::7, ::3] = False
    patch = Patch(1000, 3900, pixels)
    expected = pycocotools.encode(np.asfortranarray(laid(patch, 4000, 4000)))["counts"]
    assert encode(patch, 4000, 4000) == expected
