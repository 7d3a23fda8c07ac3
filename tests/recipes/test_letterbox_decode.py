import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.files.errors import InputError
from pth2map.geometry.letterbox import Letterbox
from pth2map.geometry.placement import Placement
from pth2map.geometry.priors import decode_boxes, decode_landmarks, retinaface_priors
from pth2map.recipes.card_form import OUTPUTS, card_outputs, card_rows
from pth2map.recipes.letterbox_decode import Decode
from pth2map.recipes.letterbox_settings import LetterboxDecode
from pth2map.recipes.retinaface_decode import Decode as HostDecode
from pth2map.recipes.retinaface_settings import RetinaFaceDecode

VSX, NPZ = LetterboxDecode(form="card", text="vsx"), LetterboxDecode(form="card", text="npz")
PLACED = Letterbox(640, 640, 651, 1024)


def outputs_of(*rows: tuple[float, ...]) -> list[np.ndarray]:
    """Of rows score, x1, y1, x2, y2; the points are the corners in turn."""
    outputs = [np.full(shape, -1, np.float16) for shape in OUTPUTS.values()]
    for place, (score, *corners) in enumerate(rows):
        outputs[0][place] = score
        outputs[1][place] = corners
        outputs[2][place] = np.resize(corners, 10)
    return outputs


# From the card


def test_two_rows_by_hand():
    """651 rows become 407, the pad is 116.5; y is 236 and 256.5 rows down for the first box."""
    outputs = outputs_of((0.9634, 195, 352.5, 218.75, 373), (0.5, 0, 0, 640, 640))
    found = Decode(NPZ)(outputs, PLACED)
    y1, y2 = 236 * 651 / 407, 256.5 * 651 / 407
    assert found["boxes"][0].tolist() == [312.0, y1, 38.0, y2 - y1]
    assert found["scores"].tolist() == [0.9634, 0.5]
    assert found["corners"][0].tolist() == [312.0, y1, 350.0, y2]
    np.testing.assert_allclose(found["corners"][1], [0, -116.5 * 651 / 407, 1024, 523.5 * 651 / 407])  # not clipped
    np.testing.assert_allclose(found["landmarks"][0], [[312, y1], [350, y2], [312, y1], [350, y2], [312, y1]], 1e-6)

    found = Decode(VSX)(outputs, PLACED)
    assert found["boxes"][0].tolist() == [312.0, 377.5, 38.0, 32.8]
    assert found["scores"].tolist() == [0.963, 0.5]
    assert found["corners"][0].tolist() == [312.0, y1, 350.0, y2]


def test_the_card_script_keeps_corners_and_sides_in_float32():
    """Rows whose published digits tell: a corner at 52.35, and sides of 205.05 and 149.45 between rounded corners."""
    outputs = outputs_of(
        (0.3564, 32.71875, 490.0, 39.28125, 550.5),
        (0.2, 35.59375, 10.640625, 163.75, 15.796875),
        (0.1061, 63.84375, 228.75, 157.25, 235.25),
    )
    placed = Letterbox(640, 640, 650, 1024)
    expected = [[52.3, 597.2, 10.5, 96.9], [57.0, -170.3, 205.1, 8.3], [102.2, 178.9, 149.5, 10.4]]
    assert Decode(VSX)(outputs, placed)["boxes"].tolist() == expected
    in_float64 = Decode(NPZ)(outputs, placed)
    assert [f"{value:.1f}" for value in in_float64["boxes"][[0, 2], [0, 2]]] == ["52.4", "149.4"]
    x1, x2 = in_float64["corners"][1, [0, 2]].astype(np.float32)
    assert f"{float(x2) - float(x1):.1f}" == "205.0"


def test_rows_behind_the_end_marker_do_not_count():
    outputs = outputs_of((0.9, 1, 2, 3, 4), (-1, 5, 6, 7, 8), (0.95, 9, 9, 9, 9))
    outputs[1][2:] = np.nan
    outputs[0][5] = np.inf
    assert len(card_rows(outputs).scores) == 1
    assert len(card_rows(outputs_of()).scores) == 0
    found = Decode(VSX)(outputs_of(), PLACED)
    for key, nothing in Decode(VSX).nothing().items():
        np.testing.assert_array_equal(found[key], nothing, strict=True)


def test_all_rows_used_need_no_end_marker():
    rows = card_rows(outputs_of(*[(1 - i / 512, i, i, i + 1, i + 1) for i in range(300)]))
    assert rows.scores[[0, -1]].tolist() == [1.0, np.float16(1 - 299 / 512)]
    assert (rows.corners.shape, rows.landmarks.shape) == ((300, 4), (300, 5, 2))


def test_there_is_no_threshold_and_equal_scores_are_in_order():
    found = Decode(NPZ)(outputs_of((0.001, 1, 1, 2, 2), (0.001, 3, 3, 4, 4), (0, 5, 5, 6, 6)), PLACED)
    np.testing.assert_allclose(found["boxes"][:, 0], [1.6, 4.8, 8.0])
    assert found["scores"].tolist() == [0.001, 0.001, 0.0]


@pytest.mark.parametrize("shape", [lambda s: (1, *s), lambda s: (1, *s, 1), lambda s: tuple(n for n in s if n > 1)])
def test_axes_of_length_one_do_not_matter(shape):
    outputs = outputs_of((0.9, 1, 2, 3, 4), (0.5, 1, 2, 30, 40))
    reshaped = [output.reshape(shape(output.shape)) for output in outputs]
    np.testing.assert_array_equal(card_rows(reshaped).corners, card_rows(outputs).corners, strict=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o.pop(), "2 outputs, expected the three"),
        (lambda o: o.reverse(), r"output_0 is float16 (300, 10), expected float16 (300, 1)"),
        (lambda o: o.__setitem__(1, o[1].T), r"output_1 is float16 (4, 300), expected float16 (300, 4)"),
        (lambda o: o.__setitem__(2, o[2][:299]), r"output_2 is float16 (299, 10)"),
        (lambda o: o.__setitem__(0, o[0].astype(np.float32)), r"output_0 is float32 (300, 1), expected float16"),
        (lambda o: o[0].__setitem__(1, np.nan), "output_0 holds numbers that are not finite in 1 used rows, the first"),
        (lambda o: o[1].__setitem__((2, 3), np.inf), "output_1 holds numbers that are not finite in 1 used rows"),
        (lambda o: o[2].__setitem__((0, 0), np.nan), "output_2 holds numbers that are not finite"),
        (lambda o: o[0].fill(np.nan), "output_0 holds numbers that are not finite in 300 used rows"),
        (lambda o: o[0].__setitem__(2, 0.75), "output_0 rises from 0.5 to 0.75 in row 2"),
        (lambda o: o[0].__setitem__(3, -0.5), "output_0 holds -0.5 in row 3, expected a score or the end marker"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(spoil, message):
    outputs = outputs_of((0.9, 1, 2, 3, 4), (0.5, 1, 2, 30, 40), (0.25, 5, 5, 6, 6))
    assert len(card_rows(outputs).scores) == 3
    spoil(outputs)
    with pytest.raises(InputError, match=re.escape(message)):
        Decode(VSX)(outputs, PLACED)


def test_the_protocol_says_what_is_done():
    for settings, digits in ((VSX, "one decimal"), (NPZ, "digits of their precision")):
        words = "; ".join(Decode(settings).protocol())
        for part in ("> 0.02", "IoU 0.4", "best 300", "float16", digits, "not clipped"):
            assert part in words


# From the host


def test_host_rows_in_the_form_of_the_card():
    corners = np.array([[0, 0, 9, 9], [1, 0, 10, 9], [600.25, 100.1, 620, 130], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.3, 0.8, 0.9, 0.02], np.float32)
    landmarks = np.arange(40, dtype=np.float32).reshape(4, 5, 2)
    found = card_outputs(corners, scores, landmarks, VSX)
    assert [(output.dtype, output.shape) for output in found] == [(np.float16, shape) for shape in OUTPUTS.values()]
    # The first overlaps the second; the last is not above the threshold.
    assert found[0][:3, 0].tolist() == [np.float16(0.9), np.float16(0.8), -1]
    # Above 512 a float16 knows half pixels only.
    assert found[1][:2].tolist() == [[600, np.float16(100.1), 620, 130], [1, 0, 10, 9]]
    np.testing.assert_array_equal(found[2][:2], landmarks.reshape(4, 10)[[2, 1]].astype(np.float16))
    assert all((output[2:] == -1).all() for output in found)
    for one, other in zip(found, card_outputs(corners, scores, landmarks.reshape(4, 10), VSX), strict=True):
        np.testing.assert_array_equal(one, other)


def test_settings_of_the_threshold_and_the_nms():
    corners = np.array([[0, 0, 9, 9], [5, 0, 14, 9]], np.float32)  # IoU 1/3, sides counted +1
    scores, landmarks = np.array([0.5, 0.4]), np.zeros((2, 10))

    def rows(**options: float) -> int:
        settings = LetterboxDecode(form="card", **options)
        return len(card_rows(card_outputs(corners, scores, landmarks, settings)).scores)

    assert rows() == rows(nms_threshold=0.34) == 2
    assert rows(nms_threshold=0.33) == rows(confidence_threshold=0.45) == 1


@given(st.integers(0, 420), st.integers(0, 2**32 - 1))
def test_the_best_300_stand_by_falling_score_and_read_back(count, seed):
    random = np.random.default_rng(seed)
    places = random.permutation(count)
    corners = np.stack([places % 25 * 20, places // 25 * 20, places % 25 * 20 + 9, places // 25 * 20 + 9], axis=1)
    scores = random.uniform(0.021, 1, count).astype(np.float32)
    outputs = card_outputs(corners.astype(np.float32), scores, np.tile(corners, 3)[:, :10].astype(np.float32), NPZ)
    rows = card_rows(outputs)
    best = sorted(range(count), key=lambda i: -scores[i])[:300]
    np.testing.assert_array_equal(rows.scores, scores[best].astype(np.float16), strict=True)
    np.testing.assert_array_equal(rows.corners, corners[best].astype(np.float16).reshape(-1, 4), strict=True)
    found = Decode(NPZ)(outputs, Letterbox(640, 640, 640, 640))
    np.testing.assert_array_equal(found["corners"], corners[best].reshape(-1, 4))


def test_all_priors_and_what_the_host_decode_leaves_give_the_same():
    random = np.random.default_rng(0)
    priors = retinaface_priors(64, 96)
    loc, landms = (random.normal(0, 1, (len(priors), k)).astype(np.float32) for k in (4, 10))
    face = random.uniform(0, 0.2, len(priors)).astype(np.float32)
    pixels = np.array([96, 64], np.float32)
    corners = decode_boxes(loc, priors) * np.tile(pixels, 2)
    whole = card_outputs(corners, face, decode_landmarks(landms, priors) * pixels, VSX)

    decode = HostDecode(RetinaFaceDecode(keep_top_k=300))
    left = decode([loc, np.stack([1 - face, face], axis=1), landms], Placement(64, 96, np.float32(1)))
    again = card_outputs(left["corners"], left["scores"], left["landmarks"], VSX)
    assert 20 < np.count_nonzero(whole[0] != -1) < 300
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c, s, m: (c[:1], s, m), "do not belong together"),
        (lambda c, s, m: (c, s[:, None], m), "do not belong together"),
        (lambda c, s, m: (c, s, m[:, :8]), "do not belong together"),
        (lambda c, s, m: (c, s * np.nan, m), "2 scores are not finite"),
        (lambda c, s, m: (c * np.inf, s, m), "not finite in float16"),
        (lambda c, s, m: (c * 7000, s, m), "which ends at 65504 px"),
        (lambda c, s, m: (c, s, m + 1e9), "not finite in float16"),
    ],
)
def test_host_rows_that_make_no_sense_are_refused(spoil, message):
    rows = np.array([[1, 2, 10, 20], [1, 20, 10, 40]], np.float32), np.array([0.5, 0.4], np.float32), np.ones((2, 10))
    card_outputs(*rows, VSX)
    with pytest.raises(InputError, match=message):
        card_outputs(*spoil(*rows), VSX)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_at_the_threshold_may_be_anything(dtype):
    """In float64 the digits 0.02 are above the threshold's float32."""
    corners = np.array([[1, 2, 10, 20], [np.inf] * 4], np.float32)
    scores, landmarks = np.array([0.5, 0.02], dtype), np.full((2, 10), [[1.0], [1e9]])
    assert len(card_rows(card_outputs(corners, scores, landmarks, VSX)).scores) == 1


# Of the network


def network_outputs(height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    count = len(retinaface_priors(height, width))
    loc, landms = (random.normal(0, 1, (count, k)).astype(np.float32) for k in (4, 10))
    face = random.uniform(0, 0.2, count).astype(np.float32)
    return [loc, np.stack([1 - face, face], axis=1), landms]


def test_the_host_keeps_what_the_card_rounds_or_leaves_out():
    """Same rows in the same order, but in float32 and beyond 300."""
    placed, outputs = Letterbox(128, 192, 100, 200), network_outputs(128, 192)
    host, card = LetterboxDecode(text="npz"), LetterboxDecode(form="card", text="npz")
    found = Decode(host)(Decode(host).device_outputs(outputs, placed), placed)
    handed_over = Decode(card).device_outputs(outputs, placed)
    assert [output.shape for output in handed_over] == list(OUTPUTS.values())
    on_card = Decode(card)(handed_over, placed)
    assert len(found["scores"]) > 300 == len(on_card["scores"])
    np.testing.assert_allclose(found["corners"][:300], on_card["corners"], rtol=2e-3, atol=0.2)
    np.testing.assert_array_equal(found["scores"][:300].astype(np.float16), on_card["scores"].astype(np.float16))
    assert (found["corners"][:300] != on_card["corners"]).any()


def test_the_host_form_by_one_prior():
    """A prior at the middle of the third cell of the first row, as large as it is: undone by the letterbox of 2 : 1."""
    placed = Letterbox(64, 64, 16, 32)
    shapes = Decode(LetterboxDecode()).output_shapes(placed)
    outputs = [np.zeros(shape, np.float32) for shape in shapes.values()]
    outputs[1][2 * 2] = [0.25, 0.75]
    found = Decode(LetterboxDecode())(outputs, placed)
    # Centre (20, 4) px and sides of 16 px on the input; scale 2, 16 px of padding above.
    assert found["corners"].tolist() == [[6, -10, 14, -2]]
    assert found["boxes"].tolist() == [[6, -10, 8, 8]]
    assert found["scores"].tolist() == [0.75]
    np.testing.assert_allclose(found["landmarks"][0], [[10, -6]] * 5, atol=1e-5)


def test_the_host_form_without_a_face():
    placed = Letterbox(64, 64, 16, 32)
    for settings in (LetterboxDecode(), LetterboxDecode(form="card")):
        decode = Decode(settings)
        outputs = [np.zeros(shape, np.float32) for shape in Decode(LetterboxDecode()).output_shapes(placed).values()]
        found = decode(decode.device_outputs(outputs, placed), placed)
        for key, nothing in decode.nothing().items():
            np.testing.assert_array_equal(found[key], nothing, strict=True)
