"""Checkpoints that are missing, broken, hostile, or of another network."""

import io
import pickle
from functools import cache
from pathlib import Path

import torch
from tests.bad_input.case import Area, Case, refused
from tests.bad_input.page import hold
from torch import nn

from pth2map.engines.torchscript import quiet_jit
from pth2map.networks.catalogue import build
from pth2map.networks.checkpoints import load_weights
from pth2map.networks.formula import formula_state_dict

AREA = Area("Weights")


@cache
def state_dict() -> dict[str, torch.Tensor]:
    return formula_state_dict(build("retinaface_mobilenet025"))


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def export(folder: Path, network: str = "retinaface_mobilenet025") -> tuple[str | Path, ...]:
    graph = ("--format", "onnx", "--size", "64", "--graph", folder / "model")
    return ("--network", network, "--weights", folder / "weights.pth", *graph)


def refuse(folder: Path, *more: str) -> str:
    return refused("export_graph", *export(folder), *more, outputs=[folder / "model"], folder=folder)


def given(folder: Path, content: bytes) -> str:
    (folder / "weights.pth").write_bytes(content)
    return refuse(folder)


@AREA.case("no such file", "Correct the path.")
def missing(folder: Path) -> str:
    return refuse(folder)


@AREA.case("a folder in place of the file", "Give the checkpoint in it.")
def a_folder(folder: Path) -> str:
    (folder / "weights.pth").mkdir()
    return refuse(folder)


@AREA.case("an empty file", "Fetch it again.")
def empty(folder: Path) -> str:
    return given(folder, b"")


@AREA.case("a web page", "The address asked for a login or is gone: fetch the file in a browser.")
def web_page(folder: Path) -> str:
    return given(folder, b"<!DOCTYPE html><html><body>Sign in</body></html>")


@AREA.case("a Git LFS pointer", "Run `git lfs pull` where the file came from.")
def lfs_pointer(folder: Path) -> str:
    return given(folder, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1789735\n")


@AREA.case("a checkpoint that ends early", "Fetch it again.")
def truncated(folder: Path) -> str:
    content = saved(state_dict())
    return given(folder, content[: len(content) // 2])


@AREA.case("an archive with the checkpoint in it", "Unpack it.")
def packed(folder: Path) -> str:
    return given(folder, b"\x1f\x8b\x08" + bytes(100))


class Hostile:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


@AREA.case("a pickle that runs code", "Do not use it. Nothing in it was run.")
def code(folder: Path) -> str:
    trace = folder / "was here"
    pickle.loads(pickle.dumps(Hostile(trace))).close()  # noqa: S301  (this one does run it)
    assert trace.exists()
    trace.unlink()
    said = given(folder, saved({"state_dict": state_dict(), "meta": Hostile(trace)}))
    assert not trace.exists()
    return said


@AREA.case("a whole module in place of its state dict", "Load it where its code is, and save `module.state_dict()`.")
def whole_module(folder: Path) -> str:
    return given(folder, saved(nn.Conv2d(3, 8, 3)))


@AREA.case("a TorchScript program", "Save the `state_dict()` of the network it was made from.")
def torchscript(folder: Path) -> str:
    with quiet_jit():
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 8, 8)), folder / "weights.pth")
    return refuse(folder)


@AREA.case("an ONNX graph", "Give the checkpoint that it was exported from.")
def onnx(folder: Path) -> str:
    return given(folder, b"\x08\x06\x12\x07pytorch\x1a\x052.8.0" + bytes(100))


@AREA.case("the checkpoint of another network", "Correct `network:` or `weights:` of the block.")
def other_network(folder: Path) -> str:
    entries = build("retinaface_resnet50").state_dict()
    return given(folder, saved({name: torch.zeros(()).expand(entry.shape) for name, entry in entries.items()}))


@AREA.case("entries that are missing or too many", "Take the checkpoint of this very network.")
def other_entries(folder: Path) -> str:
    entries = dict(state_dict())
    del entries["ClassHead.0.conv1x1.bias"]
    return given(folder, saved({**entries, "neck.weight": torch.zeros(3)}))


@AREA.case("entries of another shape", "Take the checkpoint of this very network.")
def other_shapes(folder: Path) -> str:
    return given(folder, saved({**state_dict(), "ClassHead.0.conv1x1.bias": torch.zeros(6)}))


@AREA.case("values that are not finite", "The training diverged; take an earlier checkpoint.")
def not_finite(folder: Path) -> str:
    bias = state_dict()["ClassHead.0.conv1x1.bias"].clone()
    bias[0] = torch.nan
    return given(folder, saved({**state_dict(), "ClassHead.0.conv1x1.bias": bias}))


@AREA.case("a checkpoint of the optimiser alone", "Save the network's `state_dict()` too.")
def optimiser(folder: Path) -> str:
    return given(folder, saved({"epoch": 80, "optimizer": {"lr": 0.1}}))


@AREA.case("a list of tensors", "Save the network's `state_dict()`.")
def tensors(folder: Path) -> str:
    return given(folder, saved([torch.zeros(3)]))


@AREA.case("another file than the declared one", "Remove it, so that it is fetched, or declare yours by `path:`.")
def other_hash(folder: Path) -> str:
    (folder / "weights.pth").write_bytes(b"of another day")
    return refuse(folder, "--hash", f"sha256={'0' * 64}")


@AREA.case("a checkpoint in half precision, under `state_dict`, with `module.` before each name", "Nothing.")
def wrapped(folder: Path) -> str:
    entries = {f"module.{name}": _halved(tensor) for name, tensor in state_dict().items()}
    (folder / "weights.pth").write_bytes(saved({"state_dict": entries, "epoch": 80}))
    network = build("retinaface_mobilenet025")
    assert load_weights(network, folder / "weights.pth").applied == ("state_dict", "module.")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, entries[f"module.{name}"].to(tensor.dtype)), name
    return "works"


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


@AREA.case("a network that does not exist", "Take one that is allowed.")
def unknown_network(folder: Path) -> str:
    (folder / "weights.pth").write_bytes(saved(state_dict()))
    return refused("export_graph", *export(folder, "retinaface_mobilenet"), folder=folder)


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
