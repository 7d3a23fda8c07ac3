"""What a file from elsewhere must be: place, size, hashes, addresses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pth2map.files.errors import InputError


@dataclass(frozen=True)
class Declaration:
    """A file from elsewhere: place below the data folder, size in bytes, hashes by algorithm, addresses."""

    path: str
    size: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    urls: Sequence[str] = ()


def mismatch(path: Path, declaration: Declaration) -> str | None:
    """Why a file is not the declared one, or ``None`` when it is."""
    size = path.stat().st_size
    if declaration.size is not None and size != declaration.size:
        return f"{size} bytes instead of {declaration.size}"
    for algorithm, expected in declaration.hashes.items():
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != expected:
            return f"its {algorithm} begins {found[:12]} instead of {expected[:12]}"
    return None


def require(path: Path, declaration: Declaration) -> None:
    """Raise ``InputError`` unless the file at ``path`` is the declared one."""
    fault = mismatch(path, declaration)
    if fault is not None:
        raise InputError(f"{path} is not the declared file: {fault}; remove it or put the right one there")
