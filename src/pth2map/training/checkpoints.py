"""What a training leaves behind while it runs: the state it goes on from, and the checkpoints that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError
from pth2map.networks.checkpoints import UNREADABLE

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from pth2map.training.settings import Checkpoints

STATE = "state.pt"
PARTS = {"identity", "network", "optimizer", "scaler", "progress"}
"""What a state is made of."""
BEST = "best.pth"


def due(settings: Checkpoints, epoch: int) -> bool:
    """Whether a checkpoint is kept after an epoch, counted from 1.

    >>> from pth2map.training.settings import Checkpoints
    >>> [epoch for epoch in range(1, 101) if due(Checkpoints(), epoch)][5:]
    [60, 70, 75, 80, 85, 90, 95, 100]
    """
    late = settings.late_from_epoch is not None and epoch > settings.late_from_epoch
    return epoch % settings.every_epochs == 0 or (late and epoch % settings.late_every_epochs == 0)


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the state that a training goes on from."""
    _save(state, folder / STATE)


def load_state(folder: Path) -> dict[str, Any] | None:
    """The state that a training was left in, on the CPU; None of one that was never left.

    Raises ``InputError`` for a file that is damaged or something else.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE:
        state = {}
    if not isinstance(state, dict) or state.keys() != PARTS:
        raise InputError(f"{path} is not the whole state of a training; remove {folder} to begin anew")
    return state


def save_checkpoint(path: Path, network: nn.Module, epoch: int, loss: float) -> None:
    """Write the weights of a network after an epoch, counted from 1; equal weights give equal bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    _save({"epoch": epoch, "loss": loss, "state_dict": tensors}, path)


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.pth"


def drop_old(folder: Path, keep: int | None) -> None:
    """Remove all but the latest checkpoints."""
    for path in sorted(folder.glob("epoch_*.pth"), key=_epoch_of)[: -keep if keep else 0]:
        path.unlink(missing_ok=True)


def _epoch_of(path: Path) -> int:
    return int(path.stem.removeprefix("epoch_"))


def _save(content: dict[str, Any], path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:  # given a path, torch would write its name too
        torch.save(content, file)
