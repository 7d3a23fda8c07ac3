"""Parameters and operations of graphs: small ones counted by hand, the networks against published figures."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from pth2map.export.complexity import (
    CONVENTION,
    ELEMENTWISE,
    FREE,
    LEARNED,
    MULTIPLY_ACCUMULATE,
    GraphCount,
    count_graph,
    count_network,
    measure,
)
from pth2map.export.onnx import export_onnx
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.networks.centerface import OUTPUTS, CenterFace
from pth2map.networks.formula import formula_state_dict
from pth2map.networks.retinaface import RetinaFace
from pth2map.recipes.settings import Size

COMMAND = Path(__file__).parents[2] / "workflow/scripts/measure_complexity.py"
RETINAFACE_OUTPUTS = ("loc", "conf", "landms")
OPEN = ("batch", "height", "width")
UNITS = {"G": 1e9, "M": 1e6, "K": 1e3}


def export(network: nn.Module, path: Path, outputs: tuple[str, ...]) -> tuple[nn.Module, Path]:
    network.load_state_dict(formula_state_dict(network))
    export_onnx(network.eval(), path, (1, 3, 64, 64), outputs, opset=11, dynamic=OPEN)
    return network, path


@pytest.fixture(scope="module")
def mobilenet025(tmp_path_factory):
    return export(RetinaFace.mobilenet025(), tmp_path_factory.mktemp("mobilenet025") / "g.onnx", RETINAFACE_OUTPUTS)


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory):
    return export(RetinaFace.resnet50(), tmp_path_factory.mktemp("resnet50") / "g.onnx", RETINAFACE_OUTPUTS)


@pytest.fixture(scope="module")
def centerface(tmp_path_factory):
    return export(CenterFace(), tmp_path_factory.mktemp("centerface") / "g.onnx", OUTPUTS)


# The table of RetinaFace in Vastai's model zoo: parameters, then "flops" by size.
PUBLISHED = {
    "mobilenet025": ("426.608K", {320: "254.330M", 416: "429.817M", 512: "651.084M", 608: "918.130M", 640: "1.017G"}),
    "resnet50": ("27.294M", {320: "11.117G", 416: "18.787G", 512: "28.459G", 608: "40.131G", 640: "44.466G"}),
}


def as_published(number: int) -> str:
    unit = next(unit for unit, value in UNITS.items() if number >= value)
    return f"{number / UNITS[unit]:.3f}{unit}"


@pytest.mark.parametrize("size", [320, 416, 512, 608, 640])
@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_published_figures_are_met_to_the_last_digit(name, size, request):
    network, path = request.getfixturevalue(name)
    parameters, flops = PUBLISHED[name]
    found = measure(path, network, Size.parse(str(size)))
    assert (as_published(found.parameters), as_published(found.operations)) == (parameters, flops[size])


@pytest.mark.parametrize(
    ("name", "parameters"), [("mobilenet025", 426_608), ("resnet50", 27_293_600), ("centerface", 1_881_551)]
)
def test_a_folded_normalisation_leaves_one_of_its_two_parameters(name, parameters, request):
    network, path = request.getfixturevalue(name)
    found = measure(path, network, Size.parse("64"))
    folded = sum(module.num_features for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert found.parameters == parameters
    assert found.graph_parameters == parameters - folded


def macs_by_hooks(network: nn.Module, width: int, height: int) -> int:
    """Of convolutions: each weight is used once for each cell of its output, or of its input if it is transposed."""
    counts = []

    def count(module, inputs, output):
        cells = (inputs[0] if isinstance(module, nn.ConvTranspose2d) else output)[0, 0].numel()
        counts.append(module.weight.numel() * cells)

    handles = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.inference_mode():
        network(torch.zeros(1, 3, height, width))
    for handle in handles:
        handle.remove()
    return sum(counts)


@pytest.mark.parametrize("size", ["64", "96x160"])
@pytest.mark.parametrize("name", ["mobilenet025", "centerface"])
def test_multiply_accumulates_are_those_that_hooks_count(name, size, request):
    network, path = request.getfixturevalue(name)
    parsed = Size.parse(size)
    found = measure(path, network, parsed)
    assert found.macs == macs_by_hooks(network, parsed.width, parsed.height)
    assert (found.width, found.height) == (parsed.width, parsed.height)


def test_operations_of_centerface_are_those_of_thop_but_for_the_transposed_convolutions(centerface):
    """It gives 3,448,678,400 (0.0.31): each of the 64 · 4 weights of a merge is used four times as often there."""
    network, path = centerface
    found = measure(path, network, Size.parse("640"))
    assert found.operations == 3_448_678_400 - 3 * 64 * 4 * (20 * 20 + 40 * 40 + 80 * 80)


def test_what_stands_beside_multiply_accumulates_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.1),
        nn.Conv2d(4, 5, 1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.ConvTranspose2d(5, 2, 2, stride=2),
        nn.Sigmoid(),
    )
    counted = count_network(network.train(), width=8, height=6)
    assert counted.parameters == (12 + 4) + 8 + 20 + (40 + 2)
    assert counted.macs == 48 * (12 + 20) + 12 * 40
    assert counted.beside_macs == 48 * (4 + 2 * 4 + 4 + 2)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def tiny(path: Path, nodes: str, weights: Mapping[str, tuple[int, ...]], image: str = "N, 3, H, W") -> Path:
    """A graph in ONNX's text form from ``image`` to ``y``."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 13, "com.example": 1]>'
        f"tiny (float[{image}] image) => (float y) {{ {nodes} }}"
    )
    for name, shape in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(shape, np.float32), name))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("nodes", "weights", "parameters", "macs"),
    [
        pytest.param(
            "y = Conv<pads=[1,1,1,1], strides=[2,2]>(image, w, b)",
            {"w": (8, 3, 3, 3), "b": (8,)},
            8 * 27 + 8,
            3 * 4 * 8 * 27,
            id="convolution",
        ),
        pytest.param(
            "y = Conv<pads=[1,1,1,1], group=3>(image, w)", {"w": (3, 1, 3, 3)}, 27, 6 * 8 * 27, id="depthwise"
        ),
        pytest.param(
            "y = Conv<dilations=[2,3]>(image, w)", {"w": (5, 3, 2, 2)}, 60, 4 * 5 * 60, id="dilated, not padded"
        ),
        pytest.param(
            "y = ConvTranspose<strides=[2,2]>(image, w, b)",
            {"w": (3, 5, 2, 2), "b": (5,)},
            65,
            6 * 8 * 60,
            id="transposed",
        ),
        pytest.param(
            "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], group=3>(image, w)",
            {"w": (3, 1, 4, 4)},
            48,
            6 * 8 * 48,
            id="transposed, depthwise, overlapping",
        ),
        pytest.param(
            "flat = Flatten(image)  y = Gemm<transB=1>(flat, w, b)",
            {"w": (10, 144), "b": (10,)},
            1450,
            1440,
            id="linear",
        ),
        pytest.param(
            "flat = Flatten(image)  column = Transpose(flat)  y = Gemm<transA=1>(column, w)",
            {"w": (144, 7)},
            1008,
            1008,
            id="linear, of a column",
        ),
        pytest.param(
            "product = MatMul(image, w)  y = Add(b, product)",
            {"w": (8, 5), "b": (5,)},
            45,
            3 * 6 * 40,
            id="linear on every row",
        ),
        pytest.param(
            "v = Transpose(w)  y = MatMul(image, v)",
            {"w": (5, 8)},
            40,
            3 * 6 * 40,
            id="linear, of stored weights transposed",
        ),
        pytest.param(
            "turned = Transpose<perm=[0,1,3,2]>(image)  y = MatMul(turned, image)",
            {},
            0,
            3 * 8 * 8 * 6,
            id="product of features",
        ),
        pytest.param(
            "a = Conv(image, w)  b = Conv(image, w)  y = Add(a, b)",
            {"w": (4, 3, 1, 1)},
            12,
            2 * 6 * 8 * 12,
            id="shared weights",
        ),
        pytest.param(
            "w = Constant<value=float[2,3,1,1]{1,2,3,4,5,6}>()  y = Conv(image, w)",
            {},
            6,
            6 * 8 * 6,
            id="weights in a node",
        ),
        pytest.param(
            "n = BatchNormalization(image, scale, shift, mean, variance)  y = PRelu(n, slope)",
            {"scale": (3,), "shift": (3,), "mean": (3,), "variance": (3,), "slope": (3, 1, 1)},
            9,
            0,
            id="normalised, learned slope",
        ),
        pytest.param("a = Sub(image, mean)  y = Clip(a, low)", {"mean": (3, 1, 1), "low": ()}, 0, 0, id="nothing"),
    ],
)
def test_small_graphs_count_as_by_hand(tmp_path, nodes, weights, parameters, macs):
    path = tiny(tmp_path / "graph.onnx", nodes, weights)
    assert count_graph(path, width=8, height=6) == GraphCount(parameters, macs)
    path = tiny(tmp_path / "graph.onnx", nodes, weights, image="1, 3, 6, 8")
    assert count_graph(path, width=8, height=6) == GraphCount(parameters, macs)


def test_of_a_graph_for_four_images_one_is_counted(tmp_path):
    path = tiny(tmp_path / "graph.onnx", "y = Conv(image, w)", {"w": (8, 3, 1, 1)}, image="4, 3, 6, 8")
    assert count_graph(path, width=8, height=6) == GraphCount(24, 6 * 8 * 24)


def test_every_operator_of_the_lists_exists_and_stands_in_one_of_them():
    known = [*MULTIPLY_ACCUMULATE, *ELEMENTWISE, *FREE]
    assert len(known) == len(set(known))
    assert [name for name in known if not onnx.defs.has(name)] == []
    assert set(known) >= LEARNED.keys()


@pytest.mark.parametrize(
    ("nodes", "image", "sentence"),
    [
        ("a = Hardmax(image)  y = Relu(a)", "N, 3, H, W", r"graph\.onnx: cannot count Hardmax; say in"),
        ("y = com.example.Relu(image)", "N, 3, H, W", r"cannot count com\.example\.Relu;"),
        ("y = Relu(image)", "N, 3, 320, 240", r"graph\.onnx: takes images of 240x320 .*, not 8x6;"),
        ("y = Relu(image)", "N, H, W", r"expected one input of 4 axes \(N, C, H, W\), found image of 3 axes"),
        ("y = Add(image, other)", "N, 3, 6, 8] image, float[N, 3, 6, 8] other, float[N", r"found .*, other of 4 axes"),
    ],
    ids=["unknown operator", "of another domain", "size", "axes", "inputs"],
)
def test_what_cannot_be_counted_is_refused(tmp_path, nodes, image, sentence):
    with pytest.raises(InputError, match=sentence):
        count_graph(tiny(tmp_path / "graph.onnx", nodes, {}, image), width=8, height=6)


def test_a_shape_that_depends_on_the_image_is_refused(tmp_path):
    path = tiny(
        tmp_path / "graph.onnx",
        "brightest = ReduceMax<keepdims=0>(image)  number = Cast<to=7>(brightest)"
        " zero = Constant<value_ints=[0]>()  end = Unsqueeze(number, zero)  axis = Constant<value_ints=[2]>()"
        " part = Slice(image, zero, end, axis)  y = Conv(part, w)",
        {"w": (8, 3, 1, 1)},
    )
    with pytest.raises(InputError, match=r"graph\.onnx: the shape of (part|y) cannot be inferred"):
        count_graph(path, width=8, height=6)


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    path = tmp_path / "graph.onnx"
    path.write_bytes(b"not protobuf")
    with pytest.raises(InputError, match="not a whole ONNX file"):
        count_graph(path, width=8, height=6)


def test_the_graph_of_another_network_is_refused(mobilenet025, centerface):
    with pytest.raises(InputError, match=r"g\.onnx: 9,811,456 multiply-accumulates at 64, but 33,219,072 in the net"):
        measure(mobilenet025[1], centerface[0], Size.parse("64"))


def test_a_size_in_pixels_is_needed(mobilenet025):
    network, path = mobilenet025
    with pytest.raises(InputError, match="give it in pixels"):
        measure(path, network, Size.parse("native"))


def test_the_command_writes_what_the_library_measures(mobilenet025, tmp_path):
    network, path = mobilenet025
    output = tmp_path / "made" / "complexity.json"
    options = {"graph": path, "network": "retinaface_mobilenet025", "size": "320x240", "complexity": output}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    subprocess.run([sys.executable, COMMAND, *arguments], check=True)
    found = json.loads(output.read_text())
    assert found.pop("run")["pth2map"]
    assert found == {
        **measure(path, network, Size.parse("320x240")).to_json(),
        "convention": CONVENTION,
        "graph": hash_file(path),
        "network": "retinaface_mobilenet025",
    }
    assert (found["width"], found["height"]) == (320, 240)


@pytest.mark.parametrize("opset", [9, 10, 17])
def test_the_count_does_not_depend_on_the_opset(tmp_path, opset):
    network = RetinaFace.mobilenet025().eval()
    export_onnx(network, tmp_path / "graph.onnx", (1, 3, 320, 320), ("loc", "conf", "landms"), opset=opset)
    assert measure(tmp_path / "graph.onnx", network, Size.parse("320")).operations == 254_329_600
