"""Progress of a pass: a bar with rate and ETA on a terminal, a quiet line now and then in a log.

Jobs of the workflow write their stderr to a log, and several run at once. Each then also draws on the terminal it was
started from, if there is one, a single bar for all jobs of this terminal that are at the same work at that moment; the
jobs tell each other how far they are through small files. ``PTH2MAP_PROGRESS=off`` draws no bar.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_BARS = 0.5
_CLEAR_LINE = "\r\x1b[K"


def track(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items and report how far it is: ``label: 120/404 images, 14.2 images/s, 20 s left``."""
    with Meter(label, len(items), "images") as meter:
        for done, item in enumerate(items):
            meter.show(done)
            yield item
        meter.finish(len(items))


class Meter:
    """How much of ``total`` is done, whole numbers (120/404 images) or real ones (12.3/97.5 MB).

    ``total`` may be unknown. What was there before this pass, ``initial``, does not count for the rate.
    """

    def __init__(self, label: str, total: float | None, unit: str, initial: float = 0) -> None:
        self._label, self._total, self._unit, self._initial = label, total, unit, initial
        self._bar = _SharedBar.on_terminal(label, total, unit, initial)
        self._to_log = not sys.stderr.isatty()
        self._start = self._reported = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.close()

    def show(self, done: float) -> None:
        now = time.monotonic()
        if self._to_log and now - self._reported >= _SECONDS_BETWEEN_LINES:
            self._reported = now
            self._log(done, now - self._start)
        if self._bar:
            self._bar.show(done)

    def finish(self, done: float) -> None:
        """The last line of a log: the pass has come to its end."""
        if self._to_log:
            self._log(done, time.monotonic() - self._start, ended=True)

    def _log(self, done: float, seconds: float, ended: bool = False) -> None:
        rate = (done - self._initial) / seconds if seconds > 0 else 0.0
        to_come = 0 if ended or self._total is None else self._total - done
        left = f"{to_come / rate:.0f} s left" if to_come > 0 and rate > 0 else f"{seconds:.1f} s"
        of = "" if self._total is None else f"/{_number(self._total)}"
        unit = self._unit
        print(f"{self._label}: {_number(done)}{of} {unit}, {rate:.1f} {unit}/s, {left}", file=sys.stderr, flush=True)


def _number(value: float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


class _SharedBar:
    """One bar on the terminal for all jobs of this session that are at work under the same label, in the same unit."""

    def __init__(self, terminal: TextIO, label: str, total: float | None, unit: str, initial: float) -> None:
        self._terminal, self._label, self._total, self._unit, self._initial = terminal, label, total, unit, initial
        self._start, self._shown = time.time(), 0.0
        folder = Path(tempfile.gettempdir()) / f"pth2map-progress-{os.getuid()}-{os.getsid(0)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder, self._file = folder, folder / f"{os.getpid()}.job"

    @classmethod
    def on_terminal(cls, label: str, total: float | None, unit: str, initial: float = 0) -> "_SharedBar | None":
        if os.environ.get("PTH2MAP_PROGRESS") == "off":
            return None
        try:
            return cls(Path("/dev/tty").open("w", encoding="utf-8"), label, total, unit, initial)
        except OSError:
            return None

    def show(self, done: float) -> None:
        now = time.time()
        if now - self._shown < _SECONDS_BETWEEN_BARS:
            return
        self._shown = now
        try:
            new = self._file.with_suffix(".new")
            job = {"label": self._label, "unit": self._unit, "done": done, "total": self._total}
            new.write_text(json.dumps({**job, "initial": self._initial, "start": self._start, "now": now}), "utf-8")
            new.replace(self._file)
            print(f"{_CLEAR_LINE}{self._line(now)}", end="", file=self._terminal, flush=True)
        except OSError:  # a bar is no reason to fail
            pass

    def _line(self, now: float) -> str:
        jobs = [job for job in self._at_work(now) if (job["label"], job["unit"]) == (self._label, self._unit)]
        totals = [job["total"] for job in jobs]
        line: str = tqdm.format_meter(
            round(sum(job["done"] for job in jobs), 1),
            None if None in totals else round(sum(totals), 1),
            now - min(job["start"] for job in jobs),
            initial=sum(job["initial"] for job in jobs),
            prefix=f"{self._label} ({len(jobs)} jobs)" if len(jobs) > 1 else self._label,
            unit=f" {self._unit}",
            ncols=90,
        )
        return line

    def _at_work(self, now: float) -> list[dict[str, Any]]:
        jobs = []
        for path in self._folder.glob("*.job"):
            try:
                job = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # gone by now
            if now - job["now"] < 10 * _SECONDS_BETWEEN_BARS:
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
