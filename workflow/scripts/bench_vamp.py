"""Throughput with several instances and latency of one picture at a time, out of what vamp printed of two runs."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _vendor import add_engine_arguments, add_tool_arguments, printed_by, telling_the_log, write_perf
from pth2map.engines import vamp
from pth2map.files.command import run
from pth2map.files.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    parser.add_argument("--latency-status", required=True, type=int, help="exit status of the second run")
    parser.add_argument("--latency-printed", required=True, type=Path, help="what the second run printed")
    add_engine_arguments(parser)
    parser.add_argument("--parity", required=True, type=Path, help="check of the graph that was compiled (.json)")
    parser.add_argument("--perf", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    many = block_of(args)
    one = block_of(argparse.Namespace(status=args.latency_status, printed=args.latency_printed))
    if one.end_to_end is None:
        raise InputError(f"vamp told no latency; all it printed: {args.latency_printed}")
    measured = {
        "batch": many.batch,
        "instances": many.instances,
        "images": many.samples,
        "images_per_s": many.throughput,
        "latency_ms": latency(one.end_to_end),
        "model_latency_ms": latency(one.model) if one.model else None,
    }
    write_perf(args, "vamp", many.seconds or 0, measured)


def block_of(args: argparse.Namespace) -> vamp.Block:
    """The one block of figures of a run."""
    with telling_the_log(args):
        vamp.judge(printed_by(args), args.status)
        blocks = vamp.read_log(printed_by(args))
        if len(blocks) > 1:
            raise InputError(f"vamp printed {len(blocks)} blocks of figures, expected one")
    return blocks[0]


def latency(measured: vamp.Latency) -> dict[str, float | None]:
    """Of one picture at a time."""
    shown = {"mean": measured.mean_ms, "min": measured.min_ms, "max": measured.max_ms}
    return {**shown, **{f"p{percent}": value for percent, value in sorted(measured.percentiles_ms.items())}}


if __name__ == "__main__":
    run(main)
