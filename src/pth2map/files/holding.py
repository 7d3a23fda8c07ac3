"""Who works in a working directory: what a killed run left behind, told from a run that lives.

A run holds a lock of the operating system on ``.snakemake/pth2map/held``; it ends with the process, however that dies.
Its jobs carry the run's name in their environment, so that those of a dead run can be found. Where /proc cannot be
read, other processes are not seen.
"""

import fcntl
import os
import platform
import re
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from pth2map.files.processes import lives

RUN = "PTH2MAP_RUN"
"""Environment variable of the jobs: the name of their run."""

_SECONDS_TO_END = 5.0
_ONLY_LOOKS = re.compile(
    r"-[pkqFrfi]*n[pkqFrfi]*|-[SDl]"
    r"|--(dry-?run|(detailed-)?summary|lint|unlock|report|list.*|dag|rulegraph|filegraph|d3dag|archive)(=.*)?"
)
_held: dict[Path, IO[str]] = {}


def executes(arguments: Sequence[str]) -> bool:
    """Whether a command line of Snakemake may run jobs, as far as its words tell: others have no business here."""
    return not any(map(_ONLY_LOOKS.fullmatch, arguments))


def hold(directory: Path) -> bool:
    """Hold ``directory`` for the life of this process, and remove locks of Snakemake that no living process owns.

    Locks stay when another run of pth2map holds the directory, when the one they are of ran on another host, or when
    some other Snakemake works here: then Snakemake says itself that it cannot go on. A directory that cannot be
    written to is left alone. Returns whether locks were removed.
    """
    directory = directory.resolve()
    file = _take(directory)
    if file is None:
        return False
    locks = directory / ".snakemake/locks"
    stale = locks.is_dir() and any(locks.iterdir())
    file.seek(0)
    if stale and (file.read() != platform.node() or other_snakemake(directory)):
        return False  # the host in the file stays that of the locks
    file.truncate(0)
    file.write(platform.node())
    file.flush()
    if stale:
        shutil.rmtree(locks)
    return stale


def begin_run(directory: Path) -> bool:
    """End the jobs that a dead run left at work in ``directory``, and give those of this run a name.

    To be called once, before the first job. Snakemake makes the output of the ended jobs again, whatever they would
    still have written. Returns whether this process holds the directory; otherwise nothing is done.
    """
    directory = directory.resolve()
    if directory not in _held:
        return False
    note = _folder(directory) / "run"
    host, _, name = note.read_text(encoding="utf-8").partition(" ") if note.is_file() else ("", "", "")
    if name and host == platform.node():
        _end(_jobs_of(name, directory))
    os.environ[RUN] = uuid.uuid4().hex
    new = note.with_suffix(".new")
    new.write_text(f"{platform.node()} {os.environ[RUN]}", encoding="utf-8")
    new.replace(note)
    return True


def sweep_tensor_files(point: Path, state: str) -> None:
    """Remove what killed runs left of tensor files in the folder of a point, but for those of the present state.

    Those are Snakemake's, which removes them after use; nobody else will ever ask for the others, and they are large.
    What vendors' tools were writing (``ais_bench.<process>``) is of no use in any state.
    """
    for kind in ("inputs", "outputs"):
        for left in point.glob(f"*/*/{kind}"):
            if left.parent.parent.name != state:
                shutil.rmtree(left, ignore_errors=True)
    for left in (*point.glob("*.[0-9]*"), *point.glob("*/*/*.[0-9]*")):
        shutil.rmtree(left, ignore_errors=True)


def _folder(directory: Path) -> Path:
    return directory / ".snakemake/pth2map"


def _take(directory: Path) -> IO[str] | None:
    """The file that is locked while this process lives, or ``None`` when this process may not have it."""
    if directory in _held:
        return _held[directory]
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
    return file


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


def other_snakemake(directory: Path) -> list[int]:
    """Processes of Snakemake that work in ``directory``, but for this one and those it was started by."""
    ancestors = set(_ancestors())

    def works_here(process: Path) -> bool:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return b"snakemake" in (word.rsplit(b"/", 1)[-1] for word in words) and (process / "cwd").samefile(directory)

    return [process for process in _where(works_here) if process not in ancestors]


def _ancestors() -> Iterator[int]:
    process = os.getpid()
    while process > 1:
        try:
            status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        process = int(status.rpartition(")")[2].split()[1])
        yield process


def _jobs_of(run: str, directory: Path) -> list[int]:
    """Processes of a run that work in ``directory``: a run of a copied folder has the name of the original's."""
    entry = f"{RUN}={run}".encode()

    def is_one(process: Path) -> bool:
        named = entry in (process / "environ").read_bytes().split(b"\0")
        return named and (process / "cwd").readlink().is_relative_to(directory)

    return _where(is_one)


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
