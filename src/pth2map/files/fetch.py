"""Declared files and folders: from the mirror, an archive or the network into the data folder, checked, whole."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pth2map.files.atomic import move_folder, replacing, write_json
from pth2map.files.declaration import Declaration, mismatch, require
from pth2map.files.download import DownloadError, Patience, download
from pth2map.files.errors import InputError, some
from pth2map.files.hashing import folder_state, hash_json
from pth2map.files.unpack import unpack_file, unpack_folder

RECORD = ".fetched.json"
"""In a folder that was fetched: of which declaration it is, and the state its files had."""


def fetch_file(declaration: Declaration, data: Path, patience: Patience | None = None) -> str:
    """Put a declared file below the folder ``data`` and say where it came from.

    A right file that lies there already stays. The mirror folder that ``PTH2MAP_MIRROR`` names comes first, then the
    archive, then the addresses. Raises ``InputError`` for a wrong file that lies there (it is kept), and when no
    source has it: which file, what each source answered, where to put it by hand.
    """
    target = data / declaration.path
    if target.is_file():
        require(target, declaration)
        return f"{target} is in place"
    mirror = os.environ.get("PTH2MAP_MIRROR")
    found, answers = find_in_mirror(declaration, Path(mirror)) if mirror else (None, ["PTH2MAP_MIRROR is not set"])
    if found is not None:
        with replacing(target) as temporary:
            shutil.copyfile(found, temporary)
        return f"{target} copied from {found}"
    if declaration.archive is not None:
        try:
            return _take_out(declaration, declaration.archive, data, patience)
        except InputError as error:
            answers.append(str(error))
    if declaration.urls:
        try:
            address = download(declaration, target, patience or Patience())
        except DownloadError as error:
            answers += [f"{address} {answer}" for address, answer in error.answers]
        else:
            return f"{target} fetched from {address}"
    raise InputError(_unfetched(declaration, target, answers))


def _take_out(declaration: Declaration, archive: Declaration, data: Path, patience: Patience | None) -> str:
    assert declaration.member is not None
    fetch_file(archive, data, patience)
    target = data / declaration.path
    unpacked = _unpacked(target)
    unpack_file(data / archive.path, declaration.member, unpacked)
    fault = mismatch(unpacked, declaration)
    if fault is not None:
        unpacked.unlink()
        raise InputError(f"{declaration.member} of {data / archive.path} is not the declared file: {fault}")
    unpacked.replace(target)
    return f"{target} taken out of {data / archive.path}"


def _unpacked(target: Path) -> Path:
    """Where what is unpacked waits to be checked: always the same place, so that the next run clears it up."""
    return target.with_name(f".{target.name}.unpacked")


def _unfetched(declaration: Declaration, target: Path, answers: list[str]) -> str:
    tried = "; ".join(answers)
    size = [f"{declaration.size:,} bytes"] if declaration.size else []
    facts = ", ".join([*size, *(f"{name} {value}" for name, value in declaration.hashes.items())])
    by_hand = f"put it at {target}{f' ({facts})' if facts else ''}"
    if declaration.manual:
        return f"{declaration.name} can only be fetched by a person: {declaration.manual.words()}; {by_hand} ({tried})"
    return f"{declaration.name} could not be fetched: {tried}; {by_hand} by hand, or into the mirror folder"


def check_obtainable(declaration: Declaration, data: Path) -> None:
    """Raise ``InputError`` at once when a file is not there and only a person can get it."""
    if declaration.manual is None or declaration.urls or (data / declaration.path).is_file():
        return
    mirror = os.environ.get("PTH2MAP_MIRROR")
    found, answers = find_in_mirror(declaration, Path(mirror)) if mirror else (None, ["PTH2MAP_MIRROR is not set"])
    if found is None:
        raise InputError(_unfetched(declaration, data / declaration.path, answers))


def find_in_mirror(declaration: Declaration, mirror: Path) -> tuple[Path | None, list[str]]:
    """The first right file of a mirror folder, or what was found instead.

    Candidates are the file at the declared path, then every file of that name anywhere below ``mirror``, by path.
    """
    if not mirror.is_dir():
        return None, [f"PTH2MAP_MIRROR={mirror} is no folder"]
    wrong: list[str] = []
    for candidate in _candidates(declaration, mirror):
        fault = mismatch(candidate, declaration)
        if fault is None:
            return candidate, []
        wrong.append(f"{candidate} ({fault})")
    return None, [f"not in the mirror {mirror}{f', where these are others: {some(wrong)}' if wrong else ''}"]


def _candidates(declaration: Declaration, mirror: Path) -> Iterator[Path]:
    exact = mirror / declaration.path
    if exact.is_file():
        yield exact
    yield from (p for p in sorted(mirror.rglob(declaration.name)) if p.is_file() and p != exact)


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
        return hash_json([dict(self.archive.hashes), self.member, self.files])


def fetch_folder(declaration: FolderDeclaration, data: Path, patience: Patience | None = None) -> str:
    """Put a declared folder below the folder ``data``, with a record in it, and say where it came from.

    A folder that a person put there stays as it is: ``InputError`` says so.
    """
    target = data / declaration.path
    if was_put_by_hand(target):
        raise InputError(f"{target} was put there by hand and is used as it is; remove it to have it fetched")
    archive = data / declaration.archive.path
    fetch_file(declaration.archive, data, patience)
    unpacked = _unpacked(target)
    unpack_folder(archive, declaration.member, unpacked, declaration.files)
    write_json(unpacked / RECORD, {"declaration": declaration.identity, "state": folder_state(unpacked)})
    move_folder(unpacked, target)
    return f"{target} unpacked from {archive}"


def was_put_by_hand(folder: Path) -> bool:
    """Whether files lie in a folder that did not come by :func:`fetch_folder`."""
    return folder.is_dir() and not (folder / RECORD).is_file() and not _is_empty(folder)


def is_as_declared(declaration: FolderDeclaration, data: Path) -> bool:
    """Whether a folder is as :func:`fetch_folder` left it, or not there yet."""
    folder = data / declaration.path
    if not folder.is_dir() or _is_empty(folder):
        return True
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(record == {"declaration": declaration.identity, "state": folder_state(folder)})


def _is_empty(folder: Path) -> bool:
    return all(path.name.startswith(".") for path in folder.iterdir())
