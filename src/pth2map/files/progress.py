"""Progress of a pass: a bar with rate and ETA on a terminal, a quiet line now and then in a log.

Jobs of the workflow write their stderr to a log, and several run at once. Each then also draws on the terminal it was
started from, if there is one, a single bar for all jobs of this terminal that are at work at that moment; the jobs tell
each other how far they are through small files. ``PTH2MAP_PROGRESS=off`` draws no bar.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_BARS = 0.5
_CLEAR_LINE = "\r\x1b[K"


def track(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items and report how far it is: ``label: 120/404 images, 14.2 images/s, 20 s left``."""
    bar = _SharedBar.on_terminal(label, len(items))
    to_log = not sys.stderr.isatty()
    start = reported = time.monotonic()
    try:
        for done, item in enumerate(items):
            now = time.monotonic()
            if to_log and now - reported >= _SECONDS_BETWEEN_LINES:
                reported = now
                _log(label, done, len(items), now - start)
            if bar:
                bar.show(done)
            yield item
    finally:
        if bar:
            bar.close()
    if to_log:
        _log(label, len(items), len(items), time.monotonic() - start)


def _log(label: str, done: int, total: int, seconds: float) -> None:
    rate = done / seconds if seconds > 0 else 0.0
    left = f"{(total - done) / rate:.0f} s left" if done < total and rate else f"{seconds:.1f} s"
    print(f"{label}: {done}/{total} images, {rate:.1f} images/s, {left}", file=sys.stderr, flush=True)


class _SharedBar:
    """One bar on the terminal for all jobs of this session that are at work."""

    def __init__(self, terminal: TextIO, label: str, total: int) -> None:
        self._terminal, self._label, self._total = terminal, label, total
        self._start, self._shown = time.time(), 0.0
        folder = Path(tempfile.gettempdir()) / f"pth2map-progress-{os.getuid()}-{os.getsid(0)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder, self._file = folder, folder / f"{os.getpid()}.json"

    @classmethod
    def on_terminal(cls, label: str, total: int) -> "_SharedBar | None":
        if os.environ.get("PTH2MAP_PROGRESS") == "off":
            return None
        try:
            return cls(Path("/dev/tty").open("w", encoding="utf-8"), label, total)
        except OSError:
            return None

    def show(self, done: int) -> None:
        now = time.time()
        if now - self._shown < _SECONDS_BETWEEN_BARS:
            return
        self._shown = now
        try:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps([done, self._total, self._start, now]), encoding="utf-8")
            new.replace(self._file)
            jobs = self._at_work(now)
            count = f"{self._label} ({len(jobs)} jobs)" if len(jobs) > 1 else self._label
            elapsed = now - min(start for _, _, start, _ in jobs)
            line = tqdm.format_meter(
                sum(job[0] for job in jobs),
                sum(job[1] for job in jobs),
                elapsed,
                prefix=count,
                unit=" images",
                ncols=90,
            )
            print(f"{_CLEAR_LINE}{line}", end="", file=self._terminal, flush=True)
        except OSError:  # a bar is no reason to fail
            pass

    def _at_work(self, now: float) -> list[list[float]]:
        jobs = []
        for path in self._folder.glob("*.json"):
            try:
                job = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # gone by now
            if now - job[3] < 10 * _SECONDS_BETWEEN_BARS:
                jobs.append(job)
            else:
                path.unlink(missing_ok=True)  # of a job that was killed
        return jobs

    def close(self) -> None:
        self._file.unlink(missing_ok=True)
        try:
            print(_CLEAR_LINE, end="", file=self._terminal, flush=True)
            self._terminal.close()
        except OSError:
            pass
