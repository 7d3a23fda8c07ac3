"""A whole run of the workflow beside the time that its images need in the stream."""

import csv
from collections.abc import Callable
from pathlib import Path

from harness import Figure, Result, Table, Workspace
from streaming import rate

SECONDS = 8.0


def measure(new: Callable[[], Workspace], rounds: int) -> Result:
    """Seconds of a run from weights to AP in an empty folder, less those of the stream over the same images.

    ``new`` gives an empty folder. The stream is that of the benchmark of this name: so many processes over
    all images, measured after each run.
    """
    over, whole, streams = [], [], []
    for _ in range(rounds):
        workspace = new()
        whole.append(workspace.make(workspace.result))
        images = workspace.images()
        streams.append(images / rate(images, workspace.stream(workspace.index)))
        over.append(whole[-1] - streams[-1])
    return Result(
        "overhead",
        (
            Figure("run less stream", tuple(over), SECONDS, at_most=True, unit="s"),
            Figure("run", tuple(whole), unit="s"),
            Figure("stream", tuple(streams), unit="s"),
        ),
        (jobs(workspace.folder / "logs", whole[-1]),),
    )


def jobs(logs: Path, seconds: float) -> Table:
    """Wall and CPU seconds of every job, of the files that Snakemake's ``benchmark:`` wrote, longest first.

    CPU seconds are Snakemake's samples: short jobs have hardly any.
    """
    rows = []
    for path in logs.rglob("*.benchmark.tsv"):
        with path.open(newline="") as file:
            (row,) = csv.DictReader(file, delimiter="\t")
        name = path.relative_to(logs).as_posix().removesuffix(".benchmark.tsv")
        rows.append((name, float(row["s"]), row["cpu_time"], row["max_rss"]))
    rows.sort(key=lambda row: -row[1])
    cells = [(name, f"{wall:.2f}", cpu, memory) for name, wall, cpu, memory in rows]
    cells.append(("sum of the jobs", f"{sum(row[1] for row in rows):.2f}", "", ""))
    cells.append(("the run (its last round)", f"{seconds:.2f}", "", ""))
    return Table("Jobs", ("job", "wall s", "CPU s", "peak MiB"), tuple(cells))
