"""One way to run a graph, whatever runs it."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from pth2map.engines.catalogue import KINDS
from pth2map.files.errors import InputError, nearest


class Session(Protocol):
    def run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """Float32 ``(N, 3, H, W)`` to the outputs, in the order of the names the session was opened with.

        Outputs share no memory with ``images``: the caller may write the next ones into the same array.
        """


def open_session(
    kind: str, graph_path: Path, output_names: Sequence[str], options: Mapping[str, Any] | None = None
) -> Session:
    """Load a graph into the runtime ``kind``; ``options`` are the fields of that module's ``Options``.

    Raises ``InputError`` for an unknown kind or option, and for a graph that cannot be loaded.
    """
    _require(kind, list(KINDS), "engine kind")
    if not graph_path.is_file():
        raise InputError(f"no graph file {graph_path}")
    engine = importlib.import_module(KINDS[kind])
    allowed = [field.name for field in fields(engine.Options)]
    for name in options or {}:
        _require(name, allowed, f"{kind} option")
    return cast(Session, engine.load(graph_path, tuple(output_names), engine.Options(**(options or {}))))


def _require(name: str, allowed: Sequence[str] | Mapping[str, Any], what: str) -> None:
    if name not in allowed:
        raise InputError(f"unknown {what} {name!r}; {nearest(name, sorted(allowed))}")
