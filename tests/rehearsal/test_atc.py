"""atc's stand-in: its words and codes, and what the compiled model computes."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.rehearsal.graphs import detector, pictures, save, two_stage

from pth2map.export.cast import cast_rois
from pth2map_rehearsal import flags
from pth2map_rehearsal.atc import main
from pth2map_rehearsal.half import rounded
from pth2map_rehearsal.om import HEADER_BYTES, NoCompiledModel, read_om
from pth2map_rehearsal.session import Session

START = "ATC start working now, please wait for a moment."
SUCCESS = "ATC run success, welcome to the next use."
FAILURE = "ATC run failed, Please check the detail log, Try 'atc --help' for more information"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    detector(Path("model.onnx"))
    return tmp_path


def line(**changes):
    """A whole command line, with flags of it replaced; None leaves one out."""
    words = {
        "framework": "5",
        "model": "model.onnx",
        "output": "made/here/model",
        "input_format": "NCHW",
        "input_shape": "image:2,3,4,6",
        "log": "error",
        "soc_version": "Ascend310P3",
        **changes,
    }
    return [f"--{name}={value}" for name, value in words.items() if value is not None]


def compiled(stem="made/here/model", **changes):
    assert main(line(output=stem, **changes)) == 0
    return read_om(Path(f"{stem}.om"))


def outputs_of(model, *inputs):
    session = Session(model)
    return session.to_host(session.execute(inputs))


def by_hand(path, feeds, names=None):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(names, feeds)


def test_a_run_in_a_shell(shell, folder):
    said = shell(f"atc {' '.join(repr(word) for word in line())}")
    assert (said.stdout, said.stderr, said.returncode) == (f"{START}\n...\n{SUCCESS}\n", "", 0)
    assert [path.name for path in Path("made/here").iterdir()] == ["model.om"]


def test_a_refusal_in_a_shell(shell):
    said = shell("atc --framework=5 --model=absent.onnx --output=x --soc_version=Ascend310P3")
    assert said.returncode == 255
    assert said.stderr == ""
    assert said.stdout.splitlines()[:3] == [START, "...", FAILURE]
    assert said.stdout.splitlines()[3].startswith(
        "E10001: Value [absent.onnx] for parameter [--model] is invalid. Reason: "
    )
    assert said.stdout.splitlines()[4].strip().startswith("Solution: ")


def test_without_set_env_a_library_is_missing(folder, capsys, monkeypatch):
    monkeypatch.delenv("ASCEND_TOOLKIT_HOME")
    assert main(line()) == 127
    said = capsys.readouterr()
    assert said.out == ""
    assert "error while loading shared libraries: libge_compiler.so" in said.err


def test_fp32_outputs_are_those_of_onnx_runtime(folder):
    model = compiled(precision_mode="force_fp32")
    expected = by_hand("model.onnx", {"image": pictures(2)})
    given = outputs_of(model, pictures(2))
    assert [(each.dtype, each.shape) for each in given] == [
        ("float32", (2, 2, 1, 1)),
        ("float32", (2, 2, 4, 6)),
        ("int32", (2, 4, 6)),
    ]
    assert all(np.array_equal(a, b) for a, b in zip(given, expected, strict=True))
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in model.outputs] == [
        ("loc", "float32", (2, 2, 1, 1)),
        ("conf", "float32", (2, 2, 4, 6)),
        ("labels", "int32", (2, 4, 6)),
    ]


def test_fp16_is_the_default_and_rounds_weights_and_outputs(folder):
    outputs = outputs_of(compiled(), pictures(2))
    model = onnx.load("model.onnx")
    (weights,) = model.graph.initializer
    halves = onnx.numpy_helper.to_array(weights).astype(np.float16).astype(np.float32)
    weights.CopyFrom(onnx.numpy_helper.from_array(halves, weights.name))
    onnx.save(model, "halves.onnx")
    expected = by_hand("halves.onnx", {"image": pictures(2)})
    for ours, theirs in zip(outputs[:2], expected[:2], strict=True):
        assert np.array_equal(ours, theirs.astype(np.float16).astype(np.float32))
        assert not np.array_equal(ours, theirs)
    assert np.array_equal(outputs[2], expected[2])


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_rounded_values_are_float16_and_the_nearest(values):
    values = np.array(values, dtype=np.float32)
    halves = rounded(values)
    assert np.array_equal(rounded(halves), halves)
    near = np.abs(values) < 65504
    off = np.abs(halves[near] - values[near])
    assert (off <= np.maximum(np.abs(values[near]) * 2.0**-11, 2.0**-25)).all()
    assert np.array_equal(halves[np.abs(values) >= 65520], np.sign(values[np.abs(values) >= 65520]) * np.inf)


def test_weights_beyond_float16_are_clipped_and_scales_of_resize_are_kept(folder):
    nodes = [
        helper.make_node("Mul", ["image", "large"], ["scaled"]),
        helper.make_node("Resize", ["scaled", "", "scales"], ["out"], mode="nearest"),
    ]
    scales = [1, 1, 1.7501, 1]  # 1.75 in float16
    save("resize.onnx", nodes, {"image": [1, 3, 4, 6]}, {"out": TensorProto.FLOAT}, {"large": [1e6], "scales": scales})
    model = compiled(model="resize.onnx", input_shape=None)
    constants = {
        each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(model.graph).graph.initializer
    }
    assert constants["large"] == 65504
    assert np.array_equal(constants["scales"], np.array(scales, dtype=np.float32))


def test_out_nodes_choose_and_order_outputs(folder):
    model = compiled(out_nodes="conf:0;features:0", precision_mode="force_fp32")
    assert [tensor.name for tensor in model.outputs] == ["conf", "features"]
    features = outputs_of(model, pictures(2))[1]
    assert np.array_equal(
        1 / (1 + np.exp(-features)) > 0.5, by_hand("model.onnx", {"image": pictures(2)}, ["conf"])[0] > 0.5
    )


def test_output_type_is_that_of_floats_alone(folder):
    model = compiled(output_type="FP16")
    assert [tensor.dtype for tensor in model.outputs] == ["float16", "float16", "int32"]
    assert [each.dtype for each in outputs_of(model, pictures(2))] == ["float16", "float16", "int32"]


def test_the_suffix_is_always_appended(folder):
    compiled("x.om")
    assert Path("x.om.om").is_file()


def test_syntax_of_flags(folder):
    words = line(output=None, soc_version=None)
    assert main([*words, "-output", "made", "--soc-version", "Ascend310P3", "--out-nodes=loc:0"]) == 0
    assert [tensor.name for tensor in read_om(Path("made.om")).outputs] == ["loc"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--frame=5"], "ERROR: unknown command line flag 'frame'"),
        (["--framework=5", "model.onnx"], "ERROR: Non-option parameter: model.onnx"),
        (["--framework=5", "--model"], "ERROR: flag '--model' is missing its argument"),
    ],
)
def test_no_command_line(capsys, words, complaint):
    assert main(words) == 255
    said = capsys.readouterr()
    assert said.err == f"{complaint}\n"
    assert said.out.splitlines()[:3] == [START, FAILURE, "E19999: Inner Error!"]


def test_help_ends_well(capsys):
    assert main(["--framework=5", "--help", "--nonsense"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{START}\n")
    assert all(f"--{name}" in said for name in flags.REHEARSED)
    assert "ATC run" not in said


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"framework": "4"}, "E10007"),
        ({"log": "verbose"}, "E10010"),
        ({"mode": "2"}, "E10001"),
        ({"precision_mode": "fp32"}, "E10001"),
        ({"precision_mode_v2": "force_fp16"}, "E10001"),
        ({"op_select_implmode": "fast"}, "E10001"),
    ],
)
def test_values_refused_while_flags_are_read(folder, capsys, changes, code):
    assert main(line(**changes)) == 255
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [START, FAILURE]
    assert said[2].startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"framework": None}, "E10007"),
        ({"framework": "3"}, "REHEARSAL"),
        ({"mode": "1"}, "REHEARSAL"),
        ({"soc_version": ""}, "E10054"),
        ({"soc_version": None}, "E10054"),
        ({"soc_version": "310P3"}, "E19999"),
        ({"soc_version": "Ascend{chip_name}"}, "E19999"),
        ({"output": ""}, "E10054"),
        ({"output": "folder/"}, "E10022"),
        ({"output": "a model"}, "E10001"),
        ({"output": "model.onnx/below"}, "E13001"),
        ({"model": ""}, "E10054"),
        ({"model": "absent.onnx"}, "E10001"),
        ({"model": "words.txt"}, "E10041"),
        ({"input_shape": "image"}, "E10002"),
        ({"input_shape": "image:2,3,x,6"}, "E10002"),
        ({"input_shape": "image:2,3,4,6;"}, "E10002"),
        ({"input_shape": "picture:2,3,4,6"}, "E10016"),
        ({"input_shape": "image:-1,3,4,6"}, "E10011"),
        ({"input_shape": "image:1~8,3,4,6"}, "REHEARSAL"),
        ({"input_shape": None}, "E10001"),
        ({"input_shape": "image:2,3,4,8"}, "E10001"),
        ({"input_shape": "image:2,3,4"}, "E10001"),
        ({"dynamic_batch_size": "1,2", "dynamic_dims": "1;2", "input_shape": "image:-1,3,4,6"}, "E10009"),
        ({"dynamic_batch_size": "1,2", "input_shape": "image:-1,3,4,6"}, "REHEARSAL"),
        ({"input_format": "NHWC"}, "E10001"),
        ({"precision_mode": "force_fp32", "precision_mode_v2": "origin"}, "E10055"),
        ({"precision_mode": "allow_mix_precision"}, "REHEARSAL"),
        ({"enable_small_channel": "2"}, "E10006"),
        ({"enable_small_channel": "yes"}, "E10003"),
        ({"output_type": "FP8"}, "E10001"),
        ({"output_type": "loc:0:FP16"}, "REHEARSAL"),
        ({"out_nodes": "loc"}, "E10001"),
        ({"out_nodes": "loc:1"}, "E10001"),
        ({"out_nodes": "landms:0"}, "E10016"),
        ({"insert_op_conf": "absent.cfg"}, "E10001"),
        ({"weight": "model.onnx"}, "REHEARSAL"),
    ],
)
def test_refused_later(folder, capsys, changes, code):
    Path("words.txt").write_text("no model")
    assert main(line(**changes)) == 255
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [START, "...", FAILURE]
    assert said[3].startswith(f"{code}: ")
    assert not Path("made").exists()


def test_another_batch_than_the_graph_is_fixed_at(folder, capsys):
    detector("fixed.onnx", batch=1)
    assert main(line(model="fixed.onnx")) == 255
    assert "The model has this input fixed at [1, 3, 4, 6]." in capsys.readouterr().out
    assert main(line(model="fixed.onnx", input_shape=None)) == 0


def test_a_graph_that_runs_at_no_other_batch_is_refused(folder, capsys):
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["out"])]
    save("baked.onnx", nodes, {"image": ["batch", 3, 4, 6]}, {"out": TensorProto.FLOAT}, {})
    model = onnx.load("baked.onnx")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 72]), "shape"))
    onnx.save(model, "baked.onnx")
    assert main(line(model="baked.onnx")) == 255
    assert "E19999: Inner Error!" in capsys.readouterr().out
    assert main(line(model="baked.onnx", input_shape="image:1,3,4,6")) == 0


def test_an_operator_nobody_knows(folder, capsys):
    nodes = [helper.make_node("RoiExtractor", ["image"], ["out"])]
    save("custom.onnx", nodes, {"image": [1, 3, 4, 6]}, {"out": TensorProto.FLOAT}, {})
    assert main(line(model="custom.onnx", input_shape=None)) == 255
    assert "\nE19010: " in capsys.readouterr().out


AIPP = {
    "aipp_mode": "static",
    "input_format": "RGB888_U8",
    "src_image_size_w": 6,
    "src_image_size_h": 4,
    "crop": "false",
    "csc_switch": "false",
    "rbuv_swap_switch": "false",
    "mean_chn_0": 104,
    "mean_chn_1": 117,
    "mean_chn_2": 123,
    "min_chn_0": 0.25,
    "min_chn_1": -1.5,
    "var_reci_chn_0": 0.0135864,
    "var_reci_chn_1": 0.0143080,
    "var_reci_chn_2": 0.0141014,
}


def aipp_file(**changes):
    lines = [f"    {key}: {value}" for key, value in {**AIPP, **changes}.items() if value is not None]
    Path("aipp.cfg").write_text("# of a test\naipp_op {\n" + "\n".join(lines) + "\n}\n")
    return "aipp.cfg"


def test_aipp_bit_for_bit(folder):
    nodes = [helper.make_node("Identity", ["image"], ["out"])]
    save("same.onnx", nodes, {"image": ["batch", 3, 4, 6]}, {"out": TensorProto.FLOAT}, {})
    changes = {"insert_op_conf": aipp_file(), "enable_small_channel": "1", "precision_mode": "force_fp32"}
    model = compiled(model="same.onnx", **changes)
    assert [(tensor.dtype, tensor.shape, tensor.layout, tensor.nbytes) for tensor in model.inputs] == [
        ("uint8", (2, 4, 6, 3), "NHWC", 144)
    ]
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    planes = images.transpose(0, 3, 1, 2).astype(np.float32)
    mean, least, factor = (
        np.array(values, dtype=np.float32).reshape(3, 1, 1)
        for values in ([104, 117, 123], [0.25, -1.5, 0], [0.0135864, 0.0143080, 0.0141014])
    )
    assert np.array_equal(outputs_of(model, images)[0], (planes - mean - least) * factor)


def test_aipp_before_a_network_and_numbers_left_out(folder):
    changes = {f"{key}_{channel}": None for key in ("min_chn", "var_reci_chn") for channel in range(3)}
    model = compiled(insert_op_conf=aipp_file(**changes), precision_mode="force_fp32")
    images = np.random.default_rng(1).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    planes = images.transpose(0, 3, 1, 2).astype(np.float32) - np.float32([104, 117, 123]).reshape(3, 1, 1)
    expected = by_hand("model.onnx", {"image": planes})
    assert all(np.array_equal(a, b) for a, b in zip(outputs_of(model, images), expected, strict=True))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"src_image_size_w": 4}, "E10052"),
        ({"src_image_size_h": None}, "E10052"),
        ({"aipp_mode": None}, "E10052"),
        ({"aipp_mode": "dynamic"}, "REHEARSAL"),
        ({"input_format": "YUV420SP_U8"}, "REHEARSAL"),
        ({"crop": "true"}, "REHEARSAL"),
        ({"rbuv_swap_switch": "true"}, "REHEARSAL"),
        ({"matrix_r0c0": 298}, "REHEARSAL"),
        ({"mean_chn_0": 104.5}, "E10052"),
        ({"var_reci_chn_0": "small"}, "E10052"),
        ({"mean_chan_0": 104}, "E10052"),
        ({"crop": "false }"}, "E10052"),
    ],
)
def test_aipp_refused(folder, capsys, changes, code):
    assert main(line(insert_op_conf=aipp_file(**changes))) == 255
    assert capsys.readouterr().out.splitlines()[3].startswith(f"{code}: ")


def rois():
    images = np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)
    return {"image": images, "boxes": np.array([[0.3, 1.7, 9.1, 12.3], [2.2, 2.1, 15.4, 7.9]], dtype=np.float32)}


def test_rois_without_casts_fail_at_their_concat(folder, capsys):
    two_stage("model.onnx")
    assert main(line(input_shape=None)) == 255
    said = capsys.readouterr().out
    assert "\nEZ9999: Inner Error!\n" in said
    assert "[Concat_7]" in said
    assert main(line(input_shape=None, precision_mode="force_fp32")) == 0


@pytest.mark.parametrize("form", ["cast", "cast_back"])
def test_rois_with_casts_are_computed_without_them(folder, form):
    model = onnx.load(two_stage("plain.onnx"))
    cast_rois(model, form)
    onnx.save(model, "model.onnx")
    made = compiled(input_shape=None)
    assert "Cast_boxes_float16" not in {node.name for node in onnx.load_from_string(made.graph).graph.node}
    (expected,) = by_hand("plain.onnx", rois())
    assert np.array_equal(outputs_of(made, *rois().values())[0], rounded(expected))
    exact = compiled(input_shape=None, precision_mode="force_fp32")
    assert np.array_equal(outputs_of(exact, *rois().values())[0], expected)


def test_one_cast_is_not_enough(folder, capsys):
    model = onnx.load(two_stage("plain.onnx"))
    cast_rois(model, "cast")
    cast = next(node for node in model.graph.node if node.name == "Cast_boxes_float16")
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    concat.input[1] = cast.input[0]
    onnx.save(model, "model.onnx")
    assert main(line(input_shape=None)) == 255
    assert "input 1 [boxes]" in capsys.readouterr().out


def test_the_file_is_of_its_own_kind(folder):
    compiled()
    path = Path("made/here/model.om")
    content = path.read_bytes()
    assert content.startswith(b"PTH2MAP-REHEARSAL-OM")
    assert content[HEADER_BYTES:].startswith(b'{"inputs": [{"name": "image", "shape": [2, 3, 4, 6], "dtype": "float32"')
    path.write_bytes(content[:-1])
    with pytest.raises(NoCompiledModel, match="not whole"):
        read_om(path)
    path.write_bytes(b"IMOD" + content[4:])
    with pytest.raises(NoCompiledModel, match="not written by the rehearsal"):
        read_om(path)


def test_equal_runs_write_equal_bytes_over_what_was_there(folder):
    compiled()
    first = Path("made/here/model.om").read_bytes()
    shutil.copyfile("model.onnx", "made/here/model.om")
    compiled()
    assert Path("made/here/model.om").read_bytes() == first
