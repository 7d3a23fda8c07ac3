"""A training from its plan to what it leaves: weights, checkpoints, the table of epochs, and where all came from."""

from __future__ import annotations

import fcntl
import re
import shutil
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pth2map.files.atomic import read_json, replacing, replacing_folder, write_json
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.files.provenance import describe_run
from pth2map.training.checkpoints import BEST, checkpoint_path
from pth2map.training.epochs import write_epochs
from pth2map.training.trainer import Plan, Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pth2map.datasets.training_set import TrainingSet
    from pth2map.training.epochs import Epoch
    from pth2map.training.settings import TrainingSettings
    from pth2map.training.world import World

RUNS = "runs.json"
_PATIENCE = 30.0  # seconds for one that was just ended


@dataclass(frozen=True)
class Outputs:
    """Where what a training leaves goes."""

    weights: Path
    epochs: Path
    record: Path
    checkpoints: Path


def train(plan: Plan, world: World, outputs: Outputs) -> None:
    """Train, or go on, and write the outputs, which the first process does for all.

    Raises ``InputError`` as :class:`Trainer` does, and for images that are no longer as they were indexed.
    """
    with _alone(plan.state) if world.first else nullcontext(), _told_of_memory(plan.settings):
        trainer = Trainer(plan, world)
        runs = _begin(plan, world, trainer.progress.step) if world.first else []
        epochs = trainer.run()
        if world.first:
            _write(plan, world, epochs, runs, outputs)


def _write(plan: Plan, world: World, epochs: Sequence[Epoch], runs: Sequence[dict[str, Any]], outputs: Outputs) -> None:
    chosen = plan.state / BEST if plan.settings.weights == "best" else checkpoint_path(plan.state, epochs[-1].epoch)
    with replacing_folder(outputs.checkpoints) as folder:
        for path in sorted(plan.state.glob("*.pth" if plan.settings.checkpoints.best else "epoch_*.pth")):
            shutil.copyfile(path, folder / path.name)
    write_epochs(epochs, outputs.epochs)
    write_json(outputs.record, _record(plan, world, epochs, runs))
    with replacing(outputs.weights) as temporary:
        shutil.copyfile(chosen, temporary)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the folder of a state against a second training, such as one that outlived its launcher."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, its readers do not have it
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise InputError(f"{state} is held by another training; wait for its end, or end it") from None
                time.sleep(0.2)
        yield


@contextmanager
def _told_of_memory(settings: TrainingSettings) -> Iterator[None]:
    """Let a lack of memory be told in one sentence: torch has no type of error for all kinds of it."""
    try:
        yield
    except RuntimeError as error:
        if not re.search(r"can't allocate memory|out of memory|shared memory|worker .* is killed", str(error)):
            raise
        raise InputError(
            f"not enough memory ({str(error).splitlines()[0]}); expected a smaller batch_size ({settings.batch_size}) "
            f"or size ({settings.size}), fewer workers, or more memory; /dev/shm counts, which the readers use"
        ) from None


def _begin(plan: Plan, world: World, step: int) -> list[dict[str, Any]]:
    """Put down who trains from here on, behind those before."""
    path = plan.state / RUNS
    runs: list[dict[str, Any]] = read_json(path) if path.is_file() else []
    place = {"first_step": step, "device": world.device.type, "name": world.name, "processes": world.size}
    runs.append({**place, "workers": plan.workers, **describe_run()})
    write_json(path, runs)
    return runs


def _record(plan: Plan, world: World, epochs: Sequence[Epoch], runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    best = min(epochs, key=lambda epoch: epoch.judged_by)
    return {
        "network": plan.network,
        "settings": plan.settings.model_dump(mode="json"),
        "identity": plan.identity(world),
        "images": _described(plan.images),
        "validation": plan.validation and _described(plan.validation),
        "backbone": plan.backbone and hash_file(plan.backbone),
        "start_from": plan.start_from and hash_file(plan.start_from),
        "steps": plan.steps,
        "last_epoch": asdict(epochs[-1]),
        "best_epoch": asdict(best),
        "runs": list(runs),
    }


def _described(images: TrainingSet) -> dict[str, Any]:
    return {
        "dataset": images.dataset,
        "images": len(images),
        "faces": len(images.faces),
        "with_landmarks": int((images.faces[:, 14] > 0).sum()),
        "mended": dict(images.mended),
        "sha256": images.content_hash(),
    }
