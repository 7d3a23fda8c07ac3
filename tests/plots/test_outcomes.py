"""Which pictures are shown of a result, and how faces that were found, missed or imagined look on them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pth2map.evaluation.widerface import Outcome
from pth2map.plots.outcomes import LINES, choose_outcomes, draw_outcome, jpeg

NONE = np.zeros((0, 4))
IMAGE = np.random.default_rng(0).integers(90, 160, (240, 320, 3), dtype=np.uint8)
BOX = (60, 50, 200, 120)


def outcome(name="e/1", found=(), missed=(), false=()) -> Outcome:
    return Outcome(name, *(np.array(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (found, missed, false)))


def numbered(counts) -> list[Outcome]:
    """Of missed faces and false detections of each."""
    return [outcome(f"e/{n}", [], [BOX] * missed, [BOX] * false) for n, (missed, false) in enumerate(counts)]


def names(chosen) -> dict[str, list[str]]:
    return {kind: [outcome.name for outcome in each] for kind, each in chosen.items()}


def test_the_worst_are_shown_first_and_then_a_spread():
    counts = [(0, 0), (2, 9), (5, 0), (5, 1), (0, 3), (0, 0), (1, 0), (0, 0), (0, 0)]
    assert names(choose_outcomes(numbered(counts), worst=2, spread=3)) == {
        "missed": ["e/2", "e/3"],
        "false": ["e/1", "e/4"],
        "spread": ["e/0", "e/5", "e/7"],
    }


def test_where_nothing_went_wrong_there_is_a_spread_alone():
    assert names(choose_outcomes(numbered([(0, 0)] * 4))) == {
        "missed": [],
        "false": [],
        "spread": ["e/0", "e/1", "e/2", "e/3"],
    }
    assert names(choose_outcomes([])) == {"missed": [], "false": [], "spread": []}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30), st.integers(0, 4), st.integers(0, 8))
def test_no_picture_is_shown_twice_and_none_is_held_back(counts, worst, spread):
    chosen = names(choose_outcomes(numbered(counts), worst, spread))
    shown = [name for each in chosen.values() for name in each]
    assert len(set(shown)) == len(shown)
    assert len(chosen["missed"]) == min(worst, sum(missed > 0 for missed, _ in counts))
    assert len(chosen["spread"]) == min(spread, len(counts) - len(shown) + len(chosen["spread"]))


def colour_of(kind: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(LINES[kind].colour[1:]), np.uint8)[::-1]


def painted(picture: np.ndarray, kind: str) -> np.ndarray:
    """Where the colour of a kind is, nearly."""
    return (np.abs(picture.astype(int) - colour_of(kind)) < 12).all(axis=2)


def share(picture: np.ndarray, kind: str) -> float:
    """How much of the upper side of the box has the colour."""
    x, y, w, _ = BOX
    return float(painted(picture, kind)[y, x : x + w].mean())


def test_the_kinds_differ_in_colour_and_in_dashes():
    shares = {kind: share(draw_outcome(IMAGE, outcome(**{kind: [BOX]})), kind) for kind in LINES}
    assert shares["found"] == 1
    assert 0.5 < shares["missed"] < 0.95
    assert 0.15 < shares["false"] < 0.75
    assert len({line.colour for line in LINES.values()}) == len({(line.dash, line.gap) for line in LINES.values()}) == 3


@pytest.mark.parametrize("kind", LINES)
def test_a_frame_lies_around_its_box(kind):
    picture = draw_outcome(IMAGE, outcome(**{kind: [BOX]}))
    touched = (picture != IMAGE).any(axis=2)
    x, y, w, h = BOX
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    assert abs(rows.min() - y) <= 4
    assert abs(rows.max() - (y + h)) <= 4
    assert abs(columns.min() - x) <= 4
    assert abs(columns.max() - (x + w)) <= 4
    assert not touched[y + 5 : y + h - 5, x + 5 : x + w - 5].any(), "nothing inside"


def test_what_was_found_lies_on_top():
    picture = draw_outcome(IMAGE, outcome(found=[BOX], missed=[BOX], false=[BOX]))
    assert share(picture, "found") == 1


def test_large_pictures_are_made_small_and_their_boxes_with_them():
    image = np.repeat(np.repeat(IMAGE, 5, axis=0), 5, axis=1)
    picture = draw_outcome(image, outcome(found=[tuple(5 * side for side in BOX)]))
    assert picture.shape == (600, 800, 3)
    x, y, w, h = (round(side * 2.5) for side in BOX)
    assert painted(picture, "found")[[y, y + h], x : x + w].all()
    assert painted(picture, "found")[y : y + h, [x, x + w]].all()


def test_the_image_itself_is_left_alone_and_what_lies_outside_is_cut_off():
    before = IMAGE.copy()
    far = [(-500, -500, 50, 50), (4000, 50, 30, 20), (1e12, -1e12, 5, 5)]
    np.testing.assert_array_equal(draw_outcome(IMAGE, outcome(found=far, missed=far, false=far)), IMAGE)
    np.testing.assert_array_equal(IMAGE, before)
    assert (draw_outcome(IMAGE, outcome(found=[(-10, -10, 100, 100)]))[90, :90] == colour_of("found")).all()


@settings(deadline=None)
@given(st.tuples(*[st.floats(-50, 350)] * 2, *[st.floats(0, 5)] * 2))
def test_a_face_of_a_few_pixels_can_be_seen(box):
    x, y, w, h = box
    inside = min(x, y) >= 0 and x + w < 320 and y + h < 240
    for kind in LINES:
        assert painted(draw_outcome(IMAGE, outcome(**{kind: [box]})), kind).any() or not inside


def test_a_picture_is_a_jpeg_of_its_size_and_equal_ones_are_equal():
    assert jpeg(IMAGE) == jpeg(IMAGE.copy())
    back = cv2.imdecode(np.frombuffer(jpeg(IMAGE), np.uint8), cv2.IMREAD_COLOR)
    assert back.shape == IMAGE.shape
    assert np.abs(back.astype(int).mean() - IMAGE.mean()) < 2
