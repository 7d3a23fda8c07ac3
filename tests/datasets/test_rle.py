"""Run-length masks: pycocotools' own, a step-by-step reader on any bytes, and every fault."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from pth2map.datasets import rle
from pth2map.datasets.rle import read_rles


def sizes_of(*sizes):
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def encoded(counts):
    """Runs as COCO writes them, step by step."""
    text = []
    for place, count in enumerate(counts):
        number = count - (counts[place - 2] if place > 2 else 0)
        more = True
        while more:
            bits, number = number & 31, number >> 5
            more = number != (-1 if bits & 16 else 0)
            text.append(48 + bits + (32 if more else 0))
    return bytes(text)


def read(mask, pixels):
    """Area of a mask read step by step, None if it is malformed."""
    counts, place = [], 0
    if any(not 48 <= character < 112 for character in mask):
        return None
    while place < len(mask):
        number = width = 0
        more = True
        while more:
            if place == len(mask) or width == 6:
                return None
            digit = mask[place] - 48
            number |= (digit & 31) << 5 * width
            more = digit >= 32
            place, width = place + 1, width + 1
        if digit & 16:
            number -= 1 << 5 * width
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
    return sum(counts[1::2]) if counts and min(counts) >= 0 and sum(counts) == pixels else None


def drawn(height, width, seed, share):
    """A mask of blocks, some of them long."""
    generator = np.random.default_rng(seed)
    pixels = np.repeat(generator.random(height * width) < share, generator.integers(1, 9))[: height * width]
    return np.asfortranarray(pixels.reshape(width, height).T.astype(np.uint8))


MASKS = st.tuples(
    st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32), st.sampled_from([0, 0.02, 0.5, 0.9, 1])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(MASKS, max_size=12), st.sampled_from([1, 7, 300, 1 << 18]))
def test_areas_of_what_pycocotools_encodes(cases, portion):
    masks = [drawn(*case) for case in cases]
    sizes = sizes_of(*(mask.shape for mask in masks))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rle, "_CHARACTERS_AT_ONCE", portion)
        areas, faults = read_rles([coco_mask.encode(mask)["counts"] for mask in masks], sizes)
    assert areas.tolist() == [int(mask.sum()) for mask in masks]
    assert areas.dtype == np.int64
    assert faults == {}


def test_large_images_and_long_runs():
    masks = [np.zeros((5000, 9000), np.uint8, order="F") for _ in range(3)]
    masks[0][17:4600, 100:8000] = 1
    masks[1][:] = 1
    found = [coco_mask.encode(mask)["counts"] for mask in masks]
    areas, faults = read_rles(found, sizes_of(*[(5000, 9000)] * 3))
    assert areas.tolist() == coco_mask.area([{"size": [5000, 9000], "counts": each} for each in found]).tolist()
    assert areas.tolist() == [4583 * 7900, 5000 * 9000, 0]
    assert faults == {}
    most = 2**27
    areas, faults = read_rles([encoded([0, most]), encoded([1, most - 2, 1, 0])], sizes_of((1, most), (2**13, 2**14)))
    assert (areas.tolist(), faults) == ([most, most - 2], {})


@given(st.lists(st.lists(st.integers(0, 2000), min_size=1, max_size=9), max_size=6))
def test_runs_of_any_length_also_of_none(cases):
    """Other tools write runs of no pixels."""
    cases = [counts for counts in cases if sum(counts)]
    areas, faults = read_rles(list(map(encoded, cases)), sizes_of(*((1, sum(counts)) for counts in cases)))
    assert areas.tolist() == [sum(counts[1::2]) for counts in cases]
    assert faults == {}


ALPHABET = [*range(46, 114), 0, 255]
STRANGE = st.lists(st.sampled_from(ALPHABET), max_size=9).map(bytes) | st.binary(max_size=6)
COUNTS = st.lists(st.integers(-3, 40), min_size=1, max_size=6).map(encoded)


@settings(max_examples=400)
@given(st.lists(STRANGE | COUNTS, max_size=8), st.integers(1, 90), st.sampled_from([1, 4, 1 << 18]))
def test_anything_is_judged_as_step_by_step(masks, pixels, portion):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rle, "_CHARACTERS_AT_ONCE", portion)
        areas, faults = read_rles(masks, sizes_of(*[(1, pixels)] * len(masks)))
    expected = [read(mask, pixels) for mask in masks]
    assert [None if place in faults else area for place, area in enumerate(areas.tolist())] == expected
    assert not areas[list(faults)].any()


@settings(max_examples=200)
@given(MASKS, st.data())
def test_a_changed_mask_is_judged_as_step_by_step(case, data):
    mask = bytearray(coco_mask.encode(drawn(*case))["counts"])
    for _ in range(data.draw(st.integers(1, 3))):
        mask[data.draw(st.integers(0, len(mask) - 1))] = data.draw(st.sampled_from(ALPHABET))
    areas, faults = read_rles([bytes(mask)], sizes_of(case[:2]))
    assert read(bytes(mask), case[0] * case[1]) == (None if faults else areas[0])


@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (b"", "is empty"),
        (b"/", "holds a character that RLE does not have"),
        (b"1p", "holds a character that RLE does not have"),
        (b"0P", "ends within a number"),
        (encoded([3, -1, 10]), "holds a negative run"),
        (encoded([1, 5, 3, 4, -1]), "holds a negative run"),
        (encoded([6, 5]), "has runs that do not sum to height × width"),
        (encoded([6, 7]), "has runs that do not sum to height × width"),
        (b"PPPPPP" + encoded([12]), "holds a number of more than 6 characters"),
        (b"o" * 40 + b"0", "holds a number of more than 6 characters"),
    ],
)
def test_faults(mask, fault):
    sound = encoded([2, 3, 7])
    areas, faults = read_rles([sound, mask, sound, mask], sizes_of(*[(3, 4)] * 4))
    assert areas.tolist() == [3, 0, 3, 0]
    assert faults == {1: fault, 3: fault}


def test_runs_that_sum_up_by_wrapping_round_are_refused():
    """Two chains of the largest differences, long enough for sums beyond 64 bits."""
    largest = b"ooooo?"
    _, faults = read_rles([largest * 200_000, encoded([12])], sizes_of((3, 4), (3, 4)))
    assert faults == {0: "has runs that do not sum to height × width"}


def test_no_masks():
    areas, faults = read_rles([], sizes_of())
    assert (areas.tolist(), faults) == ([], {})
