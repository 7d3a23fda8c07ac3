"""ONNX files: right at every size they allow, as declared, the same on every export."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import pth2map
from pth2map.engines.session import open_session
from pth2map.export.onnx import OPSETS, export_onnx
from pth2map.export.parity import compare
from pth2map.files.errors import InputError
from pth2map.networks.formula import formula_state_dict
from pth2map.networks.retinaface import RetinaFace

NAMES = ("loc", "conf", "landms")
# Scores and offsets of a useful size: the rules of the formula weights for this network.
RULES = [(r"^body\.stage1\.0\.0\.weight$", 1 / 64), ("^ClassHead", 0.3), ("^(BboxHead|LandmarkHead)", 0.1)]
RULES_R50 = [
    (r"^body\.layer\d\.\d+\.bn3\.weight$", 0.2),
    (r"^body\.conv1\.weight$", 1 / 64),
    *RULES[1:],
]


@pytest.fixture(scope="module")
def network():
    network = RetinaFace.mobilenet025().eval()
    network.load_state_dict(formula_state_dict(network, RULES))
    return network


def assert_parity(network, path, shape):
    images = np.random.RandomState(sum(shape)).uniform(-120, 150, shape).astype(np.float32)
    with torch.inference_mode():
        expected = [output.numpy() for output in network(torch.from_numpy(images))]
    parity = compare(expected, open_session("onnxruntime", path, NAMES).run(images), NAMES)
    parity.check(1e-4)
    assert min(output.cosine for output in parity.outputs.values()) > 1 - 1e-9


def shapes_of(values):
    return {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values}


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_a_static_graph_equals_the_network(network, tmp_path, opset):
    path = tmp_path / "graph.onnx"
    written = export_onnx(network, path, (2, 3, 125, 96), NAMES, opset=opset)
    model = onnx.load(path)
    assert written.opset == opset == model.opset_import[0].version
    assert (written.ir_version, written.nodes) == (model.ir_version, len(model.graph.node))
    assert shapes_of(model.graph.input) == {"image": [2, 3, 125, 96]}
    assert shapes_of(model.graph.output) == {"loc": [2, 504, 4], "conf": [2, 504, 2], "landms": [2, 504, 10]}
    assert {"Shape", "Identity"}.isdisjoint(node.op_type for node in model.graph.node)
    assert_parity(network, path, (2, 3, 125, 96))


@pytest.mark.parametrize(
    ("dynamic", "loc", "shapes"),
    [
        ({"batch"}, ["batch", 168, 4], [(1, 3, 64, 64), (3, 3, 64, 64)]),
        ({"width"}, [1, "loc_axis1", 4], [(1, 3, 64, 97)]),
        (
            {"batch", "height", "width"},
            ["batch", "loc_axis1", 4],
            [(1, 3, 64, 64), (1, 3, 333, 500), (2, 3, 167, 231), (1, 3, 640, 641), (1, 3, 1, 33)],
        ),
    ],
    ids=["batch", "width", "all"],
)
def test_a_dynamic_graph_equals_the_network_at_every_size(network, tmp_path, dynamic, loc, shapes):
    path = tmp_path / "graph.onnx"
    export_onnx(network, path, (1, 3, 64, 64), NAMES, opset=11, dynamic=dynamic)
    graph = onnx.load(path).graph
    sizes = [name if name in dynamic else size for name, size in zip(AXES, (1, 3, 64, 64), strict=True)]
    assert shapes_of(graph.input) == {"image": sizes}
    assert shapes_of(graph.output)["loc"] == loc
    for shape in shapes:
        assert_parity(network, path, shape)


AXES = ("batch", "channels", "height", "width")


def test_resnet50_exports(tmp_path):
    network = RetinaFace.resnet50().eval()
    network.load_state_dict(formula_state_dict(network, RULES_R50))
    path = tmp_path / "graph.onnx"
    export_onnx(network, path, (1, 3, 96, 96), NAMES, opset=13, dynamic={"height", "width"})
    assert_parity(network, path, (1, 3, 125, 231))


def test_equal_weights_give_equal_bytes_that_name_no_path(network, tmp_path):
    paths = [tmp_path / "one.onnx", tmp_path / "elsewhere" / "two.onnx"]
    for path in paths:
        copy = RetinaFace.mobilenet025()
        copy.load_state_dict(network.state_dict())
        export_onnx(copy, path, (1, 3, 64, 64), NAMES, opset=13, dynamic={"height", "width"})
    content = paths[0].read_bytes()
    assert paths[1].read_bytes() == content
    for place in (tmp_path, Path(pth2map.__file__).parents[2], Path(torch.__file__).parents[1], Path.home()):
        assert str(place).encode() not in content
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)


def test_the_network_is_left_as_it_was(tmp_path):
    network = RetinaFace.mobilenet025().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export_onnx(network, tmp_path / "graph.onnx", (1, 3, 64, 64), NAMES, opset=11, dynamic={"batch"})
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_exporter_warns_of_nothing(network, tmp_path):
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("error")
        export_onnx(network, tmp_path / "graph.onnx", (1, 3, 64, 64), NAMES, opset=11, dynamic={"height"})


def test_names_and_example_are_used(network, tmp_path):
    path = tmp_path / "graph.onnx"
    example = torch.ones(1, 3, 64, 64)
    export_onnx(network, path, (1, 3, 64, 64), ["a", "b", "c"], opset=11, input_name="x", example=example)
    graph = onnx.load(path).graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["x", "a", "b", "c"]
    with pytest.raises(ValueError, match=r"shape \(1, 3, 64, 64\), not \(1, 3, 64, 96\)"):
        export_onnx(network, path, (1, 3, 64, 96), NAMES, opset=11, example=example)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"opset": OPSETS[0] - 1}, "opset 10: 11 to 20 are possible"),
        ({"opset": OPSETS[-1] + 1}, "opset 21: 11 to 20 are possible"),
        ({"dynamic": {"heigth"}}, "unknown dynamic axes heigth"),
        ({"output_names": ["loc", "conf"]}, "has 3 outputs, but 2 are named"),
    ],
)
def test_what_cannot_be_had_is_refused(network, tmp_path, change, sentence):
    arguments = {"input_shape": (1, 3, 64, 64), "output_names": NAMES, "opset": 11} | change
    with pytest.raises(InputError, match=sentence):
        export_onnx(network, tmp_path / "graph.onnx", **arguments)
    assert not list(tmp_path.iterdir())


def test_another_opset_than_asked_is_refused_and_nothing_written(network, tmp_path, monkeypatch):
    export = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: export(*a, **k | {"opset_version": 18}))
    with pytest.raises(InputError, match=r"asked for ONNX opset 11, the exporter wrote \{'': 18\}"):
        export_onnx(network, tmp_path / "graph.onnx", (1, 3, 64, 64), NAMES, opset=11)
    assert not list(tmp_path.iterdir())
