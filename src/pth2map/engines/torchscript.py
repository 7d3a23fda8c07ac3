"""Traced programs in TorchScript, on the CPU."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pth2map.files.errors import InputError


@dataclass(frozen=True)
class Options:
    """Threads, for the whole process; ``freeze`` folds the weights in (faster, last digits differ)."""

    threads: int = 1
    freeze: bool = False


class TorchScriptSession:
    def __init__(self, program: torch.jit.ScriptModule, output_names: tuple[str, ...], path: Path) -> None:
        self._program = program
        self._output_names = output_names
        self._path = path

    def run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raises ``InputError`` if the program has another number of outputs than names."""
        with torch.inference_mode():
            outputs = self._program(torch.from_numpy(images))
        if len(outputs) != len(self._output_names):
            names = ", ".join(self._output_names)
            raise InputError(f"{self._path} has {len(outputs)} outputs; expected are {names}")
        return tuple(output.numpy() for output in outputs)


def load(path: Path, output_names: tuple[str, ...], options: Options) -> TorchScriptSession:
    """Raises ``InputError`` for a file that is no TorchScript program or is cut short."""
    torch.set_num_threads(options.threads)
    try:
        with quiet_jit():
            program = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
            if options.freeze:
                program = torch.jit.freeze(program)
    except RuntimeError as error:
        raise InputError(f"TorchScript cannot load {path}: {str(error).strip().splitlines()[0]}") from error
    return TorchScriptSession(program, output_names, path)


@contextmanager
def quiet_jit() -> Iterator[None]:
    """Without the notices that torch.jit is to be replaced."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield
