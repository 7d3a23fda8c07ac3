"""Files and folders that appear whole or not at all.

A killed run may leave its children working, so an orphan and a rerun can write the same output at once: each writes a
temporary sibling of its own and renames it into place. A path that is a link stays one: what it leads to is replaced.
"""

import glob
import json
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from pth2map.files.errors import InputError
from pth2map.files.processes import lives

_HOST = platform.node().replace(".", "-") or "host"


@contextmanager
def _told_of(path: Path, *own: Path) -> Iterator[None]:
    """Let a failure to write be told of ``path``, whichever of ``own`` met it; a failure to read is left as it is."""
    try:
        yield
    except OSError as error:
        met = error.filename
        if met is not None and not any(Path(os.fsdecode(met)).is_relative_to(place) for place in own):
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _target(path: Path) -> Path:
    """Where ``path`` leads to, absolute; a link that leads to itself is taken as it is."""
    return Path(os.path.realpath(path))


def _sibling(path: Path, target: Path) -> Path:
    """A new name beside ``target``, in a folder that is made; failures are told of ``path``."""
    with _told_of(path, *target.parents):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    return target.with_name(f".{target.name}.{_HOST}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")


def _sweep(path: Path) -> None:
    """Remove what killed processes of this host left of earlier writes to ``path``."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(_HOST)}.*.*.tmp"):
        pid = left.name.split(".")[-3]
        if pid.isdecimal() and not lives(int(pid)):
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; when the block ends well, the file written there replaces ``path``.

    The temporary ends in ``.tmp``: a writer that chooses its format by suffix must be told the format. On an error the
    temporary is removed and ``path`` is left as it was.
    """
    target, temporary = _for_file(path)
    try:
        with _told_of(path, temporary):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
    finally:
        with suppress(OSError):  # gone, or a disk for reading only
            temporary.unlink()


def expect_writable(path: Path) -> None:
    """Raise ``InputError`` if :func:`replacing` could not write ``path`` now; its folder is made, nothing else is.

    For results of long work, before it.
    """
    _, temporary = _for_file(path)
    with _told_of(path, temporary):
        temporary.touch()
        temporary.unlink()


def _for_file(path: Path) -> tuple[Path, Path]:
    """Where ``path`` leads to, and a temporary beside it."""
    if path.is_dir():
        raise InputError(f"{path}: cannot be written (a folder of this name lies there; move it away)")
    target = _target(path)
    return target, _sibling(path, target)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``; when the block ends well it takes the place of ``path``.

    Raises ``InputError`` for a file, and for the working folder or one around it, which would be gone for its shell.
    """
    if path.is_file():
        raise InputError(f"{path}: cannot be written (a file of this name lies where a folder goes; move it away)")
    target = _target(path)
    if Path.cwd().is_relative_to(target):
        raise InputError(f"{path}: cannot be replaced from within; call the command from another folder")
    temporary = _sibling(path, target)
    try:
        with _told_of(path, temporary):
            temporary.mkdir()
            yield temporary
            if target.exists():
                old = _sibling(path, target)
                target.rename(old)
                temporary.rename(target)
                shutil.rmtree(old)
            else:
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """JSON with sorted keys, two blanks of indent and a final line end: equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What :func:`write_json` wrote. Raises ``InputError`` for a missing, broken or other file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the stage again that makes it") from None
    except ValueError:
        raise InputError(f"{path}: not a whole JSON file; remove it and run again") from None


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """An uncompressed ``.npz`` without pickles; equal arrays give equal bytes."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
