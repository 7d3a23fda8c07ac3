"""The environment of a rehearsal, whose modules lie outside the library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REHEARSAL = Path(__file__).parents[2] / "workflow/rehearsal"
sys.path.insert(0, str(REHEARSAL / "modules"))


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """As after ``set_env.sh``, and nothing else of a rehearsal."""
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(REHEARSAL))
    monkeypatch.delenv("PTH2MAP_REHEARSAL_AIS_BENCH", raising=False)
    monkeypatch.delenv("PTH2MAP_REHEARSAL_CHIP", raising=False)


@pytest.fixture
def shell(tmp_path):
    """Run a command line in a shell that has sourced ``set_env.sh``, in an empty folder."""

    def run(command):
        folder = os.path.dirname(sys.executable)  # noqa: PTH120  the name as it is, without following links
        strict = f"set -euo pipefail; unset PYTHONPATH; PATH={folder}:$PATH; source {REHEARSAL}/set_env.sh; {command}"
        return subprocess.run(["bash", "-c", strict], cwd=tmp_path, capture_output=True, text=True, check=False)

    return run
