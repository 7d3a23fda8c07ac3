"""Put the output files of torch_aie in their place, if all of a shard's are there; otherwise say what is wrong."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_index_arguments, add_recipe_arguments, images_of
from _vendor import (
    add_engine_arguments,
    add_tool_arguments,
    describe_vendor_run,
    output_bytes,
    printed_by,
    require_declared,
    taking,
    telling_the_log,
)
from pth2map.engines import vendor_script
from pth2map.engines.tool_output import require_outputs
from pth2map.files.atomic import read_json, replacing_folder, write_json
from pth2map.files.command import run
from pth2map.recipes.tensor_files import names_by_stem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    add_engine_arguments(parser)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--made", required=True, type=Path, help="where it wrote: `outputs` and `report.json`")
    parser.add_argument("--outputs", required=True, type=Path, help="output: folder of raw files")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")
    args = parser.parse_args()
    _, images = images_of(args)
    with taking(args.made), replacing_folder(args.outputs) as folder:
        report = {}
        if images:
            with telling_the_log(args):
                vendor_script.judge("torch_aie", printed_by(args), args.status)
                stems = list(names_by_stem([image.name for image in images]))
                require_outputs(args.made / "outputs", stems, output_bytes(args, images))
            report = read_json(args.made / "report.json")
            require_declared(args.settings, report["rehearsal"])
            (args.made / "outputs").rename(folder)
    described = describe_vendor_run(args, "torch_aie", report.pop("loop_seconds", 0))
    write_json(args.run, described)


if __name__ == "__main__":
    run(main)
