"""RetinaFace against the outputs of the published code."""

import hashlib
import json

import cv2
import numpy as np
import pytest
import torch

from pth2map.networks.checkpoints import load_weights
from pth2map.networks.formula import formula_state_dict
from pth2map.networks.retinaface import RetinaFace

WEIGHTS = "weights/retinaface/mobilenet0.25_Final.pth"
BUILD = {
    "mobilenet0.25": RetinaFace.mobilenet025,
    "mobilenet0.25 formula": RetinaFace.mobilenet025,
    "Resnet50": RetinaFace.resnet50,
}
RUNS = [
    "m1000_0",
    "m1000_1",
    "m1000_2",
    "m640_0",
    "m640_1",
    "r50_320_0",
    "msyn",
    "mformula_syn",
    "r50_syn",
]


@pytest.fixture(scope="module")
def case(golden):
    return json.loads((golden / "retinaface_forward" / "case.json").read_text())


@pytest.fixture(scope="module")
def arrays(golden):
    return np.load(golden / "retinaface_forward" / "arrays.npz")


def weighted(name, case, request):
    network = BUILD[name]().eval()
    if name == "mobilenet0.25":
        load_weights(network, request.getfixturevalue("mirror") / WEIGHTS)
    else:
        network.load_state_dict(formula_state_dict(network, case["weights"][name]["scale_rules"]))
    return network


def prepared(path, side):
    """Long side to ``side`` by nearest neighbours, 0 below and to the right, minus the mean."""
    image = cv2.imread(str(path)).astype(np.float32)
    scale = side / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    canvas = np.zeros((side, side, 3), np.float32)
    canvas[: image.shape[0], : image.shape[1]] = image
    return np.ascontiguousarray((canvas - np.float32([104, 117, 123])).transpose(2, 0, 1)[None])


def input_of(run, request):
    if run["image"] is None:
        return np.random.RandomState(231).uniform(-120, 150, (1, 3, 167, 231)).astype(np.float32)
    return prepared(request.getfixturevalue("mirror") / "widerface-mini" / run["image"], run["input_shape"][2])


def test_every_golden_run_is_compared(case):
    assert [run["tag"] for run in case["runs"]] == RUNS


@pytest.mark.parametrize("number", range(len(RUNS)), ids=RUNS)
def test_forward_gives_the_published_outputs(case, arrays, number, request):
    run = case["runs"][number]
    images = input_of(run, request)
    assert hashlib.sha256(images.tobytes()).hexdigest() == run["input_sha256"]
    with torch.inference_mode():
        outputs = weighted(run["net"], case, request)(torch.from_numpy(images))
    for key, output in zip(("bbox", "conf", "landm"), outputs, strict=True):
        rows = output[0].numpy()
        expected = run[key]
        assert list(rows.shape) == expected["shape"]
        stored = {"": rows[:: run["row_stride"]], "top_": rows[arrays[f"{run['tag']}_top_idx"]]}
        for prefix, part in stored.items():
            np.testing.assert_allclose(part, arrays[f"{run['tag']}_{prefix}{key}"], rtol=1e-4, atol=1e-4)
        assert np.abs(rows, dtype=np.float64).sum() == pytest.approx(expected["abs_sum"], rel=1e-5)
        assert rows.sum(dtype=np.float64) == pytest.approx(expected["sum"], abs=1e-5 * expected["abs_sum"])
        assert [rows.min(), rows.max()] == pytest.approx([expected["min"], expected["max"]], abs=1e-4)
    assert (outputs[1][0, :, 1] > 0.02).sum() == run["anchors_over_0.02"]


@pytest.mark.parametrize("name", ["mobilenet0.25 formula", "Resnet50"])
def test_parameters_and_entries_are_the_published_ones(case, name):
    network = BUILD[name]()
    expected = case["weights"][name]
    assert sum(parameter.numel() for parameter in network.parameters()) == expected["parameters"]
    assert len(network.state_dict()) == expected["entries"]


@pytest.mark.parametrize("name", ["mobilenet0.25 formula", "Resnet50"])
def test_formula_weights_have_the_golden_hashes(case, name):
    weights = formula_state_dict(BUILD[name](), case["weights"][name]["scale_rules"])
    for entry, expected in case["weights"][name]["check"].items():
        assert list(weights[entry].shape) == expected["shape"]
        assert hashlib.sha256(weights[entry].numpy().tobytes()).hexdigest() == expected["sha256"]


def test_only_the_first_matching_scale_rule_counts():
    network = RetinaFace.mobilenet025()
    plain, scaled = (formula_state_dict(network, rules) for rules in ([], [("ClassHead", 2), ("Head", 3)]))
    changed = {name for name in plain if not torch.equal(plain[name], scaled[name])}
    assert changed == {name for name in plain if "Head" in name}
    torch.testing.assert_close(scaled["ClassHead.0.conv1x1.bias"], 2 * plain["ClassHead.0.conv1x1.bias"])
    torch.testing.assert_close(scaled["BboxHead.0.conv1x1.bias"], 3 * plain["BboxHead.0.conv1x1.bias"])


@pytest.mark.parametrize(("height", "width", "priors"), [(64, 64, 168), (33, 65, 132), (1, 1, 6)])
def test_number_of_priors_follows_the_size(height, width, priors):
    network = RetinaFace.mobilenet025().eval()
    with torch.inference_mode():
        loc, conf, landms = network(torch.zeros(2, 3, height, width))
    assert (loc.shape, conf.shape, landms.shape) == ((2, priors, 4), (2, priors, 2), (2, priors, 10))


@pytest.mark.parametrize("training", [False, True])
def test_logits_are_the_scores_before_softmax_in_either_mode(training):
    torch.manual_seed(0)
    network = RetinaFace.mobilenet025(logits=True).train(training)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        _, logits, _ = network(images)
        network.logits = False
        _, scores, _ = network(images)
    assert logits.min() < 0
    torch.testing.assert_close(scores, torch.softmax(logits, -1))


def test_images_of_a_batch_do_not_meet():
    torch.manual_seed(0)
    network = RetinaFace.mobilenet025().eval()
    images = torch.randn(3, 3, 75, 64)
    with torch.inference_mode():
        together, alone = network(images), network(images[1:2])
    for batch, single in zip(together, alone, strict=True):
        torch.testing.assert_close(batch[1:2], single)
