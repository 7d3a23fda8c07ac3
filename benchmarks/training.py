"""Steps of ``workflow/scripts/train.py`` beside those of a training in the published order of operations."""

import json
from pathlib import Path

from harness import BENCHMARKS, ROOT, Figure, Ran, Result, mirror, profile_table, run_together

from pth2map.datasets.face_labels import write_labels
from pth2map.datasets.label_faults import Faults
from pth2map.datasets.training_set import TRAIN, index_training_set
from pth2map.datasets.widerface_index import IMAGES
from pth2map.datasets.widerface_labels import widerface_labels
from pth2map.training.epochs import read_epochs

NETWORK, BATCH, RATE = "retinaface_mobilenet025", 8, 1e-3
THREADS = WORKERS = 2
PROFILED = 12
"""Steps."""


def measure(folder: Path, rounds: int, size: int = 640, steps: int = 40) -> Result:
    """Images/s of both, on the mini set with the boxes of its ground truth; the first steps of each do not count.

    Each reads with two processes and computes with two threads, on the two cores that both have.
    """
    data = folder / "train.npz"
    _index(data)
    ours: list[Ran] = []
    plain: list[Ran] = []
    rates: dict[str, list[float]] = {"training": [], "published order": []}
    profiles: list[dict[str, float]] = []
    for turn in range(rounds):
        (ran,) = run_together([_plain(data, size, steps)], folder)
        plain.append(ran)
        rates["published order"].append(json.loads(ran.output))
        below = folder / f"training-{turn}"
        below.mkdir()
        (ran,) = run_together([_ours(data, below, size, steps)], below)
        ours.append(ran)
        (epoch,) = read_epochs(below / "epochs.tsv")
        assert epoch.images_per_second is not None, f"{steps} steps are too few to be measured"
        rates["training"].append(epoch.images_per_second)
        (ran,) = run_together([_profiled(data, below, size, min(steps, PROFILED))], below)
        profiles.append(json.loads(ran.output))
    ratios = tuple(a / b for a, b in zip(*rates.values(), strict=True))
    cpu = tuple(b.cpu / a.cpu for a, b in zip(ours, plain, strict=True))
    return Result(
        "training",
        (
            Figure("images/s: training / published order", ratios, 1.2, 1.5),
            *(Figure(name, tuple(values), unit="images/s") for name, values in rates.items()),
            Figure("CPU, start and end included: published order / training", cpu),
            Figure("peak memory, without the readers", tuple(ran.peak_mib for ran in ours), unit="MiB"),
            Figure("peak memory, published order", tuple(ran.peak_mib for ran in plain), unit="MiB"),
        ),
        (profile_table(profiles),),
    )


def _index(data: Path) -> None:
    root = mirror() / "widerface-mini"
    labels = data.parent / "label.txt"
    write_labels(labels, widerface_labels(root, listed=root / "wider_val.txt").boxes)
    faults = Faults(no_faces="drop", outside="clip")
    index_training_set("widerface", TRAIN, labels, root / IMAGES, faults).save(data)


def _settings(size: int, steps: int) -> str:
    return json.dumps({"size": size, "batch_size": BATCH, "learning_rate": RATE, "epochs": 1, "max_steps": steps})


def _ours(data: Path, folder: Path, size: int, steps: int) -> list[object]:
    return [
        *(ROOT / "workflow/scripts/train.py", "--network", NETWORK, "--settings", _settings(size, steps)),
        *("--train", data, "--device", "cpu", "--workers", WORKERS, "--threads", THREADS, "--state", folder / "state"),
        *("--weights", folder / "weights.pth", "--epochs", folder / "epochs.tsv"),
        *("--record", folder / "training.json", "--checkpoints", folder / "checkpoints"),
    ]


def _profiled(data: Path, folder: Path, size: int, steps: int) -> list[object]:
    return [
        *(BENCHMARKS / "training_profile_worker.py", "--network", NETWORK, "--settings", _settings(size, steps)),
        *("--train", data, "--state", folder / "profiled"),
    ]


def _plain(data: Path, size: int, steps: int) -> list[object]:
    return [
        *(BENCHMARKS / "training_worker.py", "--train", data, "--size", size, "--batch", BATCH, "--rate", RATE),
        *("--steps", steps, "--workers", WORKERS, "--threads", THREADS),
    ]
