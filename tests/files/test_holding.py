import os
import platform
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
from pth2map.files.holding import begin_run, clear_stale_locks
removed = clear_stale_locks(Path.cwd())
Path(".snakemake/locks").mkdir(exist_ok=True)
Path(".snakemake/locks/0.output.lock").write_text("a")
ended = begin_run(Path.cwd())
jobs = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
print(removed, ended, *(job.pid for job in jobs), flush=True)
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
        removed, ended, *jobs = self.process.stdout.readline().split()
        self.removed, self.ended, self.jobs = removed == "True", int(ended), [int(job) for job in jobs]

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
    assert (first.removed, first.ended) == (False, 0)
    first.kill()
    assert all(map(lives, first.jobs))
    second = run_in()
    assert (second.removed, second.ended) == (True, 2)
    assert not any(map(lives, first.jobs))
    assert all(map(lives, second.jobs))


def test_the_lock_and_the_jobs_of_a_living_run_stay(run_in, tmp_path, monkeypatch, released):
    living = run_in()
    assert not holding.clear_stale_locks(tmp_path)
    monkeypatch.setenv(holding.RUN, "of this process")
    assert holding.begin_run(tmp_path) == 0
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
            assert not holding.clear_stale_locks(tmp_path)
            assert (tmp_path / ".snakemake/locks").is_dir()
        finally:
            other.kill()


@pytest.mark.parametrize("host", ["", "another-host"])
def test_a_lock_that_no_run_of_this_host_can_have_left_stays(run_in, tmp_path, host, released):
    run_in().kill()
    (tmp_path / ".snakemake/pth2map/held").write_text(host)
    assert not holding.clear_stale_locks(tmp_path)
    assert (tmp_path / ".snakemake/locks").is_dir()
    assert (tmp_path / ".snakemake/pth2map/held").read_text() == platform.node()


def test_a_job_that_does_not_listen_is_killed(tmp_path, monkeypatch, released):
    monkeypatch.setattr(holding, "_SECONDS_TO_END", 0.3)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    environment = {**os.environ, holding.RUN: "of the dead"}
    with subprocess.Popen([sys.executable, "-c", deaf], env=environment, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        assert holding._processes_of("of the dead") == [job.pid]
        holding._end([job.pid])
        assert job.wait() == -signal.SIGKILL


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path, released):
    (tmp_path / ".snakemake").write_text("a file")
    assert not holding.clear_stale_locks(tmp_path)
    assert holding.begin_run(tmp_path) == 0


def test_holding_twice_in_one_process_is_holding_once(tmp_path, monkeypatch, released):
    monkeypatch.setenv(holding.RUN, "of this process")
    assert not holding.clear_stale_locks(tmp_path)
    assert not holding.clear_stale_locks(tmp_path)
    assert holding.begin_run(tmp_path) == 0
    assert os.environ[holding.RUN] != "of this process"
    assert time.time() - (tmp_path / ".snakemake/pth2map/run").stat().st_mtime < 600
