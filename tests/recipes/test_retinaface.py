import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.detections import Detections, write_texts
from pth2map.recipes.recipe import Recipe

T1 = json.dumps({"kind": "retinaface", "preprocess": {"resize": "long_side"}})
NATIVE = json.dumps({"kind": "retinaface", "preprocess": {"resize": "none"}})


def input_file(name: str, golden: Path, mirror: Path) -> Path:
    return golden / name if name.startswith("inputs/") else mirror / "widerface-mini" / name


def test_tensor_and_files_equal_the_published_script_byte_for_byte(golden, mirror, tmp_path):
    files = Recipe.parse(T1, "1000").files()
    case = json.loads((golden / "retinaface_preprocess_1000" / "case.json").read_text())
    for entry in case["images"]:
        image = read_image(input_file(entry["image"], golden, mirror))
        assert hashlib.sha256(image.tobytes()).hexdigest() == entry["decoded_bgr_u8_hwc_sha256"]
        files.write_input(tmp_path, "event/stem", image)
        assert (tmp_path / "prep_info/event/stem.bin").read_bytes().hex() == entry["info_bin_hex"]
        written = (tmp_path / "prep/stem.npy").read_bytes()
        assert len(written) == 12_000_128
        assert hashlib.sha256(written[128:]).hexdigest() == entry["tensor"]["sha256"]
        assert np.load(tmp_path / "prep/stem.npy").shape == (1, 3, 1000, 1000)
    assert len(case["images"]) == 5


def test_text_of_given_rows_equals_the_published_script(golden, tmp_path):
    decode = Recipe.parse(T1, "1000").decode()
    folder = golden / "retinaface_decode"
    case, arrays = json.loads((folder / "case.json").read_text()), np.load(folder / "arrays.npz")
    for entry in case["images"]:
        key = f"img{entry['index']}"
        rows = arrays[f"{key}_idx"]
        outputs = [np.zeros((41236, k), np.float32) for k in (4, 2, 10)]
        for output, part in zip(outputs, ("bbox", "conf", "landm"), strict=True):
            output[rows] = arrays[f"{key}_{part}"]
        found = decode(outputs, Placement(1000, 1000, np.float32(entry["scale_float32"])))

        name = entry["image"].removeprefix("WIDER_val/images/").removesuffix(".jpg")
        detections = Detections((name,), np.array([len(found["scores"])]), found["boxes"], found["scores"])
        write_texts(tmp_path / key, detections)
        assert (tmp_path / key / f"{name}.txt").read_bytes() == (folder / entry["text"]).read_bytes()

        expected = arrays[f"{key}_dets"]
        np.testing.assert_allclose(found["corners"], expected[:, :4], rtol=1e-6, atol=1e-3)
        np.testing.assert_allclose(found["landmarks"].reshape(-1, 10), expected[:, 5:], rtol=1e-6, atol=1e-3)
    assert len(case["images"]) == 6


def test_preprocess_of_a_small_image_pixel_by_pixel():
    """Nearest neighbour as OpenCV takes it: source = floor(target / scale), from 4 × 3 pixels to a longer side of 8."""
    image = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    tensor, placement = Recipe.parse(T1, "8").preprocess()(image)
    assert (placement.height, placement.width, placement.scale) == (8, 8, np.float32(2))
    for channel, mean in enumerate((104, 117, 123)):
        for y in range(8):
            for x in range(8):
                pixel = image[y // 2, x // 2, channel] if y < 6 else 0
                assert tensor[channel, y, x] == np.float32(pixel) - mean


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (40, 40), (1, 40)])
@pytest.mark.parametrize(("settings", "size"), [(T1, "64"), (NATIVE, "native")])
def test_a_given_tensor_is_written_all_over(shape, settings, size):
    preprocess = Recipe.parse(settings, size).preprocess()
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, placement = preprocess(image)
    given = np.full_like(expected, np.nan)
    tensor, again = preprocess(image, out=given)
    assert tensor is given
    assert again == placement
    np.testing.assert_array_equal(given, expected)


def test_native_keeps_the_image():
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    tensor, placement = Recipe.parse(NATIVE, "native").preprocess()(image)
    assert placement == Placement(5, 7, np.float32(1))
    np.testing.assert_array_equal(tensor, (image.astype(np.float32) - (104, 117, 123)).transpose(2, 0, 1))


def test_linear_interpolation_keeps_fractions_of_grey_levels():
    image = np.random.default_rng(2).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    settings = json.dumps({"kind": "retinaface", "preprocess": {"resize": "long_side", "interpolation": "linear"}})
    tensor, _ = Recipe.parse(settings, "64").preprocess()(image)
    expected = cv2.resize(image.astype(np.float32), None, fx=1.6, fy=1.6, interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(tensor[:, :48], (expected - np.float32([104, 117, 123])).transpose(2, 0, 1))


def test_an_image_too_thin_is_refused():
    with pytest.raises(InputError, match="no pixels left"):
        Recipe.parse(T1, "8").preprocess()(np.zeros((1, 100, 3), np.uint8))


def one_face(score: float = 0.9, prior: int = 0) -> list[np.ndarray]:
    priors = 2 * (8 * 8 + 4 * 4 + 2 * 2)  # of a 64 × 64 input
    loc, conf, landms = (np.zeros((priors, k), np.float32) for k in (4, 2, 10))
    conf[prior, 1] = score
    return [loc, conf, landms]


def test_boxes_are_truncated_towards_zero_and_not_clipped():
    decode = Recipe.parse(T1, "64").decode()
    found = decode(one_face(), Placement(64, 64, np.float32(1)))
    # The first prior: centre 4, side 16 → corners -4 … 12. With a scale of 0.7 → -5.71 … 17.14.
    np.testing.assert_allclose(found["corners"], [[-4, -4, 12, 12]], atol=1e-5)
    found = decode(one_face(), Placement(64, 64, np.float32(0.7)))
    assert found["boxes"].tolist() == [[-5, -5, 22, 22]]
    assert found["scores"].tolist() == [0.9]
    assert found["landmarks"].shape == (1, 5, 2)


def test_the_threshold_itself_is_not_enough():
    decode = Recipe.parse(T1, "64").decode()
    assert len(decode(one_face(float(np.float32(0.02))), Placement(64, 64, np.float32(1)))["scores"]) == 0
    above = float(np.nextafter(np.float32(0.02), np.float32(1)))
    assert len(decode(one_face(above), Placement(64, 64, np.float32(1)))["scores"]) == 1


def test_top_k_before_and_after_nms():
    outputs = one_face(0.9, 0)
    outputs[1][[2, 60, 61], 1] = 0.8, 0.7, 0.6
    placement = Placement(64, 64, np.float32(1))
    everything = Recipe.parse(T1, "64").decode()(outputs, placement)["scores"]
    for key, expected in (("keep_top_k", everything[:2]), ("pre_nms_top_k", everything[:1])):
        settings = {**json.loads(T1), "decode": {key: len(expected)}}
        assert (
            Recipe.parse(json.dumps(settings), "64").decode()(outputs, placement)["scores"].tolist()
            == expected.tolist()
        )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o[1].__setitem__((5, 1), np.nan), "conf holds 1 scores that are not finite"),
        (lambda o: o[0].__setitem__((0, 2), 1e4), "not finite"),
        (lambda o: o[2].__setitem__((0, 0), np.inf), "not finite"),
        (lambda o: o.__setitem__(0, o[0][:-1]), r"output loc is float32 \(167, 4\), expected float32 \(168, 4\)"),
        (lambda o: o.__setitem__(1, o[1].astype(np.float16)), r"output conf is float16 \(168, 2\), expected float32"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(spoil, message):
    outputs = one_face()
    spoil(outputs)
    with pytest.raises(InputError, match=message):
        Recipe.parse(T1, "64").decode()(outputs, Placement(64, 64, np.float32(1)))


def words_of(settings: str, size: str) -> str:
    recipe = Recipe.parse(settings, size)
    return "; ".join([*recipe.preprocess().protocol(), *recipe.decode().protocol()])


def test_the_protocol_says_what_is_done():
    words = words_of(T1, "1000")
    for part in (
        "1000 px (nearest",
        "padded with 0 before the mean",
        "BGR",
        "(104, 117, 123)",
        "> 0.02",
        "IoU 0.4",
        "no top-k",
    ):
        assert part in words
    assert "original size" in words_of(NATIVE, "native")
