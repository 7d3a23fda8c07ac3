"""The kinds of session agree with the network and with each other, and refuse what they cannot run."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from pth2map.engines.session import KINDS, open_session
from pth2map.export.onnx import export_onnx
from pth2map.export.torchscript import export_torchscript
from pth2map.files.errors import InputError
from pth2map.networks.formula import formula_state_dict
from pth2map.networks.retinaface import RetinaFace

NAMES = ("loc", "conf", "landms")
RULES = [(r"^body\.stage1\.0\.0\.weight$", 1 / 64), ("^ClassHead", 0.3), ("^(BboxHead|LandmarkHead)", 0.1)]


@pytest.fixture(scope="module")
def network():
    network = RetinaFace.mobilenet025().eval()
    network.load_state_dict(formula_state_dict(network, RULES))
    return network


@pytest.fixture(scope="module")
def graphs(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    paths = {"onnxruntime": folder / "graph.onnx", "torchscript": folder / "graph.ts"}
    dynamic = {"batch", "height", "width"}
    export_onnx(network, paths["onnxruntime"], (1, 3, 64, 64), NAMES, opset=13, dynamic=dynamic)
    export_torchscript(network, paths["torchscript"], torch.zeros(1, 3, 64, 64))
    return paths


def images(*shape):
    return np.random.RandomState(0).uniform(-120, 150, shape).astype(np.float32)


SESSIONS = [("onnxruntime", {}), ("torchscript", {}), ("torchscript", {"freeze": True})]


@pytest.mark.parametrize(("kind", "options"), SESSIONS)
def test_outputs_are_the_networks_and_the_same_every_time(network, graphs, kind, options):
    session = open_session(kind, graphs[kind], NAMES, options)
    for shape in [(1, 3, 125, 231), (2, 3, 64, 96)]:
        with torch.inference_mode():
            expected = [output.numpy() for output in network(torch.from_numpy(images(*shape)))]
        first = session.run(images(*shape))
        for output, reference in zip(first, expected, strict=True):
            assert output.dtype == np.float32
            np.testing.assert_allclose(output, reference, rtol=0, atol=1e-5)
        for _ in range(4):
            again = session.run(images(*shape))
            assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("kind", "options"), SESSIONS)
def test_a_fresh_session_repeats_the_bits(graphs, kind, options):
    runs = [open_session(kind, graphs[kind], NAMES, options).run(images(1, 3, 97, 64)) for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


def test_outputs_come_in_the_order_of_the_names(graphs):
    names = ("landms", "conf")
    outputs = open_session("onnxruntime", graphs["onnxruntime"], names).run(images(1, 3, 64, 64))
    assert [output.shape for output in outputs] == [(1, 168, 10), (1, 168, 2)]


def test_threads_are_taken(graphs):
    before = torch.get_num_threads()
    try:
        open_session("torchscript", graphs["torchscript"], NAMES, {"threads": 2})
        assert torch.get_num_threads() == 2
        open_session("torchscript", graphs["torchscript"], NAMES)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_graph_cut_short_is_refused(graphs, tmp_path, kind, share):
    content = graphs[kind].read_bytes()
    path = tmp_path / "graph"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"cannot load .*graph: \S"):
        open_session(kind, path, NAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_of_the_other_kind_is_refused(graphs, kind):
    other = next(path for name, path in graphs.items() if name != kind)
    with pytest.raises(InputError, match="cannot load"):
        open_session(kind, other, NAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_graph_is_named(tmp_path, kind):
    with pytest.raises(InputError, match=r"no graph file .*none\.onnx"):
        open_session(kind, tmp_path / "none.onnx", NAMES)


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        ("onnxrutnime", {}, r"unknown engine kind 'onnxrutnime'; did you mean onnxruntime\?"),
        ("onnxruntime", {"thread": 2}, r"unknown onnxruntime option 'thread'; did you mean threads\?"),
        ("torchscript", {"providers": []}, "unknown torchscript option 'providers'"),
        (
            "onnxruntime",
            {"providers": ["NoSuchExecutionProvider"]},
            "no execution provider NoSuchExecutionProvider; this installation offers .*CPUExecutionProvider",
        ),
        ("onnxruntime", {"providers": []}, r"no execution provider \(none named\)"),
    ],
)
def test_unknown_words_are_refused(graphs, kind, options, sentence):
    with pytest.raises(InputError, match=sentence):
        open_session(kind, graphs["onnxruntime"], NAMES, options)


def test_other_outputs_than_named_are_refused(graphs):
    with pytest.raises(InputError, match="has the outputs loc, conf, landms; expected are loc, score"):
        open_session("onnxruntime", graphs["onnxruntime"], ("loc", "score"))
    session = open_session("torchscript", graphs["torchscript"], ("loc", "conf"))
    with pytest.raises(InputError, match="has 3 outputs; expected are loc, conf"):
        session.run(images(1, 3, 64, 64))


def test_images_of_another_shape_than_the_graphs_are_refused(network, tmp_path):
    path = tmp_path / "graph.onnx"
    export_onnx(network, path, (1, 3, 64, 64), NAMES, opset=11)
    session = open_session("onnxruntime", path, NAMES)
    for shape in [(1, 3, 64, 96), (2, 3, 64, 64), (3, 64, 64)]:
        with pytest.raises(InputError, match=rf"takes images of shape \[1, 3, 64, 64\], these are \[{shape[0]}"):
            session.run(images(*shape))


def test_a_graph_with_another_input_is_refused(tmp_path):
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 3, 4, 4])]
    outputs = [helper.make_tensor_value_info("loc", TensorProto.FLOAT, [1, 3, 4, 4])]
    nodes = [helper.make_node("Cast", ["image"], ["loc"], to=TensorProto.FLOAT)]
    opset = [helper.make_opsetid("", 13)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "graph.onnx")
    with pytest.raises(InputError, match=r"inputs \[\('image', 'tensor\(uint8\)'\)\]; expected is one of float32"):
        open_session("onnxruntime", tmp_path / "graph.onnx", ("loc",))
