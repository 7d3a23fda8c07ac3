"""Render the demo dataset: pictures of drawn faces in WIDER FACE's layout, to train on and to score."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.demo.render import Demo, render
from pth2map.datasets.demo.sheet import contact_sheet
from pth2map.files.atomic import expect_writable
from pth2map.files.command import run
from pth2map.plots.boxes import write_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=Path, metavar="FOLDER", help="output: the dataset")
    parser.add_argument("--train", required=True, type=int, metavar="N", help="pictures to train on")
    parser.add_argument("--val", required=True, type=int, metavar="N", help="pictures to score on")
    parser.add_argument("--seed", required=True, type=int, metavar="S", help="which pictures")
    parser.add_argument("--width", type=int, default=640, help="of a picture in pixels")
    parser.add_argument("--height", type=int, default=480, help="of a picture in pixels")
    parser.add_argument("--processes", type=int, default=2, help="how many render at once; the result is the same")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="output: some of the pictures with their faces framed"
    )
    args = parser.parse_args()
    demo = Demo(args.train, args.val, args.seed, args.width, args.height)
    if args.sheet:
        expect_writable(args.sheet)
    for part, found in render(demo, args.root, args.processes)["parts"].items():
        counted = ", ".join(f"{subset} {count}" for subset, count in found["counted"].items())
        print(f"{part}: {found['pictures']} pictures, {found['faces']} faces ({counted})", file=sys.stderr)
    if args.sheet:
        write_picture(args.sheet, contact_sheet(args.root))


if __name__ == "__main__":
    run(main)
