"""The command that renders the demo dataset."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pth2map.datasets.images import inspect_image
from pth2map.datasets.widerface_index import index_widerface

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


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_a_worker_that_is_killed_leaves_nothing_behind(tmp_path):
    command = [sys.executable, SCRIPT, "--root", tmp_path / "set", "--train", 5000, "--val", 1, "--seed", 4]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True) as started:
        deadline = time.monotonic() + 60
        while not (workers := workers_of(started.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(workers[0], signal.SIGKILL)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 2
    sentence = "error: a process that rendered was killed, for lack of memory perhaps; give fewer processes"
    assert said.splitlines()[-1] == sentence
    assert not any(tmp_path.iterdir())


def test_what_is_wrong_is_one_sentence_and_nothing_is_written(tmp_path):
    done = run("--root", tmp_path / "set", "--train", 2, "--val", 0, "--seed", 4)
    assert (done.returncode, done.stderr) == (2, "error: 0 pictures for val, expected at least 1\n")
    assert not any(tmp_path.iterdir())
