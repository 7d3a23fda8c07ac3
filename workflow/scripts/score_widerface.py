"""Score detections on WIDER FACE: AP of the easy, medium and hard subsets."""

import argparse
import sys
from pathlib import Path
from typing import get_args

import _library  # noqa: F401  isort: skip
from pth2map.datasets.widerface import SUBSETS, GroundTruth, read_ground_truth
from pth2map.evaluation.widerface import EVALUATOR, Mode, curve_arrays, evaluate
from pth2map.files.atomic import write_json, write_npz
from pth2map.files.command import run
from pth2map.recipes.detections import load_detections, read_texts

MODES = """
modes:
  strict      refuses what is broken (NaN, negative sizes, missing or unknown images), sorts rows by score
  reference   biubug6's evaluator with all its quirks, for figures that must agree with it on any input
  centerface  CenterFace's evaluator: as reference, but at IoU 0.4 and without the images that are missing
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=MODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--detections",
        required=True,
        type=Path,
        help="folder of result texts <event>/<stem>.txt, or a run's .npz",
    )
    parser.add_argument(
        "--ground-truth",
        required=True,
        type=Path,
        help="folder of the four wider_*_val.mat, or an index's .npz",
    )
    parser.add_argument("--iou", type=float, help="IoU that finds a face (default: 0.5; with centerface 0.4)")
    parser.add_argument("--mode", choices=get_args(Mode), default="strict", help="see below (default: strict)")
    parser.add_argument("--all", action="store_true", help="also the union of the three subsets, as CenterFace's --all")
    parser.add_argument("--json", required=True, type=Path, help="output: AP and how it was reached")
    parser.add_argument("--curves", type=Path, help="output: precision and recall at the 1000 thresholds (.npz)")
    parser.add_argument("--picture", type=Path, help="output: the curves as a picture (.png)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.detections.is_dir():
        detections = read_texts(args.detections, strict=args.mode == "strict")
    else:
        detections = load_detections(args.detections)
    read = read_ground_truth if args.ground_truth.is_dir() else GroundTruth.load
    ground_truth = read(args.ground_truth)
    scored = evaluate(detections, ground_truth, args.iou, args.mode, (*SUBSETS, "all") if args.all else SUBSETS)
    result = {
        "evaluator": EVALUATOR,
        "metrics": scored.metrics,
        "iou": scored.iou_threshold,
        "mode": scored.mode,
        "images": scored.images,
        "counted_faces": scored.counted_faces,
        "notes": scored.notes,
        "detections": detections.content_hash(),
        "ground_truth": ground_truth.content_hash(),
    }
    if args.curves:
        write_npz(args.curves, **curve_arrays(scored))
    if args.picture:
        from pth2map.plots.precision_recall import plot_curves  # noqa: PLC0415  (slow to import)

        plot_curves(scored.ap, scored.curves, args.picture, f"WIDER FACE, {scored.images:,} images")
    write_json(args.json, result)
    for note in scored.notes:
        print(f"warning: {note}", file=sys.stderr)
    for subset, ap in scored.ap.items():
        print(f"{subset:<8}{ap:7.2%}  {ap!r}")


if __name__ == "__main__":
    run(main)
