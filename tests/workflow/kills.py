"""Kill a run of the workflow at random moments, run it again, and compare its result with an uninterrupted one's.

    python -m tests.workflow.kills --kills 100

Two ways of killing take turns: SIGKILL to the whole process group, and SIGKILL to Snakemake alone, whose jobs go on.
Each round runs the smoke set in a fresh folder, over both routes, is killed once to three times, and must then end by
itself with nothing done by hand.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from .conftest import copy_project

OVERLAY = """
engines:
  onnxruntime_files: {kind: onnxruntime, route: files, threads: 1}
models:
  retinaface:
    engines: [onnxruntime, onnxruntime_files]
datasets:
  widerface: {shards: 2}
tensor_shards: 1
"""
TARGETS = ("results/retinaface/map.json", "results/retinaface/onnxruntime_files/1000-fp32-b1/map.json")
WAYS = ("group", "snakemake alone")


@dataclass(frozen=True)
class Kill:
    """One kill: how, after how many seconds, and what was at work then."""

    way: str
    seconds: float
    at_work: str


def start(project: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Snakemake in a process group of its own."""
    (folder / "overlay.yaml").write_text(OVERLAY)
    log = (folder / "snakemake.log").open("ab")
    command = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile", "--cores", "2"]
    command += ["--configfile", project / "config/smoke.yaml", "overlay.yaml", "--", *TARGETS]
    with log:
        return subprocess.Popen(
            list(map(str, command)), cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0
        )


def kill_once(project: Path, folder: Path, way: str, seconds: float) -> Kill | None:
    """Start a run and kill it after so many seconds; ``None`` when it had ended before."""
    run = start(project, folder)
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        at_work = jobs_at_work(folder)
        if way == "group":
            os.killpg(run.pid, signal.SIGKILL)
        else:
            run.kill()
        run.wait()
        return Kill(way, round(seconds, 2), at_work)
    if run.returncode != 0:
        raise RuntimeError(f"a run ended by itself with status {run.returncode}: {folder / 'snakemake.log'}")
    return None


def jobs_at_work(folder: Path) -> str:
    """The commands that work in the folder, for the report."""
    names = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").samefile(folder):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                names |= {Path(word).stem for word in words[1:2] if word.endswith(".py")}
        except OSError:
            continue
    return "+".join(sorted(names)) or "snakemake"


def finish(project: Path, folder: Path) -> dict[str, str]:
    """Run to the end and hash the results."""
    run = start(project, folder)
    if run.wait(600) != 0:
        raise RuntimeError(f"the run after the kill failed: {folder / 'snakemake.log'}\n{log_of(folder)}")
    return hashes(folder)


def log_of(folder: Path) -> str:
    return "\n".join((folder / "snakemake.log").read_text(errors="replace").splitlines()[-60:])


def hashes(folder: Path) -> dict[str, str]:
    """Of everything under results/ that equal runs make equal."""
    kept = [path for path in sorted((folder / "results").rglob("*")) if path.is_file() and is_reproducible(path)]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in kept}


def is_reproducible(path: Path) -> bool:
    return path.name in {"map.json", "map.txt", "detections.npz", "precision_recall.npz"} or "text" in path.parts


def leftovers(folder: Path) -> list[str]:
    """Temporary files that nobody will take up."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*.tmp")]


def campaign(kills: int, seed: int, work: Path) -> tuple[list[Kill], float]:
    """At least so many kills, in rounds of one to three; raises ``AssertionError`` at the first wrong result."""
    chance = random.Random(seed)
    project = copy_project(work / "project")  # whose code nobody changes meanwhile: its hash is in the results
    whole = work / "whole"
    whole.mkdir()
    began = time.monotonic()
    expected = finish(project, whole)
    length = time.monotonic() - began
    assert set(TARGETS) <= set(expected)
    done: list[Kill] = []
    number = 0
    while len(done) < kills:
        folder = work / f"round-{number}"
        folder.mkdir()
        number += 1
        for _ in range(min(chance.randint(1, 3), kills - len(done))):
            kill = kill_once(project, folder, WAYS[len(done) % 2], chance.uniform(0.5, length))
            if kill is None:
                break
            done.append(kill)
            print(f"{len(done):3} {kill.way:16} after {kill.seconds:5.2f} s, at work: {kill.at_work}", flush=True)
        difference = finish(project, folder).items() ^ expected.items()
        assert not difference, f"other results in {folder} after {done[-1]}: {sorted(dict(difference))}"
        assert not leftovers(folder), f"left behind after {done[-1]}: {leftovers(folder)}"
        shutil.rmtree(folder)
    return done, length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="write what was killed when (.json)")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="pth2map-kills-"))  # stays when something is wrong, to be looked at
    done, length = campaign(args.kills, args.seed, work)
    shutil.rmtree(work)
    if args.report:
        args.report.write_text(json.dumps([vars(kill) for kill in done], indent=1) + "\n")
    print(f"{len(done)} kills of a run of {length:.0f} s: every result equal to the uninterrupted run's")


if __name__ == "__main__":
    main()
