"""What int8 costs by layer, held against graphs that were quantised by hand."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.numpy_helper import from_array, to_array
from tests.export.small_detector import OUTPUTS, SIDE, export, images

from pth2map.export.quantize import quantize
from pth2map.export.sensitivity import decibels, sensitivity
from pth2map.files.errors import InputError

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return export(tmp_path_factory.mktemp("float") / "model.onnx")


def errors_of(graph: Path, quantized: Path, compared: list[np.ndarray]) -> dict[str, float]:
    sessions = [onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (graph, quantized)]
    ours, theirs = ([session.run(None, {"image": each[None]}) for each in compared] for session in sessions)
    stacked = ((np.stack([run[number] for run in runs]).astype(float) for runs in (ours, theirs)) for number in (0, 1))
    return {name: np.linalg.norm(a - b) / np.linalg.norm(a) for name, (a, b) in zip(OUTPUTS, stacked, strict=True)}


def test_errors_are_those_of_graphs_quantised_so(graph, tmp_path):
    some = images(5)
    found = sensitivity(graph, iter(some), compare=2, deepest=3)
    path = tmp_path / "quantized.onnx"
    written = quantize(graph, some, path)
    assert found.whole == pytest.approx(errors_of(graph, path, some[:2]), rel=1e-6)
    names = [name for layer in found.layers for name in layer.nodes]
    assert len(names) == len(set(names))
    assert set(written.quantized) <= set(names), "every node that became int8 is in the table"
    left: list[str] = []
    for layer in found.layers[:3]:
        left += layer.nodes
        quantize(graph, some, path, exclude=left)
        assert layer.without == pytest.approx(errors_of(graph, path, some[:2]), rel=1e-6)
    assert all(layer.without is None for layer in found.layers[3:])
    first = found.layers[0]
    others = [name for layer in found.layers[1:] for name in layer.nodes]
    quantize(graph, some, path, exclude=others)
    assert first.alone == pytest.approx(errors_of(graph, path, some[:2]), rel=1e-6)


def test_layers_come_by_falling_cost_and_an_activation_with_its_weights(graph):
    found = sensitivity(graph, images(3), compare=1, deepest=0)
    costs = [layer.cost for layer in found.layers]
    assert costs == sorted(costs, reverse=True)
    assert all(layer.cost > 0 for layer in found.layers if layer.operators[0] == "Conv")
    by_name = {layer.nodes[0]: layer for layer in found.layers}
    assert by_name["/stem/stem.0/Conv"].nodes == ("/stem/stem.0/Conv", "/stem/stem.1/LeakyRelu")
    assert by_name["/stem/stem.0/Conv"].operators == ("Conv", "LeakyRelu")
    assert not {"loc", "conf"} & set(by_name)


def test_a_layer_whose_channels_differ_most_costs_most(graph, tmp_path):
    """One channel of the first layer a hundred times the others: they share the levels of its tensor."""
    model = onnx.load(graph)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("stem.0.") or list(tensor.dims) == [8, 3, 3, 3]:
            values = to_array(tensor).copy()
            values[0] *= 100
            tensor.CopyFrom(from_array(values, tensor.name))
        if list(tensor.dims) == [8, 1, 3, 3]:
            values = to_array(tensor).copy()
            values[0] /= 100
            tensor.CopyFrom(from_array(values, tensor.name))
    uneven = tmp_path / "uneven.onnx"
    onnx.save(model, uneven)
    found = sensitivity(uneven, images(3), method="minmax", compare=2, deepest=1)
    assert "/stem/stem.0/Conv" in found.layers[0].nodes
    assert found.layers[0].without["loc"] < found.whole["loc"]


def test_excluded_nodes_are_in_no_row(graph):
    found = sensitivity(graph, images(2), exclude=["/deep/.*"], compare=1, deepest=0)
    assert not [name for layer in found.layers for name in layer.nodes if name.startswith("/deep/")]


def test_the_command_writes_names_that_can_be_excluded(graph, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/0.jpg"), pixels)
    table = tmp_path / "table.tsv"
    command = [sys.executable, SCRIPTS / "explain_int8.py", "--graph", graph, "--images", tmp_path / "pictures"]
    command += ["--recipe", json.dumps({"kind": "retinaface_letterbox"}), "--size", SIDE, "--deepest", 2]
    subprocess.run([str(word) for word in (*command, "--table", table)], check=True, capture_output=True)
    with table.open() as file:
        whole, *rows = list(csv.DictReader(file, delimiter="\t"))
    assert (whole["rank"], whole["operators"], whole["nodes"]) == ("0", "all", "")
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    assert [bool(row["loc_error_without"]) for row in rows] == [row["rank"] in "12" for row in rows]
    for row in (whole, *rows):
        for name in OUTPUTS:
            assert float(row[f"{name}_sqnr_db"]) == pytest.approx(decibels(float(row[f"{name}_error"])), abs=0.2)
    worst = rows[0]["nodes"].split(", ")
    written = quantize(graph, images(1), tmp_path / "quantized.onnx", exclude=worst)
    assert set(worst) <= set(written.excluded)


def test_decibels():
    assert decibels(0.1) == pytest.approx(20)
    assert decibels(0.0) == float("inf")


def test_no_images_are_refused(graph):
    with pytest.raises(InputError, match="no calibration images"):
        sensitivity(graph, [])
    with pytest.raises(InputError, match="0 images to compare"):
        sensitivity(graph, images(1), compare=0)
