"""Score the detections of one point on COCO and write its result records, map.txt, map.json, provenance and curves."""

import argparse
import json
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _point import add_point_arguments, write_result
from pth2map.datasets.coco import CocoTruth
from pth2map.evaluation.coco import curve_arrays, evaluate, evaluation_text
from pth2map.evaluation.coco_records import records_of, write_records
from pth2map.evaluation.coco_scores import CocoScores
from pth2map.files.atomic import write_text
from pth2map.files.command import run
from pth2map.recipes.detections import load_detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_point_arguments(parser)
    parser.add_argument("--records", required=True, type=Path, help="output: what was found, as COCO's result file")
    parser.add_argument("--summary", required=True, type=Path, help="output: the figures as the published scripts do")
    args = parser.parse_args()
    detections = load_detections(args.detections)
    truth = CocoTruth.load(args.ground_truth)
    records = records_of(detections, truth)
    scored = evaluate(records, truth, json.loads(args.leaf)["scoring"]["segm_area"])
    write_records(args.records, records)
    write_text(args.summary, evaluation_text(scored))
    write_result(args, detections, CocoScores(scored, truth.of_val2017), curve_arrays(scored))


if __name__ == "__main__":
    run(main)
