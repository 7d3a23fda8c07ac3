"""What a case of bad input is, how it runs, and how what pth2map says becomes a row of the page."""

import atexit
import encodings.cp437  # noqa: F401  (zipfile asks for it late: the interpreter's files may be closed to another user)
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "workflow/scripts"
EARLIER = b"an earlier result"
NOBODY = 65534


class Unavailable(Exception):
    """The case cannot be produced on this machine; the message says why."""


@dataclass(frozen=True)
class Said:
    """What a command came to: its exit status and what it wrote for a person."""

    status: int
    text: str


@dataclass(frozen=True)
class Case:
    """One row of the page."""

    id: str
    given: str
    """What is wrong, in the reader's words."""
    act: Callable[[Path], str]
    """Produces it in an empty folder, holds what must hold, and returns what pth2map said."""
    remedy: str


@dataclass
class Area:
    """A table of the page, with the cases of one module."""

    title: str
    cases: list[Case] = field(default_factory=list)

    def case(self, given: str, remedy: str) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
        """Add the decorated function, whose name is the id of the case."""

        def add(act: Callable[[Path], str]) -> Callable[[Path], str]:
            self.cases.append(Case(act.__name__, given, act, remedy))
            return act

        return add

    def parametrize(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize("case", self.cases, ids=lambda case: case.id)


def produce(case: Case) -> str:
    """Run a case in a folder of its own: what pth2map said, with the paths of this machine taken out."""
    folder = Path(tempfile.mkdtemp(prefix="pth2map-")).resolve()
    folder.chmod(0o755)  # some cases run as another user
    try:
        return normalised(case.act(folder), folder)
    finally:
        for path in [folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())]:
            path.chmod(0o755)
        shutil.rmtree(folder)


def shared_folder(name: str) -> Path:
    """A folder for what several cases share."""
    folder = Path(tempfile.mkdtemp(prefix=f"pth2map-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def normalised(text: str, folder: Path) -> str:
    """Without the paths of this machine and the lists of what may be chosen, which grow."""
    text = text.replace(str(folder), "<folder>").replace(str(ROOT), "<pth2map>")
    text = re.sub(r"(?<=allowed: )[^,\n]*, [^\n]*", "...", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


# Commands, in this process (cheap) or in one of their own. Each is given an output that an earlier call made.


def refused(
    command: str,
    *arguments: str | Path,
    outputs: Sequence[Path] = (),
    folder: Path | None = None,
    call: Callable[..., Said] | None = None,
) -> str:
    """Call a command that must refuse: one sentence, status 2, no output, no change. Returns the sentence.

    ``outputs`` are made beforehand, where nothing lies there, and must stay as they are, as must all of ``folder``.
    """
    for path in outputs:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(EARLIER)
    before = tree(folder) if folder else {}
    said = (call or in_process)(command, *arguments)
    assert said.status == 2, said
    sentence = one_sentence(said.text)
    if folder:
        assert tree(folder) == before, "something was written"
    return sentence


def works(command: str, *arguments: str | Path) -> str:
    """Call a command that must work; returns what it says on stderr."""
    said = in_process(command, *arguments)
    assert said.status == 0, said
    assert "Traceback" not in said.text
    return said.text


def one_sentence(text: str) -> str:
    assert "Traceback" not in text, text
    lines = text.strip().splitlines()
    assert lines, "nothing was said"
    assert lines[0].startswith("error: "), text
    assert all(line.startswith("  ") for line in lines[1:]), text
    return text.strip()


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with a hash of its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path)] = sha256(path.read_bytes()).hexdigest()
        else:
            found[str(path)] = "folder"
    return found


def in_process(command: str, *arguments: str | Path) -> Said:
    """A command of workflow/scripts as if from a shell, but in this process: torch is imported once for all cases."""
    path = COMMANDS / f"{command}.py"
    status = 0
    with (
        _stderr_in_a_file() as stderr,
        redirect_stdout(io.StringIO()),
        mock.patch.object(sys, "argv", [str(path), *map(str, arguments)]),
        mock.patch.object(sys, "path", [str(COMMANDS), *sys.path]),
    ):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as error:
            assert isinstance(error.code, int)
            status = error.code
        stderr.flush()
        stderr.seek(0)
        return Said(status, stderr.read())


@contextmanager
def _stderr_in_a_file() -> Iterator[io.TextIOWrapper]:
    """What Python and what C libraries write there."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            with redirect_stderr(file):
                yield file
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def in_shell(command: str, *arguments: str | Path, before: Sequence[str] = (), **environment: str | None) -> Said:
    """A command in a process of its own; ``before`` is what the shell has before ``python``, such as ``prlimit``."""
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    done = subprocess.run(
        [*before, sys.executable, str(COMMANDS / f"{command}.py"), *map(str, arguments)],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stderr)


def on_a_disk_of(folder: Path, options: str, script: str) -> list[str]:
    """What stands before a command so that Bash calls it by ``script`` (as ``"$@"``) with a disk of its own at
    ``folder``, which the script knows as ``$disk``. It is a tmpfs with these mount ``options`` and is gone afterwards.

    Raises ``Unavailable`` where this user may not mount.
    """
    if not _may_mount():
        raise Unavailable("this user may not mount a disk")
    mount = f'mount -t tmpfs -o {options} none "$0" && disk=$0 && {script}'
    return ["unshare", "-Urm", "bash", "-c", mount, str(folder)]


@cache
def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    call = ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


@contextmanager
def without_privileges(*given_away: Path) -> Iterator[None]:
    """As a user to whom permissions mean something; the folders ``given_away`` belong to that user."""
    if os.geteuid() != 0:
        yield
        return
    for folder in given_away:
        os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# The page.


def row(case: Case, said: str) -> str:
    """A row of a Markdown table."""
    return f"| {_cell(case.given)} | {_cell(_shown(said))} | {_cell(case.remedy)} |"


def _shown(said: str) -> str:
    """A sentence of a command as code, one line each; ``works: ...`` as it is."""
    if said.startswith("works"):
        return said
    return "<br>".join(f"`{line}`" for line in said.splitlines())


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text).replace("|", "\\|")
