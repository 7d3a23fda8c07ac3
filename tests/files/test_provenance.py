import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pth2map.files.provenance import describe_run, merge_runs

ROOT = Path(__file__).parents[2]


def test_versions_and_host():
    run = json.loads(json.dumps(describe_run()))
    assert run["packages"]["numpy"]
    assert run["host"]["cores"] >= 1
    assert run["time"].endswith("+00:00")


@pytest.fixture
def checkout(tmp_path):
    """The library committed in a repository of its own."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "src"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return tmp_path


def described(folder: Path) -> dict:
    program = "import json; from pth2map.files.provenance import describe_run; print(json.dumps(describe_run()))"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    return json.loads(done.stdout)["pth2map"]


def test_the_commit_and_whether_anything_changed(checkout):
    before = described(checkout)
    assert len(before["commit"]) == 40
    assert before["changed"] is False
    with (checkout / "src/pth2map/geometry/boxes.py").open("a") as file:
        file.write("# changed\n")
    assert described(checkout)["changed"] is True


def test_the_repository_around_a_copy_is_not_ours(checkout):
    inner = checkout / "vendored"
    (checkout / "src").rename(checkout / "moved")
    inner.mkdir()
    (checkout / "moved").rename(inner / "src")
    assert described(inner)["commit"] is None


def test_equal_surroundings_are_listed_once():
    here, there = {"host": "a", "packages": {"x": "1"}}, {"host": "b", "packages": {"x": "1"}}
    runs = [
        {**here, "seconds": 1.5, "time": "2026-01-02"},
        {**there, "seconds": 2.0, "time": "2026-01-03"},
        {**here, "seconds": 0.25, "time": "2026-01-01"},
    ]
    assert merge_runs(runs) == [
        {**here, "jobs": 2, "seconds": 1.75, "first": "2026-01-01", "last": "2026-01-02"},
        {**there, "jobs": 1, "seconds": 2.0, "first": "2026-01-03", "last": "2026-01-03"},
    ]
