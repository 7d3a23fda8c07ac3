"""Run the benchmarks, print their figures, write ``benchmarks/results/{table.md,results.json,ratios.png}``.

``PTH2MAP_MIRROR`` must name the folder of data sets and weights, for the evaluator ``PTH2MAP_GOLDEN`` that of golden
values. What each measures, and how to read it: ``benchmarks/README.md``.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from pathlib import Path

import coco_evaluator
import int8
import kept_masks
import overhead
import streaming
import upstream_loop
import widerface_evaluator
from harness import BENCHMARKS, Result, Workspace, mirror
from matplotlib.figure import Figure as Picture

import training
from pth2map.files.provenance import describe_run

# In this order: what needs much memory counts for whatever is measured after it.
NAMES = ("stream", "upstream", "overhead", "evaluator", "coco", "masks", "int8", "training")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each benchmark, of which the median counts")
    parser.add_argument("--only", action="append", choices=NAMES, help="leave the others out; may be repeated")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results", help="folder of the results")
    args = parser.parse_args()
    names = [name for name in NAMES if not args.only or name in args.only]
    mirror()
    if "evaluator" in names:
        widerface_evaluator.golden()
    results = []
    with tempfile.TemporaryDirectory(prefix="pth2map-benchmarks-") as folder:
        for name, benchmark in benchmarks(Path(folder), args.rounds).items():
            if name in names:
                results.append(benchmark())
                print(results[-1].markdown(), flush=True)
                write(results, args.output)
    if not all(figure.met for result in results for figure in result.figures):
        raise SystemExit(1)


def benchmarks(folder: Path, rounds: int) -> dict[str, Callable[[], Result]]:
    numbers = count(1)

    def new() -> Workspace:
        below = folder / f"run-{next(numbers)}"
        below.mkdir()
        return Workspace(below)

    shared = cache(new)
    functions = (
        lambda: streaming.measure(shared(), rounds),
        lambda: upstream_loop.measure(shared(), rounds),
        lambda: overhead.measure(new, rounds),
        lambda: widerface_evaluator.measure(rounds),
        lambda: coco_evaluator.measure(rounds),
        lambda: kept_masks.measure(folder, rounds),
        lambda: int8.measure(folder, rounds),
        lambda: training.measure(new().folder, rounds),
    )
    return dict(zip(NAMES, functions, strict=True))


def write(results: Sequence[Result], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run = describe_run()
    host = run["host"]
    machine = f"{host['cpu']}, {host['cores']} cores; Python {run['python']}; " + ", ".join(
        f"{name} {run['packages'][name]}" for name in ("onnxruntime", "torch", "numpy", "opencv-python-headless")
    )
    tables = "\n".join(result.markdown() for result in results)
    (folder / "table.md").write_text(f"# Benchmarks\n\n{machine}\n\n{tables}", encoding="utf-8")
    content = {"machine": machine, "results": [result.to_json() for result in results]}
    (folder / "results.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(results, folder / "ratios.png")


def draw(results: Sequence[Result], path: Path) -> None:
    """Each figure that must reach something, as its share of that: right of the line is good."""
    figures = [figure for result in results for figure in result.figures if figure.required]
    picture = Picture(figsize=(8, 0.9 + 0.42 * len(figures)), dpi=150, layout="constrained")
    axes = picture.add_subplot()
    for row, figure in enumerate(figures):
        colour = "#0072B2" if figure.met else "#D55E00"
        for value in figure.rounds:
            axes.plot(figure.share(value), row, "o", color=colour, markersize=4, alpha=0.4)
        axes.plot(figure.share(figure.median), row, "|", color=colour, markersize=16, markeredgewidth=2.5)
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(figures)), [figure.name for figure in figures])
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.set_xlabel("times as good as required (bar: median)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    picture.savefig(path)


if __name__ == "__main__":
    main()
