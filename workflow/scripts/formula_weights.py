"""Write a checkpoint whose entries are computed from their names and shapes, for runs without trained weights."""

import argparse
import json
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.command import run
from pth2map.networks.formula import save_formula_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True, help="name of the network")
    parser.add_argument("--rules", default="[]", metavar="JSON", help="pairs of a regular expression and a factor")
    parser.add_argument("--weights", required=True, type=Path, help="output (.pth)")
    args = parser.parse_args()
    save_formula_weights(args.network, json.loads(args.rules), args.weights)


if __name__ == "__main__":
    run(main)
