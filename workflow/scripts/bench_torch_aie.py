"""Both published rates of torch_aie: forwards alone after the warm-up, and the whole loop over files."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _vendor import (
    add_engine_arguments,
    add_tool_arguments,
    printed_by,
    require_declared,
    taking,
    telling_the_log,
    write_perf,
)
from pth2map.engines import vendor_script
from pth2map.files.atomic import read_json
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    add_engine_arguments(parser)
    parser.add_argument("--parity", required=True, type=Path, help="check of the graph that ran (.json)")
    parser.add_argument("--made", required=True, type=Path, help="where it wrote `report.json`")
    parser.add_argument("--perf", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    with taking(args.made), telling_the_log(args):
        vendor_script.judge("torch_aie", printed_by(args), args.status)
        report = read_json(args.made / "report.json")
        require_declared(args.settings, report["rehearsal"])
    measured = {
        "batch": 1,
        "warmup": report["warmup"],
        "runs": max(0, report["images"] - report["warmup"]),
        "latency_ms": report["forward_ms"],
        "images_per_s": report["forward_images_per_s"],
        "loop_images_per_s": report["loop_images_per_s"],
        "compile_s": report["compile_seconds"],
        "versions": report["versions"],
    }
    write_perf(args, "torch_aie", report["loop_seconds"], measured)


if __name__ == "__main__":
    run(main)
