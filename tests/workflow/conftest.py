"""Runs of the whole workflow in a folder of their own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """What a call of Snakemake came to."""

    status: int
    output: str

    @property
    def jobs(self) -> dict[str, int]:
        """Jobs by rule, from the table that Snakemake prints; empty when there is nothing to do."""
        table = re.search(r"^-+ +-+\n(.*?)^total", self.output, re.MULTILINE | re.DOTALL)
        return (
            {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.MULTILINE)} if table else {}
        )


Snakemake = Callable[..., Run]


def run_snakemake(root: Path, folder: Path, *arguments: str | Path, **environment: str | None) -> Run:
    """Call Snakemake on the workflow at ``root`` with ``folder`` as the working directory."""
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    cores = [] if "--unlock" in arguments else ["--cores", "2"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", root / "Snakefile", *cores, *arguments]
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr)


def copy_project(folder: Path) -> Path:
    """The files of the workflow in a folder of their own, to change them."""
    for name in ("Snakefile", "config", "envs", "profiles", "src", "workflow"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    return folder
