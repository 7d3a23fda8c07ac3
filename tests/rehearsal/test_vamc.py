"""vamc's stand-in: its YAML, the three files, and what the compiled model computes."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.rehearsal.card import (
    COMPILE,
    GONE,
    SIZE,
    changed,
    compiled,
    export_faces,
    picture,
    planes,
    write_calibration,
    write_vdsp,
)
from tests.rehearsal.graphs import detector, save

from pth2map.datasets.images import read_image
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.letterbox_decode import Decode
from pth2map.recipes.letterbox_preprocess import Preprocess
from pth2map.recipes.letterbox_settings import LetterboxDecode, LetterboxPreprocess
from pth2map.recipes.settings import Size
from pth2map_rehearsal import vdsp
from pth2map_rehearsal.calibration import prepared, raised
from pth2map_rehearsal.retinaface_nms import RetinaFaceNms
from pth2map_rehearsal.vacc import MAX_BATCH, NoCompiledModel, open_model, read_model
from pth2map_rehearsal.vamc import main
from pth2map_rehearsal.vamc_config import ConfigError, check

FILES = ["mod.json", "mod.params", "mod.so"]
PICTURES = [(64, 64), (37, 101), (150, 31), (400, 300)]
FACES = RetinaFaceNms(0.4, 0.02, (16, 32, 64, 128, 256, 512))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A RetinaFace, calibration pictures, and both compiled models."""
    folder = tmp_path_factory.mktemp("vamc")
    export_faces(folder / "model.onnx")
    write_calibration(folder / "calibration")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert compiled("fp16") == 0
        assert compiled("int8", backend__dtype="int8", backend__quantize__calibrate_mode="max") == 0
        write_vdsp()
    return folder


@pytest.fixture
def folder(workplace, tmp_path, monkeypatch):
    """A copy to write in."""
    shutil.copytree(workplace, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(graph, tensor):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": tensor})


def halves(path):
    """The graph with its weights rounded to float16."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and not tensor.name.endswith("scales"):
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(values.astype(np.float16).astype(np.float32), name=tensor.name)
            )
    return model


def test_a_run_in_a_shell(shell, folder, tmp_path):
    (folder / "compile.yaml").write_text(json.dumps(COMPILE))
    said = shell("cd work && vamc compile compile.yaml")
    assert (said.returncode, said.stderr) == (0, "")
    assert sorted(path.name for path in (folder / "deploy_weights/faces").iterdir()) == FILES


def test_a_refusal_in_a_shell(shell):
    said = shell("vamc compile absent.yaml")
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("ERROR: absent.yaml cannot be read: ")


# What it computes


@pytest.mark.parametrize(("height", "width"), PICTURES)
def test_fp16_rows_are_those_of_the_library(folder, height, width):
    """Letterbox, decode and the card's form are the library's, the network ONNX Runtime's with rounded weights."""
    image = picture(height, width, seed=7)
    tensor, placement = Preprocess(LetterboxPreprocess(), Size.parse(str(SIZE)))(image)
    heads = [output[0] for output in run(halves("model.onnx"), tensor[None])]
    expected = Decode(LetterboxDecode(form="card")).device_outputs(heads, placement)
    (given,) = open_model("deploy_weights/fp16/mod").run([planes(image)], vdsp.load("vdsp.json"))
    assert [each.shape for each in given] == [(1, 300, 1), (1, 300, 4), (1, 300, 10)]
    for ours, theirs in zip(given, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs, strict=True)
    used = np.count_nonzero(given[0] != -1)
    assert 10 < used < 300
    assert (np.diff(given[0][0, :used, 0]) <= 0).all()


def test_fp16_is_not_float32(folder):
    image = picture(80, 80)
    tensor = vdsp.load("vdsp.json").tensor(planes(image), SIZE, SIZE)[None]
    exact = FACES(run(onnx.load("model.onnx"), tensor), SIZE, SIZE)
    (given,) = open_model("deploy_weights/fp16/mod").run([planes(image)], vdsp.load("vdsp.json"))
    assert not np.array_equal(given[0], exact[0])
    np.testing.assert_allclose(given[0][:, :5].astype(float), exact[0][:, :5].astype(float), atol=2e-3)


@given(
    st.integers(0, 10**6), st.sampled_from([(96, 96), (64, 128), (200, 136), (320, 320)]), st.sampled_from([0.02, 0.5])
)
@settings(max_examples=25, deadline=None)
def test_retinaface_nms_is_that_of_the_library(seed, sizes, threshold):
    """The larger inputs have more than 300 rows."""
    height, width = sizes
    rng = np.random.default_rng(seed)
    count = len(FACES.priors(height, width))
    faces = rng.choice([0, 0.01, 0.02, 0.5, 0.875, 0.9], count).astype(np.float32)
    faces[::3] = rng.random(len(faces[::3]))
    heads = [
        rng.standard_normal((count, 4)).astype(np.float32) * 3,
        np.stack([1 - faces, faces], axis=1),
        rng.standard_normal((count, 10)).astype(np.float32),
    ]
    decode = Decode(LetterboxDecode(form="card", confidence_threshold=threshold))
    expected = decode.device_outputs(heads, Letterbox(height, width, height, width))
    given = RetinaFaceNms(0.4, threshold, FACES.anchor)([head[None] for head in heads], height, width)
    for ours, theirs in zip(given, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs, strict=True)


def test_at_most_300_rows_and_none():
    """Boxes so small that none is on another: the best 300 of the scores, which rise with the prior's number."""
    count = len(FACES.priors(320, 320))
    faces = np.linspace(0.1, 0.9, count, dtype=np.float32)
    loc = np.tile(np.array([0, 0, -30, -30], np.float32), (count, 1))
    loc[:, 0] += np.resize([-1, 1], count)  # the two priors of a cell have one centre
    heads = [loc[None], np.stack([1 - faces, faces], axis=1)[None], np.zeros((1, count, 10), np.float32)]
    scores, corners, points = FACES(heads, 320, 320)
    np.testing.assert_array_equal(scores[0, :, 0], faces[::-1][:300].astype(np.float16))
    assert points[0, 0].tolist() == [304] * 10  # the centre of the last cell
    np.testing.assert_allclose(corners[0, 0], [304 + 51.2, 304] * 2, atol=1)
    heads[1][:] = 0
    for output in FACES(heads, 320, 320):
        assert (output == -1).all()


def test_without_extra_ops_maps_come_out_as_float16(folder):
    """As CenterFace's do; the weights are rounded, and values beyond float16 are infinite."""
    weights = np.random.default_rng(0).standard_normal((2, 3, 3, 3))
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["wh"], pads=[1, 1, 1, 1], strides=[4, 4]),
        helper.make_node("Sigmoid", ["wh"], ["hm"]),
        helper.make_node("Mul", ["wh", "large"], ["beyond"]),
    ]
    outputs = dict.fromkeys(("hm", "wh", "beyond"), TensorProto.FLOAT)
    save("maps.onnx", nodes, {"image": ["batch", 3, SIZE, SIZE]}, outputs, {"weights": weights, "large": [6e4]})
    assert compiled("maps", frontend__checkpoint="maps.onnx", graph=GONE, dataset=GONE) == 0
    pictures = [planes(picture(*size)) for size in PICTURES]
    given = open_model("deploy_weights/maps/mod").run(pictures, vdsp.load("vdsp.json"))
    for plane, outputs in zip(pictures, given, strict=True):
        tensor = vdsp.load("vdsp.json").tensor(plane, SIZE, SIZE)[None]
        expected = run(halves("maps.onnx"), tensor)
        assert [each.shape for each in outputs] == [(1, 2, 16, 16)] * 3
        with np.errstate(over="ignore"):
            for ours, theirs in zip(outputs, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs.astype(np.float16), strict=True)
        assert np.isinf(outputs[2]).any()
    model = read_model("deploy_weights/maps/mod")
    assert [(each.name, each.shape, each.dtype) for each in model.outputs] == [
        (f"output_{number}", (1, 2, 16, 16), "float16") for number in range(3)
    ]


def test_a_run_takes_so_many_pictures(folder):
    model = open_model("deploy_weights/fp16/mod")
    assert (model.batch, model.inputs[0].name, model.inputs[0].shape) == (1, "image", (1, 3, SIZE, SIZE))
    with pytest.raises(ValueError, match="at most 64 pictures, not 65"):
        model.run([planes(picture(8, 8))] * (MAX_BATCH + 1), vdsp.load("vdsp.json"))


# int8


def quantised_weights(model):
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == TensorProto.INT8}


@pytest.mark.parametrize("mode", ["max", "percentile", "kl_divergence"])
def test_int8_is_quantised_and_close(folder, mode):
    assert compiled("made", backend__dtype="int8", backend__quantize__calibrate_mode=mode) == 0
    model = onnx.load_from_string(read_model("deploy_weights/made/mod").graph)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    makers = {name: node for node in model.graph.node for name in node.output}
    assert len(convolutions) == 56
    for node in convolutions:
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        scales = next(t for t in model.graph.initializer if t.name == makers[node.input[1]].input[1])
        kernels = next(t for t in model.graph.initializer if t.name == makers[node.input[1]].input[0])
        assert kernels.data_type == TensorProto.INT8
        assert list(scales.dims) == [kernels.dims[0]]
    image = Path("calibration/1.jpg")
    tensor = prepared(image, [(each["type"], each) for each in COMPILE["dataset"]["process_ops"]])[None]
    for ours, theirs in zip(run(model, tensor), run(onnx.load("model.onnx"), tensor), strict=True):
        assert np.abs(ours - theirs).max() > 0
        assert np.abs(ours - theirs).mean() < 0.1 * theirs.std()


def test_max_takes_the_largest_range_of_all_pictures(folder):
    """Of the input it is known without any graph: whole grey levels minus the mean."""
    operations = [(each["type"], each) for each in COMPILE["dataset"]["process_ops"]]
    tensors = [prepared(path, operations) for path in sorted(Path("calibration").iterdir())]
    assert tensors[0].max() != tensors[1].max() or tensors[1].max() != tensors[2].max()
    model = onnx.load_from_string(read_model("deploy_weights/int8/mod").graph)
    first = next(node for node in model.graph.node if node.op_type == "QuantizeLinear" and "image" in node.input)
    scale = next(onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name == first.input[1])
    expected = (max(t.max() for t in tensors) - min(t.min() for t in tensors)) / 255
    np.testing.assert_allclose(scale, expected, rtol=1e-6)


def test_weights_by_tensor(folder):
    assert compiled("made", backend__dtype="int8", backend__quantize__quantize_per_channel=False) == 0
    model = onnx.load_from_string(read_model("deploy_weights/made/mod").graph)
    assert len(quantised_weights(model)) >= 56
    weights = {name for name in quantised_weights(model) if name.endswith("_quantized")}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            scale = next(t for t in model.graph.initializer if t.name == node.input[1])
            assert np.prod(scale.dims, dtype=int) == 1


def test_int8_of_the_same_is_the_same(folder):
    assert compiled("int8", backend__dtype="int8", backend__quantize__calibrate_mode="max", workspace__path="w") == 0
    for name in FILES:
        assert Path(f"w/int8/{name}").read_bytes() == Path(f"deploy_weights/int8/{name}").read_bytes()


def test_rounding_between_float_steps_gives_one_number_everywhere(folder):
    """Quantised as the formula says, without kernels of the processor: the outputs of the reference evaluator."""
    compiled_model = read_model("deploy_weights/int8/mod")
    tensor = vdsp.load("vdsp.json").tensor(planes(picture(64, 64)), SIZE, SIZE)[None]
    model = onnx.load_from_string(compiled_model.graph)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(first.output[0], TensorProto.FLOAT, None))
    kernel, scale, zero = (
        onnx.numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))
        for name in next(n for n in model.graph.node if first.input[1] in n.output).input
    )
    assert (zero == 0).all()
    values = run(model, tensor)[0]
    in_scale, in_zero = (
        onnx.numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))
        for name in next(n for n in model.graph.node if n.op_type == "QuantizeLinear" and "image" in n.input).input[1:]
    )
    grid = np.clip(np.rint(tensor / in_scale) + in_zero, -128, 127) - in_zero
    patch = np.pad(grid[0] * in_scale, ((0, 0), (1, 1), (1, 1)))[:, :3, :3]  # of the first pixel, stride 2
    bias = np.zeros(len(kernel))
    if len(first.input) > 2:
        node = next(n for n in model.graph.node if first.input[2] in n.output)
        whole, steps = (
            onnx.numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))
            for name in node.input[:2]
        )
        bias = whole * steps
    expected = (kernel * scale[:, None, None, None] * patch).sum(axis=(1, 2, 3)) + bias
    np.testing.assert_allclose(values[0, :, 0, 0], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("opset", [10, 11, 13, 16])
def test_a_graph_in_a_newer_opset_computes_the_same(tmp_path, opset):
    export_faces(tmp_path / "model.onnx", opset=opset)
    model = onnx.load(tmp_path / "model.onnx")
    newer = raised(model)
    assert newer.opset_import[0].version == max(13, opset)
    tensor = np.random.default_rng(0).integers(-120, 150, (1, 3, SIZE, SIZE)).astype(np.float32)
    for ours, theirs in zip(run(newer, tensor), run(model, tensor), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("height", "width"), [*PICTURES, (33, 640)])
def test_operations_make_the_letterbox_of_the_library(tmp_path, height, width):
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), picture(height, width))
    expected, _ = Preprocess(LetterboxPreprocess(), Size.parse(str(SIZE)))(read_image(path))
    given = prepared(path, [(each["type"], each) for each in COMPILE["dataset"]["process_ops"]])
    np.testing.assert_array_equal(given, expected, strict=True)


def test_operations_of_centerface(tmp_path):
    """RGB from 0 to 255; the picture is stretched where the size says so."""
    cv2.imwrite(str(tmp_path / "red.png"), np.full((10, 20, 3), (1, 2, 200), np.uint8))
    operations = [{"type": "DecodeImage"}, {"type": "Resize", "size": [8, 6]}, {"type": "ToTensor"}]
    given = prepared(tmp_path / "red.png", [(each["type"], each) for each in operations])
    assert given.shape == (3, 8, 6)
    assert given[:, 4, 4].tolist() == [200, 2, 1]
    scaled = {"type": "Normalize", "div255": True, "mean": [0, 0, 0], "std": [1, 1, 2]}
    operations = [operations[0], {"type": "CvtColor", "code": "COLOR_RGB2BGR"}, scaled, operations[2]]
    given = prepared(tmp_path / "red.png", [(each["type"], each) for each in operations])
    np.testing.assert_allclose(given[:, 0, 0], [1 / 255, 2 / 255, 100 / 255], rtol=1e-6)


# Files


def test_a_model_is_three_files_of_one_build(folder):
    for name in FILES:
        shutil.copytree("deploy_weights/fp16", "some")
        Path("some", name).unlink()
        with pytest.raises(NoCompiledModel, match=f"there is no {name} in some"):
            open_model("some/mod")
        shutil.copy(f"deploy_weights/int8/{name}", "some")
        with pytest.raises(NoCompiledModel, match="is not of the build of the others; run vamc again"):
            open_model("some/mod")
        shutil.rmtree("some")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\x7fELF\x02\x01", b'{"nodes": []}'])
def test_other_files_are_no_model(folder, name, content):
    Path("deploy_weights/fp16", name).write_bytes(content)
    with pytest.raises(NoCompiledModel, match=f"{name} was not written by the rehearsal's vamc"):
        open_model("deploy_weights/fp16/mod")


def test_a_file_that_is_cut_is_no_model(folder):
    path = Path("deploy_weights/fp16/mod.params")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NoCompiledModel, match="is not whole"):
        open_model("deploy_weights/fp16/mod")


# Refusals


def said_of(capsys, **changes):
    assert compiled("refused", **changes) == 1
    assert not Path("deploy_weights/refused").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"frontend__checkpoint": "absent.onnx"}, "frontend.checkpoint: there is no file absent.onnx"),
        ({"frontend__checkpoint": "compile.yaml"}, "frontend.checkpoint: compile.yaml is no ONNX model"),
        (
            {"frontend__shape": {"input": [1, 3, 64, 64]}},
            "frontend.shape.input: the model has no such input; it has image",
        ),
        (
            {"frontend__shape": {"image": [1, 3, 96, 96]}},
            "frontend.shape.image: found [1, 3, 96, 96], the model has [1, 3, 64, 64]",
        ),
        ({"backend__dtype": "int8", "dataset__path": "absent"}, "dataset.path: there is no folder absent"),
        (
            {"backend__dtype": "int8", "dataset__sampler__get_data_num": 50},
            "dataset.sampler.get_data_num: 50 pictures are asked for, calibration holds 3 of .jpg",
        ),
        (
            {"backend__dtype": "int8", "dataset__sampler__suffix": "png"},
            "dataset.sampler.get_data_num: 3 pictures are asked for, calibration holds 0 of .png",
        ),
        (
            {"backend__dtype": "int8", "dataset__process_ops": [{"type": "DecodeImage"}, {"type": "ToTensor"}]},
            "dataset.process_ops: they make [1, 3, 40, 110] of calibration/0.jpg, the model takes [1, 3, 64, 64]",
        ),
        (
            {"graph__extra_ops__params__anchor": [16, 32, 64, 128, 256, 512], "frontend__checkpoint": "maps.onnx"},
            "graph.extra_ops: retinaface_nms takes outputs of [[1, 168, 4], [1, 168, 2], [1, 168, 10]]",
        ),
        ({"frontend__checkpoint": "labels.onnx", "graph": GONE}, "output 0 of int64 is not rehearsed"),
    ],
)
def test_what_cannot_be_compiled(folder, capsys, changes, complaint):
    nodes = [helper.make_node("Relu", ["image"], ["hm"])]
    save("maps.onnx", nodes, {"image": [1, 3, SIZE, SIZE]}, {"hm": TensorProto.FLOAT}, {})
    nodes = [helper.make_node("ArgMax", ["image"], ["labels"])]
    save("labels.onnx", nodes, {"image": [1, 3, SIZE, SIZE]}, {"labels": TensorProto.INT64}, {})
    assert complaint in said_of(capsys, **changes)


def test_shapes_that_are_not_rehearsed(folder, capsys):
    detector(Path("open.onnx"))
    changes = {"frontend__checkpoint": "open.onnx", "frontend__shape": {"image": [2, 3, 4, 6]}}
    assert "an input of [2, 3, 4, 6] other than one float32 picture" in said_of(capsys, **changes)
    nodes = [helper.make_node("Add", ["image", "other"], ["sum"])]
    save("two.onnx", nodes, {"image": [1, 3, 4, 4], "other": [1, 3, 4, 4]}, {"sum": TensorProto.FLOAT}, {})
    changes = {"frontend__checkpoint": "two.onnx", "frontend__shape": {"image": [1, 3, 4, 4]}}
    assert "frontend.shape.other: missing" in said_of(capsys, **changes)
    changes["frontend__shape"] = {"image": [1, 3, 4, 4], "other": [1, 3, 4, 4]}
    assert "a model of 2 inputs is not rehearsed" in said_of(capsys, **changes)


def test_a_file_that_is_no_picture(folder, capsys):
    Path("calibration/1.jpg").write_text("no")
    assert "calibration/1.jpg is no picture" in said_of(capsys, backend__dtype="int8")


def test_an_operator_that_is_none(folder, capsys):
    save(
        "no.onnx",
        [helper.make_node("Nonsense", ["image"], ["hm"])],
        {"image": [1, 3, SIZE, SIZE]},
        {"hm": TensorProto.FLOAT},
        {},
    )
    assert "the compiler cannot take the model: " in said_of(capsys, frontend__checkpoint="no.onnx", graph=GONE)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"backend.quantize.alibrate_mode": "max"},
            "backend.quantize.alibrate_mode: there is no such key; the nearest is calibrate_mode",
        ),
        ({"bakend": {}}, "bakend: there is no such key; the nearest is backend"),
        (
            {"dataset.process_ops.2.sizes": [1, 1]},
            "dataset.process_ops[2].sizes: there is no such key; the nearest is size",
        ),
        (
            {"dataset.process_ops.4.type": "Normalise"},
            "dataset.process_ops[4].type: found 'Normalise'; the nearest is Normalize",
        ),
        (
            {"dataset.process_ops.0.type": "Decode"},
            "dataset.process_ops[0].type: found 'Decode'; the nearest is DecodeImage",
        ),
        ({"dataset.process_ops.5": {"type": "ToTensor", "x": 1}}, "dataset.process_ops[5].x: there is no such key"),
        ({"dataset.process_ops.4.mean": GONE}, "dataset.process_ops[4].mean: missing"),
        (
            {"dataset.process_ops.4.std": [1, 0, 1]},
            "dataset.process_ops[4].std: found [1, 0, 1], expected three numbers other than 0",
        ),
        ({"dataset.process_ops.1.code": "RGB2BGR"}, "found 'RGB2BGR', expected COLOR_RGB2BGR or COLOR_BGR2RGB"),
        ({"dataset.process_ops.1.code": "COLOR_RGB2YCrCb"}, "COLOR_RGB2YCrCb is not rehearsed"),
        ({"dataset.process_ops.2.adaptive_side": GONE}, "a size of [64, -1] without adaptive_side is not rehearsed"),
        ({"dataset.process_ops.3.type": "CenterCrop"}, "dataset.process_ops[3].type: CenterCrop is not rehearsed"),
        ({"dataset.process_ops.0.cv2_flags": 1}, "dataset.process_ops[0].cv2_flags is not rehearsed"),
        (
            {"dataset.process_ops.5": {"type": "DecodeImage"}},
            "DecodeImage in another place than before all others is not rehearsed",
        ),
        ({"dataset.process_ops": []}, "dataset.process_ops: expected a list of operations"),
        ({"dataset.sampler.get_data_num": 0}, "dataset.sampler.get_data_num: found 0, expected a whole number above 0"),
        ({"dataset.path": GONE, "backend.dtype": "int8"}, "dataset.path: missing"),
        ({"dataset": GONE, "backend.dtype": "int8"}, "dataset.type: missing"),
        ({"backend.quantize": GONE, "backend.dtype": "int8"}, "backend.quantize.calibrate_mode: missing"),
        ({"backend.quantize.calibrate_mode": "entropy"}, "found 'entropy', expected max or percentile or"),
        ({"backend.quantize.calibrate_mode": "mse"}, "backend.quantize.calibrate_mode: mse is not rehearsed"),
        ({"backend.quantize.skip_conv_layers": [0]}, "backend.quantize.skip_conv_layers is not rehearsed"),
        ({"backend.quantize.quantize_per_channel": "yes"}, "expected true or false"),
        ({"backend.dtype": "fp32"}, "backend.dtype: found 'fp32', expected fp16 or int8"),
        ({"backend.type": "tvm"}, "backend.type: found 'tvm', expected tvm_vacc"),
        ({"backend.compile.cluster_mode": True}, "backend.compile.cluster_mode: found True, expected 0 or 1"),
        ({"backend.compile.data_transport_mode": 2}, "found 2, expected 1 or 3"),
        ({"backend.compile.opt_level": 2}, "backend.compile.opt_level is not rehearsed"),
        ({"frontend.type": "pytorch"}, "frontend.type: pytorch is not rehearsed"),
        ({"frontend.dtype": "float32"}, "frontend.dtype: found 'float32', expected fp32 or int64"),
        (
            {"frontend.shape": {"image": [1, 3, -1, 64]}},
            "frontend.shape: found {'image': [1, 3, -1, 64]}, expected a shape",
        ),
        ({"frontend.shape": GONE}, "frontend.shape: missing"),
        ({"frontend": "model.onnx"}, "frontend: expected keys with their values"),
        ({"name": "a/b"}, "name: found 'a/b', expected the name of a folder"),
        ({"name": GONE}, "name: missing"),
        ({"workspace.path": GONE}, "workspace.path: missing"),
        ({"workspace.workers": 4}, "workspace.workers is not rehearsed"),
        (
            {"graph.extra_ops.type": "retinaface"},
            "graph.extra_ops.type: found 'retinaface', expected retinaface_nms or softmax",
        ),
        ({"graph.extra_ops.type": "softmax"}, "graph.extra_ops.type: softmax is not rehearsed"),
        ({"graph.extra_ops.params.anchor": [16, 32]}, "expected six whole numbers above 0"),
        ({"graph.extra_ops.params.nms_threshold": 40}, "expected a number from 0 to 1"),
        ({"graph.extra_ops.params.num_classes": 2}, "found 2, expected 1"),
        (
            {"graph.extra_ops.params.anchors": [1]},
            "graph.extra_ops.params.anchors: there is no such key; the nearest is anchor",
        ),
        ({"graph.extra_ops.params": GONE}, "graph.extra_ops.params.num_classes: missing"),
    ],
)
def test_refusals_of_the_file(changes, complaint):
    check(COMPILE)
    with pytest.raises(ConfigError) as refused:
        check(changed(COMPILE, changes))
    assert complaint in str(refused.value)
    assert ("not rehearsed" in complaint) == str(refused.value).startswith("REHEARSAL: ")


def test_what_fp16_does_not_need_is_checked_but_not_looked_for(folder):
    assert compiled("made", dataset__path="absent") == 0
    assert compiled("made", dataset=GONE, backend__quantize=GONE, backend__compile=GONE) == 0


@pytest.mark.parametrize("command", ["build", "run", "quant"])
def test_other_commands(capsys, command):
    assert main([command, "some.yaml"]) == 1
    assert capsys.readouterr().err.startswith(f"ERROR: REHEARSAL: vamc {command} is not rehearsed")


def test_usage(capsys):
    assert main(["convert", "some.yaml"]) == main([]) == main(["compile"]) == 1
    assert capsys.readouterr().err.count("usage: vamc compile CONFIG.yaml") == 3
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: vamc compile CONFIG.yaml")


def test_yaml_that_is_none(tmp_path, capsys):
    (tmp_path / "no.yaml").write_text("name: [")
    assert main(["compile", str(tmp_path / "no.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "text.yaml").write_text("text")
    assert main(["compile", str(tmp_path / "text.yaml")]) == 1
    assert "the file: expected keys with their values" in capsys.readouterr().err
