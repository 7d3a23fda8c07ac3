"""Run the network in PyTorch on a few real images, for its graphs to be compared with."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, recipe_of
from pth2map.datasets.index import DatasetIndex
from pth2map.export.run_network import run_network
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument("--network", required=True, help="name of the network")
    parser.add_argument("--weights", required=True, type=Path, help="checkpoint (.pth)")
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--images", type=int, default=3, help="how many, spread over the index")
    parser.add_argument("--reference", required=True, type=Path, help="output (.npz)")
    args = parser.parse_args()
    index = DatasetIndex.load(args.index)
    images = [(image.name, index.file(image)) for image in index.spread(args.images)]
    run_network(args.network, args.weights, recipe_of(args).preprocess(), images).save(args.reference)


if __name__ == "__main__":
    run(main)
