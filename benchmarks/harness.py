"""What the benchmarks share: figures over rounds, processes side by side, a folder in which the workflow has run.

Whatever is compared is measured in one run, turn by turn, and the median over the turns counts: on a shared machine
figures of two runs say little of each other.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
sys.path.insert(0, str(ROOT / "src"))
from pth2map.datasets.index import DatasetIndex  # noqa: E402

RECIPE = json.dumps({"kind": "retinaface", "preprocess": {"resize": "long_side"}})  # that of the block retinaface
SIZE, NETWORK = "1000", "retinaface_mobilenet025"
WORKERS = 2


@dataclass(frozen=True)
class Figure:
    """One figure of every round, what it must reach, and what is aimed at (``at_most``: must not exceed)."""

    name: str
    rounds: tuple[float, ...]
    required: float | None = None
    aimed: float | None = None
    at_most: bool = False
    unit: str = "×"

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def met(self) -> bool:
        """Whether the median is as required; true where nothing is."""
        if self.required is None:
            return True
        return self.median <= self.required if self.at_most else self.median >= self.required

    def share(self, value: float) -> float:
        """How many times as good as required ``value`` is."""
        required = self.required or 1.0
        return required / max(value, 0.01) if self.at_most else value / required

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "least": min(self.rounds),
            "most": max(self.rounds),
            "rounds": list(self.rounds),
            "required": self.required,
            "aimed": self.aimed,
            "at_most": self.at_most,
            "met": self.met,
        }


@dataclass(frozen=True)
class Table:
    """Rows beside the figures, for a person."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Result:
    """What a benchmark found."""

    name: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = field(default=())

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "figures": [figure.to_json() for figure in self.figures],
            "tables": {table.title: [table.head, *table.rows] for table in self.tables},
        }

    def markdown(self) -> str:
        figures = Table(
            "",
            ("figure", "median", "least … most", "required", "aimed", ""),
            tuple(
                (
                    figure.name,
                    _number(figure.median, figure.unit),
                    f"{_number(min(figure.rounds))} … {_number(max(figure.rounds), figure.unit)}",
                    _bound(figure.required, figure),
                    _bound(figure.aimed, figure),
                    "" if figure.required is None else "met" if figure.met else "**missed**",
                )
                for figure in self.figures
            ),
        )
        parts = [f"## {self.name}\n", _markdown(figures)]
        parts += [f"{table.title}:\n\n{_markdown(table)}" for table in self.tables]
        return "\n".join(parts)


def _number(value: float, unit: str = "") -> str:
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return digits + (unit if unit in ("", "×") else f" {unit}")


def _bound(value: float | None, figure: Figure) -> str:
    return "–" if value is None else f"{'≤' if figure.at_most else '≥'} {_number(value, figure.unit)}"


def _markdown(table: Table) -> str:
    lines = [table.head, ("---", *["---:"] * (len(table.head) - 1)), *table.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mirror() -> Path:
    """The folder of data sets and weights."""
    folder = os.environ.get("PTH2MAP_MIRROR")
    if not folder:
        raise SystemExit("error: set PTH2MAP_MIRROR to the folder of data sets and weights (docs/data.md)")
    return Path(folder).resolve()


def environment() -> dict[str, str]:
    """That of a user: no threads pinned, the commands of this Python first."""
    pinned = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    kept = {name: value for name, value in os.environ.items() if name not in pinned}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "PTH2MAP_PROGRESS": "off", "PTH2MAP_MIRROR": str(mirror())}


@dataclass(frozen=True)
class Ran:
    """A process that is done: wall seconds from the common start, CPU seconds, and the most memory it had.

    The kernel counts the memory of a process from that of its parent on: no peak is below the benchmark's own.
    """

    seconds: float
    cpu: float
    peak_mib: float
    output: str


def run_together(commands: Sequence[Sequence[object]], folder: Path, ready: bool = False) -> list[Ran]:
    """Run commands side by side, on whichever cores the system gives them: the workflow pins nothing either.

    With ``ready`` each prints a line when it is ready, and the end of its standard input lets all go on together.
    """
    start = time.perf_counter()
    logs = [folder / f"process-{number}.log" for number in range(len(commands))]
    running = [_start(command, log) for command, log in zip(commands, logs, strict=True)]
    if ready:
        for process in running:
            process.stdout.readline()  # type: ignore[union-attr]
        start = time.perf_counter()
    for process in running:
        process.stdin.close()  # type: ignore[union-attr]
    with ThreadPoolExecutor(len(running)) as threads:
        return list(threads.map(lambda process, log: _finish(process, log, start), running, logs))


def _start(command: Sequence[object], log: Path) -> subprocess.Popen[str]:
    with log.open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )


def _finish(process: subprocess.Popen[str], log: Path, start: float) -> Ran:
    with process:
        output = process.stdout.read()  # type: ignore[union-attr]
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: {process.args!r} failed:\n{log.read_text()[-2000:]}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


@dataclass(frozen=True)
class Workspace:
    """A working folder of the workflow, on the mini set (or what ``overlays`` make of it)."""

    folder: Path
    overlays: tuple[Path, ...] = ()

    def make(self, *targets: Path) -> float:
        """Run the workflow as a user would, unless all is there; the seconds that took."""
        if all(target.exists() for target in targets):
            return 0.0
        command = ["-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", self.folder, "--cores", WORKERS]
        configs = ["--configfile", ROOT / "config/mini.yaml", *self.overlays]
        names = [target.relative_to(self.folder) for target in targets]
        (ran,) = run_together([[*command, *configs, "--", *names]], self.folder)
        return ran.seconds

    @property
    def result(self) -> Path:
        return self.folder / "results/retinaface/map.txt"

    @property
    def index(self) -> Path:
        return self.folder / "scratch/datasets/widerface/index.json"

    def graph(self, suffix: str) -> Path:
        return self.folder / f"results/retinaface/export/{SIZE}/model.{suffix}"

    def images(self) -> int:
        return len(DatasetIndex.load(self.index).images)

    def stream(self, index: Path, batch: int = 1) -> list[Ran]:
        """The command of the workflow over all images of ``index``: so many processes, each of one thread."""
        return run_together(
            [self.stream_command(index, number, batch) for number in range(1, WORKERS + 1)], self.folder
        )

    def stream_command(self, index: Path, number: int, batch: int = 1) -> list[object]:
        output = self.folder / f"stream-{number}"
        return [
            *(ROOT / "workflow/scripts/stream.py", "--index", index, "--shard", f"{number}-of-{WORKERS}"),
            *("--recipe", RECIPE, "--size", SIZE, "--batch", batch, "--kind", "onnxruntime"),
            *("--graph", self.graph("onnx"), "--network", NETWORK, "--options", json.dumps({"threads": 1})),
            *("--run", output.with_suffix(".json"), "--detections", output.with_suffix(".npz")),
        ]


def profile_table(profiles: Sequence[dict[str, float]]) -> Table:
    """Of profiles, milliseconds of CPU time an image by step, the median of each step."""
    steps = {step: median(profile[step] for profile in profiles) for step in profiles[0]}
    whole = sum(steps.values())
    rows = [(step, f"{value:.2f}", f"{100 * value / whole:.1f}") for step, value in steps.items()]
    return Table("CPU by step", ("step", "ms per image", "%"), (*rows, ("sum", f"{whole:.2f}", "100")))
