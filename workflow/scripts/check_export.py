"""Compare an exported graph with what the network gave in PyTorch; beyond the tolerance it is refused."""

import argparse
import json
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, add_session_arguments, recipe_of, session_of
from pth2map.datasets.index import DatasetIndex
from pth2map.export.check import check_graph
from pth2map.export.reference import Reference
from pth2map.files.atomic import write_json
from pth2map.files.command import run
from pth2map.files.provenance import describe_run
from pth2map.networks.catalogue import entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_session_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--reference", required=True, type=Path, help="outputs of the network (.npz)")
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--max-abs", type=float, default=5e-4, help="largest absolute difference allowed")
    parser.add_argument("--any-difference", action="store_true", help="measure alone, allow all")
    parser.add_argument("--max-abs-of", default="{}", metavar="JSON", help="the same for single outputs, by name")
    parser.add_argument("--parity", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    network = entry(args.network)
    found = check_graph(
        Reference.load(args.reference, network.outputs),
        args.graph,
        session_of(args),
        network,
        recipe_of(args).preprocess(),
        DatasetIndex.load(args.index).file_of,
        None if args.any_difference else args.max_abs,
        json.loads(args.max_abs_of),
    )
    write_json(args.parity, {**found, "run": describe_run()})


if __name__ == "__main__":
    run(main)
