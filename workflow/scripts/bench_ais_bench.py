"""Latency and throughput out of what ais_bench printed without input files: device time alone, copies left out."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _vendor import add_engine_arguments, add_tool_arguments, printed_by, telling_the_log, write_perf
from pth2map.engines import ais_bench
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    add_engine_arguments(parser)
    parser.add_argument("--parity", required=True, type=Path, help="check of the graph that was compiled (.json)")
    parser.add_argument("--batch", required=True, type=int, help="images a run")
    parser.add_argument("--loops", required=True, type=int, help="runs that were timed")
    parser.add_argument("--perf", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    with telling_the_log(args):
        ais_bench.judge(printed_by(args), args.status)
        figures = ais_bench.read_log(printed_by(args), args.batch)
    latency = {
        "mean": figures.mean_ms,
        "p50": figures.median_ms,
        "p99": figures.p99_ms,
        "min": figures.min_ms,
        "max": figures.max_ms,
    }
    measured = {
        "batch": args.batch,
        "runs": args.loops,
        "latency_ms": latency,
        "images_per_s": round(1000 * args.batch / figures.mean_ms, 3),
        "vendor_throughput": figures.throughput,
    }
    write_perf(args, "ais_bench", figures.mean_ms * args.loops / 1000, measured)


if __name__ == "__main__":
    run(main)
