"""Who works in a working directory: what a killed run left behind, told from a run that lives.

A run holds a lock of the operating system on ``.snakemake/pth2map/held``; it ends with the process, however that dies.
Its jobs carry the run's name in their environment, so that those of a dead run can be found.
"""

import fcntl
import os
import platform
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from pth2map.files.processes import lives

RUN = "PTH2MAP_RUN"
"""Environment variable of the jobs: the name of their run."""

_SECONDS_TO_END = 5.0
_held: dict[Path, IO[str]] = {}


def clear_stale_locks(directory: Path) -> bool:
    """Hold ``directory`` for the life of this process, and remove locks of Snakemake that no living process owns.

    Locks stay when another run of pth2map holds the directory, when the last one that did ran on another host, or when
    some other Snakemake works here: then Snakemake says itself that it cannot go on. A directory that cannot be
    written to is left alone. Returns whether locks were removed.
    """
    last_host = _hold(directory.resolve())
    locks = directory / ".snakemake/locks"
    if last_host != platform.node() or not locks.is_dir() or _other_snakemake(directory):
        return False
    found = any(locks.iterdir())
    shutil.rmtree(locks)
    return found


def begin_run(directory: Path) -> int:
    """End the jobs that a dead run left at work in ``directory``, and give those of this run a name.

    To be called once, before the first job, in a process that holds the directory. Returns how many processes were
    ended: Snakemake makes their output again, whatever they would still have written.
    """
    if directory.resolve() not in _held:
        return 0
    note = _folder(directory.resolve()) / "run"
    host, _, name = note.read_text(encoding="utf-8").partition(" ") if note.is_file() else ("", "", "")
    left = _processes_of(name) if name and host == platform.node() else []
    _end(left)
    os.environ[RUN] = uuid.uuid4().hex
    new = note.with_suffix(".new")
    new.write_text(f"{platform.node()} {os.environ[RUN]}", encoding="utf-8")
    new.replace(note)
    return len(left)


def sweep_tensor_files(point: Path, state: str) -> None:
    """Remove what killed runs left of tensor files in the folder of a point, but for those of the present state.

    Those are Snakemake's, which removes them after use; nobody else will ever ask for the others, and they are large.
    """
    for kind in ("inputs", "outputs"):
        for left in point.glob(f"*/*/{kind}"):
            if left.parent.parent.name != state:
                shutil.rmtree(left, ignore_errors=True)


def _folder(directory: Path) -> Path:
    return directory / ".snakemake/pth2map"


def _hold(directory: Path) -> str | None:
    """Take the lock; the host of the process that had it last, or ``None`` when this process may not have it."""
    if directory in _held:
        return platform.node()
    try:
        _folder(directory).mkdir(parents=True, exist_ok=True)
        file = (_folder(directory) / "held").open("a+", encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, or a file system without such locks
        file.close()
        return None
    _held[directory] = file
    file.seek(0)
    last_host = file.read()
    file.truncate(0)
    file.write(platform.node())
    file.flush()
    return last_host


def _processes() -> Iterator[Path]:
    """The folders in /proc of this user's other processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.name != str(os.getpid()) and folder.stat().st_uid == os.getuid():
                yield folder
        except OSError:  # gone by now
            continue


def _where(holds: Callable[[Path], bool]) -> list[int]:
    found = []
    for process in _processes():
        try:
            if holds(process):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _other_snakemake(directory: Path) -> list[int]:
    def works_here(process: Path) -> bool:
        words = (process / "cmdline").read_bytes().split(b"\0")[:4]
        return b"snakemake" in (word.rsplit(b"/", 1)[-1] for word in words) and (process / "cwd").samefile(directory)

    return _where(works_here)


def _processes_of(run: str) -> list[int]:
    entry = f"{RUN}={run}".encode()
    return _where(lambda process: entry in (process / "environ").read_bytes().split(b"\0"))


def _end(processes: list[int]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + _SECONDS_TO_END
        while time.monotonic() < deadline and any(lives(process) for process in processes):
            time.sleep(0.05)
    if processes:
        print(f"ended {len(processes)} processes that a killed run left at work", file=sys.stderr)
