"""Put the output files of torch_aie in their place, if all of a shard's are there; otherwise say what is wrong."""

import argparse

import _library  # noqa: F401  isort: skip
from _shard import images_of
from _vendor import (
    add_runner_arguments,
    describe_vendor_run,
    move_outputs,
    printed_by,
    require_declared,
    require_raw_outputs,
    taking,
    telling_the_log,
)
from pth2map.engines import vendor_script
from pth2map.files.atomic import read_json, replacing_folder, write_json
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_runner_arguments(parser)
    args = parser.parse_args()
    _, images = images_of(args)
    seconds = 0.0
    with taking(args.made), replacing_folder(args.outputs) as folder:
        if images:
            with telling_the_log(args):
                vendor_script.judge("torch_aie", printed_by(args), args.status)
                require_raw_outputs(args, images)
            report = read_json(args.made / "report.json")
            require_declared(args.settings, report["rehearsal"])
            seconds = report["loop_seconds"]
            move_outputs(args, "*.bin", folder)
    write_json(args.run, describe_vendor_run(args, "torch_aie", seconds))


if __name__ == "__main__":
    run(main)
