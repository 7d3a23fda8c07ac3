import hashlib
import itertools
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from pydantic import ValidationError

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.geometry.affine import AffinePlacement
from pth2map.networks.centerface import OUTPUTS
from pth2map.recipes.centerface_decode import Decode, peaks
from pth2map.recipes.centerface_preprocess import Preprocess
from pth2map.recipes.centerface_settings import CenterFaceDecode, CenterFacePreprocess, CenterFaceSettings
from pth2map.recipes.centerface_text import boxes_as_written, result_text, scores_as_written
from pth2map.recipes.detections import Detections, read_texts
from pth2map.recipes.settings import Size

MEAN = np.float32([0.40789654, 0.44719302, 0.47026115])
STD = np.float32([0.28863828, 0.27408164, 0.27809835])
T3 = AffinePlacement.fit(651, 1024, 800, 800)

# hm, wh, hm_offset, landmarks of two cells of a golden image of 1024×651 pixels.
ROW_OF_13922 = """0.6073103 0.15642889 0.08016149 0.16436812 0.19516726 -0.38852382 0.076994956 0.79198366
    0.20241572 0.05730923 -0.11430446 0.4893164 0.39630097 -0.47511947 0.232193"""
ROW_OF_12364 = """0.5661688 -0.008911975 -0.69393295 0.04625032 0.16415894 1.0791372 0.52497905 0.69927967
    -0.187902 0.6873875 -1.8766387 1.8921043 -0.6845558 0.15655777 -0.96348417"""


def preprocess_at(size: str) -> Preprocess:
    return Preprocess(CenterFacePreprocess(), Size.parse(size))


def decode_with(**settings) -> Decode:
    return Decode(CenterFaceDecode(**settings))


def outputs_of(height: int, width: int) -> list[np.ndarray]:
    """A map without any face: a score that falls to the right and downwards, so that cell 0 alone is a peak."""
    rows, columns = np.mgrid[:height, :width]
    return [
        (1e-3 / (1 + rows + columns))[None].astype(np.float32),
        *(np.zeros((c, height, width), np.float32) for c in (2, 2, 10)),
    ]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def case(golden):
    return json.loads((golden / "centerface" / "case.json").read_text())


@pytest.fixture(scope="module")
def arrays(golden):
    return np.load(golden / "centerface" / "arrays.npz")


@pytest.mark.parametrize("number", range(3))
def test_tensor_equals_the_published_script_byte_for_byte(case, mirror, number):
    entry = case["images"][number]
    image = read_image(mirror / "widerface-mini" / entry["image"])
    assert sha256(image.tobytes()) == entry["decoded_bgr_u8_hwc_sha256"]
    tensor, placement = preprocess_at("800")(image)
    expected = entry[f"opencv{cv2.__version__.split('.')[0]}"]
    content = tensor[None].tobytes()  # what a vendor's runner reads as <stem>.bin
    assert (len(content), sha256(content)) == (7_680_000, expected["tensor_sha256"])
    figures = expected["tensor"]
    assert [tensor.min(), tensor.max()] == [figures["min"], figures["max"]]

    (scale, _, left), (_, _, top) = entry["affine_to_800"]
    assert (placement.scale, placement.left, placement.top) == pytest.approx((scale, left, top), abs=1e-12)
    (step, _, x), (_, _, y) = entry["affine_200_to_image"]
    cells = np.array([[0, 0], [200, 200], [17.25, 33.5]])
    np.testing.assert_allclose(placement.points_to_image(cells * 4), cells * step + (x, y), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("shape", "left", "top"), [((32, 64), 0, 16), ((64, 32), 16, 0), ((64, 64), 0, 0)], ids=str)
def test_an_image_that_needs_no_scaling_is_moved_and_normalised_in_the_published_order(shape, left, top):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    tensor, placement = preprocess_at("64")(image)
    assert placement == AffinePlacement(64, 64, 1.0, left, top)
    canvas = np.zeros((64, 64, 3), np.uint8)
    canvas[top : top + shape[0], left : left + shape[1]] = image
    np.testing.assert_array_equal(tensor, ((canvas / 255.0 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1))


def test_constants_are_float32_and_the_arithmetic_is_not():
    """The extremes of the published tensors; with constants of float64 the larger ends in another digit."""
    tensor, _ = preprocess_at("32")(np.full((32, 32, 3), 255, np.uint8))
    assert tensor.max() == np.float32(2.051368236541748)
    tensor, _ = preprocess_at("32")(np.zeros((32, 32, 3), np.uint8))
    assert tensor.min() == np.float32(-1.6909886598587036)


@pytest.mark.parametrize(("shape", "size"), [((50, 37), "96"), ((90, 160), "64"), ((70, 60), "96x64")], ids=str)
def test_scaling_is_bilinear_between_pixel_centres_without_smoothing(shape, size):
    ramps = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([ramps[0], ramps[1], ramps.sum(axis=0)], axis=2).astype(np.uint8)
    tensor, placement = preprocess_at(size)(image)
    levels = (tensor.transpose(1, 2, 0) * STD + MEAN) * 255
    points = placement.points_to_image(np.moveaxis(np.mgrid[: placement.height, : placement.width][::-1], 0, -1))
    x, y = points[..., 0], points[..., 1]
    inside = (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)
    expected = np.stack([y, x, x + y], axis=2)
    assert inside.mean() > 0.4
    np.testing.assert_allclose(levels[inside], expected[inside], atol=0.6)  # rounded to whole levels
    outside = (x <= -1) | (x >= shape[1]) | (y <= -1) | (y >= shape[0])
    np.testing.assert_allclose(levels[outside], 0, atol=1e-4)


def test_odd_sizes_are_warped_by_the_matrix_as_it_is_solved_for():
    """The closed form of the same matrix differs in its last bits, and that in some pixels of such an image."""
    image = np.random.default_rng(8).integers(0, 256, (1136, 1560, 3), dtype=np.uint8)
    tensor, placement = preprocess_at("800")(image)
    solved = cv2.getAffineTransform(
        np.float32([[780, 568], [780, 568 - 780], [0, 568 - 780]]), np.float32([[400, 400], [400, 0], [0, 0]])
    )
    closed = np.array([[placement.scale, 0, placement.left], [0, placement.scale, placement.top]])
    warped, other = (cv2.warpAffine(image, matrix, (800, 800)) for matrix in (solved, closed))
    np.testing.assert_array_equal(tensor, ((warped / 255.0 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1))
    assert (warped != other).any()


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (64, 64), (1, 400), (300, 2)], ids=str)
def test_a_given_tensor_is_written_all_over(shape):
    preprocess = preprocess_at("96x64")
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, placement = preprocess(image)
    assert (expected.shape, expected.dtype) == ((3, 64, 96), np.float32)
    assert placement == preprocess.placement(*shape)
    given = np.full((2, 3, 64, 96), np.nan, np.float32)
    tensor, again = preprocess(image, out=given[1])
    assert np.shares_memory(tensor, given)
    assert again == placement
    np.testing.assert_array_equal(given[1], expected)
    assert np.isnan(given[0]).all()


@pytest.mark.parametrize("size", ["native", "810", "800x810", "16"])
def test_a_size_that_the_network_cannot_take_is_refused(size):
    with pytest.raises(InputError, match=rf"size {size} does not go .* multiples of 32"):
        preprocess_at(size)


def test_the_protocol_says_how_inputs_are_made():
    words = "; ".join(preprocess_at("800").protocol())
    for part in ("fit 800×800", "centred", "bilinear", "the rest 0 before the mean", "BGR", "0.40789654", "0.288"):
        assert part in words


@pytest.mark.parametrize("number", range(3))
def test_text_of_given_peaks_equals_the_published_script(case, arrays, golden, number):
    entry, key = case["images"][number], f"img{number}"
    outputs = [np.zeros((c, 200, 200), np.float32) for c in (1, 2, 2, 10)]
    for output, part in zip(outputs, ("hm", "wh", "off", "lm"), strict=True):
        output.reshape(len(output), -1)[:, arrays[f"{key}_peak_idx"]] = arrays[f"{key}_peak_{part}"].T
    found = decode_with()(outputs, AffinePlacement.fit(entry["height"], entry["width"], 800, 800))

    name = entry["image"].removeprefix("WIDER_val/images/").removesuffix(".jpg")
    text = result_text(name, found["boxes"], found["scores"]).encode()
    assert text == (golden / "centerface" / entry["text"]).read_bytes()
    assert sha256(text) == entry["text_sha256"]

    expected = arrays[f"{key}_dets"]
    assert [found["corners"].dtype, found["landmarks"].dtype] == [np.float32] * 2
    np.testing.assert_allclose(found["corners"], expected[:, :4], rtol=2e-7, atol=5e-5)
    np.testing.assert_allclose(found["landmarks"].reshape(-1, 10), expected[:, 5:], rtol=2e-7, atol=5e-5)
    np.testing.assert_array_equal(found["scores"], [float(f"{score:.3f}") for score in expected[:, 4]])


def test_peaks_of_a_whole_map_are_the_published_ones(arrays):
    heat = arrays["img0_hm"]
    found = peaks(heat)
    best = found[np.argsort(-heat.ravel()[found], kind="stable")]
    np.testing.assert_array_equal(best[:400], arrays["img0_peak_idx"])


def test_rows_of_the_published_text():
    cells = {12364: ROW_OF_12364, 13922: ROW_OF_13922}
    outputs = [np.zeros((c, 200, 200), np.float32) for c in (1, 2, 2, 10)]
    for cell, values in cells.items():
        for output, part in zip(outputs, np.split(np.float32(values.split()), [1, 3, 5]), strict=True):
            output.reshape(len(output), -1)[:, cell] = part
    found = decode_with(top_k=2)(outputs, T3)
    assert result_text("3--Riot/3_Riot_Riot_3_186", found["boxes"], found["scores"]) == (
        "3--Riot/3_Riot_Riot_3_186.jpg\n1\n613.5 156.7 24.9 23.2 0.607\n829.8 121.5 21.3 11.2 0.566\n"
    )
    np.testing.assert_allclose(found["corners"][0], [613.5076, 156.68462, 637.45544, 178.8739], rtol=2e-7)
    np.testing.assert_allclose(found["landmarks"][1, 4], [840.7184, 121.72744], rtol=2e-7)
    assert found["boxes"][1].tolist() == [829.8, 121.5, 21.3, 11.2]
    assert found["scores"].tolist() == [0.607, 0.566]


def test_a_face_by_hand():
    outputs = outputs_of(8, 16)
    outputs[0][0, 5, 9] = 0.9
    outputs[1][:, 5, 9] = np.log([2, 0.5])  # of 16 px: 32 wide, 8 high on the input
    outputs[2][:, 5, 9] = 0.25, 0.5  # centre at cell 9.25, 5.5: 37, 22 on the input
    outputs[3][:4, 5, 9] = 1, -1, 0.5, 0
    found = decode_with(top_k=1)(outputs, AffinePlacement(32, 64, 0.5, 8, -2))
    np.testing.assert_allclose(found["corners"], [[26, 40, 90, 56]], rtol=1e-6)
    np.testing.assert_allclose(found["boxes"], [[26, 40, 65, 17]])
    np.testing.assert_allclose(found["landmarks"][0, :3], [[66, 40], [62, 48], [58, 48]], rtol=1e-6)


def test_equal_scores_come_by_row_then_column():
    outputs = outputs_of(16, 16)
    for row, column, score in ((3, 9, 0.5), (12, 2, 0.7), (3, 4, 0.5), (8, 4, 0.5)):
        outputs[0][0, row, column] = score
    found = decode_with(top_k=4)(outputs, AffinePlacement(64, 64, 1, 0, 0))
    centres = (found["corners"][:, :2] + found["corners"][:, 2:]) / 2 / 4
    assert centres.tolist() == [[2, 12], [4, 3], [9, 3], [4, 8]]


@given(st.integers(1, 300))
def test_never_more_than_top_k_nor_than_peaks(top_k):
    outputs = outputs_of(16, 16)
    outputs[0][0] = np.random.default_rng(0).random((16, 16), dtype=np.float32)
    found = decode_with(top_k=top_k)(outputs, AffinePlacement(64, 64, 1, 0, 0))
    everything = np.sort(outputs[0].ravel()[peaks(outputs[0][0])])[::-1]
    np.testing.assert_array_equal(found["scores"], scores_as_written(everything[:top_k]))
    assert {key: len(value) for key, value in found.items()} == dict.fromkeys(found, len(found["scores"]))


def test_a_threshold_itself_is_not_enough():
    outputs = outputs_of(16, 16)
    outputs[0][0, 5, 5], outputs[0][0, 9, 9] = 0.3, np.nextafter(np.float32(0.3), np.float32(1))
    placement = AffinePlacement(64, 64, 1, 0, 0)
    assert len(decode_with()(outputs, placement)["scores"]) == 3
    assert len(decode_with(confidence_threshold=0.3)(outputs, placement)["scores"]) == 1
    assert len(decode_with(confidence_threshold=1.0)(outputs, placement)["scores"]) == 0


def test_nms_is_there_when_asked_for():
    outputs = outputs_of(16, 16)
    outputs[0][0, 5, 5], outputs[0][0, 5, 7], outputs[0][0, 12, 12] = 0.8, 0.7, 0.6
    placement = AffinePlacement(64, 64, 1, 0, 0)
    assert decode_with(top_k=3)(outputs, placement)["scores"].tolist() == [0.8, 0.7, 0.6]
    # 17 × 17 px, 8 px apart: 9 × 17 of 25 × 17.
    assert decode_with(top_k=3, nms_threshold=0.37)(outputs, placement)["scores"].tolist() == [0.8, 0.7, 0.6]
    found = decode_with(top_k=3, nms_threshold=0.35)(outputs, placement)
    assert found["scores"].tolist() == [0.8, 0.6]
    assert len(found["boxes"]) == len(found["corners"]) == len(found["landmarks"]) == 2


def test_nothing_has_the_arrays_of_something():
    nothing, something = decode_with().nothing(), decode_with()(outputs_of(8, 8), AffinePlacement(32, 32, 1, 0, 0))
    assert len(nothing["scores"]) == 0
    kinds = [{key: (v.dtype, v.shape[1:]) for key, v in found.items()} for found in (nothing, something)]
    assert kinds[0] == kinds[1]


def test_output_shapes_have_the_names_of_the_network():
    shapes = decode_with().output_shapes(AffinePlacement(64, 96, 1, 0, 0))
    assert tuple(shapes) == OUTPUTS
    assert list(shapes.values()) == [(c, 16, 24) for c in (1, 2, 2, 10)]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o[0].__setitem__((0, 3, 3), np.nan), "hm holds 1 scores that are not finite"),
        (lambda o: o[0].__setitem__((0, 3, slice(2)), -np.inf), "hm holds 2 scores that are not finite"),
        (lambda o: o[1].__setitem__((1, 0, 0), 100), "decodes to boxes or landmarks that are not finite"),
        (lambda o: o[2].__setitem__((0, 0, 0), np.nan), "decodes to boxes or landmarks that are not finite"),
        (lambda o: o[3].__setitem__((9, 0, 0), np.inf), "decodes to boxes or landmarks that are not finite"),
        (
            lambda o: o.__setitem__(1, o[1][:, :-1]),
            r"output wh is float32 \(2, 7, 16\), expected float32 \(2, 8, 16\)",
        ),
        (lambda o: o.__setitem__(3, o[3][None]), r"output landmarks is float32 \(1, 10, 8, 16\), expected"),
        (lambda o: o.__setitem__(0, o[0].astype(np.float16)), r"output hm is float16 \(1, 8, 16\), expected float"),
        (lambda o: o.pop(), "3 outputs, expected 4: hm, wh, hm_offset, landmarks"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(spoil, message):
    outputs = outputs_of(8, 16)
    spoil(outputs)
    with pytest.raises(InputError, match=message):
        decode_with()(outputs, AffinePlacement(32, 64, 1, 0, 0))


def test_values_beside_the_peaks_do_not_count():
    outputs = outputs_of(8, 16)
    outputs[1][:, 4:] = np.nan
    assert len(decode_with()(outputs, AffinePlacement(32, 64, 1, 0, 0))["scores"]) == 1


def test_the_outputs_are_left_as_they_were():
    outputs = [np.random.default_rng(0).random((c, 8, 8), dtype=np.float32) for c in (1, 2, 2, 10)]
    before = [output.copy() for output in outputs]
    for output in outputs:
        output.setflags(write=False)
    decode_with()(outputs, AffinePlacement(32, 32, 1, 0, 0))
    for output, old in zip(outputs, before, strict=True):
        np.testing.assert_array_equal(output, old)


def test_the_protocol_says_how_detections_are_made():
    words = "; ".join(decode_with().protocol())
    for part in ("peaks", "(3×3)", "no score threshold", "the best 200", "no NMS", "+1 px", "0.1 px", "0.001"):
        assert part in words
    words = "; ".join(decode_with(top_k=50, confidence_threshold=0.05, nms_threshold=0.3).protocol())
    for part in ("score > 0.05", "the best 50", "NMS (+1 px) at IoU 0.3"):
        assert part in words


heats = arrays_of.arrays(
    np.float32, arrays_of.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.sampled_from([0, 0.25, 0.5, 1])
)


@given(heats)
def test_peaks_are_the_cells_that_no_neighbour_exceeds(heat):
    height, width = heat.shape
    expected = [
        y * width + x
        for y, x in itertools.product(range(height), range(width))
        if heat[y, x] >= heat[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].max()
    ]
    assert peaks(heat).tolist() == expected


def test_values_are_those_of_the_digits():
    corners = np.float32([[0.25, 0.35, 10.5, 20.05], [-0.03, -7.75, 1e-3, 0]])
    # 0.35 and 20.05 lie below and above these digits in float32; halves go to the even digit.
    assert boxes_as_written(corners).tolist() == [[0.2, 0.3, 11.2, 20.7], [0, -7.8, 1.0, 8.8]]
    assert scores_as_written(np.float32([0.6073103, 0.0005, 1])).tolist() == [0.607, 0.001, 1.0]


def test_a_small_negative_number_keeps_its_sign():
    boxes = boxes_as_written(np.float32([[-0.03, 0.03, 10, 10]]))
    assert result_text("0--Parade/a", boxes, np.array([0.5])) == "0--Parade/a.jpg\n1\n-0.0 0.0 11.0 11.0 0.500\n"


def test_an_image_without_faces_has_two_lines():
    nothing = decode_with().nothing()
    assert result_text("0--Parade/a", nothing["boxes"], nothing["scores"]) == "0--Parade/a.jpg\n1\n"


@given(
    arrays_of.arrays(np.float32, (4, 4), elements=st.floats(-5000, 5000, width=32)),
    arrays_of.arrays(np.float32, 4, elements=st.floats(0, 1, width=32)),
)
def test_the_text_is_that_of_the_unrounded_values(corners, scores):
    text = result_text("e/s", boxes_as_written(corners), scores_as_written(scores))
    expected = "".join(
        "%.1f %.1f %.1f %.1f %.3f\n" % (x1, y1, x2 - x1 + 1, y2 - y1 + 1, score)  # noqa: UP031
        for (x1, y1, x2, y2), score in zip(corners.tolist(), scores.tolist(), strict=True)
    )
    assert text == f"e/s.jpg\n1\n{expected}"


def test_the_texts_read_back_as_the_same_detections(tmp_path):
    random = np.random.default_rng(0)
    corners = random.uniform(-0.2, 900, (40, 4)).astype(np.float32)
    corners[0, 0] = -0.01
    scores = random.random(40).astype(np.float32)
    detections = Detections(("0--Parade/a",), np.array([40]), boxes_as_written(corners), scores_as_written(scores), {})
    (tmp_path / "0--Parade").mkdir()
    text = result_text("0--Parade/a", detections.boxes, detections.scores)
    (tmp_path / "0--Parade/a.txt").write_text(text)
    assert read_texts(tmp_path).content_hash() == detections.content_hash()


def test_the_kind_alone_is_the_published_recipe():
    settings = CenterFaceSettings.model_validate_json('{"kind": "centerface"}')
    assert settings.decode == CenterFaceDecode(top_k=200, confidence_threshold=None, nms_threshold=None)
    assert settings.preprocess.mean_bgr == (0.40789654, 0.44719302, 0.47026115)
    assert settings.preprocess.std_bgr == (0.28863828, 0.27408164, 0.27809835)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"preprocess": {"std_bgr": [0.3, 0.3, 0]}}, "greater than 0"),
        ({"decode": {"top_k": 0}}, "greater than or equal to 1"),
        ({"decode": {"topk": 100}}, "unknown key topk; did you mean top_k"),
        ({"kind": "retinaface"}, "'centerface'"),
    ],
)
def test_what_makes_no_sense_is_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        CenterFaceSettings.model_validate({"kind": "centerface"} | changed)
