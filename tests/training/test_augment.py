"""Augmentation: each step against one written out face by face, and what holds of the whole."""

import colorsys
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pth2map.training import augment as module
from pth2map.training.augment import (
    BLOCKS,
    FILL_BGR,
    Colours,
    Square,
    augment,
    cropped,
    draw_square,
    mirrored,
    normalised,
    padded,
    plain,
    recoloured,
)

WIDTH, HEIGHT = 96, 70


def picture(width=WIDTH, height=HEIGHT, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@st.composite
def rows(draw, width=WIDTH, height=HEIGHT, least=1):
    """Faces in an image; some without landmarks, landmarks anywhere."""
    faces = []
    for _ in range(draw(st.integers(least, 6))):
        x, y = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
        box = [x, y, draw(st.floats(x + 0.5, width)), draw(st.floats(y + 0.5, height))]
        points = [draw(st.floats(-5, (width, height)[at % 2] + 5)) for at in range(10)]
        faces.append([*box, *points, 1] if draw(st.booleans()) else box + 11 * [-1])
    return np.array(faces, dtype=np.float64).reshape(-1, 15)


# Steps, face by face.


def crop_by_face(faces, square):
    left, top, right, bottom = square.left, square.top, square.left + square.side, square.top + square.side
    kept = []
    for x1, y1, x2, y2, *points, label in faces.tolist():
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        if not (left < x < right and top < y < bottom):
            continue
        box = [max(x1, left) - left, max(y1, top) - top, min(x2, right) - left, min(y2, bottom) - top]
        for at in range(0, 10, 2):
            points[at] = min(max(points[at] - left, 0), right - left)
            points[at + 1] = min(max(points[at + 1] - top, 0), bottom - top)
        kept.append([*box, *points, label])
    return kept


def mirror_by_face(faces, width):
    turned = []
    for x1, y1, x2, y2, *points, label in faces.tolist():
        left_eye, right_eye, nose, left_mouth, right_mouth = [
            (width - x, y) for x, y in zip(points[0::2], points[1::2], strict=True)
        ]
        swapped = [*right_eye, *left_eye, *nose, *right_mouth, *left_mouth]
        turned.append([width - x2, y1, width - x1, y2, *swapped, label])
    return turned


def fractions_by_face(faces, side):
    found = []
    for face in faces:
        *places, label = face
        row = [value / side for value in places]
        found.append([*(row if label > 0 else row[:4] + 10 * [-1.0]), label])
    return np.array(found, dtype=np.float32).reshape(-1, 15)


def stored(values):
    """As grey levels: cut off at 0 and 255, and the fraction too."""
    return np.array([int(min(max(value, 0), 255)) for value in values.ravel()], np.uint8).reshape(values.shape)


def recolour_by_step(image, colours):
    def contrast(image):
        return stored(image.astype(float) * colours.contrast)

    image = stored(image.astype(float) + colours.brightness)
    if not colours.contrast_last:
        image = contrast(image)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hsv[:, :, 1] = stored(hsv[:, :, 1].astype(float) * colours.saturation)
    hsv[:, :, 0] = [[(int(hue) + colours.hue) % 180 for hue in line] for line in hsv[:, :, 0]]
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return contrast(image) if colours.contrast_last else image


@given(rows(), st.integers(0, WIDTH - 10), st.integers(0, HEIGHT - 10), st.integers(2, HEIGHT))
def test_crop_keeps_faces_by_their_centre_and_clips_them(faces, left, top, side):
    before = faces.copy()
    square = Square(left, top, side)
    assert cropped(faces, square).tolist() == crop_by_face(faces, square)
    np.testing.assert_array_equal(faces, before)


@pytest.mark.parametrize(
    ("box", "stays"),
    [
        ((0, 0, 20, 20), False),  # centre on the left and the upper edge
        ((0.1, 0.1, 20, 20), True),
        ((20, 20, 40, 40), False),  # on the right and the lower edge
        ((20, 20, 39.9, 39.9), True),
        ((12, 0, 16, 20), False),
        ((12, 20, 16, 40), False),
    ],
)
def test_a_centre_on_the_edge_of_the_crop_is_outside(box, stays):
    assert len(cropped(np.array([[*box, *11 * [-1]]]), Square(10, 10, 20))) == stays


@given(rows(least=0))
def test_mirror_swaps_left_and_right(faces):
    assert mirrored(faces, WIDTH).tolist() == mirror_by_face(faces, WIDTH)


def test_mirror_swaps_eyes_and_corners_of_the_mouth():
    points = np.arange(10, dtype=np.float64).reshape(5, 2)
    face = np.concatenate([[0, 0, 50, 60], points.ravel(), [1]])
    turned = mirrored(face[None], 100)[0, 4:14].reshape(5, 2)
    for new, old in enumerate([1, 0, 2, 4, 3]):
        assert turned[new].tolist() == [100 - points[old, 0], points[old, 1]]


@given(rows(least=0), st.integers(1, 2000))
def test_coordinates_become_fractions_and_landmarks_that_are_not_stay_so(faces, side):
    found = normalised(faces, side)
    np.testing.assert_array_equal(found, fractions_by_face(faces.tolist(), side), strict=True)
    assert (found[faces[:, 14] < 0, 4:] == -1).all()


@given(
    st.floats(-32, 32),
    st.floats(0.5, 1.5),
    st.floats(0.5, 1.5),
    st.integers(-18, 18),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=40)
def test_colours_change_step_by_step(brightness, contrast, saturation, hue, contrast_last, seed):
    colours = Colours(brightness, contrast, saturation, hue, contrast_last)
    image = np.random.default_rng(seed).integers(0, 256, (12, 11, 3), dtype=np.uint8)
    before = image.copy()
    np.testing.assert_array_equal(recoloured(image, colours), recolour_by_step(image, colours), strict=True)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("given", [Colours(brightness=-7.5), Colours(contrast=1.3), Colours(hue=-18), Colours()])
def test_one_step_alone(given):
    image = picture(20, 20)
    np.testing.assert_array_equal(recoloured(image, given), recolour_by_step(image, given))


def test_hue_and_saturation_are_those_of_hsv():
    """Against Python's own HSV, within the grey levels that 8 bits of hue cost."""
    image = picture(12, 12)
    found = recoloured(image, Colours(hue=15, saturation=0.5))
    for bgr, changed in zip(image.reshape(-1, 3), found.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(bgr[::-1] / 255))
        expected = 255 * np.array(colorsys.hsv_to_rgb((hue + 15 / 180) % 1, saturation / 2, value)[::-1])
        assert np.abs(changed - expected).max() <= 4


@given(st.integers(1, 40), st.integers(1, 40))
def test_padding_is_right_and_below(width, height):
    image, side = picture(width, height), max(width, height)
    expected = np.array([[FILL_BGR] * side] * side, dtype=np.uint8)
    expected[:height, :width] = image
    np.testing.assert_array_equal(padded(image), expected, strict=True)


# The square.


def whole_inside(box, left, top, side):
    """As the published code asks: by the part of the box that the square covers."""
    wide = min(box[2], left + side) - max(box[0], left)
    high = min(box[3], top + side) - max(box[1], top)
    return wide > 0 and high > 0 and wide * high / ((box[2] - box[0]) * (box[3] - box[1])) >= 1


def squares(width, height, rng):
    """All tries in their order, each by itself."""
    for tries in BLOCKS:
        for scale, right, down in zip(*rng.random((3, tries)), strict=True):
            side = int((0.3, 0.45, 0.6, 0.8, 1.0)[int(5 * scale)] * min(width, height))
            yield int(right * (width - side)), int(down * (height - side)), side


@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.lists(st.tuples(*(st.integers(0, 149) for _ in range(2)), *(st.integers(1, 120) for _ in range(2))), max_size=5),
    st.integers(0, 2**32),
)
def test_the_first_square_with_a_whole_face_is_taken(width, height, faces, seed):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in faces], dtype=np.float64).reshape(-1, 4)
    found = draw_square(width, height, boxes, np.random.default_rng(seed))
    tries = list(squares(width, height, np.random.default_rng(seed)))
    assert len(tries) == 250
    good = [at for at in tries if any(whole_inside(box, *at) for box in boxes.tolist())]
    assert found == (Square(*good[0]) if good else None)
    if found:
        assert found.left + found.side <= width
        assert found.top + found.side <= height
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 - [found.left, found.top]
        assert ((centres > 0) & (centres < found.side)).all(axis=1).any()


def test_squares_are_of_five_sides_and_anywhere():
    """Chances by counting; within five standard deviations."""
    rng, count = np.random.default_rng(0), 4000
    dots = np.array([[x, y, x + 0.2, y + 0.2] for x, y in product(range(0, 300, 25), range(0, 200, 25))])  # in each one
    found = [draw_square(300, 200, dots, rng) for _ in range(count)]
    for side in (60, 90, 120, 160, 200):
        lefts = np.array([at.left for at in found if at.side == side])
        assert abs(len(lefts) - count / 5) < 5 * np.sqrt(count * 0.2 * 0.8)
        assert lefts.min() == 0 or side < 160
        assert 0.9 * (300 - side) < lefts.max() <= 299 - side  # the last place is never drawn
        assert abs(lefts.mean() - (299 - side) / 2) < 5 * (300 - side) / np.sqrt(12 * len(lefts))
        tops = np.array([at.top for at in found if at.side == side])
        assert tops.max() <= max(199 - side, 0)


# The whole.


@given(rows(), st.integers(0, 2**32), st.integers(8, 64))
@settings(max_examples=60)
def test_augment_is_its_steps(faces, seed, side):
    image = picture()
    rng = np.random.default_rng(seed)
    square = draw_square(WIDTH, HEIGHT, faces[:, :4], rng)
    colours = Colours.draw(rng)
    turned, interpolation = rng.random(2)
    expected, labels = image, faces
    if square:
        expected = image[square.top : square.top + square.side, square.left : square.left + square.side]
        labels = np.array(crop_by_face(faces, square))
    expected = recolour_by_step(expected, colours)
    expected = expected if square else padded(expected)
    if turned < 0.5:
        expected, labels = expected[:, ::-1], np.array(mirror_by_face(labels, len(expected)))
    chosen = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)
    resized = cv2.resize(np.ascontiguousarray(expected), (side, side), interpolation=chosen[int(5 * interpolation)])
    found = augment(image, faces, side, np.random.default_rng(seed))
    np.testing.assert_array_equal(found[0], resized, strict=True)
    np.testing.assert_array_equal(found[1], fractions_by_face(labels.tolist(), len(expected)), strict=True)


@given(rows(), st.integers(0, 2**32))
@settings(max_examples=60)
def test_faces_lie_in_the_result_and_arguments_are_left_alone(faces, seed):
    image, labels = picture(), faces.copy()
    found, rows = augment(image, labels, 32, np.random.default_rng(seed))
    assert (found.shape, found.dtype, rows.dtype) == ((32, 32, 3), np.uint8, np.float32)
    assert 1 <= len(rows) <= len(faces)
    assert ((rows[:, :4] >= 0) & (rows[:, :4] <= 1)).all()
    assert (rows[:, 2:4] > rows[:, :2]).all()
    assert set(rows[:, 14]) <= {-1, 1}
    np.testing.assert_array_equal(image, picture())
    np.testing.assert_array_equal(labels, faces)


def test_an_image_that_no_square_fits_is_padded_and_keeps_all_faces():
    faces = np.array([[0, 0, 90.0, 60, *11 * [-1]], [5, 5, 96, 70, *range(10), 1]])
    image = np.full((HEIGHT, WIDTH, 3), 200, dtype=np.uint8)
    shown = set()
    for seed in range(8):
        found, rows = augment(image, faces, 2 * WIDTH, np.random.default_rng(seed))
        assert len(rows) == 2
        x1, x2 = rows[0, [0, 2]]
        np.testing.assert_allclose([min(x1, 1 - x2), rows[0, 3]], [0, 60 / WIDTH], atol=1e-6)
        np.testing.assert_array_equal(found[-20:], np.broadcast_to(FILL_BGR, (20, 2 * WIDTH, 3)))
        shown.add(bool(x1 > 0))
    assert shown == {True, False}


def test_without_faces_there_is_no_square():
    found, rows = augment(picture(), np.zeros((0, 15)), 40, np.random.default_rng(0))
    assert (found.shape, rows.shape, rows.dtype) == ((40, 40, 3), (0, 15), np.float32)


@given(rows(least=0), st.integers(1, 80))
@settings(max_examples=40)
def test_plain_is_padded_and_resized_bilinearly(faces, side):
    found, labels = plain(picture(), faces, side)
    expected = np.array([[FILL_BGR] * WIDTH] * WIDTH, dtype=np.uint8)
    expected[:HEIGHT] = picture()
    np.testing.assert_array_equal(
        found, cv2.resize(expected, (side, side), interpolation=cv2.INTER_LINEAR), strict=True
    )
    np.testing.assert_array_equal(labels, fractions_by_face(faces.tolist(), WIDTH), strict=True)


FACES = np.array([[10, 10, 30, 34, *range(12, 22), 1], [50, 20, 62, 40, *11 * [-1]]], dtype=np.float64)


def test_the_generator_decides_everything():
    """Whatever else was drawn before, and however many threads OpenCV has."""
    image = picture(640, 480)
    threads = cv2.getNumThreads()
    results = []
    for count in (1, 4):
        cv2.setNumThreads(count)
        np.random.default_rng().random(3)
        results.append([augment(image, FACES, 200, np.random.default_rng([3, 1, seed])) for seed in range(40)])
    cv2.setNumThreads(threads)
    for (image_1, faces_1), (image_4, faces_4) in zip(*results, strict=True):
        assert image_1.tobytes() == image_4.tobytes()
        assert faces_1.tobytes() == faces_4.tobytes()
    assert len({image.tobytes() for image, _ in results[0]}) == 40


def test_chances_of_mirror_and_interpolation(monkeypatch):
    """By counting; within five standard deviations."""
    used = []
    resize = cv2.resize
    monkeypatch.setattr(
        module.cv2, "resize", lambda *args, interpolation: used.append(interpolation) or resize(*args, interpolation)
    )
    count, mirror = 1500, 0
    speck = np.array([[0, 0, 30.0, 30.0, 1, 1, 9, 1, 5, 5, 1, 9, 9, 9, 1]])
    for seed in range(count):
        _, rows = augment(np.zeros((30, 30, 3), np.uint8), speck, 8, np.random.default_rng([7, seed]))
        mirror += rows[0, 4] > 0.5
    assert abs(mirror - count / 2) < 5 * np.sqrt(count / 4)
    assert set(used) == {cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4}
    for chosen in set(used):
        assert abs(used.count(chosen) - count / 5) < 5 * np.sqrt(count * 0.2 * 0.8)


def test_chances_of_colours():
    """By counting; within five standard deviations. The ends of the hue are drawn."""
    rng, count = np.random.default_rng(0), 6000
    drawn = [Colours.draw(rng) for _ in range(count)]
    deviation = 5 * np.sqrt(count / 4)
    assert abs(sum(each.contrast_last for each in drawn) - count / 2) < deviation
    for key, none, low, high in (
        ("brightness", 0, -32, 32),
        ("contrast", 1, 0.5, 1.5),
        ("saturation", 1, 0.5, 1.5),
    ):
        values = np.array([value for each in drawn if (value := getattr(each, key)) != none])
        assert abs(len(values) - count / 2) < deviation
        assert low <= values.min() < low + (high - low) / 100
        assert high - (high - low) / 100 < values.max() < high
        assert abs(values.mean() - none) < 5 * (high - low) / np.sqrt(12 * len(values))
    hues = [each.hue for each in drawn]
    assert set(hues) == set(range(-18, 19))
    chance = 0.5 / 37
    for hue in set(hues) - {0}:
        assert abs(hues.count(hue) - count * chance) < 5 * np.sqrt(count * chance)
    together = np.corrcoef(
        [[each.brightness != 0, each.contrast != 1, each.hue != 0, each.contrast_last] for each in drawn], rowvar=False
    )
    assert np.abs(together[np.triu_indices(4, 1)]).max() < 5 / np.sqrt(count)
