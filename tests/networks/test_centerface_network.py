"""CenterFace against the outputs of the published code, and through checkpoints and exporters."""

import hashlib
import json
from collections import Counter

import numpy as np
import onnx
import pytest
import torch

from pth2map.datasets.images import read_image
from pth2map.engines.session import open_session
from pth2map.export.onnx import export_onnx
from pth2map.export.parity import compare
from pth2map.export.torchscript import export_torchscript
from pth2map.files.errors import InputError
from pth2map.networks.centerface import OUTPUTS, CenterFace
from pth2map.networks.checkpoints import load_weights
from pth2map.networks.formula import formula_state_dict
from pth2map.recipes.centerface_preprocess import Preprocess
from pth2map.recipes.centerface_settings import CenterFacePreprocess
from pth2map.recipes.settings import Size

# Activations and scores of a useful size: the rules of the formula weights for this network.
RULES = [
    (r"^base\.feature_\d\.\d+\.conv\.3\.weight$", 0.4),
    (r"^hm\.0\.weight$", 2.0),
    (r"^wh\.weight$", 0.6),
    (r"^hm_offset\.weight$", 0.2),
]
KEYS = ("hm", "wh", "off", "lm")  # what the golden data calls the outputs
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def case(golden):
    return json.loads((golden / "centerface" / "case.json").read_text())


@pytest.fixture(scope="module")
def arrays(golden):
    return np.load(golden / "centerface" / "arrays.npz")


@pytest.fixture(scope="module")
def network():
    network = CenterFace().eval()
    network.load_state_dict(formula_state_dict(network, RULES))
    return network


@pytest.fixture(scope="module")
def synthetic(network):
    """The input of the golden run, and our outputs ``(c, 40, 56)``."""
    images = np.random.RandomState(800).standard_normal((1, 3, 160, 224)).astype(np.float32)
    with torch.inference_mode():
        return images, [output[0].numpy() for output in network(torch.from_numpy(images))]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_and_entries_are_the_published_ones():
    network = CenterFace()
    assert (parameters(network), len(network.state_dict())) == (1_881_551, 362)
    assert parameters(CenterFace(channels=24)) == 1_829_271


def test_formula_weights_have_the_golden_hashes(network, case):
    assert [tuple(rule) for rule in case["weights"]["scale_rules"]] == RULES
    assert (case["weights"]["parameters"], case["weights"]["entries"]) == (1_881_551, 362)
    for entry, expected in case["weights"]["check"].items():
        tensor = network.state_dict()[entry]
        assert list(tensor.shape) == expected["shape"]
        assert hashlib.sha256(tensor.numpy().tobytes()).hexdigest() == expected["sha256"]


def test_forward_gives_the_published_outputs(synthetic, case, arrays):
    images, outputs = synthetic
    expected = case["synthetic_input"]
    assert hashlib.sha256(images.tobytes()).hexdigest() == expected["input_sha256"]
    for key, stride, output in zip(KEYS, (1, 3, 3, 3), outputs, strict=True):
        np.testing.assert_allclose(output.ravel()[::stride], arrays[f"syn_{key}"], **CLOSE)
        figures = expected["outputs"][key]
        assert [1, *output.shape] == figures["shape"]
        assert np.abs(output, dtype=np.float64).sum() == pytest.approx(figures["abs_sum"], rel=1e-5)
        assert output.sum(dtype=np.float64) == pytest.approx(figures["sum"], abs=1e-5 * figures["abs_sum"])
        assert [output.min(), output.max()] == pytest.approx([figures["min"], figures["max"]], abs=1e-4)


@pytest.mark.parametrize(
    ("number", "first", "last", "abs_sum"),
    [
        (0, 0.1970771849155426, 0.12370254099369049, 128.71049639343983),
        (1, 0.12087162584066391, 0.009528538212180138, 1780.4023094892036),
        (2, 0.10743919014930725, 0.15320125222206116, 375.7826857493492),
        (3, 0.09959884732961655, -0.17384909093379974, 20266.90159321204),
    ],
    ids=OUTPUTS,
)
def test_forward_gives_single_published_figures(synthetic, number, first, last, abs_sum):
    output = synthetic[1][number]
    values = output.ravel()[:: 1 if number == 0 else 3]
    np.testing.assert_allclose(values[[0, -1]], [first, last], **CLOSE)
    assert np.abs(output, dtype=np.float64).sum() == pytest.approx(abs_sum, rel=1e-5)


@pytest.mark.parametrize("number", range(3))
def test_preprocess_and_forward_of_photographs_come_near_the_published_outputs(network, case, arrays, mirror, number):
    """Near alone: the golden outputs are of OpenCV 4's pixels, which are up to four grey levels from those of 5."""
    image = read_image(mirror / "widerface-mini" / case["images"][number]["image"])
    tensor, _ = Preprocess(CenterFacePreprocess(), Size.parse("800"))(image)
    with torch.inference_mode():
        outputs = network(torch.from_numpy(tensor[None]))
    for key, stride, output in zip(KEYS, (101, 499, 499, 499), outputs, strict=True):
        values = output.numpy().ravel()
        difference = np.abs(values[::stride] - arrays[f"img{number}_{key}_sample"])
        assert (difference.max(), difference.mean()) < (0.05, 0.003)
        expected = case["images"][number]["outputs_from_opencv4_tensor"][key]["abs_sum"]
        assert np.abs(values, dtype=np.float64).sum() == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160)])
def test_maps_have_a_quarter_of_the_size(height, width):
    with torch.inference_mode():
        outputs = CenterFace().eval()(torch.zeros(2, 3, height, width))
    assert [tuple(output.shape) for output in outputs] == [(2, c, height // 4, width // 4) for c in (1, 2, 2, 10)]
    assert {output.dtype for output in outputs} == {torch.float32}
    assert 0 < outputs[0].min() <= outputs[0].max() < 1


def test_a_size_that_cannot_be_halved_five_times_is_refused():
    with pytest.raises(RuntimeError, match="size of tensor"), torch.inference_mode():
        CenterFace().eval()(torch.zeros(1, 3, 64, 80))


def test_images_of_a_batch_do_not_meet(network):
    torch.manual_seed(0)
    images = torch.randn(3, 3, 64, 96)
    with torch.inference_mode():
        together, alone = network(images), network(images[1:2])
    for batch, single in zip(together, alone, strict=True):
        torch.testing.assert_close(batch[1:2], single, rtol=1e-5, atol=1e-5)


def checkpoint(path, network, **changed):
    entries = {f"module.{name}": tensor for name, tensor in (network.state_dict() | changed).items()}
    torch.save({"epoch": 140, "state_dict": entries, "optimizer": {"state": {}, "param_groups": [{"lr": 5e-4}]}}, path)
    return path


def test_a_checkpoint_of_the_published_training_loads_whole(network, tmp_path):
    filled = CenterFace()
    loaded = load_weights(filled, checkpoint(tmp_path / "model_best.pth", network))
    assert (loaded.entries, loaded.applied) == (362, ("state_dict", "module."))
    expected = network.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in filled.state_dict().items())


def test_an_entry_of_another_shape_is_refused_and_nothing_loaded(network, tmp_path):
    """The published loader keeps its random values for such an entry, and says so in passing."""
    path = checkpoint(tmp_path / "model_best.pth", network, **{"hm.0.weight": torch.zeros(2, 64, 1, 1)})
    filled = CenterFace()
    before = {name: tensor.clone() for name, tensor in filled.state_dict().items()}
    sentence = (
        r"361 of 362 .* 1 of another shape or kind: hm\.0\.weight float \(2, 64, 1, 1\) for float \(1, 64, 1, 1\)"
    )
    with pytest.raises(InputError, match=sentence):
        load_weights(filled, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in filled.state_dict().items())


def test_a_checkpoint_of_another_width_is_refused(tmp_path):
    path = checkpoint(tmp_path / "model_best.pth", CenterFace(channels=24))
    with pytest.raises(InputError, match=r"318 of 362 entries match\. 44 of another shape"):
        load_weights(CenterFace(), path)


def assert_parity(network, kind, path, shape):
    images = np.random.RandomState(sum(shape)).standard_normal(shape).astype(np.float32)
    with torch.inference_mode():
        expected = [output.numpy() for output in network(torch.from_numpy(images))]
    compare(expected, open_session(kind, path, OUTPUTS).run(images), OUTPUTS).check(1e-4)


def test_onnx_of_any_batch_equals_the_network(network, tmp_path):
    path = tmp_path / "centerface.onnx"
    export_onnx(network, path, (1, 3, 64, 96), OUTPUTS, opset=11, dynamic={"batch"})
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        output.name: [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]
        for output in model.graph.output
    }
    assert shapes == {name: ["batch", c, 16, 24] for name, c in zip(OUTPUTS, (1, 2, 2, 10), strict=True)}
    # The published graph of 178 nodes, less its batch norms, which fold into the convolutions before them.
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds == {"Conv": 60, "Clip": 34, "Add": 13, "Relu": 8, "ConvTranspose": 3, "Sigmoid": 1}
    for shape in ((1, 3, 64, 96), (3, 3, 64, 96)):
        assert_parity(network, "onnxruntime", path, shape)


def test_torchscript_equals_the_network(network, tmp_path):
    path = tmp_path / "centerface.pt"
    export_torchscript(network, path, torch.rand(1, 3, 64, 96) / 2)
    assert_parity(network, "torchscript", path, (2, 3, 96, 64))
