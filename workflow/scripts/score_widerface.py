"""Score detections on WIDER FACE: AP of the easy, medium and hard subsets."""

import _library  # noqa: F401

# isort: split
import argparse
import sys
from pathlib import Path
from typing import get_args

from pth2map.datasets.widerface import SUBSETS, GroundTruth, read_ground_truth
from pth2map.evaluation.widerface import EVALUATOR, THRESHOLDS, Mode, evaluate
from pth2map.files.atomic import write_json, write_npz
from pth2map.files.command import run
from pth2map.recipes.detections import load_detections, read_texts


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--detections",
        type=Path,
        required=True,
        metavar="FOLDER_OR_NPZ",
        help="folder of result texts <event>/<stem>.txt, or the .npz of a run",
    )
    add(
        "--ground-truth",
        type=Path,
        required=True,
        metavar="FOLDER_OR_NPZ",
        help="folder of the four wider_*_val.mat, or the .npz of an index",
    )
    add("--iou", type=float, help="IoU a detection needs to find a face (default: 0.5; centerface: 0.4)")
    add(
        "--mode",
        choices=get_args(Mode),
        default="strict",
        help="strict: refuse broken input, sort rows by score (default); reference: all quirks of biubug6's evaluator; "
        "centerface: CenterFace's, which leaves missing images out",
    )
    add("--all", action="store_true", help="also score the union of the three subsets, as CenterFace's --all")
    add("--curves", type=Path, metavar="NPZ", help="write precision and recall at the 1000 thresholds here")
    add("--picture", type=Path, metavar="PNG", help="draw the precision-recall curves here")
    add("--json", type=Path, required=True, metavar="JSON", help="write the result here")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.detections.is_dir():
        detections = read_texts(arguments.detections, strict=arguments.mode == "strict")
    else:
        detections = load_detections(arguments.detections)
    is_folder = arguments.ground_truth.is_dir()
    ground_truth = (read_ground_truth if is_folder else GroundTruth.load)(arguments.ground_truth)
    subsets = (*SUBSETS, "all") if arguments.all else SUBSETS
    result = evaluate(detections, ground_truth, arguments.iou, arguments.mode, subsets)

    if arguments.curves:
        write_npz(arguments.curves, subsets=subsets, thresholds=THRESHOLDS, curves=result.curves)
    if arguments.picture:
        from pth2map.plots.precision_recall import plot_curves  # noqa: PLC0415  (slow to import)

        plot_curves(result.ap, result.curves, arguments.picture, f"WIDER FACE, {result.images} images")
    write_json(
        arguments.json,
        {
            "evaluator": EVALUATOR,
            "metrics": result.metrics,
            "iou": result.iou_threshold,
            "mode": result.mode,
            "images": result.images,
            "counted_faces": result.counted_faces,
            "notes": result.notes,
            "detections": detections.content_hash(),
            "ground_truth": ground_truth.content_hash(),
        },
    )
    for note in result.notes:
        print(f"warning: {note}", file=sys.stderr)
    for subset, ap in result.ap.items():
        print(f"{subset:<7}{ap:8.2%}  {ap!r}")


if __name__ == "__main__":
    run(main)
