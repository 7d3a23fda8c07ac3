"""ONNX files: right at every size they allow, as declared, the same on every export."""

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxslim
import pytest
import torch
from tests import synthetic_weights
from torch import nn
from torch.nn import functional

import pth2map
from pth2map.engines.session import open_session
from pth2map.export.graphs import export_graph
from pth2map.export.onnx import OPSETS, export_onnx
from pth2map.export.parity import compare
from pth2map.files.errors import InputError
from pth2map.networks.centerface import OUTPUTS, CenterFace
from pth2map.networks.checkpoints import load_weights
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
RULES_CENTERFACE = [
    (r"^base\.feature_\d\.\d+\.conv\.3\.weight$", 0.4),
    (r"^hm\.0\.weight$", 2.0),
    (r"^wh\.weight$", 0.6),
    (r"^hm_offset\.weight$", 0.2),
]
IR_VERSIONS = {9: 4, 10: 5, 11: 6, 13: 7, 17: 8, 20: 9}
ENLARGING = {9: "Upsample", 10: "Resize"}


@pytest.fixture(scope="module")
def network():
    network = RetinaFace.mobilenet025().eval()
    network.load_state_dict(formula_state_dict(network, RULES))
    return network


@pytest.fixture(scope="module")
def trained(mirror):
    network = RetinaFace.mobilenet025().eval()
    load_weights(network, mirror / "weights/retinaface/mobilenet0.25_Final.pth")
    return network


@pytest.fixture(scope="module")
def resnet50():
    network = RetinaFace.resnet50().eval()
    network.load_state_dict(formula_state_dict(network, RULES_R50))
    return network


@pytest.fixture(scope="module")
def centerface():
    network = CenterFace().eval()
    network.load_state_dict(formula_state_dict(network, RULES_CENTERFACE))
    return network


def assert_parity(network, path, shape, names=NAMES, span=(-120, 150)):
    images = np.random.RandomState(sum(shape)).uniform(*span, shape).astype(np.float32)
    with torch.inference_mode():
        expected = [output.numpy() for output in network(torch.from_numpy(images))]
    parity = compare(expected, open_session("onnxruntime", path, names).run(images), names)
    parity.check(1e-4)
    assert min(output.cosine for output in parity.outputs.values()) > 1 - 1e-9


def shapes_of(values):
    return {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values}


@pytest.mark.parametrize("opset", IR_VERSIONS)
def test_a_static_graph_equals_the_network(network, tmp_path, opset):
    path = tmp_path / "graph.onnx"
    written = export_onnx(network, path, (2, 3, 125, 96), NAMES, opset=opset)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert (written.opset, written.ir_version, written.nodes) == (opset, IR_VERSIONS[opset], len(model.graph.node))
    assert model.ir_version == written.ir_version
    inner = shapes_of(model.graph.value_info)
    assert {output for node in model.graph.node for output in node.output} - inner.keys() == set(NAMES)
    assert all(isinstance(length, int) for shape in inner.values() for length in shape)
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


@pytest.mark.parametrize("size", [320, 416])
@pytest.mark.parametrize("opset", [9, 10, 11, 17])
def test_trained_weights_export_at_the_sizes_of_cards(trained, tmp_path, opset, size):
    path = tmp_path / "graph.onnx"
    export_onnx(trained, path, (1, 3, size, size), NAMES, opset=opset)
    assert_parity(trained, path, (1, 3, size, size))


@pytest.mark.parametrize("opset", [9, 10])
def test_below_opset_11_factors_are_constant_and_whole(network, tmp_path, opset):
    path = tmp_path / "graph.onnx"
    export_onnx(network, path, (1, 3, 64, 96), NAMES, opset=opset)
    graph = onnx.load(path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor).tolist() for tensor in graph.initializer}
    shapes = shapes_of(graph.value_info)
    found = [
        (shapes[node.input[0]], constants[node.input[1]], shapes[node.output[0]])
        for node in graph.node
        if node.op_type == ENLARGING[opset]
    ]
    assert found == [
        ([1, 64, 2, 3], [1, 1, 2, 2], [1, 64, 4, 6]),
        ([1, 64, 4, 6], [1, 1, 2, 2], [1, 64, 8, 12]),
    ]


@pytest.mark.parametrize("opset", [9, 10])
def test_below_opset_11_the_batch_may_be_open(network, tmp_path, opset):
    path = tmp_path / "graph.onnx"
    export_onnx(network, path, (1, 3, 64, 96), NAMES, opset=opset, dynamic={"batch"})
    for batch in (1, 3):
        assert_parity(network, path, (batch, 3, 64, 96))


@pytest.mark.parametrize("opset", [9, 10])
@pytest.mark.parametrize(
    ("height", "width", "sentence"),
    [
        (1000, 1000, "at 1000x1000: the network enlarges a map of 32x32 to 63x63"),
        (64, 72, "at 72x64: the network enlarges a map of 3x2 to 5x4"),
        (24, 64, "at 64x24: the network enlarges a map of 4x2 to 8x3"),
    ],
)
def test_below_opset_11_a_size_without_whole_factors_is_refused(network, tmp_path, opset, height, width, sentence):
    sentence = rf"opset {opset} {sentence} \(nearest\).*; choose another size, or opset 11 or above$"
    with pytest.raises(InputError, match=sentence):
        export_onnx(network, tmp_path / "graph.onnx", (1, 3, height, width), NAMES, opset=opset)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", [9, 10])
@pytest.mark.parametrize(
    ("dynamic", "named"), [(("height",), "height"), (("batch", "height", "width"), "height and width")]
)
def test_below_opset_11_an_open_height_or_width_is_refused(network, tmp_path, opset, dynamic, named):
    with pytest.raises(InputError, match=rf"opset {opset} with {named} open: .* choose a fixed size, or opset 11"):
        export_onnx(network, tmp_path / "graph.onnx", (1, 3, 64, 64), NAMES, opset=opset, dynamic=dynamic)
    assert not list(tmp_path.iterdir())


class Enlarge(nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.mode = mode

    def forward(self, images):
        return (functional.interpolate(images, scale_factor=2, mode=self.mode),)


def test_below_opset_11_only_nearest_neighbours_are_possible(tmp_path):
    arguments = {"input_shape": (1, 3, 4, 6), "output_names": ["out"], "opset": 10}
    path = tmp_path / "graph.onnx"
    export_onnx(Enlarge("nearest"), path, **arguments)
    assert_parity(Enlarge("nearest"), path, (1, 3, 4, 6), ["out"])
    with pytest.raises(InputError, match=r"a map of 6x4 to 12x8 \(bilinear\), and only nearest neighbours"):
        export_onnx(Enlarge("bilinear"), path, **arguments)


def slim_with_factors(*factors):
    def slim(model):
        model = onnxslim.slim(model)
        name = next(node.input[1] for node in model.graph.node if node.op_type in ENLARGING.values())
        constant = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        constant.CopyFrom(onnx.numpy_helper.from_array(np.float32(factors), name))
        return model

    return slim


@pytest.mark.parametrize("opset", [9, 10])
@pytest.mark.parametrize(
    "slim",
    [slim_with_factors(1, 1, 3, 3), slim_with_factors(1, 2, 2, 2), lambda model: model],
    ids=["size", "channels", "not constant"],
)
def test_factors_that_are_not_the_networks_are_refused(tmp_path, monkeypatch, opset, slim):
    class Inner(Enlarge):
        def forward(self, images):
            size = images.shape[2] * 2, images.shape[3] * 2
            return (functional.interpolate(images, size=size, mode=self.mode).mean((1, 2, 3)),)

    monkeypatch.setattr("pth2map.export.onnx.onnxslim", SimpleNamespace(slim=slim))
    with pytest.raises(InputError, match=rf"the factors of /{ENLARGING[opset]} in the exported graph are not those"):
        export_onnx(Inner("nearest"), tmp_path / "graph.onnx", (1, 3, 4, 6), ["out"], opset=opset)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", [9, 10, 11])
def test_centerface_of_any_batch_equals_the_network(centerface, tmp_path, opset):
    path = tmp_path / "graph.onnx"
    written = export_onnx(centerface, path, (1, 3, 64, 96), OUTPUTS, opset=opset, dynamic={"batch"})
    assert (written.opset, written.ir_version) == (opset, IR_VERSIONS[opset])
    for batch in (1, 4):
        assert_parity(centerface, path, (batch, 3, 64, 96), OUTPUTS, span=(-2, 2))


def test_a_network_that_enlarges_by_convolution_has_no_such_limits(centerface, tmp_path):
    path = tmp_path / "graph.onnx"
    export_onnx(centerface, path, (1, 3, 64, 96), OUTPUTS, opset=9, dynamic=set(AXES) - {"channels"})
    assert_parity(centerface, path, (2, 3, 96, 64), OUTPUTS, span=(-2, 2))


def test_resnet50_exports(resnet50, tmp_path):
    path = tmp_path / "graph.onnx"
    export_onnx(resnet50, path, (1, 3, 96, 96), NAMES, opset=13, dynamic={"height", "width"})
    assert_parity(resnet50, path, (1, 3, 125, 231))


def test_resnet50_exports_below_opset_11(resnet50, tmp_path):
    path = tmp_path / "graph.onnx"
    export_onnx(resnet50, path, (1, 3, 64, 96), NAMES, opset=10)
    assert_parity(resnet50, path, (1, 3, 64, 96))


@pytest.mark.parametrize(("cap", "expected"), [(None, 13), (14, 13), (8, 8), (5, 5)])
def test_the_ir_version_is_lowered_to_the_cap(network, tmp_path, monkeypatch, cap, expected):
    def slim(model):
        model = onnxslim.slim(model)
        model.ir_version = 13  # the exporter writes no higher version than the opset needs
        return model

    monkeypatch.setattr("pth2map.export.onnx.onnxslim", SimpleNamespace(slim=slim))
    path = tmp_path / "graph.onnx"
    written = export_onnx(network, path, (1, 3, 64, 64), NAMES, opset=10, max_ir_version=cap)
    assert written.ir_version == expected == onnx.load(path).ir_version
    if expected < 13:
        assert_parity(network, path, (1, 3, 64, 64))


def test_a_cap_above_what_the_exporter_writes_changes_nothing(network, tmp_path):
    paths = [tmp_path / "free.onnx", tmp_path / "capped.onnx"]
    for path, cap in zip(paths, (None, 9), strict=True):
        written = export_onnx(network, path, (1, 3, 64, 64), NAMES, opset=11, max_ir_version=cap)
        assert written.ir_version == 6
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_checkpoint_exports_with_a_cap(tmp_path):
    synthetic_weights.save(tmp_path / "weights.pth")
    arguments = ("retinaface_mobilenet025", tmp_path / "weights.pth", "onnx", "64", tmp_path / "graph.onnx", 10)
    assert ": ONNX opset 10, IR 5, " in export_graph(*arguments, max_ir_version=5)
    with pytest.raises(InputError, match="opset 10 needs IR version 5, but at most 4 is allowed"):
        export_graph(*arguments, max_ir_version=4)


@pytest.mark.parametrize(
    ("opset", "dynamic"), [(9, ()), (10, {"batch"}), (13, {"height", "width"})], ids=["9", "10", "13"]
)
def test_equal_weights_give_equal_bytes_that_name_no_path(network, tmp_path, opset, dynamic):
    paths = [tmp_path / "one.onnx", tmp_path / "elsewhere" / "two.onnx"]
    for path in paths:
        copy = RetinaFace.mobilenet025()
        copy.load_state_dict(network.state_dict())
        export_onnx(copy, path, (1, 3, 64, 64), NAMES, opset=opset, dynamic=dynamic)
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


@pytest.mark.parametrize(("opset", "dynamic"), [(9, ()), (10, {"batch"}), (11, {"height"})], ids=["9", "10", "11"])
def test_the_exporter_warns_of_nothing(network, tmp_path, opset, dynamic):
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("error")
        export_onnx(network, tmp_path / "graph.onnx", (1, 3, 64, 64), NAMES, opset=opset, dynamic=dynamic)


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
        ({"opset": OPSETS[0] - 1}, "opset 8: 9 to 20 are possible"),
        ({"opset": OPSETS[-1] + 1}, "opset 21: 9 to 20 are possible"),
        (
            {"max_ir_version": 5},
            "opset 11 needs IR version 6, but at most 5 is allowed: allow 6, or choose opset 10 or",
        ),
        ({"opset": 9, "max_ir_version": 3}, "opset 9 needs IR version 4, but at most 3 is allowed: allow 4$"),
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
