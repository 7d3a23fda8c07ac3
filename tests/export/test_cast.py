"""The casts that ATC wants, found by how RoIs come about."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pth2map.export.cast import cast_rois, write_cast
from pth2map.export.onnx import export_onnx
from pth2map.files.errors import InputError
from pth2map.networks.catalogue import entry
from pth2map.networks.operators import roi_align
from pth2map.networks.retinamask import RetinaMask

OUTPUTS = entry("retinamask").outputs


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A graph of RetinaMask's structure with few channels behind its body."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("cast") / "model.onnx"
    export_onnx(RetinaMask(channels=8).eval(), path, (1, 3, 64, 64), OUTPUTS, opset=11)
    return path


def casts(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.output[0]: node for node in model.graph.node if node.name.startswith("Cast_")}


def test_both_parts_of_the_rois_are_cast(graph, tmp_path):
    path = tmp_path / "cast.onnx"
    write_cast(graph, "cast", path)
    before, model = onnx.load(graph), onnx.load(path)
    found = casts(model)
    assert len(model.graph.node) == len(before.graph.node) + 2
    (concat,) = (node for node in model.graph.node if set(node.input) <= set(found))
    assert concat.op_type == "Concat"
    assert [node.attribute[0].i for node in found.values()] == [onnx.TensorProto.FLOAT16] * 2
    assert {node.input[0] for node in found.values()} == {
        node.input[number] for node in before.graph.node if node.name == concat.name for number in (0, 1)
    }
    assert "bboxs" in {node.input[0] for node in found.values()}, "the boxes themselves stay float32"
    assert not any(value.name == concat.output[0] for value in model.graph.value_info), "its type is another now"


def test_the_page_s_form_is_no_valid_graph(graph, tmp_path):
    path = tmp_path / "cast.onnx"
    write_cast(graph, "cast", path)
    onnx.checker.check_model(onnx.load(path))
    with pytest.raises(onnx.shape_inference.InferenceError, match="rois has inconsistent type"):
        onnx.checker.check_model(onnx.load(path), full_check=True)


def test_cast_back_it_runs_with_rois_rounded_to_float16(graph, tmp_path):
    path = tmp_path / "cast_back.onnx"
    write_cast(graph, "cast_back", path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    images = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32) * 40
    exact, rounded = (onnxruntime.InferenceSession(file).run(None, {"image": images}) for file in (graph, path))
    for ours, theirs in zip(exact[:3], rounded[:3], strict=True):
        assert np.array_equal(ours, theirs)
    torch.manual_seed(3)
    network = RetinaMask(channels=8).eval()
    with torch.inference_mode():
        boxes = torch.from_numpy(exact[0].astype(np.float16).astype(np.float32))
        expected = network.mask(network.backbone(torch.from_numpy(images)), boxes, torch.from_numpy(exact[1]).long())
    off, moved = (np.abs(masks - rounded[3]).max() for masks in (expected.numpy(), exact[3]))
    assert off < moved / 5


class WithoutConcat(torch.nn.Module):
    def forward(self, images):
        return (roi_align(images, images[0, 0, :, :5].abs(), 2, 2, 1.0),)


def test_other_graphs_are_refused(graph, tmp_path):
    path = tmp_path / "plain.onnx"
    export_onnx(WithoutConcat().eval(), path, (1, 3, 8, 8), ("aligned",), opset=11)
    with pytest.raises(InputError, match=r"plain\.onnx: the RoIs come from Abs .*; expected one Concat"):
        write_cast(path, "cast", tmp_path / "cast.onnx")
    assert not (tmp_path / "cast.onnx").exists()
    model = onnx.load(graph)
    del model.graph.node[:]
    with pytest.raises(InputError, match="no RoiAlign in this graph"):
        cast_rois(model, "cast")
