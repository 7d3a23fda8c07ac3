import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pth2map.engines.vdsp import LetterboxOp, letterbox_op, vdsp_json
from pth2map.files.errors import InputError
from pth2map.recipes.recipe import Recipe

DOOR = Path(__file__).parents[2] / "workflow/scripts/write_vdsp.py"

# The published file of RetinaFace, value by value.
RETINAFACE = {
    "OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR",
    "OpConfig": {
        "IimageFormat": "RGB_PLANAR",
        "IimageWidth": 640,
        "IimageHeight": 640,
        "OimageWidth": 640,
        "OimageHeight": 640,
        "IimageWidthPitch": 640,
        "IimageHeightPitch": 640,
        "Mean": [104.0, 117.0, 123.0],
        "Std": [1.0, 1.0, 1.0],
        "NormaType": "MINUSMEAN_DIVSTD",
        "ColorCvtCode": "RGB2BGR",
        "ResizeType": "BILINEAR_CV",
    },
}


def recipe(size: str = "640", kind: str = "retinaface_letterbox", **preprocess) -> Recipe:
    return Recipe.parse(json.dumps({"kind": kind, "preprocess": preprocess}), size)


def types(value):
    if isinstance(value, dict):
        return {key: types(each) for key, each in value.items()}
    return [types(each) for each in value] if isinstance(value, list) else type(value)


def test_the_file_of_retinaface():
    content = json.loads(vdsp_json(letterbox_op(recipe())))
    assert content == RETINAFACE
    assert list(content["OpConfig"]) == list(RETINAFACE["OpConfig"])
    assert types(content) == types(RETINAFACE)


def test_the_published_file_of_centerface():
    op = LetterboxOp(640, 640, (0, 0, 0), (1, 1, 1), "NO_CHANGE", "MINUSMEAN_DIVSTD")
    config = {**RETINAFACE["OpConfig"], "Mean": [0.0, 0.0, 0.0], "ColorCvtCode": "NO_CHANGE"}
    assert json.loads(vdsp_json(op)) == {**RETINAFACE, "OpConfig": config}


def test_centerface_of_this_project_is_normalised():
    config = json.loads(vdsp_json(letterbox_op(recipe("800x640", "centerface_letterbox", pad=7))))["OpConfig"]
    assert [config[key] for key in ("OimageWidth", "OimageHeight", "IimageWidth", "IimageHeight")] == [800, 640] * 2
    assert config["Mean"] == [0.40789654, 0.44719302, 0.47026115]
    assert config["Std"] == [0.28863828, 0.27408164, 0.27809835]
    assert (config["NormaType"], config["ColorCvtCode"]) == ("DIV255_MINUSMEAN_DIVSTD", "RGB2BGR")
    assert config["Padding"] == [7, 7, 7]


@pytest.mark.parametrize(("pad", "padding"), [(0, None), (114, [114, 114, 114]), ("mean", [123, 117, 104])])
def test_padding_is_in_the_order_of_the_picture(pad, padding):
    """The mean is of blue, green, red; the picture is padded before its channels are swapped."""
    assert json.loads(vdsp_json(letterbox_op(recipe(pad=pad))))["OpConfig"].get("Padding") == padding


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (
            {"resize": "stretch"},
            "recipe.preprocess.resize: found stretch, but a Vastai card keeps proportions; expected letterbox",
        ),
        (
            {"pad": "mean", "mean_bgr": [104.5, 117, 123]},
            "recipe.preprocess.pad: a card pads with whole grey levels from 0 to 255, found 104.5; name a level",
        ),
        (
            {"pad": "mean", "mean_bgr": [-1, 117, 123]},
            "recipe.preprocess.pad: a card pads with whole grey levels from 0 to 255, found -1.0; name a level",
        ),
        (
            {"size": "native"},
            "size native does not go with recipe.kind: retinaface_letterbox; expected one size for all images",
        ),
        (
            {"kind": "centerface"},
            "recipe centerface has no preprocessing that a Vastai card could do; expected retinaface_letterbox or "
            "centerface_letterbox",
        ),
    ],
)
def test_what_a_card_cannot_do(of, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        letterbox_op(recipe(**of))


def test_the_command_writes_the_file(tmp_path):
    arguments = ["--recipe", '{"kind": "retinaface_letterbox"}', "--size", "640", "--vdsp", tmp_path / "vdsp.json"]
    subprocess.run([sys.executable, DOOR, *arguments], check=True)
    assert json.loads((tmp_path / "vdsp.json").read_text()) == RETINAFACE


def test_numbers_that_json_has_not():
    with pytest.raises(ValueError, match="not JSON compliant"):
        vdsp_json(replace(letterbox_op(recipe()), mean=(float("nan"), 0, 0)))
