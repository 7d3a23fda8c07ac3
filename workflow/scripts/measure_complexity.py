"""Measure what one image costs in an exported ONNX graph: parameters and operations."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.export.complexity import measure
from pth2map.files.atomic import write_json
from pth2map.files.command import run
from pth2map.files.hashing import hash_file
from pth2map.files.provenance import describe_run
from pth2map.networks.catalogue import build
from pth2map.recipes.settings import Size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", required=True, type=Path, help="what was exported (.onnx)")
    parser.add_argument("--network", required=True, help="name of the network that it was exported from")
    parser.add_argument("--size", required=True, help="pixels of a square or WxH")
    parser.add_argument("--complexity", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    found = measure(args.graph, build(args.network), Size.parse(args.size))
    of = {"network": args.network, "graph": hash_file(args.graph)}
    write_json(args.complexity, {**found.to_json(), **of, "run": describe_run()})


if __name__ == "__main__":
    run(main)
