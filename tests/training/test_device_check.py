"""What is said of a device before a training, on machines that have it and on others."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from pth2map import doctor
from pth2map.config.read import read_points
from pth2map.files.errors import InputError
from pth2map.training.device_check import check_device

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "workflow/scripts/require_device.py"


def cards(count: int) -> SimpleNamespace:
    """What torch has for a kind of device with so many cards."""
    return SimpleNamespace(
        is_available=lambda: count > 0,
        device_count=lambda: count,
        get_device_name=lambda number: f"card {number}",
    )


@pytest.fixture
def cuda(monkeypatch):
    """A torch with two CUDA cards."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch, "cuda", cards(2))
    monkeypatch.setattr(torch.distributed, "is_backend_available", lambda name: name in {"nccl", "gloo", "hccl"})


@pytest.fixture
def npu(monkeypatch):
    """A torch with eight NPU cards."""
    module = ModuleType("torch_npu")
    module.__version__ = "2.7.1"
    monkeypatch.setitem(sys.modules, "torch_npu", module)
    monkeypatch.setattr(torch, "npu", cards(8), raising=False)
    monkeypatch.setattr(torch.distributed, "is_backend_available", lambda name: name in {"nccl", "gloo", "hccl"})


def refused(*arguments) -> str:
    with pytest.raises(InputError) as error:
        check_device(*arguments)
    return str(error.value)


def test_the_cpu_is_there():
    assert check_device("cpu", "cpu", [0, 1]) == {"kind": "cpu", "torch": torch.__version__}


def test_cards_that_are_there(cuda, npu):
    assert check_device("cuda", "cuda", [1, 0])["cards"] == ["card 1", "card 0"]
    assert check_device("cuda", "cuda", [0, 1], "gloo")["kind"] == "cuda"
    found = check_device("npu", "npu", list(range(8)))
    assert (found["torch_npu"], len(found["cards"])) == ("2.7.1", 8)


def test_cards_that_are_not(cuda, npu, monkeypatch):
    assert refused("gpu", "cuda", [0, 2, 5]) == (
        "devices.gpu: no card 2, 5; torch finds 2, from 0 to 1; mend `devices` of the training"
    )
    monkeypatch.setattr(torch, "npu", cards(0))
    assert refused("npu", "npu", [0]) == (
        "devices.npu: torch finds no card; expected those that `npu-smi info` shows, mend the driver first"
    )


def test_a_torch_without_cuda(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    assert refused("gpu", "cuda", [0]) == (
        f"devices.gpu: torch {torch.__version__} of {sys.executable} is built without CUDA; name an interpreter with a "
        "CUDA build of torch and the packages of requirements.lock in devices.gpu.python"
    )


def test_a_backend_that_torch_has_not(cuda, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_backend_available", lambda name: name in {"nccl", "gloo"})
    assert "devices.gpu: torch " in (said := refused("gpu", "cuda", [0, 1], "hccl"))
    assert " has no backend hccl; name an interpreter" in said
    assert check_device("gpu", "cuda", [0], "hccl"), "one process talks to nobody"


def test_modules_that_are_lacking(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in {"torch", "cv2"} else found(name))
    assert refused("mine", "npu", [0]) == (
        f"devices.mine: {sys.executable} has no module cv2, torch; name the interpreter with torch_npu and the "
        "packages of requirements.lock in devices.mine.python, and the vendor's set_env.sh in devices.mine.setup"
    )
    assert refused("cpu", "cpu", [0]).endswith("has no module cv2, torch; run `make setup`")


@pytest.mark.skipif(importlib.util.find_spec("torch_npu") is not None, reason="torch_npu is there")
def test_without_torch_npu_the_command_says_so(tmp_path):
    arguments = ["--name", "npu", "--device", "npu", "--devices", "0", "--found", tmp_path / "found.json"]
    done = subprocess.run([sys.executable, COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: devices.npu: {sys.executable} cannot import torch_npu (No module named")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "found.json").exists()


def test_the_command_writes_what_it_found(tmp_path):
    arguments = ["--name", "cpu", "--device", "cpu", "--devices", "0,1", "--found", tmp_path / "found.json"]
    subprocess.run([sys.executable, COMMAND, *arguments], check=True)
    assert json.loads((tmp_path / "found.json").read_text()) == {"kind": "cpu", "torch": torch.__version__}


def test_the_doctor_tells_of_devices_in_their_interpreters(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 'error: python is Python 3.8.1; a training needs 3.11 or later' >&2\nexit 1\n")
    old.chmod(0o755)
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(json.dumps({"devices": {"npu": {"python": str(old)}}}))
    points = read_points(ROOT, [overlay])
    lines = {name: doctor.report(name, kind, probe) for name, kind, probe in doctor.examine_devices(points, ROOT)}
    assert lines["devices.cpu"] == [f"devices.cpu          cpu          yes: torch {torch.__version__}"]
    assert lines["devices.npu"] == [
        "devices.npu          npu          no",
        "    python is Python 3.8.1; a training needs 3.11 or later",
    ]
