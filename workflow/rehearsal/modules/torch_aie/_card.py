"""The rehearsal's one card: who may import, which process has taken it, and tensors that lie on it."""

import os
import re
import sys
from typing import Any, NoReturn

from pth2map_rehearsal.environment import missing_library

if "torch" not in sys.modules:
    raise ImportError("libtorch.so: cannot open shared object file: No such file or directory (import torch first)")
if missing := missing_library("libascendcl.so"):
    raise ImportError(missing)
if not os.environ.get("PTH2MAP_REHEARSAL"):  # what is run here would pass for a card's
    raise ImportError("PTH2MAP_REHEARSAL is not set; source workflow/rehearsal/set_env.sh")

import torch

_taken = False


def set_device(device: int) -> None:
    """Take the card for this process. Raises ``TypeError`` for what is no number, ``RuntimeError`` for another card."""
    global _taken  # noqa: PLW0603  a process has a device or has none
    if type(device) is not int:
        raise TypeError(f"set_device takes the number of a card, got {device!r}")
    check_index(device)
    torch.set_num_threads(1)  # so that equal rehearsals give equal bits
    _taken = True


def finalize() -> None:
    global _taken  # noqa: PLW0603
    require_device()
    _taken = False


def require_device() -> None:
    if not _taken:
        raise RuntimeError("no device is set: call torch_npu.npu.set_device or torch_aie.set_device first")


def check_index(device: int) -> None:
    if device != 0:
        raise RuntimeError(f"card {device} does not exist: the rehearsal has one card, 0")


def index_of(place: str) -> int:
    """The number in ``npu:0``; ``npu`` alone is the first card."""
    named = re.fullmatch(r"npu(?::(\d+))?", place)
    if not named:
        raise RuntimeError(f"{place!r} names no card; expected npu:0")
    index = int(named[1] or 0)
    check_index(index)
    return index


class CardTensor(torch.Tensor):
    """A tensor on the card: numbers of the CPU that must be brought back before they can be read.

    What is computed from one lies on the card too (torch keeps the subclass), outputs of a compiled module included.
    """

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("npu", 0)

    def cpu(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.to("cpu", *args, **kwargs)

    def numpy(self, *, force: bool = False) -> NoReturn:
        raise TypeError("a tensor on npu:0 cannot become a numpy array; copy it with .cpu() first")


_to = torch.Tensor.to


def _to_or_from_the_card(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """``Tensor.to``, which also knows ``npu:0``; targets that are no device, such as dtypes, go through."""
    target = args[0] if args else kwargs.get("device")
    if not isinstance(target, str | torch.device):
        return _to(self, *args, **kwargs)
    place, rest = str(target), args[1:]
    kwargs.pop("device", None)
    with torch._C.DisableTorchFunctionSubclass():
        if place.startswith("npu"):
            index_of(place)
            return _to(self, "cpu", *rest, **kwargs).clone().as_subclass(CardTensor)
        moved = _to(self, place, *rest, **kwargs)
        return moved.clone().as_subclass(torch.Tensor) if isinstance(self, CardTensor) else moved


# So that torch.device("npu:0") has a meaning, as torch_npu does it.
torch.utils.rename_privateuse1_backend("npu")  # type: ignore[attr-defined]
torch.Tensor.to = _to_or_from_the_card  # type: ignore[method-assign, assignment]
