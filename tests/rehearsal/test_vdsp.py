"""The card's preprocessing: its file, and the letterbox against the library's."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rehearsal.card import GONE, VDSP, changed, picture, planes

from pth2map.recipes.letterbox_preprocess import Preprocess
from pth2map.recipes.letterbox_settings import LetterboxPreprocess
from pth2map.recipes.settings import Size
from pth2map_rehearsal.vdsp import Vdsp, VdspError, load

MEAN = (104.0, 117.0, 123.0)
LETTERBOX = Vdsp(None, None, MEAN, (1.0, 1.0, 1.0), "MINUSMEAN_DIVSTD", True, (0.0, 0.0, 0.0))


@pytest.fixture
def loaded(tmp_path):
    def read(**changes):
        path = tmp_path / "vdsp.json"
        path.write_text(json.dumps(changed(VDSP, {key.replace("__", "."): value for key, value in changes.items()})))
        return load(path)

    return read


@given(st.integers(1, 150), st.integers(1, 150), st.integers(8, 70), st.integers(8, 70), st.sampled_from([0, 114]))
@settings(max_examples=80, deadline=None)
def test_a_letterbox_is_that_of_the_library(height, width, high, wide, pad):
    image = picture(height, width)
    vdsp = Vdsp(None, None, MEAN, (1.0, 1.0, 1.0), "MINUSMEAN_DIVSTD", True, (pad, pad, pad))
    if min(round(side * min(high / height, wide / width)) for side in (height, width)) < 1:
        with pytest.raises(VdspError, match="nothing is left of a picture"):
            vdsp.tensor(planes(image), high, wide)
        return
    expected, _ = Preprocess(LetterboxPreprocess(pad=pad), Size.parse(f"{wide}x{high}"))(image)
    np.testing.assert_array_equal(vdsp.tensor(planes(image), high, wide), expected, strict=True)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 600), (600, 3), (64, 64), (63, 65), (1201, 777)])
def test_odd_and_extreme_pictures(height, width):
    image = picture(height, width)
    if min(height, width) == 3:
        with pytest.raises(VdspError, match=f"nothing is left of a picture of {width}x{height}"):
            LETTERBOX.tensor(planes(image), 64, 64)
        return
    expected, _ = Preprocess(LetterboxPreprocess(), Size.parse("64"))(image)
    np.testing.assert_array_equal(LETTERBOX.tensor(planes(image), 64, 64), expected, strict=True)


def test_colours_padding_and_order_by_hand():
    """A red picture twice as wide as high: padding is red, green, blue, mean and deviation are blue, green, red."""
    red = np.zeros((3, 2, 4), np.uint8)
    red[0] = 200
    vdsp = Vdsp(4, 4, (1.0, 2.0, 3.0), (1.0, 2.0, 4.0), "MINUSMEAN_DIVSTD", True, (10.0, 20.0, 30.0))
    tensor = vdsp.tensor(red, 4, 4)
    assert tensor[:, 0, 0].tolist() == [29, 9, 1.75]
    assert tensor[:, 1, 0].tolist() == tensor[:, 2, 3].tolist() == [-1, -1, 49.25]
    kept = Vdsp(4, 4, (1.0, 2.0, 3.0), (1.0, 2.0, 4.0), "MINUSMEAN_DIVSTD", False, (10.0, 20.0, 30.0))
    assert kept.tensor(red, 4, 4)[:, 1, 0].tolist() == [199, -1, -0.75]


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("EQUAL", 51),
        ("DIV255", 0.2),
        ("DIV255_MINUSMEAN_DIVSTD", (0.2 - 0.5) / 0.25),
        ("MINUSMEAN_DIVSTD", (51 - 0.5) / 0.25),
        ("DIV1275_MINUSONE", 51 / 127.5 - 1),
    ],
)
def test_normalisations(loaded, normalisation, expected):
    vdsp = loaded(OpConfig__NormaType=normalisation, OpConfig__Mean=[0.5] * 3, OpConfig__Std=[0.25] * 3)
    np.testing.assert_allclose(vdsp.tensor(np.full((3, 64, 64), 51, np.uint8), 64, 64), expected, rtol=1e-6)


def test_the_file_of_retinaface(loaded):
    assert loaded() == Vdsp(64, 64, MEAN, (1.0, 1.0, 1.0), "MINUSMEAN_DIVSTD", True, (0.0, 0.0, 0.0))
    assert loaded(OpConfig__Padding=[1, 2, 3]).padding == (1.0, 2.0, 3.0)
    without = {f"OpConfig__{key}": GONE for key in VDSP["OpConfig"] if "image" in key and key != "IimageFormat"}
    assert loaded(**without) == LETTERBOX


def test_the_size_of_the_file_is_that_of_the_model(loaded):
    with pytest.raises(VdspError, match="makes pictures of 64x64, the model takes 96x96"):
        loaded().tensor(planes(picture(50, 50)), 96, 96)


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 8, 3), np.uint8), np.zeros((3, 8, 8), np.float32), np.zeros((3, 0, 8), np.uint8)]
)
def test_no_picture(wrong):
    with pytest.raises(VdspError, match="expected uint8"):
        LETTERBOX.tensor(wrong, 64, 64)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"OpType": "FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR"}, "OpType FUSION_OP_RGB_RESIZE.* is not rehearsed"),
        ({"OpType": "LETTERBOX"}, "OpType is 'LETTERBOX', expected FUSION_OP_RGB_LETTERBOX"),
        ({"OpConfig": []}, "expected an object with OpType and an object OpConfig"),
        ({"Device": 0}, "there is no key Device; the nearest is Op"),
        ({"OpConfig__ImageFormat": "RGB_PLANAR"}, "there is no key ImageFormat; the nearest is IimageFormat"),
        ({"OpConfig__NormType": "EQUAL"}, "there is no key NormType; the nearest is NormaType"),
        ({"OpConfig__PaddingLeft": 3}, "PaddingLeft is not rehearsed"),
        ({"OpConfig__IimageFormat": "YUV_NV12"}, "IimageFormat YUV_NV12 is not rehearsed"),
        ({"OpConfig__ResizeType": "BILINEAR_PILLOW"}, "ResizeType BILINEAR_PILLOW is not rehearsed"),
        ({"OpConfig__ColorCvtCode": "BGR"}, "ColorCvtCode is 'BGR', expected NO_CHANGE or RGB2BGR or BGR2RGB"),
        ({"OpConfig__NormaType": GONE}, "NormaType is None, expected MINUSMEAN_DIVSTD or"),
        ({"OpConfig__OimageWidth": GONE}, "OimageWidth and OimageHeight go together"),
        ({"OpConfig__OimageWidth": 64.0}, "OimageWidth is 64.0, expected pixels"),
        ({"OpConfig__Mean": [1, 2]}, r"Mean is \[1, 2\], expected three numbers"),
        ({"OpConfig__Mean": GONE}, "Mean is None, expected three numbers"),
        ({"OpConfig__Std": [1, 0, 1]}, "Std holds a 0"),
        ({"OpConfig__Padding": "127"}, "Padding is '127', expected three numbers"),
    ],
)
def test_refusals(loaded, changes, complaint):
    with pytest.raises(VdspError, match=complaint):
        loaded(**changes)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(VdspError, match="cannot be read"):
        load(tmp_path / "absent.json")
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(VdspError, match="cannot be read"):
        load(tmp_path / "no.json")
