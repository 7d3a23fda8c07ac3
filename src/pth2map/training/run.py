"""A training from its plan to what it leaves: weights, checkpoints, the table of epochs, and where all came from."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pth2map.files.atomic import read_json, replacing, replacing_folder, write_json
from pth2map.files.hashing import hash_file
from pth2map.files.provenance import describe_run
from pth2map.training.checkpoints import BEST, checkpoint_path
from pth2map.training.epochs import write_epochs
from pth2map.training.trainer import Plan, Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pth2map.datasets.training_set import TrainingSet
    from pth2map.training.epochs import Epoch
    from pth2map.training.world import World

SESSIONS = "sessions.json"


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
    trainer = Trainer(plan, world)
    sessions = _begin(plan, world, trainer.progress.step) if world.first else []
    epochs = trainer.run()
    if not world.first:
        return
    chosen = plan.state / BEST if plan.settings.weights == "best" else checkpoint_path(plan.state, epochs[-1].epoch)
    with replacing_folder(outputs.checkpoints) as folder:
        for path in sorted(plan.state.glob("*.pth")):
            shutil.copyfile(path, folder / path.name)
    write_epochs(epochs, outputs.epochs)
    write_json(outputs.record, _record(plan, world, epochs, sessions))
    with replacing(outputs.weights) as temporary:
        shutil.copyfile(chosen, temporary)


def _begin(plan: Plan, world: World, step: int) -> list[dict[str, Any]]:
    """Put down who trains from here on, behind those before."""
    path = plan.state / SESSIONS
    sessions: list[dict[str, Any]] = read_json(path) if path.is_file() else []
    place = {"first_step": step, "device": world.device.type, "name": world.name, "processes": world.size}
    sessions.append({**place, "workers": plan.workers, **describe_run()})
    write_json(path, sessions)
    return sessions


def _record(plan: Plan, world: World, epochs: Sequence[Epoch], sessions: Sequence[dict[str, Any]]) -> dict[str, Any]:
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
        "sessions": list(sessions),
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
