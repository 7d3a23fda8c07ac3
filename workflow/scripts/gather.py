"""Put the detections of all shards together, in the order of the index, and write the official result texts."""

import argparse
from pathlib import Path
from typing import cast

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, recipe_of
from pth2map.datasets.index import DatasetIndex
from pth2map.files.command import run
from pth2map.recipes.detections import concatenate, load_detections, save_detections, write_texts
from pth2map.recipes.recipe import WritesTexts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="detections of each shard (.npz)")
    parser.add_argument("--detections", required=True, type=Path, help="output (.npz)")
    parser.add_argument("--texts", type=Path, help="output: folder of result texts, one per image, if there are such")
    args = parser.parse_args()
    shards = [load_detections(path) for path in args.shards]
    detections = concatenate(shards, DatasetIndex.load(args.index).names, list(map(str, args.shards)))
    if args.texts:
        write_texts(args.texts, detections, cast(WritesTexts, recipe_of(args).decode()).text)
    save_detections(args.detections, detections)


if __name__ == "__main__":
    run(main)
