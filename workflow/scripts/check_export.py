"""Compare an exported graph with the network in PyTorch on real images; beyond the tolerance it is refused."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, add_session_arguments, recipe_of, session_of
from pth2map.datasets.index import DatasetIndex
from pth2map.export.check import check_graph
from pth2map.files.atomic import write_json
from pth2map.files.command import run
from pth2map.files.provenance import describe_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_session_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--weights", required=True, type=Path, help="checkpoint (.pth)")
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--images", type=int, default=3, help="how many, spread over the index")
    parser.add_argument("--max-abs", type=float, default=5e-4, help="largest absolute difference allowed")
    parser.add_argument("--parity", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    index = DatasetIndex.load(args.index)
    found = check_graph(
        args.network,
        args.weights,
        args.graph,
        session_of(args),
        recipe_of(args).preprocess(),
        [index.file(image) for image in index.spread(args.images)],
        args.max_abs,
    )
    write_json(args.parity, {**found, "run": describe_run()})


if __name__ == "__main__":
    run(main)
