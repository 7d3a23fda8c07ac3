"""Trainings by the command of the workflow, on what is not there, broken, or of another training."""

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path

import torch
from tests import synthetic_faces
from tests.bad_input.case import Area, Case, Unavailable, refused, works
from tests.bad_input.page import hold

from pth2map.networks.catalogue import build
from pth2map.training.device_check import KINDS

AREA = Area("Trainings (`train.py`)")
NETWORK = "retinaface_mobilenet025"
SETTINGS: dict[str, object] = {"size": 64, "epochs": 1, "batch_size": 2, "warmup_epochs": 0}
RESULTS = {
    "--weights": "weights.pth",
    "--epochs": "epochs.tsv",
    "--record": "training.json",
    "--checkpoints": "checkpoints",
}


@cache
def state_dict(network: str) -> dict[str, torch.Tensor]:
    return build(network).state_dict()


def arguments(folder: Path, settings: str | None = None, network: str = NETWORK) -> tuple[str | Path, ...]:
    """Of a training of three steps, once its set is there."""
    outputs = [part for option, name in RESULTS.items() for part in (option, folder / "results" / name)]
    where = ("--train", folder / "train.npz", "--state", folder / "state", "--workers", "0")
    return ("--network", network, "--settings", settings or json.dumps(SETTINGS), *where, *outputs)


def indexed(folder: Path) -> None:
    synthetic_faces.indexed(folder / "faces", 6).save(folder / "train.npz")


def stop(
    folder: Path, *more: str | Path, settings: str | None = None, network: str = NETWORK, **changed: object
) -> str:
    """What a training says that stops; ``changed`` are its settings. Its results are as they were."""
    if not (folder / "train.npz").exists():
        indexed(folder)
    given = arguments(folder, settings or json.dumps(SETTINGS | changed), network)
    outputs = [folder / "results" / name for name in ("weights.pth", "epochs.tsv", "checkpoints/best.pth")]
    return refused("train", *given, *more, outputs=outputs, folder=folder / "results")


def start(folder: Path, option: str, network: str, *more: str | Path) -> str:
    """What it says to weights that it should start from."""
    torch.save(state_dict(network), folder / "start.pth")
    return stop(folder, option, folder / "start.pth", *more)


@AREA.case("settings that are YAML, not JSON", "Write JSON, or give the settings to a block of the config.")
def no_json(folder: Path) -> str:
    return stop(folder, settings="size: 64")


@AREA.case("settings without the size", "Give it.")
def no_size(folder: Path) -> str:
    return stop(folder, settings='{"epochs": 90}')


@AREA.case("no training set", "Correct the path, or index the labels first.")
def no_set(folder: Path) -> str:
    return refused("train", *arguments(folder), outputs=[folder / "results/weights.pth"], folder=folder)


@AREA.case("a label file as the training set", "Index it first.")
def labels(folder: Path) -> str:
    indexed(folder)
    (folder / "train.npz").write_bytes((folder / "faces/label.txt").read_bytes())
    return stop(folder)


@AREA.case("a batch of more images than there are", "Make it smaller.")
def batch(folder: Path) -> str:
    return stop(folder, batch_size=7)


@AREA.case("a network that cannot be trained", "Take one that is allowed.")
def other_network(folder: Path) -> str:
    return stop(folder, network="centerface")


@AREA.case("weights to start from that are not there", "Correct the path.")
def no_start(folder: Path) -> str:
    return stop(folder, "--start-from", folder / "start.pth")


@AREA.case("weights to start from that are of another network", "Take those of this very network.")
def other_start(folder: Path) -> str:
    return start(folder, "--start-from", "centerface")


@AREA.case("the checkpoint of a whole network as the backbone", "Give it as `start_from`.")
def whole_as_backbone(folder: Path) -> str:
    return start(folder, "--backbone", NETWORK)


@AREA.case("weights to start from that are not the declared ones", "Remove them, so that they are fetched.")
def other_hash(folder: Path) -> str:
    (folder / "start.pth").write_bytes(b"of another day")
    return stop(folder, "--backbone", folder / "start.pth", "--backbone-hash", f"sha256={'0' * 64}")


@AREA.case("a hash without its algorithm", "Write `sha256=` before it.")
def bare_hash(folder: Path) -> str:
    return start(folder, "--start-from", NETWORK, "--start-from-hash", "0676ba61")


def lacking(folder: Path, device: str) -> str:
    found = folder / "device.json"
    where = ("--name", device, "--device", device, "--devices", "0", "--found", found)
    said = refused("require_device", *where, outputs=[found], folder=folder)
    return said.replace(sys.executable, "python").replace(torch.__version__, "...")


@AREA.case("a CUDA card, but torch for the CPU", "[training.md](training.md#devices) says how to make an interpreter.")
def no_cuda(folder: Path) -> str:
    if torch.version.cuda:
        raise Unavailable("torch is built with CUDA here")
    return lacking(folder, "cuda")


@AREA.case("an Ascend card, but not its torch", "Give `devices.npu.python` and `devices.npu.setup`.")
def no_npu(folder: Path) -> str:
    if importlib.util.find_spec(str(KINDS["npu"].module)):
        raise Unavailable("torch_npu is here")
    return lacking(folder, "npu")


@AREA.case("several devices, but one process", "Let torchrun start them, as the sentence says.")
def one_process(folder: Path) -> str:
    return stop(folder, "--devices", "0,1")


@AREA.case("the name of a device in place of its number", "Give numbers; the kind is `--device`.")
def device_name(folder: Path) -> str:
    return stop(folder, "--devices", "cuda:0")


@AREA.case("the state of another training", "Give this one a folder of its own; the workflow does.")
def other_state(folder: Path) -> str:
    indexed(folder)
    works("train", *arguments(folder))
    return stop(folder, learning_rate=0.5)


@AREA.case("a state that is cut short", "Remove its folder; that training begins anew.")
def broken_state(folder: Path) -> str:
    indexed(folder)
    works("train", *arguments(folder))
    state = folder / "state/state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    return stop(folder)


@AREA.case("a training that is over", "Nothing: no step is made again.")
def over(folder: Path) -> str:
    indexed(folder)
    works("train", *arguments(folder))
    weights = (folder / "results/weights.pth").read_bytes()
    assert works("train", *arguments(folder)) == ""
    assert (folder / "results/weights.pth").read_bytes() == weights
    runs = json.loads((folder / "results/training.json").read_text())["runs"]
    assert [run["first_step"] for run in runs] == [0, 3]
    return "works"


@AREA.case(
    "a loss that is not finite", "Lower `learning_rate` or lengthen `warmup_epochs`; the labels may be wrong too."
)
def diverged(folder: Path) -> str:
    return stop(folder, learning_rate=1e12)


@AREA.case("a loss scale that is too large", "Lower `loss_scale`.")
def loss_scale(folder: Path) -> str:
    return stop(folder, amp=True, loss_scale=3e38)


@AREA.case("an image that was resized after the index", "In a run of Snakemake: call it again.")
def resized(folder: Path) -> str:
    indexed(folder)
    images = folder / "faces/images"
    (images / "0--Event/3.jpg").write_bytes((images / "1--Event/1.jpg").read_bytes())
    return stop(folder)


@AREA.case("an image that went missing after the index", "In a run of Snakemake: put it back and call it again.")
def gone(folder: Path) -> str:
    indexed(folder)
    (folder / "faces/images/0--Event/3.jpg").unlink()
    return stop(folder)


def plot(folder: Path) -> str:
    where = ("--epochs", folder / "epochs.tsv", "--title", "mine", "--picture", folder / "training.png")
    return refused("plot_training", *where, outputs=[folder / "training.png"], folder=folder)


@AREA.case("no table to draw", "Train first.")
def no_table(folder: Path) -> str:
    return plot(folder)


@AREA.case("another table to draw", "Give `epochs.tsv` of a training.")
def other_table(folder: Path) -> str:
    (folder / "epochs.tsv").write_text("model\tap\nmine\t0.9\n", encoding="utf-8")
    return plot(folder)


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
