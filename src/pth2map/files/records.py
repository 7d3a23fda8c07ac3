"""What is known of declared files and folders that lie in the data folder.

The files may have been put there by a person: nobody but that person replaces or removes them. So

- a rule's output is a *record* of what was found right, how it looked then; it holds as long as that has not changed;
- a folder that was fetched has a *note* in the data folder, ``.fetched/<path>.<identity>.json``, of the declaration
  that it came by and how it looked then, which no rule owns: what has no true note is a person's.
"""

import glob
import json
import os
from enum import Enum
from pathlib import Path
from typing import Any

from pth2map.files.atomic import write_json
from pth2map.files.declaration import Declaration, FolderDeclaration
from pth2map.files.hashing import folder_state

NOTES = ".fetched"
"""Of the notes and locks, in the data folder."""


class Status(Enum):
    """What lies in the place of a declared folder."""

    ABSENT = "nothing but empty folders"
    FETCHED = "what is declared, untouched since"
    OUTDATED = "what an earlier declaration asked for, untouched since"
    OWN = "what a person put there or changed"


def status(declaration: FolderDeclaration, data: Path) -> Status:
    """What lies in the place of a declared folder."""
    folder = data / declaration.path
    if _holds_nothing(folder):
        return Status.ABSENT
    if _is_true(_note(declaration, data), folder):
        return Status.FETCHED
    others = _note(declaration, data).parent.glob(f"{glob.escape(folder.name)}.*.json")
    return Status.OUTDATED if any(_is_true(note, folder) for note in others) else Status.OWN


def note_fetched(declaration: FolderDeclaration, data: Path) -> None:
    """Note that a folder came by this declaration, and how it looks now."""
    write_json(_note(declaration, data), _looks(data / declaration.path))


def write_record(record: Path, declaration: Declaration | FolderDeclaration, data: Path) -> None:
    """Write down how a file or folder that was found right looks now."""
    write_json(record, _looks(data / declaration.path))


def drop_unless_true(record: Path, declaration: Declaration | FolderDeclaration, data: Path) -> None:
    """Remove a record of what no longer lies there so."""
    if record.is_file() and not _is_true(record, data / declaration.path):
        record.unlink(missing_ok=True)


def _note(declaration: FolderDeclaration, data: Path) -> Path:
    return data / NOTES / f"{declaration.path}.{declaration.identity}.json"


def _holds_nothing(folder: Path) -> bool:
    """Whether there is nothing but empty folders, of which Snakemake makes some; a link is something."""
    if folder.is_symlink() and not folder.is_dir():
        return False
    for place, folders, files in os.walk(folder):
        if files or any(Path(place, name).is_symlink() for name in folders):
            return False
    return True


def _looks(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return {"files": folder_state(path)}
    state = path.stat()
    return {"bytes": state.st_size, "time": state.st_mtime_ns}


def _is_true(record: Path, path: Path) -> bool:
    try:
        return bool(json.loads(record.read_text(encoding="utf-8")) == _looks(path))
    except (OSError, ValueError):
        return False
