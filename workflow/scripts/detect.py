"""Find faces, or what else a model of the config knows, in pictures of your own.

Weights are fetched and the graph is exported and checked at the first call; later ones reuse it. Both lie below the
working directory.
"""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.config.read import read_points
from pth2map.detect import (
    Detector,
    check_outputs,
    check_score,
    choose_point,
    describe,
    detect,
    draw,
    find_pictures,
    report,
)
from pth2map.files.atomic import write_json
from pth2map.files.command import run

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a block of the config, such as retinaface")
    parser.add_argument(
        "--image", required=True, type=Path, metavar="FILE_OR_FOLDER", help="an image, or all of a folder"
    )
    parser.add_argument("--engine", help="one of the block's engines (default: that of its headline)")
    parser.add_argument("--variant", help="one of the block's variants (default: that of its headline)")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="output: the pictures with boxes, same names")
    parser.add_argument("--json", type=Path, help="output: boxes, scores, what else is found, and how it came about")
    parser.add_argument("--score-above", type=float, default=0.5, metavar="SCORE", help="default: 0.5")
    parser.add_argument(
        "--configfile", nargs="+", default=[], type=Path, metavar="OVERLAY", help="put over the config, as by snakemake"
    )
    args = parser.parse_args()
    check_score(args.score_above)
    points = read_points(ROOT, args.configfile)
    point = choose_point(points, args.model, args.engine, args.variant)
    pictures = find_pictures(args.image)
    check_outputs(args.image, pictures, args.draw, args.json)
    detector = Detector.open(points, point, ROOT, pictures[0])
    found = detect(detector, pictures, args.score_above)
    if args.draw:
        draw(found, args.draw, detector.synthetic)
    if args.json:
        write_json(args.json, report(detector, found, args.score_above))
    print(*describe(found, args.score_above), sep="\n")


if __name__ == "__main__":
    run(main)
