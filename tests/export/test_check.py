import json

import numpy as np
import pytest
import torch
from tests import synthetic_wider

from pth2map.engines.session import open_session
from pth2map.export.check import check_graph
from pth2map.export.graphs import export_graph
from pth2map.export.reference import Reference
from pth2map.export.run_network import run_network
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.networks.catalogue import build, entry
from pth2map.networks.formula import formula_state_dict
from pth2map.recipes.recipe import Recipe

NETWORK = "retinaface_mobilenet025"
SCALES = ((r"^body\.stage1\.0\.0\.weight$", 1 / 64), (r"^ClassHead", 0.3), (r"^(BboxHead|LandmarkHead)", 0.1))
PREPROCESS = Recipe.parse(json.dumps({"kind": "retinaface", "preprocess": {"resize": "long_side"}}), "64").preprocess()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    weights = folder / "formula.pth"
    torch.save(formula_state_dict(build(NETWORK), SCALES), weights)
    root = synthetic_wider.make(folder / "wider")
    for graph_format, name in (("onnx", "model.onnx"), ("torchscript", "model.ts")):
        said = export_graph(NETWORK, weights, graph_format, "64", folder / name, opset=13, dynamic=["batch"])
        assert "300 entries" in said
    files = {path.stem: path for path in sorted(root.rglob("*.jpg"))[:2]}
    run_network(NETWORK, weights, PREPROCESS, list(files.items())).save(folder / "reference.npz")
    return folder, weights, files


def check(exported, name, session, max_abs):
    folder, _, files = exported
    network = entry(NETWORK)
    reference = Reference.load(folder / "reference.npz", network.outputs)
    return check_graph(reference, folder / name, session, network, PREPROCESS, files.__getitem__, max_abs)


@pytest.mark.parametrize(("kind", "name"), [("onnxruntime", "model.onnx"), ("torchscript", "model.ts")])
def test_graphs_follow_the_network(exported, kind, name):
    folder, weights, _ = exported
    session = open_session(kind, folder / name, entry(NETWORK).outputs)
    found = check(exported, name, session, 1e-4)
    assert found["images"] == 2
    assert sorted(found["outputs"]) == ["conf", "landms", "loc"]
    assert found["outputs"]["loc"]["shape"] == [1, 168, 4]
    assert found["graph"] == hash_file(folder / name)
    assert found["weights"]["sha256"] == hash_file(weights)


def test_a_graph_beyond_the_tolerance_is_refused(exported):
    folder, _, _ = exported
    session = open_session("onnxruntime", folder / "model.onnx", entry(NETWORK).outputs)

    class Off:
        def run(self, images):
            loc, conf, landms = session.run(images)
            return loc + np.float32(2e-3), conf, landms

    with pytest.raises(InputError, match=r"differs from the network on 2 images: loc by 0\.002, more than 0\.001"):
        check(exported, "model.onnx", Off(), 1e-3)


def test_rows_are_paired_within_the_tolerance_of_their_scores(exported):
    """Two rows that stand in another order there, their scores apart by more than rounding."""
    folder, _, files = exported
    network = entry("retinamask")
    boxes = np.arange(24, dtype=np.float32).reshape(6, 4)
    rows = (boxes, np.arange(1, 7, dtype=np.int32), np.linspace(0.9, 0.4, 6, dtype=np.float32), np.zeros((6, 1, 2, 2)))
    reference = Reference(tuple(files)[:1], (rows,), {"sha256": "0"})

    class Nearly:
        def run(self, images):
            order = [0, 1, 3, 2, 4, 5]
            return boxes[order], rows[1][order], rows[2], rows[3]

    preprocess = Recipe.parse('{"kind": "retinamask"}', "64").preprocess()
    common = (reference, folder / "model.onnx", Nearly(), network, preprocess, files.__getitem__, 5e-4)
    with pytest.raises(InputError, match="2 of 6 rows of the exported graph have no like"):
        check_graph(*common)
    found = check_graph(*common, {"scores": 0.11})
    assert found["outputs"]["scores"]["max_abs"] == pytest.approx(0.1, abs=1e-6)
    with pytest.raises(InputError, match="2 of 6 rows"):
        check_graph(*common, {"bboxs": 0.11})


def test_a_reference_of_another_network_is_refused(exported):
    folder, _, _ = exported
    with pytest.raises(InputError, match=r"reference\.npz: not the outputs a, b, c, d of its images"):
        Reference.load(folder / "reference.npz", ["a", "b", "c", "d"])


def test_a_reference_comes_back_as_it_was(exported):
    folder, weights, files = exported
    reference = Reference.load(folder / "reference.npz", entry(NETWORK).outputs)
    assert reference.images == tuple(files)
    assert [output.shape for output in reference.outputs[1]] == [(1, 168, 4), (1, 168, 2), (1, 168, 10)]
    assert reference.weights["sha256"] == hash_file(weights)
