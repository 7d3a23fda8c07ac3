"""Int8 graphs: what is in them, what they compute, and which graphs and images are refused."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx.numpy_helper import from_array, to_array
from tests.export.small_detector import OUTPUTS, SIDE, export, images

from pth2map.datasets.calibration import CalibrationImage, CalibrationList
from pth2map.export.quantize import METHODS, SAME, Histogram, quantize, read_float_graph, read_inputs
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.recipes.recipe import Recipe

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
STEM = ("/stem/stem.0/Conv", "/stem/stem.1/LeakyRelu")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return export(tmp_path_factory.mktemp("float") / "model.onnx")


@pytest.fixture(scope="module")
def quantized(graph):
    path = graph.with_name("quantized.onnx")
    return path, quantize(graph, images(8), path)


def run(path: Path, batch: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"image": batch})


def constants(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def made_by(path: Path) -> dict[str, onnx.NodeProto]:
    return {node.output[0]: node for node in onnx.load(path).graph.node}


def weights_of(path: Path) -> dict[str, np.ndarray]:
    """Of each convolution, by its name, in the numbers that it computes with."""
    values, makers, found = constants(path), made_by(path), {}
    for node in makers.values():
        if node.op_type == "Conv":
            weight = node.input[1]
            if weight in makers:
                integers, scale, zero = (values[name] for name in makers[weight].input)
                assert integers.dtype == np.int8
                assert not zero.any()
                found[node.name] = integers * scale.reshape(-1, 1, 1, 1)
            else:
                found[node.name] = values[weight]
    return found


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(ours))


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_are_int8_with_a_scale_for_each_channel(graph, tmp_path, per_channel):
    path = tmp_path / "quantized.onnx"
    quantize(graph, images(2), path, per_channel=per_channel)
    values, makers, exact = constants(path), made_by(path), weights_of(graph)
    assert len(exact) == 8
    for name, weight in weights_of(path).items():
        (node,) = (node for node in makers.values() if node.name == name)
        scale = values[makers[node.input[1]].input[1]]
        assert scale.shape == ((len(weight),) if per_channel else ())
        largest = np.abs(exact[name]).max(axis=(1, 2, 3) if per_channel else None)
        assert scale == pytest.approx(largest / 127, rel=0.01)
        half = scale.reshape(-1, 1, 1, 1) / 2
        assert np.all(np.abs(weight - exact[name]) <= half * 1.001)


def test_what_lies_between_layers_is_uint8_and_what_comes_out_as_it_was(graph, quantized):
    path, written = quantized
    onnx.checker.check_model(onnx.load(path), full_check=True)
    values = constants(path)
    pairs = [node for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear"]
    assert len(pairs) == 1 + len(written.quantized)
    assert all(values[node.input[2]].dtype == np.uint8 for node in pairs)
    for before, after in zip(onnx.load(graph).graph.output, onnx.load(path).graph.output, strict=True):
        assert after == before
    assert written.opset == 13
    assert (written.images, written.method, written.per_channel) == (8, "percentile", True)
    assert (written.float_bytes, written.bytes) == (graph.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize(("method", "within"), [("minmax", 0.05), ("percentile", 0.05), ("entropy", 0.2)])
def test_outputs_are_near_those_of_the_float_graph(graph, tmp_path, method, within):
    """Entropy wants more values than these images have: it cuts off much where most are 0."""
    path = tmp_path / "quantized.onnx"
    quantize(graph, images(8), path, method=method)
    for image in images(3, seed=1):
        for ours, theirs in zip(run(graph, image[None]), run(path, image[None]), strict=True):
            assert 1e-4 < relative_error(ours, theirs) < within


def test_a_scale_by_channel_is_nearer_than_one_for_all(graph, tmp_path):
    errors = []
    for per_channel in (True, False):
        path = tmp_path / f"{per_channel}.onnx"
        quantize(graph, images(8), path, method="minmax", per_channel=per_channel)
        errors.append(relative_error(run(graph, images(1)[0][None])[0], run(path, images(1)[0][None])[0]))
    assert errors[0] < errors[1]


def test_excluded_nodes_stay_float(graph, quantized, tmp_path):
    path = tmp_path / "quantized.onnx"
    written = quantize(graph, images(2), path, exclude=["/stem/.*", "/merge/merge.0/Conv"])
    exact, found = weights_of(graph), weights_of(path)
    same = {name for name, weight in exact.items() if np.array_equal(weight, found[name])}
    assert same == {STEM[0], "/merge/merge.0/Conv"}
    assert set(STEM) <= set(written.excluded)
    assert not {*STEM, "/merge/merge.0/Conv"} & set(written.quantized)
    assert set(quantized[1].quantized) - set(written.quantized) == {*STEM, "/merge/merge.0/Conv"}


def test_nothing_behind_the_last_weights_is_quantised(quantized):
    path, written = quantized
    assert {"loc", "conf"} <= set(written.excluded)
    makers = made_by(path)
    ahead, seen = list(OUTPUTS), set()
    while ahead:
        node = makers[ahead.pop()]
        if node.op_type != "DequantizeLinear":
            assert node.op_type not in ("Conv", "QuantizeLinear")
            seen.add(node.op_type)
            ahead += [name for name in node.input if name in makers]
    assert {"Softmax", "Concat", "Transpose"} <= seen


@pytest.mark.parametrize(
    ("opset", "dynamic"), [(9, ()), (10, ()), (11, ("batch",)), (12, ()), (13, ("batch",)), (17, ())]
)
def test_graphs_of_any_opset_are_converted_and_stay_what_they_are(tmp_path, opset, dynamic):
    graph = export(tmp_path / "model.onnx", opset, dynamic)
    model = read_float_graph(graph)
    converted = tmp_path / "converted.onnx"
    onnx.save(model, converted)
    for ours, theirs in zip(run(graph, images(1)[0][None]), run(converted, images(1)[0][None]), strict=True):
        assert np.abs(ours - theirs).max() <= SAME * max(1, np.abs(ours).max())
    path = tmp_path / "quantized.onnx"
    written = quantize(graph, images(4), path)
    assert written.opset == max(opset, 13)
    batch = np.stack(images(3 if dynamic else 1))
    for ours, theirs in zip(run(graph, batch), run(path, batch), strict=True):
        assert relative_error(ours, theirs) < 0.05


def test_a_conversion_that_changes_the_outputs_is_refused(graph, tmp_path, monkeypatch):
    convert = onnx.version_converter.convert_version

    def wrong(model, opset):
        converted = convert(model, opset)
        bias = next(tensor for tensor in converted.graph.initializer if tensor.dims == [8])
        bias.CopyFrom(from_array(to_array(bias) + np.float32(1e-3), bias.name))
        return converted

    monkeypatch.setattr(onnx.version_converter, "convert_version", wrong)
    with pytest.raises(InputError, match=r"model\.onnx: converted from ONNX opset 11 to 13 it gives another loc"):
        quantize(graph, images(1), tmp_path / "quantized.onnx")
    assert not (tmp_path / "quantized.onnx").exists()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_images_does_not_matter(graph, tmp_path, method):
    some = images(7)
    for name, each in (("a", some), ("b", some[::-1]), ("c", iter(some[3:] + some[:3]))):
        quantize(graph, each, tmp_path / name, method=method)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-(2.0**20), 2.0**20, width=32)),
    st.lists(st.integers(1, 59), max_size=5),
    st.randoms(use_true_random=False),
)
def test_a_histogram_counts_the_same_whatever_the_parts(values, cuts, order):
    whole, parts = Histogram(), Histogram()
    whole.add(values)
    pieces = [piece for piece in np.split(values, sorted(cuts)) if piece.size]
    order.shuffle(pieces)
    for piece in pieces:
        parts.add(piece)
    assert np.array_equal(parts.counts, whole.counts)
    assert np.array_equal(parts.edges, whole.edges)
    assert (parts.lowest, parts.highest) == (values.min(), values.max())
    assert np.array_equal(whole.counts, np.histogram(values.astype(np.float64), whole.edges)[0])


def test_ranges_of_a_known_distribution():
    histogram = Histogram()
    values = np.random.default_rng(5).standard_normal(1_000_000).astype(np.float32)
    histogram.add(values)
    histogram.add(np.float32([6.5]))
    width = float(np.diff(histogram.edges)[0])
    assert histogram.range("minmax") == (float(values.min()), 6.5)
    expected = np.quantile(values, [0.5e-4, 1 - 0.5e-4])
    assert histogram.range("percentile") == pytest.approx(expected, abs=2 * width)
    low, high = histogram.range("entropy")
    assert 2.5 < high < 5
    assert low == pytest.approx(-high, abs=width)


def test_entropy_keeps_what_is_spread_evenly():
    histogram = Histogram()
    histogram.add(np.linspace(0, 3, 100_001, dtype=np.float32))
    assert histogram.range("entropy") == pytest.approx((0, 3), abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_ranges_of_a_tensor_that_is_always_zero(method):
    histogram = Histogram()
    histogram.add(np.zeros(9, dtype=np.float32))
    assert histogram.range(method) == (0, 0)


def test_equal_calls_give_equal_bytes_without_paths(graph, quantized, tmp_path):
    code = (
        "import sys; from pathlib import Path; from pth2map.export.quantize import quantize;"
        "from tests.export.small_detector import images;"
        "quantize(Path(sys.argv[1]), images(8), Path(sys.argv[2]))"
    )
    path = tmp_path / "again.onnx"
    root = SCRIPTS.parents[1]
    paths = os.pathsep.join([str(root / "src"), str(root)])
    environment = {**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", code, graph, path], check=True, cwd=tmp_path, env=environment)
    content = path.read_bytes()
    assert content == quantized[0].read_bytes()
    assert not any(str(place).encode() in content for place in (tmp_path, graph.parent, root))


def test_what_is_refused(graph, quantized, tmp_path):
    output = tmp_path / "quantized.onnx"
    wide = np.zeros((3, SIDE, SIDE + 1), dtype=np.float32)
    broken = images(1)[0]
    broken[0, 0, 0] = np.nan
    several = onnx.load(graph)
    several.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(several, tmp_path / "four.onnx")
    (tmp_path / "half.onnx").write_bytes(graph.read_bytes()[:1000])
    for call, words in (
        (lambda: quantize(graph, [], output), "no calibration images; int8 needs some"),
        (
            lambda: quantize(graph, [wide], output),
            r"image is float32 \[3, 32, 33\]; the graph takes float32 \[3, 32, 32",
        ),
        (lambda: quantize(graph, [wide[:, :, 1:].astype(np.uint8)], output), r"image is uint8 \[3, 32, 32\]"),
        (lambda: quantize(graph, [images(1)[0][0]], output), r"image is float32 \[32, 32\]"),
        (lambda: quantize(graph, [*images(1), broken], output), "image 2, tensor image: a value is not finite"),
        (lambda: quantize(quantized[0], images(1), output), r"quantized\.onnx: holds DequantizeLinear, .*, .*already"),
        (lambda: quantize(tmp_path / "four.onnx", images(1), output), r"takes 4 images a run; export it with one"),
        (lambda: quantize(tmp_path / "half.onnx", images(1), output), "not a whole ONNX file"),
        (lambda: quantize(tmp_path / "none.onnx", images(1), output), r"no graph file .*none\.onnx"),
        (lambda: quantize(graph, images(1), output, exclude=["/stem/stem.0/Cnov"]), "did you mean /stem/stem.0/Conv"),
        (lambda: quantize(graph, images(1), output, exclude=["/neck/.*"]), r"is called /neck/\.\*; explain"),
        (
            lambda: quantize(graph, images(1), output, exclude=["*"]),
            r"^\* is neither a node of the graph nor a",
        ),
        (lambda: quantize(graph, images(1), output, exclude=[".*"]), "no node is left to quantise"),
        (lambda: quantize(graph, images(1), output, method="minmux"), "did you mean minmax"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not output.exists()


def test_the_command_takes_a_list_or_a_folder(graph, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), pixels)
    drawn = tuple(CalibrationImage(path.name, hash_file(path)) for path in sorted(folder.iterdir()))
    CalibrationList(str(folder), 0, "widerface", False, drawn).save(tmp_path / "list.json")
    outputs = []
    for number, source in enumerate((folder, tmp_path / "list.json")):
        output, report = tmp_path / f"{number}.onnx", tmp_path / f"{number}.json"
        command = [sys.executable, SCRIPTS / "quantize_graph.py", "--graph", graph, "--images", source, "--size", SIDE]
        command += ["--recipe", json.dumps({"kind": "retinaface_letterbox"}), "--method", "minmax"]
        command += ["--exclude", "/stem/.*", "--quantized", output, "--report", report]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        outputs.append((output.read_bytes(), json.loads(report.read_text())))
    (content, told), (again, _) = outputs
    assert content == again
    assert told["graph"] == hashlib.sha256(content).hexdigest()
    assert told["float_graph"] == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert (told["images"], told["method"], told["bytes"]) == (3, "minmax", len(content))
    assert set(STEM) <= set(told["excluded"])


def test_an_image_that_was_not_drawn_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "0.jpg"), np.zeros((8, 8, 3), dtype=np.uint8))
    CalibrationList(str(tmp_path), 0, "widerface", False, (CalibrationImage("0.jpg", "0" * 64),)).save(
        tmp_path / "list.json"
    )
    preprocess = Recipe.parse(json.dumps({"kind": "retinaface_letterbox"}), str(SIDE)).preprocess()
    with pytest.raises(InputError, match=r"0\.jpg: not the image that was drawn"):
        list(read_inputs(tmp_path / "list.json", preprocess))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="an empty folder"):
        list(read_inputs(tmp_path / "empty", preprocess))
