import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.letterbox_preprocess import Preprocess
from pth2map.recipes.letterbox_settings import LetterboxPreprocess, LetterboxSettings
from pth2map.recipes.settings import Size

MEAN = np.array([104, 117, 123], np.float32)


def preprocess(size: str, **options) -> Preprocess:
    return Preprocess(LetterboxPreprocess(**options), Size.parse(size))


def test_letterbox_of_real_images_equals_the_golden_one_bit_for_bit(golden, mirror):
    folder = golden / "retinaface_preprocess_1000"
    case, arrays = json.loads((folder / "case.json").read_text()), np.load(folder / "arrays.npz")
    for number, entry in enumerate(case["images"]):
        name, expected = entry["image"], entry["letterbox640_emulation"]
        image = read_image((golden if name.startswith("inputs/") else mirror / "widerface-mini") / name)
        assert hashlib.sha256(image.tobytes()).hexdigest() == entry["decoded_bgr_u8_hwc_sha256"]
        tensor, placement = preprocess("640", even_sizes=True)(image)
        assert [placement.image_width, placement.image_height] == expected["even_size_wh"]
        assert [placement.resized_width, placement.resized_height] == expected["resized_wh"]
        assert (placement.left, placement.top) == (expected["left"], expected["top"])
        assert (placement.pad_x, placement.pad_y) == (expected["decode_dw"], expected["decode_dh"])
        assert (tensor.dtype, tensor[None].shape) == (np.float32, tuple(expected["shape"]))
        np.testing.assert_array_equal(tensor.ravel()[::1237], arrays[f"img{number}_letterbox_sample"])
        assert hashlib.sha256(tensor.tobytes()).hexdigest() == expected["sha256"]

        as_it_is, _ = preprocess("640")(image)
        even = entry["width"] % 2 == entry["height"] % 2 == 0
        assert np.array_equal(as_it_is, tensor) == even
    assert len(case["images"]) == 5


def test_pixels_by_hand():
    """Two columns scaled to four: weights of a quarter and three quarters, the edges held."""
    image = np.array([[[0, 10, 255], [100, 10, 251]]], np.uint8)
    tensor, placement = preprocess("4", pad=7)(image)
    assert placement == Letterbox(height=4, width=4, image_height=1, image_width=2)
    expected = np.full((3, 4, 4), 7, np.float32)
    expected[0, 1:3] = [0, 25, 75, 100]
    expected[1, 1:3] = 10
    expected[2, 1:3] = [255, 254, 252, 251]
    np.testing.assert_array_equal(tensor, expected - MEAN[:, None, None])


def test_of_an_odd_margin_the_larger_part_is_behind():
    tensor, placement = preprocess("5", mean_bgr=(0.0, 0.0, 0.0))(np.full((4, 10, 3), 9, np.uint8))
    assert (placement.top, placement.pad_y, placement.resized_height) == (1, 1.5, 2)
    assert tensor[0, :, 0].tolist() == [0, 9, 9, 0, 0]


@pytest.mark.parametrize(("pad", "expected"), [(0, -MEAN), (114, 114 - MEAN), (255, 255 - MEAN), ("mean", 0 * MEAN)])
@pytest.mark.parametrize("shape", [(4, 8), (8, 4)])
def test_padding_of_a_chosen_colour(pad, expected, shape):
    tensor, placement = preprocess("8", pad=pad)(np.full((*shape, 3), 33, np.uint8))
    padding = np.ones((8, 8), bool)
    top, left = placement.top, placement.left
    padding[top : top + placement.resized_height, left : left + placement.resized_width] = False
    assert padding.sum() == 32
    np.testing.assert_array_equal(tensor[:, padding], np.repeat(expected[:, None], 32, axis=1))
    np.testing.assert_array_equal(tensor[:, ~padding], np.repeat(33 - MEAN[:, None], 32, axis=1))


def weights(before: int, after: int) -> np.ndarray:
    """Bilinear weights ``(after, before)`` along one side: pixel centres at halves, the edges held."""
    centres = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(before)))


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.einsum("yr,rcb,xc->yxb", rows, image, columns)


@settings(deadline=None)
@given(st.integers(2, 24), st.integers(2, 24), st.booleans(), st.sampled_from(["16", "20x12"]), st.integers(0, 99))
def test_pixels_are_bilinear_to_less_than_a_grey_level(height, width, even_sizes, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    work = preprocess(size, even_sizes=even_sizes, mean_bgr=(0.0, 0.0, 0.0))
    tensor, placement = work(image)
    assert placement == work.placement(height, width)
    assert tensor.shape == (3, placement.height, placement.width)
    source, levels = image.astype(np.float64), 1
    if even_sizes and (height % 2 or width % 2):
        source, levels = bilinear(source, height // 2 * 2, width // 2 * 2), 2
    assert source.shape[:2] == (placement.image_height, placement.image_width)
    plain = bilinear(source, placement.resized_height, placement.resized_width)
    canvas = np.zeros((placement.height, placement.width, 3))
    top, left = placement.top, placement.left
    canvas[top : top + placement.resized_height, left : left + placement.resized_width] = plain
    assert np.abs(tensor.transpose(1, 2, 0) - canvas).max() < levels
    assert np.array_equal(tensor, np.trunc(tensor))


def test_odd_sides_are_made_even_only_on_demand():
    for height, width, evened in ((651, 1024, (650, 1024)), (650, 1023, (650, 1022)), (3, 5, (2, 4)), (4, 4, (4, 4))):
        placed = preprocess("640", even_sizes=True).placement(height, width)
        assert (placed.image_height, placed.image_width) == evened
        placed = preprocess("640").placement(height, width)
        assert (placed.image_height, placed.image_width) == (height, width)


def test_odd_sides_are_resized_and_not_cut():
    image = np.zeros((3, 2, 3), np.uint8)
    image[2] = 200  # the row that a cut would lose
    tensor, _ = preprocess("2", even_sizes=True, mean_bgr=(0.0, 0.0, 0.0))(image)
    assert tensor[0, :, 0].tolist() == [0, 150]  # the lower row's centre lies 1.75 rows down


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (40, 40), (1, 40)])
def test_a_given_tensor_is_written_all_over(shape):
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, placement = preprocess("64")(image)
    out = np.full_like(expected, np.nan)
    tensor, again = preprocess("64")(image, out=out)
    assert tensor is out
    assert again == placement
    np.testing.assert_array_equal(out, expected)


def test_images_of_which_nothing_is_left_are_refused():
    with pytest.raises(InputError, match="2000×1 px scaled to fit 640×640 has no pixels left"):
        preprocess("640").placement(1, 2000)
    with pytest.raises(InputError, match="1×9 px has no pixels left when its sides are made even"):
        preprocess("640", even_sizes=True)(np.zeros((9, 1, 3), np.uint8))
    with pytest.raises(InputError, match="size native does not go with"):
        preprocess("native")


def test_the_protocol_says_what_is_done():
    words = "; ".join(preprocess("640x320", even_sizes=True, pad=114).protocol())
    for part in ("next lower even", "640×320", "bilinear", "centred", "114 before the mean", "BGR", "(104, 117, 123)"):
        assert part in words
    words = "; ".join(preprocess("640", pad="mean").protocol())
    assert "even" not in words
    assert "both sides with the mean (104, 117, 123)" in words


def test_settings_from_json():
    text = (
        '{"kind": "retinaface_letterbox", "preprocess": {"pad": "mean", "even_sizes": true}, "decode": {"text": "vsx"}}'
    )
    read = LetterboxSettings.model_validate_json(text)
    assert read.preprocess == LetterboxPreprocess(pad="mean", even_sizes=True)
    assert (read.decode.confidence_threshold, read.decode.nms_threshold, read.decode.text) == (0.02, 0.4, "vsx")
    for spoiled in ('"vsx"', '"mean"', "true"):
        with pytest.raises(ValueError, match="validation error"):
            LetterboxSettings.model_validate_json(text.replace(spoiled, "256"))
