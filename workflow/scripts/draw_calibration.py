"""Draw the calibration images of int8 by a seed, and put copies of them into one flat folder."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.calibration import draw, place
from pth2map.datasets.index import DatasetIndex
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset that is evaluated")
    parser.add_argument("--source", required=True, type=Path, metavar="FOLDER", help="images to draw from")
    parser.add_argument("--images", required=True, type=int, metavar="N", help="how many")
    parser.add_argument("--seed", required=True, type=int, metavar="K", help="which")
    parser.add_argument("--allow-evaluation", action="store_true", help="also images that are evaluated")
    parser.add_argument("--list", required=True, type=Path, help="output: the images and their hashes (.json)")
    parser.add_argument("--folder", required=True, type=Path, help="output: the images")
    args = parser.parse_args()
    calibration = draw(args.source, DatasetIndex.load(args.index), args.images, args.seed, args.allow_evaluation)
    place(calibration, args.folder)
    calibration.save(args.list)


if __name__ == "__main__":
    run(main)
