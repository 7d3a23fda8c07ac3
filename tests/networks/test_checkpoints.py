"""What is loaded, and every way a checkpoint can be wrong."""

import gzip
import io
import json
import pickle
import warnings

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.networks.checkpoints import load_weights, tunnel_name
from pth2map.networks.formula import formula_state_dict, save_formula_weights
from pth2map.networks.retinaface import RetinaFace

WEIGHTS = formula_state_dict(RetinaFace.mobilenet025())
CONV = "fpn.merge1.0.weight"


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def renamed(rename):
    return {rename(name): tensor for name, tensor in WEIGHTS.items()}


def without(*names):
    return {name: tensor for name, tensor in WEIGHTS.items() if name not in names}


@pytest.fixture
def network():
    return RetinaFace.mobilenet025()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.pth"


def test_the_published_weights_load_whole(network, mirror):
    path = mirror / "weights/retinaface/mobilenet0.25_Final.pth"
    loaded = load_weights(network, path)
    assert loaded.sha256 == "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"
    assert (loaded.entries, loaded.applied) == (300, ())


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("value", "applied"),
    [
        (WEIGHTS, ()),
        ({"state_dict": WEIGHTS, "epoch": 3, "optimizer": {"lr": 0.1}}, ("state_dict",)),
        (renamed("module.{}".format), ("module.",)),
        ({"state_dict": renamed("module.{}".format)}, ("state_dict", "module.")),
        (renamed(tunnel_name), ("tunnel",)),
        (
            {
                "state_dict": renamed(lambda name: f"module.{tunnel_name(name)}"),
                "min_loss": torch.tensor(3.0),
            },
            ("state_dict", "module.", "tunnel"),
        ),
    ],
    ids=["plain", "state_dict", "module", "both", "tunnel", "all"],
)
def test_wrappers_and_names_are_recognised(network, file, value, applied, zipped):
    file.write_bytes(saved(value, _use_new_zipfile_serialization=zipped))
    loaded = load_weights(network, file)
    assert (loaded.sha256, loaded.entries, loaded.applied) == (hash_file(file), 300, applied)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, WEIGHTS[name]), name


def test_a_checkpoint_of_the_ascend_training_loads_as_weights(network, file):
    """``.pth.tar`` as its script writes them: of several cards, by a torch that had NPUs, with all it keeps beside."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    network(torch.zeros(1, 3, 64, 64))[0].sum().backward()
    optimizer.step()
    content = {
        "epoch": 100,
        "state_dict": renamed(lambda name: f"module.{tunnel_name(name)}"),
        "min_loss": torch.tensor(3.5, requires_grad=True),
        "optimizer": optimizer.state_dict(),
        "amp": {"loss_scaler0": {"loss_scale": 128.0, "unskipped": 5000}},
    }
    written = saved(content, _use_new_zipfile_serialization=False)
    here, there = (b"X\x03\x00\x00\x00" + name for name in (b"cpu", b"npu"))
    assert here in written
    file.write_bytes(written.replace(here, there))
    assert load_weights(network, file).applied == ("state_dict", "module.", "tunnel")
    assert all(torch.equal(tensor, WEIGHTS[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(("name", "build"), [("mobilenet0.25", "mobilenet025"), ("Resnet50", "resnet50")])
def test_the_tunnel_names_are_the_golden_bijection(golden, name, build):
    names = json.loads((golden / "retinaface_train" / "names.json").read_text())
    expected = names[name]["seed004_to_biubug6"]
    ours = getattr(RetinaFace, build)().state_dict()
    assert {tunnel_name(entry): entry for entry in ours} == expected
    assert len(expected) == len(ours)


def test_counters_may_be_absent_all_together(network, file):
    counters = [name for name in WEIGHTS if name.endswith("num_batches_tracked")]
    file.write_bytes(saved(without(*counters)))
    loaded = load_weights(network, file)
    assert (loaded.entries, loaded.applied) == (300 - len(counters), ("no num_batches_tracked",))
    file.write_bytes(saved(without(*counters[1:])))
    with pytest.raises(InputError, match=rf"254 of 300 entries match\. 46 missing: {counters[1]}"):
        load_weights(network, file)


def test_half_precision_weights_are_converted(network, file):
    file.write_bytes(saved({name: t.half() if t.is_floating_point() else t for name, t in WEIGHTS.items()}))
    load_weights(network, file)
    assert torch.equal(network.state_dict()[CONV], WEIGHTS[CONV].half().float())


def mixed():
    """The head of one naming, the rest of the other."""
    return {tunnel_name(name) if not name.startswith("ClassHead") else name: t for name, t in WEIGHTS.items()}


def with_value(name, value):
    broken = WEIGHTS[name].clone()
    broken.view(-1)[-1] = value
    return WEIGHTS | {name: broken}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (without(CONV), rf"299 of 300 entries match\. 1 missing: {CONV}"),
        (WEIGHTS | {"fc.weight": torch.zeros(2)}, r"300 of 300 entries match\. 1 unexpected: fc\.weight"),
        (
            WEIGHTS | {CONV: torch.zeros(64, 64, 1, 1)},
            r"299 of 300 .* 1 of another shape or kind: fpn\.merge1\.0\.weight "
            r"float \(64, 64, 1, 1\) for float \(64, 64, 3, 3\)",
        ),
        (WEIGHTS | {CONV: torch.zeros(64, 64, 3, 3, dtype=torch.int32)}, r"int32 \(64, 64, 3, 3\) for float"),
        (mixed(), r"294 of 300 entries match\. 6 missing: classHead.*; 6 unexpected: ClassHead"),
        (renamed(tunnel_name) | {CONV: WEIGHTS[CONV]}, rf"300 of 300 .* 1 unexpected: {CONV}"),
        (with_value(CONV, torch.nan), rf"not finite in {CONV}"),
        (with_value("ClassHead.0.conv1x1.bias", -torch.inf), r"not finite in ClassHead\.0\.conv1x1\.bias"),
        (WEIGHTS | {CONV: WEIGHTS[CONV].double() * 1e300}, rf"not finite in {CONV}"),
        ({}, "holds a dict where a state dict"),
        ([WEIGHTS], "holds a list where a state dict"),
        ({"epoch": 3, "weights": WEIGHTS}, r"no named tensors are epoch, weights"),
        ({1: torch.zeros(2)}, "no named tensors are 1"),
    ],
    ids=[
        "missing",
        "unexpected",
        "shape",
        "kind",
        "mixed names",
        "both names",
        "nan",
        "inf",
        "overflow",
        "empty",
        "list",
        "other wrapper",
        "numbered",
    ],
)
def test_wrong_content_is_refused_and_the_network_left_alone(network, file, value, sentence):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    file.write_bytes(saved(value))
    with pytest.raises(InputError, match=sentence):
        load_weights(network, file)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_weights_of_the_other_body_are_refused(network, file):
    file.write_bytes(saved(RetinaFace.resnet50().state_dict()))
    with pytest.raises(InputError, match=r"29 of 300 entries match.*Is it the checkpoint of another network\?"):
        load_weights(network, file)


def test_the_backbone_alone_is_refused(network, mirror):
    with pytest.raises(InputError, match=r" 0 of 253 entries match\. 253 missing: body\.stage1\.0\.0\.weight"):
        load_weights(network, mirror / "weights/retinaface/mobilenetV1X0.25_pretrain.tar")


def test_a_backbone_is_loaded_without_its_classifier(network, mirror):
    path = mirror / "weights/retinaface/mobilenetV1X0.25_pretrain.tar"
    loaded = load_weights(network.body, path, besides=("fc.",))
    assert loaded.applied == ("state_dict", "module.")
    with pytest.raises(InputError, match=r"2 unexpected: fc\.weight, fc\.bias"):
        load_weights(network.body, path)


class Touch:
    """Creates a file when it is unpickled with code allowed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def torchscript():
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


ZIPPED, LEGACY = saved(WEIGHTS), saved(WEIGHTS, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "it looks like a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "it is a Git LFS pointer"),
        (gzip.compress(ZIPPED), "it looks like an archive; unpack it"),
        (b"just some words", "its first bytes are 6a 75 73 74"),
        (ZIPPED[: len(ZIPPED) // 2], "cut short, damaged"),
        (ZIPPED[:-20], "cut short, damaged"),
        (LEGACY[: len(LEGACY) // 2], "cut short, damaged"),
        (LEGACY[:100], "cut short, damaged"),
        (pickle.dumps({"a": 1}), "not written by torch.save"),
        (saved(nn.Linear(2, 2)), r"names the Python object torch\.nn\.modules\.linear\.Linear and no code"),
        (torchscript(), "it is a TorchScript program"),
        (saved({"a": np.zeros(3)}), "names the Python object numpy"),
    ],
    ids=[
        "empty",
        "html",
        "lfs",
        "gzip",
        "text",
        "half a zip",
        "zip without end",
        "half a legacy file",
        "start of a legacy file",
        "plain pickle",
        "module",
        "torchscript",
        "numpy",
    ],
)
def test_what_is_no_checkpoint_is_refused(network, file, content, sentence):
    file.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_weights(network, file)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_checkpoint_is_not_run(network, file, tmp_path, zipped):
    file.write_bytes(saved({"a": Touch(tmp_path / "touched")}, _use_new_zipfile_serialization=zipped))
    with pytest.raises(InputError, match=r"names the Python object \S*open and no code is loaded"):
        load_weights(network, file)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", ["none.pth", "."])
def test_a_missing_file_is_named(network, tmp_path, name):
    with pytest.raises(InputError, match=r"(does not exist|is a folder); expected a file of weights"):
        load_weights(network, tmp_path / name)


SMALL = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
SMALL_FILES = [saved(SMALL.state_dict(), _use_new_zipfile_serialization=zipped) for zipped in (True, False)]


@hypothesis.settings(
    max_examples=200, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(st.sampled_from(SMALL_FILES), st.data())
def test_damage_is_refused_or_harmless(file, content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(damaged[: data.draw(st.sampled_from([len(damaged), len(damaged) // 2]))])
    try:
        loaded = load_weights(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), file)
    except InputError:
        return
    assert loaded.entries == len(SMALL.state_dict())


def test_weights_by_formula_say_what_they_are_wherever_they_lie(tmp_path):
    path = tmp_path / "mine.pth"
    save_formula_weights("retinaface_mobilenet025", [("^ClassHead", 0.3)], path)
    network = RetinaFace.mobilenet025()
    assert load_weights(network, path).synthetic is True
    torch.save(network.state_dict(), path)
    assert load_weights(network, path).synthetic is False
