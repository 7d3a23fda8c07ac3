"""What a file or folder from elsewhere must be, and where it comes from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file, hash_json


@dataclass(frozen=True)
class Manual:
    """Where a person gets a file that no program can: a page, its extraction code, what else to know."""

    page: str | None = None
    code: str | None = None
    note: str | None = None

    def words(self) -> str:
        """As the end of a sentence."""
        place = f"get it from {self.page}" if self.page else "no address of it is published"
        code = f" (extraction code {self.code})" if self.code else ""
        return f"{place}{code}{f'; {self.note}' if self.note else ''}"


@dataclass(frozen=True)
class Declaration:
    """A file from elsewhere: place below the data folder, size in bytes, hashes by algorithm, and its sources.

    The sources are a ``member`` of an ``archive``, addresses, or a person.
    """

    path: str
    size: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    urls: Sequence[str] = ()
    archive: Self | None = None
    member: str | None = None
    manual: Manual | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From the JSON values of :func:`dataclasses.asdict`."""
        archive, manual = values.get("archive"), values.get("manual")
        return cls(
            **{
                **values,
                "archive": cls.from_json(archive) if archive else None,
                "manual": Manual(**manual) if manual else None,
            }
        )

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def identity(self) -> str:
        """Hash of what the file must be, wherever it comes from."""
        return hash_json([self.size, dict(self.hashes)])[:12]


@dataclass(frozen=True)
class FolderDeclaration:
    """A folder below the data folder whose files are those below ``member`` of an archive."""

    path: str
    archive: Declaration
    member: str
    files: int | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From the JSON values of :func:`dataclasses.asdict`."""
        return cls(**{**values, "archive": Declaration.from_json(values["archive"])})

    @property
    def identity(self) -> str:
        """Hash of what the folder must hold, wherever the archive comes from."""
        return hash_json([dict(self.archive.hashes), self.member, self.files])[:12]


def mismatch(path: Path, declaration: Declaration) -> str | None:
    """Why a file is not the declared one, or ``None`` when it is."""
    size = path.stat().st_size
    if declaration.size is not None and size != declaration.size:
        return f"{size} bytes instead of {declaration.size}"
    for algorithm, expected in declaration.hashes.items():
        found = hash_file(path, algorithm)
        if found != expected:
            return f"its {algorithm} begins {found[:12]} instead of {expected[:12]}"
    return None


def require(path: Path, declaration: Declaration) -> None:
    """Raise ``InputError`` unless the file at ``path`` is the declared one."""
    fault = mismatch(path, declaration)
    if fault is not None:
        raise InputError(f"{path} is not the declared file: {fault}; remove it or put the right one there")


def require_hashes(path: Path, hashes: Sequence[str]) -> None:
    """Raise ``InputError`` unless a file has all hashes, each given as ``ALGORITHM=HEX``.

    Of a file that is not there whoever reads it tells.
    """
    named = dict(pair.partition("=")[::2] for pair in hashes)
    for algorithm, expected in named.items():
        if algorithm not in hashlib.algorithms_guaranteed or not expected:
            found = f"{algorithm}={expected}".rstrip("=")
            raise InputError(f"hash {found} of {path}: expected ALGORITHM=HEX, such as sha256=0676ba61b679")
    if path.is_file():
        require(path, Declaration(str(path), hashes=named))
