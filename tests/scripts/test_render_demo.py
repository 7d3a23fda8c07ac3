"""The command that renders the demo dataset."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pth2map.datasets.images import inspect_image
from pth2map.datasets.widerface_index import index_widerface
from pth2map.files.processes import lives

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/render_demo.py"
SMALL = ("--train", 2, "--val", 3, "--seed", 4, "--width", 200, "--height", 160)


def run(*options):
    command = [sys.executable, SCRIPT, *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def test_a_set_and_its_sheet(tmp_path):
    root, sheet = tmp_path / "set", tmp_path / "sheets/demo.png"
    done = run("--root", root, *SMALL, "--sheet", sheet)
    assert done.returncode == 0, done.stderr
    index, truth = index_widerface("demo", root)
    assert len(index.images) == 3
    record = json.loads((root / "demo.json").read_text())
    settings = {"train": 2, "val": 3, "seed": 4, "width": 200, "height": 160}
    assert {key: record[key] for key in settings} == settings
    counted = {subset: int(flags.sum()) for subset, flags in truth.counted.items()}
    assert record["parts"]["val"]["counted"] == counted
    said = f"val: 3 pictures, {len(truth.boxes)} faces (easy {counted['easy']}, medium {counted['medium']}, "
    assert done.stderr.splitlines()[-1].startswith(said)
    facts = inspect_image(sheet)
    assert (facts.width, facts.height) == (3 * 204 + 4, 160 + 8 + 28)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers_of(pid: int) -> list[int]:
    return [child for child in children_of(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def hears_interruptions(pid: int) -> bool:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGINT - 1) & 1)


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def started(tmp_path):
    """A run that would take minutes, when its two workers have been started; they are still importing."""
    command = [sys.executable, SCRIPT, "--root", tmp_path / "set", "--train", 5000, "--val", 1, "--seed", 4]
    with subprocess.Popen(
        [*map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (jobs in the background ignore it)
    ) as started:
        try:
            wait_until(lambda: len(workers_of(started.pid)) == 2 and hears_interruptions(started.pid))
            yield started
        finally:
            started.kill()


def test_a_worker_that_is_killed_leaves_nothing_behind(started, tmp_path):
    os.kill(workers_of(started.pid)[0], signal.SIGKILL)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 2
    sentence = "error: a process that rendered was killed, for lack of memory perhaps; give fewer processes"
    assert said.splitlines()[-1] == sentence
    assert not any(tmp_path.iterdir())


def test_an_interruption_is_told_of_by_one_process(started, tmp_path):
    """Of a whole group of processes, as the keyboard does it."""
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert not any(tmp_path.iterdir())


def test_no_process_outlives_one_that_is_killed(started, tmp_path):
    children = children_of(started.pid)
    assert len(children) >= 3, "two workers, and what Python has beside them"
    wait_until(lambda: any(tmp_path.rglob("*.jpg")))
    started.kill()
    started.wait()
    wait_until(lambda: not any(map(lives, children)), seconds=10)
    assert (run("--root", tmp_path / "set", *SMALL)).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["set"], "what the killed one had made is gone"


def test_a_sheet_that_cannot_be_written_is_told_of_before_the_pictures_are_rendered(tmp_path):
    (tmp_path / "file").touch()
    done = run("--root", tmp_path / "set", *SMALL, "--sheet", tmp_path / "file/sheet.png")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/file/sheet.png: cannot be written (File exists)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_set_goes_to_where_a_link_leads(tmp_path):
    (tmp_path / "link").symlink_to("disk/set")
    for _ in range(2):
        assert run("--root", tmp_path / "link", *SMALL).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["set"]
    assert (tmp_path / "disk/set/demo.json").is_file()


def test_what_is_wrong_is_one_sentence_and_nothing_is_written(tmp_path):
    done = run("--root", tmp_path / "set", "--train", 2, "--val", 0, "--seed", 4)
    assert (done.returncode, done.stderr) == (2, "error: 0 pictures for val, expected at least 1\n")
    assert not any(tmp_path.iterdir())
