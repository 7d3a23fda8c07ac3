"""Draw the detections of a point on the pictures, in the layout of the dataset."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.coco import CocoTruth
from pth2map.datasets.index import DatasetIndex
from pth2map.files.atomic import read_json, replacing_folder
from pth2map.files.command import run
from pth2map.plots.boxes import REHEARSAL, SYNTHETIC, draw_all
from pth2map.recipes.detections import load_detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--detections", required=True, type=Path, help="what was found (.npz)")
    parser.add_argument("--score-above", type=float, default=0.5, help="boxes with a score above this")
    parser.add_argument("--parity", required=True, type=Path, help="parity of the graph, which knows the weights")
    parser.add_argument("--categories", type=Path, help="ground truth (.json) that names the classes, if there are any")
    parser.add_argument("--rehearsal", action="store_true", help="stand-ins have found them")
    parser.add_argument("--drawn", required=True, type=Path, help="output: folder of pictures, <event>/<stem>.jpg")
    args = parser.parse_args()
    synthetic = read_json(args.parity)["weights"]["synthetic"]
    stamps = [stamp for stamp, holds in ((SYNTHETIC, synthetic), (REHEARSAL, args.rehearsal)) if holds]
    classes = [category.name for category in CocoTruth.load(args.categories).categories] if args.categories else []
    with replacing_folder(args.drawn) as folder:
        detections = load_detections(args.detections)
        draw_all(
            DatasetIndex.load(args.index), detections, args.score_above, folder, ", ".join(stamps) or None, classes
        )


if __name__ == "__main__":
    run(main)
