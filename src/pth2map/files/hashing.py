"""SHA-256 of files, of JSON values and of arrays."""

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def hash_json(value: Any) -> str:
    """Hex SHA-256 of a JSON value in canonical form (sorted keys, no blanks)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over names, dtypes, shapes and C-order bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


EVERYTHING = "**/*"


def folder_state(folder: Path, pattern: str = EVERYTHING) -> str:
    """A short fingerprint of the files of a folder by name, size and time, without reading them.

    Folders and hidden files do not count. Links to folders are followed, as by whoever opens a file behind them.
    """
    entries: list[list[str | int | None]] = []
    for path in sorted(_below(folder) if pattern == EVERYTHING else folder.glob(pattern)):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith("."):
            continue
        try:
            state = path.stat()
        except OSError:  # a link that leads nowhere or in a circle: whoever reads the folder names it
            entries.append([name, None])
            continue
        if not stat.S_ISDIR(state.st_mode):
            entries.append([name, state.st_size, state.st_mtime_ns])
    return f"{len(entries)} files {hash_json(entries)[:12]}"


def _below(folder: Path, around: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """All that is no folder, at any depth; a link back to one of the folders ``around`` leads to nothing new.

    ``Path.glob`` enters no linked folder.
    """
    try:
        state, paths = folder.stat(), list(folder.iterdir())
    except OSError:  # not there, or closed: whoever reads the folder names it
        return
    identity = (state.st_dev, state.st_ino)
    if identity in around:
        return
    for path in paths:
        if path.is_dir():
            yield from _below(path, around | {identity})
        else:
            yield path
