"""Put the output files of ais_bench in their place, if all of a shard's are there; otherwise say what is wrong."""

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
    taking,
    telling_the_log,
)
from pth2map.engines import ais_bench
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
    parser.add_argument("--made", required=True, type=Path, help="where ais_bench wrote: the folder `outputs` in it")
    parser.add_argument("--batch", required=True, type=int, help="images a run")
    parser.add_argument("--outputs", required=True, type=Path, help="output: folder of raw files")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")
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
                stems = list(names_by_stem([image.name for image in images]))
                require_outputs(args.made / "outputs", stems, output_bytes(args, images), [ais_bench.OLD_SUMMARY])
            for path in (args.made / "outputs").glob("*.bin"):
                path.rename(folder / path.name)
    tools = f"atc and ais_bench on {read_json(args.ready)['soc_version']}"
    write_json(args.run, describe_vendor_run(args, tools, sum(milliseconds or ()) / 1000))


if __name__ == "__main__":
    run(main)
