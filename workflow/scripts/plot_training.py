"""Draw loss, learning rate and throughput of a training as a picture."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.command import run
from pth2map.plots.training import plot_training
from pth2map.training.epochs import read_epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", required=True, type=Path, help="a row for each epoch (.tsv)")
    parser.add_argument("--title", required=True)
    parser.add_argument("--picture", required=True, type=Path, help="output (.png)")
    args = parser.parse_args()
    plot_training(read_epochs(args.epochs), args.picture, args.title)


if __name__ == "__main__":
    run(main)
