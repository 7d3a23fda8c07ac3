import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pth2map.files import holding
from pth2map.files.processes import lives

ROOT = Path(__file__).parents[2]
RUN = """
import subprocess, sys, time
from pathlib import Path
from pth2map.files.holding import begin_run, hold
removed = hold(Path.cwd())
Path(".snakemake/locks").mkdir(exist_ok=True)
Path(".snakemake/locks/0.output.lock").write_text("a")
assert begin_run(Path.cwd())
jobs = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
print(removed, *(job.pid for job in jobs), flush=True)
time.sleep(600)
"""


class RunOfAnotherProcess:
    """A process that holds the folder, with a lock of Snakemake and two jobs."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        removed, *jobs = self.process.stdout.readline().split()
        self.removed, self.jobs = removed == "True", [int(job) for job in jobs]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        self.kill()
        for job in self.jobs:
            if lives(job):
                os.kill(job, signal.SIGKILL)


@pytest.fixture
def run_in(tmp_path):
    runs = []

    def start() -> RunOfAnotherProcess:
        runs.append(RunOfAnotherProcess(tmp_path))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


@pytest.fixture
def released(tmp_path):
    """Whatever this process holds is let go."""
    yield
    for file in holding._held.values():
        file.close()
    holding._held.clear()


def test_the_next_run_clears_the_lock_of_a_dead_one_and_ends_its_jobs(run_in):
    first = run_in()
    assert not first.removed
    first.kill()
    assert all(map(lives, first.jobs))
    second = run_in()
    assert second.removed
    assert not any(map(lives, first.jobs))
    assert all(map(lives, second.jobs))


def test_the_lock_and_the_jobs_of_a_living_run_stay(run_in, tmp_path, monkeypatch, released):
    living = run_in()
    assert not holding.hold(tmp_path)
    monkeypatch.setenv(holding.RUN, "of this process")
    assert not holding.begin_run(tmp_path)
    assert (tmp_path / ".snakemake/locks/0.output.lock").exists()
    assert all(map(lives, living.jobs))


def test_the_lock_of_another_workflow_at_work_here_stays(run_in, tmp_path, released):
    run_in().kill()
    (tmp_path / "snakemake").write_text("import time; print('up', flush=True); time.sleep(600)")
    with subprocess.Popen(
        [sys.executable, tmp_path / "snakemake"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as other:
        other.stdout.readline()
        try:
            assert not holding.hold(tmp_path)
            assert (tmp_path / ".snakemake/locks").is_dir()
        finally:
            other.kill()


@pytest.mark.parametrize("host", ["", "another-host"])
def test_a_lock_that_no_run_of_this_host_can_have_left_stays(run_in, tmp_path, host, released):
    run_in().kill()
    (tmp_path / ".snakemake/pth2map/held").write_text(host)
    for _ in range(2):
        assert not holding.hold(tmp_path)
        assert (tmp_path / ".snakemake/locks").is_dir()
        assert (tmp_path / ".snakemake/pth2map/held").read_text() == host, "the locks are still those of that host"
        holding._held.popitem()[1].close()
    (tmp_path / ".snakemake/locks/0.output.lock").unlink()
    assert not holding.hold(tmp_path)
    assert (tmp_path / ".snakemake/pth2map/held").read_text() == platform.node()


def test_a_job_that_does_not_listen_is_killed(tmp_path, monkeypatch, released):
    monkeypatch.setattr(holding, "_SECONDS_TO_END", 0.3)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    environment = {**os.environ, holding.RUN: "of the dead"}
    with subprocess.Popen([sys.executable, "-c", deaf], env=environment, stdout=subprocess.PIPE, cwd=tmp_path) as job:
        job.stdout.readline()
        assert holding._jobs_of("of the dead", tmp_path) == [job.pid]
        assert holding._jobs_of("of the dead", tmp_path / "copy") == []
        holding._end([job.pid])
        assert job.wait() == -signal.SIGKILL


def test_a_run_in_a_copied_folder_leaves_the_original_alone(run_in, tmp_path, released, monkeypatch):
    monkeypatch.setenv(holding.RUN, "of this process")
    living = run_in()
    copy = tmp_path.parent / f"{tmp_path.name}-copy"
    shutil.copytree(tmp_path, copy)
    assert holding.hold(copy)
    assert holding.begin_run(copy)
    assert all(map(lives, living.jobs))
    assert living.process.poll() is None


def test_the_command_that_this_process_was_started_by_is_no_other_snakemake(run_in, tmp_path):
    run_in().kill()
    look = "from pathlib import Path; from pth2map.files.holding import hold; print(hold(Path.cwd()))"
    wrapped = ["env", "timeout", "60", sys.executable, "-c", look, "snakemake"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(wrapped, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ("--cores 2 -- results/retinaface/map.txt", True),
        ("-c 2 --configfile a.yaml -k all", True),
        ("-sSnakefile -dworkin", True),
        ("-n", False),
        ("-np all", False),
        ("--dry-run", False),
        ("--summary", False),
        ("--list-changes code", False),
        ("--report=a.html", False),
        ("--unlock", False),
    ],
)
def test_a_command_line_that_only_looks_is_told_from_one_that_runs(words, may):
    assert holding.executes(["snakemake", *words.split()]) is may


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path, released):
    (tmp_path / ".snakemake").write_text("a file")
    assert not holding.hold(tmp_path)
    assert not holding.begin_run(tmp_path)


def test_holding_twice_in_one_process_is_holding_once(tmp_path, monkeypatch, released):
    monkeypatch.setenv(holding.RUN, "of this process")
    assert not holding.hold(tmp_path)
    assert not holding.hold(tmp_path)
    assert holding.begin_run(tmp_path)
    assert os.environ[holding.RUN] != "of this process"
    assert time.time() - (tmp_path / ".snakemake/pth2map/run").stat().st_mtime < 600


def test_large_files_that_nobody_will_ask_for_are_swept(tmp_path):
    present, past = "0123456789ab", "ba9876543210"
    kept = [f"{present}/1-of-2/inputs/a.bin", f"{past}/1-of-2/run.json", f"{present}/1-of-2/detections.npz"]
    swept = [
        f"{past}/1-of-2/inputs/a.bin",
        f"{present}/2-of-2/ais_bench.4711/outputs/a_0.bin",
        "torch_aie.42/inputs/a.npy",
    ]
    for name in (*kept, *swept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"large")
    holding.sweep_tensor_files(tmp_path, present)
    assert [name for name in (*kept, *swept) if (tmp_path / name).exists()] == kept
