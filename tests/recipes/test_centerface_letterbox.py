import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes import centerface_preprocess, letterbox_preprocess
from pth2map.recipes.centerface_decode import Decode
from pth2map.recipes.centerface_letterbox_preprocess import Preprocess
from pth2map.recipes.centerface_letterbox_settings import CenterFaceLetterboxPreprocess, CenterFaceLetterboxSettings
from pth2map.recipes.centerface_settings import CenterFaceDecode, CenterFacePreprocess
from pth2map.recipes.letterbox_settings import LetterboxPreprocess
from pth2map.recipes.settings import Size

MEAN = np.float32([0.40789654, 0.44719302, 0.47026115])
STD = np.float32([0.28863828, 0.27408164, 0.27809835])
SHAPES = [(651, 1024), (683, 1023), (1, 31), (63, 2), (2, 1), (1, 1), (331, 7), (64, 96)]


def preprocess_at(size: str, **options) -> Preprocess:
    return Preprocess(CenterFaceLetterboxPreprocess(**options), Size.parse(size))


def affine_at(size: str) -> centerface_preprocess.Preprocess:
    return centerface_preprocess.Preprocess(CenterFacePreprocess(), Size.parse(size))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def normalised(levels: np.ndarray) -> np.ndarray:
    """What the published script makes of grey levels ``(h, w, 3)``."""
    return ((levels / 255.0 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """In float64: pixel centres at halves, the edges held."""
    for axis, after in enumerate((height, width)):
        before = image.shape[axis]
        centres = (np.arange(after) + 0.5) * before / after - 0.5
        image = np.apply_along_axis(lambda line, at=centres: np.interp(at, np.arange(len(line)), line), axis, image)
    return image


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 70), st.integers(2, 70), st.sampled_from(["64", "96x32"]), st.integers(0, 255), st.integers(0, 99)
)
def test_every_value_is_that_of_a_whole_grey_level_less_than_one_from_bilinear(height, width, size, pad, seed):
    image = noise(height, width, seed)
    tensor, placed = preprocess_at(size, pad=pad)(image)
    levels = np.rint((tensor.transpose(1, 2, 0).astype(np.float64) * STD + MEAN) * 255)
    np.testing.assert_array_equal(tensor, normalised(levels), strict=True)

    rows, columns = (
        slice(low, low + n) for low, n in ((placed.top, placed.resized_height), (placed.left, placed.resized_width))
    )
    expected = np.full(levels.shape, pad, np.float64)
    expected[rows, columns] = bilinear(image, placed.resized_height, placed.resized_width)
    assert np.abs(levels - expected).max() < 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", ["64", "96x64", "640"])
def test_grey_levels_are_those_of_the_letterbox_of_retinaface(shape, size):
    """Whose bytes are held to those of an emulation of the card."""
    plain = LetterboxPreprocess(pad=114, mean_bgr=(0.0, 0.0, 0.0))
    levels, expected = letterbox_preprocess.Preprocess(plain, Size.parse(size))(noise(*shape))
    tensor, placement = preprocess_at(size, pad=114)(noise(*shape))
    assert placement == expected
    np.testing.assert_array_equal(tensor, normalised(levels.transpose(1, 2, 0).astype(np.float64)), strict=True)


@pytest.mark.parametrize("shape", [(32, 64), (64, 32), (64, 64), (2, 64)], ids=str)
def test_where_nothing_is_scaled_the_affine_letterbox_gives_the_same(shape):
    tensor, placement = preprocess_at("64")(noise(*shape))
    affine, placed = affine_at("64")(noise(*shape))
    np.testing.assert_array_equal(tensor, affine, strict=True)
    points = np.array([[0.0, 0.0], [63.5, 12.25]])
    np.testing.assert_array_equal(placement.points_to_image(points), placed.points_to_image(points))


def test_where_it_is_scaled_both_differ_by_where_a_pixel_has_its_centre():
    """At half the size: input pixel i is the mean of pixels 2i and 2i + 1 here, and pixel 2i there."""
    image = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None, :, None], 128, axis=0).repeat(3, axis=2)
    difference = (preprocess_at("64")(image)[0] - affine_at("64")(image)[0]).transpose(1, 2, 0) * STD * 255
    np.testing.assert_allclose(difference, 1, atol=1e-4)


def test_a_real_image_lies_within_half_a_pixel_of_the_affine_one(mirror):
    image = read_image(next((mirror / "widerface-mini/WIDER_val/images").rglob("3_Riot_Riot_3_186.jpg")))
    assert image.shape == (651, 1024, 3)
    (tensor, placement), (affine, placed) = preprocess_at("640")(image), affine_at("640")(image)
    assert (placement.top, placement.pad_y, placed.top) == (116, 116.5, 116.5625)
    inside = slice(placement.top + 2, placement.top + placement.resized_height - 2)
    difference = np.abs(tensor - affine)[:, inside] * STD[:, None, None] * 255
    assert 0 < difference.mean() < 8
    np.testing.assert_array_equal(tensor[:, :116], affine[:, :116])


def test_pixels_by_hand():
    """Padding and pixels go through the same arithmetic, each colour with its own constants, in BGR."""
    tensor, placement = preprocess_at("32", pad=255)(np.full((16, 32, 3), (0, 128, 64), np.uint8))
    assert (placement.top, placement.resized_height) == (8, 16)
    np.testing.assert_allclose(tensor[:, 8, 0], [-1.4131755, 0.19978762, -0.7884922], atol=5e-5)
    np.testing.assert_allclose(tensor[:, 7, 0], [2.0513682, 2.0169501, 1.9048481], atol=5e-5)


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (64, 96), (1, 90), (300, 5)], ids=str)
def test_a_given_tensor_is_written_all_over(shape):
    expected, placement = preprocess_at("96x64")(noise(*shape))
    given = np.full((2, 3, 64, 96), np.nan, np.float32)
    tensor, again = preprocess_at("96x64")(noise(*shape), out=given[1])
    assert np.shares_memory(tensor, given)
    assert placement == again == preprocess_at("96x64").placement(*shape)
    np.testing.assert_array_equal(given[1], expected, strict=True)
    assert np.isnan(given[0]).all()


@pytest.mark.parametrize("size", ["native", "650", "640x650", "16"])
def test_a_size_that_the_network_cannot_take_is_refused(size):
    message = rf"size {size} does not go with recipe\.kind: centerface_letterbox; .* multiples of 32"
    with pytest.raises(InputError, match=message):
        preprocess_at(size)


def test_an_image_of_which_nothing_is_left_is_refused():
    with pytest.raises(InputError, match="2000×1 px scaled to fit 640×640 has no pixels left"):
        preprocess_at("640")(np.zeros((1, 2000, 3), np.uint8))


def test_the_protocol_says_how_inputs_are_made():
    words = "; ".join(preprocess_at("640x320", pad=114).protocol())
    for part in (
        "fit 640×320",
        "bilinear, whole pixels",
        "centred",
        "114 before the mean",
        "BGR",
        "0.40789654",
        "0.288",
    ):
        assert part in words


def test_settings_from_json():
    text = '{"kind": "centerface_letterbox", "preprocess": {"pad": 114}, "decode": {"top_k": 50}}'
    read = CenterFaceLetterboxSettings.model_validate_json(text)
    assert read.preprocess == CenterFaceLetterboxPreprocess(pad=114)
    assert read.preprocess.mean_bgr == CenterFacePreprocess().mean_bgr
    assert read.decode == CenterFaceDecode(top_k=50)
    with pytest.raises(ValueError, match="less than or equal to 255"):
        CenterFaceLetterboxSettings.model_validate_json(json.dumps({**json.loads(text), "preprocess": {"pad": 256}}))


# Decode


def maps_of(height: int, width: int) -> list[np.ndarray]:
    """Without any face, only cell 0 is a peak: the score falls to the right and downwards."""
    rows, columns = np.mgrid[:height, :width]
    score = (1e-3 / (1 + rows + columns))[None].astype(np.float32)
    return [score, *(np.zeros((c, height, width), np.float32) for c in (2, 2, 10))]


def test_two_faces_by_hand():
    """651 rows become 407 with 116 above and 117 below, 116.5 to the decode; 1024 columns become 640."""
    maps = maps_of(160, 160)
    for row, column, score, (width, height), points in (
        (80, 40, 0.9, (8, 16), (0.5, -1)),
        (100, 120, 0.8, (4, 4), (0, 0.25)),
    ):
        maps[0][0, row, column] = score
        maps[1][:, row, column] = np.log([width / 16, height / 16])  # sides in pixels of the input
        maps[2][:, row, column] = 0.25, 0.5
        maps[3][:2, row, column] = points
    found = Decode(CenterFaceDecode(top_k=2))(maps, Letterbox(640, 640, 651, 1024))

    x, y = 1024 / 640, 651 / 407
    centres = np.array([[161, 322 - 116.5], [481, 402 - 116.5]])
    sides = np.array([[8, 16], [4, 4]])
    expected = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1) * (x, y, x, y)
    assert found["corners"].dtype == np.float32
    np.testing.assert_allclose(found["corners"], expected, rtol=2e-6)
    np.testing.assert_allclose(found["boxes"][0], [251.2, 315.9, 13.8, 26.6])  # sides counted +1 px
    assert found["scores"].tolist() == [0.9, 0.8]
    np.testing.assert_allclose(found["landmarks"][0, 0], [163 * x, (318 - 116.5) * y], rtol=2e-6)
    np.testing.assert_allclose(found["landmarks"][1, 0], [481 * x, (403 - 116.5) * y], rtol=2e-6)
    np.testing.assert_allclose(found["landmarks"][1, 4], [481 * x, (402 - 116.5) * y], rtol=2e-6)


@given(
    st.integers(40, 1500), st.integers(40, 1500), st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(2, 900),
)  # fmt: skip
def test_a_face_of_the_image_comes_back_from_where_the_letterbox_put_it(height, width, x, y, side):
    placement = Letterbox(320, 480, height, width)
    scale = np.array([placement.resized_width / width, placement.resized_height / height])
    face = np.array([x * width, y * height])
    cells = (face * scale + (placement.pad_x, placement.pad_y)) / 4
    maps, (column, row) = maps_of(80, 120), np.floor(cells).astype(int)
    maps[0][0, row, column] = 0.5
    maps[1][:, row, column] = np.log(side * scale / 16)
    maps[2][:, row, column] = cells - (column, row)
    found = Decode(CenterFaceDecode(top_k=1))(maps, placement)
    np.testing.assert_allclose(found["corners"][0], [*(face - side / 2), *(face + side / 2)], rtol=1e-5, atol=2e-3)
    np.testing.assert_allclose(found["landmarks"][0], [face] * 5, rtol=1e-5, atol=2e-3)
