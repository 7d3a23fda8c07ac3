"""Declared files and folders: from the mirror, an archive or the network into the data folder, checked, whole."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pth2map.files.atomic import replacing
from pth2map.files.declaration import Declaration, FolderDeclaration, mismatch, require
from pth2map.files.download import DownloadError, Patience, clear_part, download
from pth2map.files.errors import InputError, some
from pth2map.files.processes import exclusive
from pth2map.files.records import NOTES, Status, note_fetched, status
from pth2map.files.unpack import unpack_file, unpack_folder

Answer = tuple[str | None, list[str]]
"""Where a file came from, or what each source answered instead."""


def fetch_file(declaration: Declaration, data: Path, patience: Patience | None = None) -> str:
    """Put a declared file below the folder ``data`` and say where it came from.

    A right file that lies there already stays. The mirror folder that ``PTH2MAP_MIRROR`` names comes first, then the
    archive, then the addresses. Raises ``InputError`` for a wrong file that lies there (it is kept), and when no
    source has it: which file, what each source answered, where to put it by hand.
    """
    if (data / declaration.path).is_file():  # needs no lock: the data folder may be for reading only
        return _obtain(declaration, data, patience or Patience())
    with exclusive(_lock(declaration, data)):
        return _obtain(declaration, data, patience or Patience())


def _lock(declaration: Declaration | FolderDeclaration, data: Path) -> Path:
    return data / NOTES / f"{declaration.path}.lock"


def _obtain(declaration: Declaration, data: Path, patience: Patience) -> str:
    target = data / declaration.path
    if target.is_file():
        require(target, declaration)
        clear_part(target)
        return f"{target} is in place"
    if target.is_symlink() or target.exists():
        raise InputError(f"{target} is no file, or a link that leads nowhere; remove it or put the right file there")
    answers = []
    for source in (_from_mirror, _from_archive, _from_addresses):
        said, answer = source(declaration, data, patience)
        if said:
            return said
        answers += answer
    raise InputError(_unfetched(declaration, target, answers))


def _from_mirror(declaration: Declaration, data: Path, patience: Patience) -> Answer:
    found, answers = find_in_mirror(declaration)
    if found is None:
        return None, answers
    target = data / declaration.path
    with replacing(target) as temporary:
        shutil.copyfile(found, temporary)
    return f"{target} copied from {found}", []


def _from_addresses(declaration: Declaration, data: Path, patience: Patience) -> Answer:
    if not declaration.urls:
        return None, []
    target = data / declaration.path
    try:
        return f"{target} fetched from {download(declaration, target, patience)}", []
    except DownloadError as error:
        return None, [f"{address} {answer}" for address, answer in error.answers]


def _from_archive(declaration: Declaration, data: Path, patience: Patience) -> Answer:
    archive = declaration.archive
    if archive is None:
        return None, []
    place = data / archive.path
    with exclusive(_lock(archive, data)):
        if archive.hashes or place.is_file():
            try:
                _obtain(archive, data, patience)
                return _take_out(declaration, place, data), []
            except InputError as error:
                return None, [str(error)]
        # Without a hash only what is taken out of it shows whether it is right: one source after the other.
        each = [(_from_addresses, replace(archive, urls=[address])) for address in archive.urls]
        answers = []
        for source, one in [(_from_mirror, archive), *each]:
            said, answer = source(one, data, patience)
            answers += answer
            if said is None:
                continue
            try:
                return _take_out(declaration, place, data), []
            except InputError as error:
                place.unlink()
                answers.append(f"{said}, but {error}")
    return None, [_unfetched(archive, place, answers)]


def _take_out(declaration: Declaration, archive: Path, data: Path) -> str:
    assert declaration.member is not None

    def check(path: Path) -> None:
        fault = mismatch(path, declaration)
        if fault is not None:
            raise InputError(f"{declaration.member} of {archive} is not the declared file: {fault}")

    unpack_file(archive, declaration.member, data / declaration.path, check)
    return f"{data / declaration.path} taken out of {archive}"


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
    found, answers = find_in_mirror(declaration)
    if found is None:
        raise InputError(_unfetched(declaration, data / declaration.path, answers))


def find_in_mirror(declaration: Declaration) -> tuple[Path | None, list[str]]:
    """The first right file of the mirror folder, or what was found instead.

    Candidates are the file at the declared path, then every one of its name in the folder: but not of a file that only
    a person can get and whose hash nobody knows.
    """
    setting = os.environ.get("PTH2MAP_MIRROR")
    if not setting:
        return None, ["PTH2MAP_MIRROR is not set"]
    mirror = Path(setting)
    if not mirror.is_dir():
        return None, [
            f"PTH2MAP_MIRROR={mirror} is no folder{'' if mirror.is_absolute() else f' ({mirror.absolute()})'}"
        ]
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
    if declaration.hashes or not declaration.manual:
        yield from (p for p in sorted(mirror.rglob(declaration.name)) if p.is_file() and p != exact)


def fetch_folder(declaration: FolderDeclaration, data: Path, patience: Patience | None = None) -> str:
    """Put a declared folder below the folder ``data`` and say where it came from.

    A folder with files that a person put there or changed stays as it is: ``InputError`` says so.
    """
    target = data / declaration.path
    if status(declaration, data) is Status.FETCHED:
        return f"{target} is in place"
    with exclusive(_lock(declaration, data)):
        found = status(declaration, data)  # another process may have fetched it meanwhile
        if found is Status.FETCHED:
            return f"{target} is in place"
        if found is Status.OWN:
            raise InputError(f"{target} holds files that were put there by hand; remove it to have it fetched")
        if target.is_symlink():
            raise InputError(f"{target} is a link, which would be replaced; link data or a folder above it instead")
        fetch_file(declaration.archive, data, patience)
        unpack_folder(data / declaration.archive.path, declaration.member, target, declaration.files)
        note_fetched(declaration, data)
    return f"{target} unpacked from {data / declaration.archive.path}"
