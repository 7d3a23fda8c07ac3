"""What is known of declared files and folders that lie in the data folder.

A record, ``data/.fetched/<path>.<identity>.json``, says that the file or folder at ``<path>`` was found to be what the
declaration of that identity asks for, and how it looked then. It holds as long as that has not changed. The files
themselves may have been put there by a person: nobody but that person replaces or removes them.
"""

import json
from enum import Enum
from pathlib import Path
from typing import Any

from pth2map.files.atomic import write_json
from pth2map.files.declaration import Declaration, FolderDeclaration
from pth2map.files.hashing import folder_state

FOLDER = ".fetched"
"""Of the records, in the data folder."""


class Status(Enum):
    """What lies in the place of a declared folder."""

    ABSENT = "nothing"
    FETCHED = "what is declared, untouched since"
    OUTDATED = "what an earlier declaration asked for, untouched since"
    OWN = "files that a person put there or changed"


def record_of(declaration: Declaration | FolderDeclaration) -> str:
    """Path of the record below the data folder."""
    return f"{FOLDER}/{declaration.path}.{declaration.identity}.json"


def write_record(declaration: Declaration | FolderDeclaration, data: Path) -> None:
    """Write down how the file or folder looks now."""
    write_json(data / record_of(declaration), _looks(data / declaration.path))


def drop_unless_true(declaration: Declaration | FolderDeclaration, data: Path) -> None:
    """Remove a record of what no longer lies there so."""
    record = data / record_of(declaration)
    if record.is_file() and not _is_true(record, data / declaration.path):
        record.unlink(missing_ok=True)


def status(declaration: FolderDeclaration, data: Path) -> Status:
    """What lies in the place of a declared folder."""
    folder = data / declaration.path
    if not any(path.is_file() and not path.name.startswith(".") for path in folder.rglob("*")):
        return Status.ABSENT
    if _is_true(data / record_of(declaration), folder):
        return Status.FETCHED
    others = (data / FOLDER / declaration.path).parent.glob(f"{folder.name}.*.json")
    return Status.OUTDATED if any(_is_true(record, folder) for record in others) else Status.OWN


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
