"""JSON files that others wrote: large ones, and broken ones."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pth2map.files.errors import InputError
from pth2map.files.kinds import looks_like


def read_json_input(path: Path, expected: str) -> Any:
    """The value in a JSON file; ``expected`` says in a few words what it should hold.

    Raises ``InputError`` for a file that cannot be read or is not one whole JSON value.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected {expected}") from None
    try:
        with collector_paused():
            return json.loads(content)
    except json.JSONDecodeError as error:
        what = f"{error.msg} at character {error.pos:,}" if content.lstrip()[:1] in (b"[", b"{") else None
        raise InputError(
            f"{path}: not a whole JSON file ({what or looks_like(content[:64])}), expected {expected}"
        ) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of thousands of digits, thousands of brackets
        raise InputError(f"{path}: cannot be read as JSON ({error}), expected {expected}") from None


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without Python's cyclic garbage collector: while a million objects are made that all stay, it finds nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
