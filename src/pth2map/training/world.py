"""The devices of a training: this process's own, and what it says to those of the others."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, distributed

from pth2map.files.errors import InputError
from pth2map.training.device_check import KINDS, check_device
from pth2map.training.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)  # for the slowest of them, such as the one that reads from a disk that hangs


@dataclass(frozen=True)
class World:
    """A process among ``size``, and the device it works on."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def autocast(self) -> torch.dtype:
        """What autocast computes in."""
        dtype: torch.dtype = getattr(torch, KINDS[self.device.type].autocast)
        return dtype

    @property
    def name(self) -> str:
        """What the device calls itself."""
        if self.device.type == "cpu":
            return f"{torch.get_num_threads()} threads"
        return str(getattr(torch, self.device.type).get_device_name(self.device))

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a tensor over all processes, which also takes its place."""
        return self.sum(values).div_(self.size)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes, which also takes its place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def from_first(self, value: T) -> T:
        """What the first process has of a value, in all of them."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def share_buffers(self, network: nn.Module) -> None:
        """Give all processes the buffers of the first: those of its batch norms are saved and evaluated."""
        if self.size > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)


@contextmanager
def joined(kind: str, numbers: Sequence[int], backend: str | None = None, threads: int = 1) -> Iterator[World]:
    """The place of this process among those that torchrun has started; alone where it has started none.

    ``numbers`` are those of the cards of this machine, of which the n-th process takes the n-th. Raises ``InputError``
    for a device that is not there.
    """
    rank, size, local = (int(os.environ.get(name, default)) for name, default in _TORCHRUN)
    if local >= len(numbers) or (size == 1 < len(numbers)):
        processes = "one process" if size == 1 else f"process {local} of this machine"
        raise InputError(
            f"--devices {','.join(map(str, numbers))}: found {processes}; expected one for each device, started by "
            f"python -m torch.distributed.run --standalone --nproc-per-node {len(numbers)}"
        )
    device = _open(kind, numbers[local])
    torch.set_num_threads(threads)
    if kind == "cpu":
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs 3 %
        keep_freed_memory()
    if size == 1:
        yield World(device)
        return
    distributed.init_process_group(backend or KINDS[kind].backend, timeout=_PATIENCE)
    try:
        yield World(device, rank, size)
    finally:
        distributed.destroy_process_group()


_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def _open(kind: str, number: int) -> torch.device:
    """The device of a kind and a number, as the one that is worked on."""
    check_device(kind, kind, [number])
    if kind == "cpu":
        return torch.device("cpu")
    getattr(torch, kind).set_device(number)
    return torch.device(kind, number)
