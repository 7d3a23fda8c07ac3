import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pth2map.datasets.calibration import CalibrationImage, CalibrationList
from pth2map.engines.vamc import (
    Calibration,
    Compilation,
    ExtraOp,
    compile_yaml,
    extra_op,
    judge,
    model_files,
    process_ops,
)
from pth2map.engines.vdsp import LetterboxOp, letterbox_op
from pth2map.files.errors import InputError
from pth2map.recipes.recipe import Recipe

DOOR = Path(__file__).parents[2] / "workflow/scripts/write_vamc_yaml.py"

# The published file of RetinaFace, value by value; paths are whoever's runs it.
RETINAFACE = {
    "name": "official_retinaface_run_stream_int8",
    "frontend": {
        "shape": {"input": [1, 3, 640, 640]},
        "type": "onnx",
        "checkpoint": "/path/to/retinaface_resnet50-640.onnx",
        "dtype": "fp32",
    },
    "backend": {
        "type": "tvm_vacc",
        "dtype": "int8",
        "compile": {"data_transport_mode": 3, "cluster_mode": 0},
        "quantize": {"calibrate_mode": "kl_divergence"},
    },
    "graph": {
        "extra_ops": {
            "type": "retinaface_nms",
            "params": {
                "num_classes": 1,
                "nms_threshold": 0.4,
                "confidence_threshold": 0.02,
                "anchor": [16, 32, 64, 128, 256, 512],
            },
        }
    },
    "dataset": {
        "type": "tvm",
        "path": "/path/to/widerface_quant_images_305_calib",
        "sampler": {"suffix": "jpg", "get_data_num": 50},
        "process_ops": [
            {"type": "DecodeImage"},
            {"type": "CvtColor", "code": "COLOR_RGB2BGR"},
            {"type": "Resize", "size": [640, -1], "adaptive_side": "long"},
            {"type": "Pad", "pad_to_square": True},
            {"type": "Normalize", "div255": False, "mean": [104, 117, 123], "std": [1, 1, 1]},
            {"type": "ToTensor"},
        ],
    },
    "workspace": {"path": "./deploy_weights/"},
}
RECIPE = Recipe.parse(json.dumps({"kind": "retinaface_letterbox", "decode": {"form": "card"}}), "640")
INT8 = Compilation(
    name="official_retinaface_run_stream_int8",
    checkpoint="/path/to/retinaface_resnet50-640.onnx",
    input_name="input",
    shape=(1, 3, 640, 640),
    dtype="int8",
    workspace="./deploy_weights/",
    extra_op=extra_op(RECIPE),
    calibration=Calibration("/path/to/widerface_quant_images_305_calib", 50, letterbox_op(RECIPE)),
)


def ordered(value):
    """With the order of keys and the type of each value, which ``==`` does not see."""
    if isinstance(value, dict):
        return [(key, ordered(each)) for key, each in value.items()]
    return [ordered(each) for each in value] if isinstance(value, list) else (type(value), value)


def test_the_file_of_the_retinaface_page():
    assert ordered(yaml.safe_load(compile_yaml(INT8))) == ordered(RETINAFACE)


def test_fp16_has_no_calibration():
    content = yaml.safe_load(compile_yaml(replace(INT8, dtype="fp16", calibration=None)))
    assert content == {
        **{key: value for key, value in RETINAFACE.items() if key != "dataset"},
        "backend": {"type": "tvm_vacc", "dtype": "fp16", "compile": {"data_transport_mode": 3, "cluster_mode": 0}},
    }


def test_int8_needs_a_calibration():
    with pytest.raises(InputError, match=r"int8 needs calibration images; name them, or compile fp16$"):
        compile_yaml(replace(INT8, calibration=None))


@pytest.mark.parametrize(("per_channel", "told"), [(None, {}), (True, {"quantize_per_channel": True})])
def test_the_quantiser_is_told_what_is_asked(per_channel, told):
    calibration = Calibration("c", 7, letterbox_op(RECIPE), "percentile", per_channel)
    content = yaml.safe_load(compile_yaml(replace(INT8, calibration=calibration)))
    assert content["backend"]["quantize"] == {"calibrate_mode": "percentile", **told}
    assert content["dataset"]["sampler"] == {"suffix": "jpg", "get_data_num": 7}


def test_the_published_file_of_centerface():
    """But for its process ops: there the network normalises by itself, and nobody swaps channels."""
    op = LetterboxOp(640, 640, (0, 0, 0), (1, 1, 1), "NO_CHANGE", "MINUSMEAN_DIVSTD")
    compilation = Compilation(
        "centerface_fp16",
        "/path/to/centerface.onnx",
        "input.1",
        (1, 3, 640, 640),
        "fp16",
        "./deploy_weights/",
        data_transport_mode=1,
        calibration=Calibration("/path/to/widerface/val/calib", 50, op),
    )
    text = compile_yaml(compilation)
    assert "    input.1:\n" in text
    content = yaml.safe_load(text)
    assert content["frontend"]["shape"] == {"input.1": [1, 3, 640, 640]}
    assert content["backend"] == {
        "type": "tvm_vacc",
        "dtype": "fp16",
        "compile": {"data_transport_mode": 1, "cluster_mode": 0},
        "quantize": {"calibrate_mode": "kl_divergence"},
    }
    assert "graph" not in content
    assert [each["type"] for each in content["dataset"]["process_ops"]] == [
        "DecodeImage",
        "Resize",
        "Pad",
        "Normalize",
        "ToTensor",
    ]


def test_process_ops_of_centerface():
    op = letterbox_op(Recipe.parse('{"kind": "centerface_letterbox"}', "320"))
    assert process_ops(op) == [
        {"type": "DecodeImage"},
        {"type": "CvtColor", "code": "COLOR_RGB2BGR"},
        {"type": "Resize", "size": [320, -1], "adaptive_side": "long"},
        {"type": "Pad", "pad_to_square": True},
        {
            "type": "Normalize",
            "div255": True,
            "mean": [0.40789654, 0.44719302, 0.47026115],
            "std": [0.28863828, 0.27408164, 0.27809835],
        },
        {"type": "ToTensor"},
    ]
    with pytest.raises(InputError, match=r"^size 640x320: vamc pads calibration images to a square; give the variant"):
        process_ops(replace(op, width=640))


def test_a_card_decodes_where_the_form_says_so():
    assert extra_op(Recipe.parse('{"kind": "retinaface_letterbox"}', "640")) is None
    assert extra_op(Recipe.parse('{"kind": "centerface_letterbox"}', "640")) is None
    decode = {"form": "card", "nms_threshold": 0.35, "confidence_threshold": 0.5}
    found = extra_op(Recipe.parse(json.dumps({"kind": "retinaface_letterbox", "decode": decode}), "320"))
    assert (found.params["nms_threshold"], found.params["confidence_threshold"]) == (0.35, 0.5)


def write_by_command(folder: Path, *more: str) -> subprocess.CompletedProcess:
    options = {
        "data_transport_mode": 3,
        "cluster_mode": 0,
        "calibrate_mode": "kl_divergence",
        "quantize_per_channel": None,
    }
    arguments = {
        "--recipe": '{"kind": "retinaface_letterbox", "decode": {"form": "card"}}',
        "--size": "640",
        "--graph": "/path/to/retinaface_resnet50-640.onnx",
        "--input-name": "input",
        "--compile": json.dumps(options),
        "--workspace": "./deploy_weights/",
        "--name": "official_retinaface_run_stream_int8",
        "--yaml": str(folder / "compile.yaml"),
    }
    words = [word for pair in arguments.items() for word in pair]
    return subprocess.run([sys.executable, DOOR, *words, *more], capture_output=True, text=True, check=False)


def test_the_command_writes_the_file(tmp_path):
    images = tuple(CalibrationImage(f"{number}.jpg", "") for number in range(50))
    CalibrationList("source", 0, "widerface", False, images).save(tmp_path / "list.json")
    folder = "/path/to/widerface_quant_images_305_calib"
    done = write_by_command(
        tmp_path,
        *("--precision", "int8", "--calibration", str(tmp_path / "list.json"), "--calibration-folder", folder),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ordered(yaml.safe_load((tmp_path / "compile.yaml").read_text())) == ordered(RETINAFACE)


def test_the_command_refuses_int8_without_images(tmp_path):
    done = write_by_command(tmp_path, "--precision", "int8")
    assert (done.returncode, done.stderr) == (
        2,
        "error: official_retinaface_run_stream_int8: int8 needs calibration images; name them, or compile fp16\n",
    )
    assert not list(tmp_path.iterdir())


words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(words, words, words, st.sampled_from(["1.0", "input.1", "1e3", "no", "null", "0x1", "-", "a: b", "#"]), words)
def test_any_name_and_path_reads_back(name, checkpoint, workspace, input_name, folder):
    compilation = replace(
        INT8,
        name=name,
        checkpoint=checkpoint,
        workspace=workspace,
        input_name=input_name,
        calibration=replace(INT8.calibration, folder=folder),
        extra_op=ExtraOp(name, {input_name: 1e-5}),
    )
    content = yaml.safe_load(compile_yaml(compilation))
    assert (content["name"], content["frontend"]["checkpoint"]) == (name, checkpoint)
    assert (content["workspace"]["path"], content["dataset"]["path"]) == (workspace, folder)
    assert content["frontend"]["shape"] == {input_name: [1, 3, 640, 640]}
    assert content["graph"]["extra_ops"] == {"type": name, "params": {input_name: 1e-5}}


@pytest.fixture
def model(tmp_path):
    for ending in ("so", "json", "params"):
        (tmp_path / f"mod.{ending}").write_bytes(b"x")
    return tmp_path


def test_a_whole_model(model):
    (model / "vamc.log").write_text("")
    judge(model, "anything\n", 0)
    assert [path.name for path in model_files(model)] == ["mod.json", "mod.params", "mod.so"]
    (model / "mod.so").rename(model / "mod_lib.so")
    (model / "mod.params").rename(model / "mod.bin")
    assert [path.name for path in model_files(model)] == ["mod.bin", "mod.json", "mod_lib.so"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: (folder / "mod.so").unlink(), "mod.json, mod.params in it"),
        (lambda folder: (folder / "mod.json").write_bytes(b""), "mod.json in it empty"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "nothing in it"),
        (lambda folder: (folder / "mod.so").rename(folder / "lib.so"), "mod.json, mod.params in it"),
    ],
)
def test_a_model_that_is_not_whole(model, change, what):
    change(model)
    sentence = (
        f"vamc ended with status 0, but made no whole model: {model}: {what}, expected a compiled model (mod.so, "
        "mod.json, mod.params); it printed: two | three | four"
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        judge(model, "one\ntwo\n  10%|#    | 1/10\rthree\nfour\n\n", 0)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: nothing in it, expected a compiled model"):
        model_files(tmp_path / "nowhere")


# What a build printed that aborted in the compiler; the path is shortened.
ABORTED = (
    "[INFO] begin\n /jenkins/tvm/src/relay/pass/vacc/check_outside_pipeline_ops.cc/CheckOutsidePipelineOps:78: max, "
    "subtract, sum, divide,  operators is outside of pipeline 已放弃 (核心已转储)\n"
)
PLACE = "CheckOutsidePipelineOps:78: max, subtract, sum, divide,  operators is outside of pipeline"


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (
            ABORTED,
            134,
            f"vamc dumped core (status 134): {PLACE}; this vamc cannot place the operators it names: leave them to the "
            "host, or take another version of it",
        ),
        (
            f"{PLACE}\nsome line behind it\nAborted (core dumped)\n",
            1,
            f"vamc dumped core (status 1): {PLACE}; this vamc cannot place the operators it names: leave them to the "
            "host, or take another version of it",
        ),
        (
            "x\nTVMError: Check failed: ndim == 4 (3 vs. 4) : expected a tensor of rank 4\nStack trace:\n  (1) a\n",
            -6,
            "vamc dumped core (status -6): Check failed: ndim == 4 (3 vs. 4) : expected a tensor of rank 4",
        ),
        ("", 139, "vamc dumped core (status 139): it printed nothing"),
        (
            "Traceback (most recent call last):\n  File \"x\"\nKeyError: 'frontend'\n",
            1,
            "vamc failed (status 1): Traceback (most recent call last): | File \"x\" | KeyError: 'frontend'",
        ),
        (
            "bash: vamc: command not found\n",
            127,
            "vamc was not found, or lacks a library (status 127): bash: vamc: command not found; activate the "
            "environment that has vamc",
        ),
        ("a\n", 137, "vamc was killed (status 137), as the system does when memory runs out: a"),
    ],
)
def test_a_failure(model, log, status, sentence):
    """Even where a model lies already."""
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        judge(model, log, status)
