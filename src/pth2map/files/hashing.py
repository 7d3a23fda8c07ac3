"""SHA-256 of files, of JSON values and of arrays."""

import hashlib
import json
import stat
from collections.abc import Mapping
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


def folder_state(folder: Path, pattern: str = "**/*") -> str:
    """A short fingerprint of the files of a folder by name, size and time, without reading them.

    Folders and hidden files do not count.
    """
    entries: list[list[str | int | None]] = []
    for path in sorted(folder.glob(pattern)):
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
