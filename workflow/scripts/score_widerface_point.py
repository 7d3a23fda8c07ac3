"""Score the detections of one point on WIDER FACE and write its map.txt, map.json, provenance and curves."""

import argparse
import json

import _library  # noqa: F401  isort: skip
from _point import add_point_arguments, write_result
from pth2map.datasets.widerface import GroundTruth
from pth2map.evaluation.widerface import curve_arrays, evaluate
from pth2map.evaluation.widerface_scores import WiderFaceScores
from pth2map.files.command import run
from pth2map.recipes.detections import load_detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_point_arguments(parser)
    args = parser.parse_args()
    detections = load_detections(args.detections)
    truth = GroundTruth.load(args.ground_truth)
    thresholds = json.loads(args.leaf)["scoring"]["iou_thresholds"]
    scored = [evaluate(detections, truth, iou) for iou in thresholds]
    write_result(args, detections, WiderFaceScores(scored), curve_arrays(scored[0]))


if __name__ == "__main__":
    run(main)
