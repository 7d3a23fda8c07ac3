"""Put the output files of ais_bench in their place, if all of a shard's are there; otherwise say what is wrong."""

import argparse

import _library  # noqa: F401  isort: skip
from _shard import images_of
from _vendor import (
    add_runner_arguments,
    describe_vendor_run,
    move_outputs,
    printed_by,
    require_raw_outputs,
    taking,
    telling_the_log,
)
from pth2map.engines import ais_bench
from pth2map.files.atomic import read_json, replacing_folder, write_json
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_runner_arguments(parser)
    parser.add_argument("--batch", required=True, type=int, help="images a run")
    args = parser.parse_args()
    _, images = images_of(args)
    milliseconds: tuple[float, ...] | None = None
    with taking(args.made), replacing_folder(args.outputs) as folder:
        if images:
            with telling_the_log(args):
                printed = printed_by(args)
                ais_bench.judge(printed, args.status)
                ais_bench.check_grouping(ais_bench.read_log(printed, args.batch), len(images), args.batch)
                summary = ais_bench.find_summary(args.made, "outputs")
                milliseconds = ais_bench.read_summary(summary, args.batch).milliseconds
                require_raw_outputs(args, images, [ais_bench.OLD_SUMMARY])
            move_outputs(args, "*.bin", folder)
    tools = f"atc and ais_bench on {read_json(args.ready)['soc_version']}"
    write_json(args.run, describe_vendor_run(args, tools, sum(milliseconds or ()) / 1000))


if __name__ == "__main__":
    run(main)
