"""Processes of this host: which live, and one at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process is in a block of the same ``path``, a file for nothing else, which stays.

    The system lets go of it when a process dies. A file system without locks excludes nobody.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lives(process: int) -> bool:
    """Whether a process is still at work; one that has died and waits for its parent to notice is not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return not Path("/proc/self/stat").exists() and _answers(process)
    return status.rpartition(")")[2].split()[0] != "Z"


def _answers(process: int) -> bool:
    """As well as a system without /proc can tell."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
