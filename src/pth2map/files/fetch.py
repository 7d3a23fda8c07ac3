"""Declared files: found in the mirror, checked by hash, put into place whole."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pth2map.files.atomic import replacing
from pth2map.files.declaration import Declaration, mismatch, require
from pth2map.files.errors import InputError, some


def find_in_mirror(declaration: Declaration, mirror: Path) -> tuple[Path | None, list[str]]:
    """The first right file of a mirror, and what is wrong with each other candidate.

    Candidates are the file at the declared path, then every file of that name anywhere below ``mirror``, by path.
    """
    wrong: list[str] = []
    for candidate in _candidates(declaration, mirror):
        fault = mismatch(candidate, declaration)
        if fault is None:
            return candidate, wrong
        wrong.append(f"{candidate} ({fault})")
    return None, wrong


def _candidates(declaration: Declaration, mirror: Path) -> Iterator[Path]:
    exact = mirror / declaration.path
    if exact.is_file():
        yield exact
    yield from (p for p in sorted(mirror.rglob(PurePosixPath(declaration.path).name)) if p.is_file() and p != exact)


def locate(declaration: Declaration, target: Path) -> Path:
    """The declared file in the mirror folder that the environment variable ``PTH2MAP_MIRROR`` names.

    Raises ``InputError`` that says which file is missing, where it was looked for, and where to put it by hand.
    """
    mirror = os.environ.get("PTH2MAP_MIRROR")
    found, wrong = find_in_mirror(declaration, Path(mirror)) if mirror else (None, [])
    if found is None:
        looked = f"not in the mirror {mirror}" if mirror else "PTH2MAP_MIRROR names no mirror folder"
        faults = f" (wrong: {some(wrong)})" if wrong else ""
        source = f"; published at {declaration.urls[0]}" if declaration.urls else ""
        raise InputError(
            f"{PurePosixPath(declaration.path).name}: {looked}{faults}; put it at {target} by hand{source}"
        )
    return found


def provide(declaration: Declaration, target: Path) -> str:
    """Put a declared file at ``target`` and say where it came from.

    A right file that lies there already (put there by hand) stays; a wrong one raises ``InputError``.
    """
    if target.is_file():
        require(target, declaration)
        return f"{target} is in place"
    found = locate(declaration, target)
    with replacing(target) as temporary:
        shutil.copyfile(found, temporary)
    return f"{target} copied from {found}"
