import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pth2map.files import progress
from pth2map.files.progress import Meter, _SharedBar, track


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


def test_megabytes_of_a_known_and_of_an_unknown_total(capsys, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setenv("PTH2MAP_PROGRESS", "off")
    with Meter("fetch", 97.52, "MB", initial=20.0) as meter:  # taken up at 20 MB
        meter.show(50.04)
        meter.finish(97.52)
    with Meter("fetch", None, "MB") as meter:
        meter.show(12.3)
    assert capsys.readouterr().err.splitlines() == [
        "fetch: 50.0/97.5 MB, 3.0 MB/s, 16 s left",
        "fetch: 97.5/97.5 MB, 3.9 MB/s, 20.0 s",
        "fetch: 12.3 MB, 1.2 MB/s, 10.0 s",
    ]


@pytest.fixture
def bar(tmp_path, monkeypatch):
    """A way to a bar of another job on one terminal, which is a file here."""
    monkeypatch.setattr(progress.tempfile, "gettempdir", lambda: str(tmp_path))
    with (tmp_path / "terminal").open("w+", encoding="utf-8") as terminal:

        def make(pid, *arguments):
            monkeypatch.setattr(progress.os, "getpid", lambda: pid)
            return _SharedBar(terminal, *arguments)

        def last_line():
            terminal.seek(0)
            return terminal.read().rpartition("\x1b[K")[2]

        make.last_line = last_line
        yield make


def test_jobs_of_one_label_and_unit_share_a_bar(bar):
    jobs = [
        bar(1, "fetch", 30.2, "MB", 0),
        bar(2, "fetch", 60.1, "MB", 10.0),
        bar(3, "infer", 366, "images", 0),
    ]
    for job, done in zip(jobs, (10.1, 20.1, 50), strict=True):
        job.show(done)
    assert bar.last_line().startswith("infer:  14%")
    assert " 50/366 " in bar.last_line()
    another = bar(4, "fetch", 9.7, "MB", 0)
    another.show(0.0)
    assert bar.last_line().startswith("fetch (3 jobs):  30%")
    assert " 30.2/100.0 " in bar.last_line()


def test_one_unknown_total_makes_the_sum_unknown(bar):
    bar(1, "fetch", 30.2, "MB", 0).show(10.1)
    bar(2, "fetch", None, "MB", 0).show(5.0)
    assert bar.last_line().startswith("fetch (2 jobs): 15.1 MB [")


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
    program = "from pth2map.files.progress import _SharedBar; print(_SharedBar.on_terminal('x', 3, 'images'))"
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
