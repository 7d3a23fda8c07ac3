"""The kinds of device that a training can run on, and whether those it wants are there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pth2map.files.errors import InputError, some

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Kind:
    """A kind of device: how its processes talk, what autocast computes in, and the module that brings it to torch."""

    backend: str
    autocast: str
    module: str | None = None


KINDS = {
    "cpu": Kind("gloo", "bfloat16"),
    "cuda": Kind("nccl", "float16"),
    "npu": Kind("hccl", "float16", "torch_npu"),
}
NEEDED = ("numpy", "cv2", "PIL", "pydantic", "tqdm", "torch")
"""What a training imports."""
_INTERPRETERS = {
    "cpu": "run `make setup`",
    "cuda": "name an interpreter with a CUDA build of torch and the packages of requirements.lock in devices.{}.python",
    "npu": "name the interpreter with torch_npu and the packages of requirements.lock in devices.{0}.python, and the "
    "vendor's set_env.sh in devices.{0}.setup",
}


def card_numbers(text: str) -> list[int]:
    """The numbers of ``--devices``. Raises ``InputError`` for other text.

    >>> card_numbers("0,3")
    [0, 3]
    """
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise InputError(f"--devices {text}: expected numbers of cards with commas between them, such as 0 or 0,1")
    return [int(number) for number in text.split(",")]


def check_device(name: str, kind: str, numbers: Sequence[int], backend: str | None = None) -> dict[str, Any]:
    """What is known of the devices ``numbers`` of a ``kind``; ``name`` is their entry in ``devices`` of the config.

    Raises ``InputError`` for what this interpreter lacks, for cards that are not there, and for a backend that torch
    has not.
    """
    remedy = _INTERPRETERS[kind].format(name)
    if lacking := [module for module in NEEDED if not importlib.util.find_spec(module)]:
        raise InputError(f"devices.{name}: {sys.executable} has no module {some(lacking)}; {remedy}")
    import torch  # noqa: PLC0415  (may not be there)

    found: dict[str, Any] = {"kind": kind, "torch": torch.__version__}
    if module := KINDS[kind].module:
        try:
            found[module] = str(getattr(importlib.import_module(module), "__version__", "unknown"))
        except (ImportError, OSError, RuntimeError) as error:
            raise InputError(f"devices.{name}: {sys.executable} cannot import {module} ({error}); {remedy}") from None
    if kind == "cuda" and torch.version.cuda is None:
        raise InputError(
            f"devices.{name}: torch {torch.__version__} of {sys.executable} is built without CUDA; {remedy}"
        )
    if kind != "cpu":
        found["cards"] = _cards(name, kind, numbers)
    chosen = backend or KINDS[kind].backend
    if len(numbers) > 1 and not torch.distributed.is_backend_available(chosen):
        raise InputError(
            f"devices.{name}: torch {torch.__version__} of {sys.executable} has no backend {chosen}; {remedy}"
        )
    return found


def _cards(name: str, kind: str, numbers: Sequence[int]) -> list[str]:
    """What the cards call themselves."""
    import torch  # noqa: PLC0415

    cards: Any = getattr(torch, kind, None)
    count = cards.device_count() if cards is not None and cards.is_available() else 0
    if not count:
        tool = {"cuda": "nvidia-smi", "npu": "npu-smi info"}[kind]
        raise InputError(
            f"devices.{name}: torch finds no card; expected those that `{tool}` shows, mend the driver first"
        )
    if absent := [str(number) for number in numbers if number >= count]:
        raise InputError(
            f"devices.{name}: no card {some(absent)}; torch finds {count}, from 0 to {count - 1}; mend `devices` of "
            "the training"
        )
    return [str(cards.get_device_name(number)) for number in numbers]
