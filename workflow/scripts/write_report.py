"""Write the report of a point: one page with its figures, its pictures, and where all of it came from."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.widerface import GroundTruth
from pth2map.evaluation.widerface import outcomes
from pth2map.files.atomic import read_json, write_text
from pth2map.files.command import run
from pth2map.plots.outcomes import jpeg
from pth2map.recipes.detections import load_detections
from pth2map.tables.report import Report, TrainingReport, choose_pictures, count_boxes
from pth2map.training.epochs import read_epochs


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path, help="map.json of the point")
    parser.add_argument("--provenance", required=True, type=Path, help="provenance.json beside it")
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--ground-truth", required=True, type=Path, help="ground truth of its images (.npz)")
    parser.add_argument("--detections", required=True, type=Path, help="what was found (.npz)")
    parser.add_argument("--score-above", type=float, default=0.5, help="pictures show what has a score above this")
    parser.add_argument("--curves", required=True, type=Path, help="precision over recall (.png)")
    parser.add_argument(
        "--epochs", nargs=2, type=Path, metavar=("TSV", "PNG"), help="of a training, as a table and as a picture"
    )
    parser.add_argument("--sheet", type=Path, help="picture of a rendered set at a glance")
    parser.add_argument("--command", required=True, help="what the page says of how to make it")
    parser.add_argument("--report", required=True, type=Path, help="output: the page (.html)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    result = read_json(args.json)
    truth = GroundTruth.load(args.ground_truth)
    found = outcomes(load_detections(args.detections), truth, result["iou_threshold"], args.score_above)
    training = None
    if args.epochs:
        table, picture = args.epochs
        training = TrainingReport(read_epochs(table), picture.read_bytes())
    report = Report(
        result=result,
        provenance=read_json(args.provenance),
        faces={subset: int(flags.sum()) for subset, flags in truth.counted.items()},
        score_above=args.score_above,
        totals=count_boxes(found),
        pictures=choose_pictures(DatasetIndex.load(args.index), found),
        curves=args.curves.read_bytes(),
        sheet=jpeg(read_image(args.sheet)) if args.sheet else None,
        training=training,
        command=args.command,
    )
    write_text(args.report, report.to_html())


if __name__ == "__main__":
    run(main)
