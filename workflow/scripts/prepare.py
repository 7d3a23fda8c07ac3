"""Write the tensor file of each image of a shard, and what the decode needs to undo the geometry."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_index_arguments, add_recipe_arguments, images_of, recipe_of
from pth2map.engines.passes import prepare
from pth2map.files.atomic import replacing_folder
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--raw", action="store_true", help="raw pixels, for a device that subtracts the mean")
    parser.add_argument("--most", type=int, metavar="N", help="only the first so many images")
    parser.add_argument("--inputs", required=True, type=Path, help="output: folder of tensor files")
    args = parser.parse_args()
    index, images = images_of(args)
    with replacing_folder(args.inputs) as folder:
        prepare(index, images[: args.most], recipe_of(args), folder, args.inputs, args.raw)


if __name__ == "__main__":
    run(main)
