"""Turn the raw output files of a shard into detections in image coordinates."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_index_arguments, add_recipe_arguments, images_of, recipe_of
from pth2map.engines.passes import decode_files
from pth2map.files.command import run
from pth2map.recipes.detections import save_detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--inputs", required=True, type=Path, help="folder that prepare wrote")
    parser.add_argument("--outputs", required=True, type=Path, help="folder of raw output files")
    parser.add_argument("--detections", required=True, type=Path, help="output (.npz)")
    args = parser.parse_args()
    _, images = images_of(args)
    save_detections(args.detections, decode_files(images, args.inputs, args.outputs, recipe_of(args)))


if __name__ == "__main__":
    run(main)
