"""Put the output files of vamp in their place, if there is one for each image; otherwise say what is wrong."""

import argparse
import time
from pathlib import Path
from typing import cast

import _library  # noqa: F401  isort: skip
from _shard import add_index_arguments, add_recipe_arguments, images_of, recipe_of
from _vendor import (
    add_engine_arguments,
    add_tool_arguments,
    describe_vendor_run,
    printed_by,
    taking,
    telling_the_log,
)
from pth2map.engines import vamp
from pth2map.files.atomic import replacing_folder, write_json
from pth2map.files.command import run
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.card_files import DATALIST, CardFiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    add_engine_arguments(parser)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--inputs", required=True, type=Path, help="folder of the tensor files and their list")
    parser.add_argument("--made", required=True, type=Path, help="where vamp wrote: the folder `outputs` in it")
    parser.add_argument("--outputs", required=True, type=Path, help="output: folder of result files")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")
    args = parser.parse_args()
    _, images = images_of(args)
    recipe = recipe_of(args)
    start = time.monotonic()
    with taking(args.made), replacing_folder(args.outputs) as folder:
        if images:
            with telling_the_log(args):
                vamp.judge(printed_by(args), args.status)
                placement = cast(Letterbox, recipe.preprocess().placement(images[0].height, images[0].width))
                outputs = cast(CardFiles, recipe.files()).card_outputs(placement)
                names = [image.name for image in images]
                vamp.check_outputs(args.made / "outputs", args.inputs / DATALIST, names, outputs)
            for path in (args.made / "outputs").glob("*.npz"):
                path.rename(folder / path.name)
    write_json(args.run, describe_vendor_run(args, "vamc and vamp", time.monotonic() - start))


if __name__ == "__main__":
    run(main)
