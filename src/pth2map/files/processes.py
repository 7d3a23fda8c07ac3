"""Processes of this host."""

import os
from pathlib import Path


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
