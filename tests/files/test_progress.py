import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pth2map.files import progress
from pth2map.files.progress import track


def test_quiet_lines_in_a_log(capsys, monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setenv("PTH2MAP_PROGRESS", "off")
    assert list(track(range(6), "infer")) == list(range(6))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "infer: 2/6 images, 0.2 images/s, 24 s left",
        "infer: 5/6 images, 0.2 images/s, 5 s left",
        "infer: 6/6 images, 0.2 images/s, 28.0 s",
    ]


def test_a_bar_on_the_terminal_while_stderr_goes_to_a_log(tmp_path):
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pth2map.files.progress import track\n"
        "for _ in track(range(3), 'infer'): time.sleep(0.6)\n"
    )
    source = Path(progress.__file__).parents[2]
    log = tmp_path / "log"
    command = f'exec {sys.executable} -c "$PROGRAM" {source} 2> {log}'
    shown = bytearray()

    def read(descriptor):
        data = progress.os.read(descriptor, 1024)
        shown.extend(data)
        return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGRAM", program)
        patch.delenv("PTH2MAP_PROGRESS", raising=False)
        assert pty.spawn(["/bin/sh", "-c", command], read) == 0
    assert b"infer:  33%" in shown
    assert b" images/s" in shown
    assert log.read_text().startswith("infer: 3/3 images")


def test_no_terminal_no_bar():
    program = "from pth2map.files.progress import _SharedBar; print(_SharedBar.on_terminal('x', 3))"
    source = Path(progress.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        start_new_session=True,
        check=True,
        env={"PYTHONPATH": str(source)},
    )
    assert done.stdout.strip() == "None"
