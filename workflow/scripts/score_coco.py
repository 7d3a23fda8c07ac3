"""Score COCO result records: the twelve figures of boxes and, where the records have them, of masks."""

import argparse
import sys
from pathlib import Path
from typing import get_args

import _library  # noqa: F401  isort: skip
from pth2map.datasets.coco import read_annotations
from pth2map.evaluation.coco import EVALUATOR, FIGURES, SegmArea, curve_arrays, evaluate, evaluation_text
from pth2map.evaluation.coco_records import read_records
from pth2map.files.atomic import write_json, write_npz, write_text
from pth2map.files.command import run
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file

AREAS = """
area of a record among small, medium and large, for masks:
  box   that of its bbox, as pycocotools has it for records with bbox and segmentation
  mask  that of its mask, as pycocotools and COCO's server have it for records of masks alone
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=AREAS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detections", required=True, type=Path, help="result records: a JSON list")
    parser.add_argument(
        "--ground-truth", required=True, type=Path, help="annotations, instances_<split>.json, or an index's .json"
    )
    parser.add_argument("--segm-area", choices=get_args(SegmArea), default="box", help="see below (default: box)")
    parser.add_argument("--json", required=True, type=Path, help="output: the figures and how they were reached")
    parser.add_argument("--text", type=Path, help="output: the lines that pycocotools prints (.txt)")
    parser.add_argument("--curves", type=Path, help="output: precision at 101 points of recall (.npz)")
    parser.add_argument("--picture", type=Path, help="output: the curves at IoU 0.50 and 0.50:0.95 as a picture (.png)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    truth = read_annotations(args.ground_truth, folder=None)
    records = read_records(args.detections)
    try:
        scored = evaluate(records, truth, args.segm_area)
    except InputError as error:
        raise InputError(f"{args.detections}: {error}") from None
    result = {
        "evaluator": EVALUATOR,
        "metrics": scored.metrics,
        "segm_area": scored.segm_area,
        "images": scored.images,
        "categories": len(truth.categories),
        "records": len(records),
        "notes": scored.notes,
        "detections": hash_file(args.detections),
        "ground_truth": truth.content_hash(),
    }
    if args.text:
        write_text(args.text, evaluation_text(scored))
    if args.curves:
        write_npz(args.curves, **curve_arrays(scored))
    if args.picture:
        from pth2map.plots.precision_recall import plot_curves  # noqa: PLC0415  (slow to import)

        plot_curves(scored.ap, scored.curves, args.picture, f"COCO, {scored.images:,} images")
    write_json(args.json, result)
    for note in scored.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(table(scored.metrics))


def table(metrics: dict[str, dict[str, float | None]]) -> str:
    """The figures in percent and in full, a column for each kind."""
    head = " " * 8 + "".join(f"{kind:30}" for kind in metrics)
    rows = [f"{name:8}" + "".join(cell(values[name]) for values in metrics.values()) for name in FIGURES]
    return "\n".join(line.rstrip() for line in (head, *rows))


def cell(value: float | None) -> str:
    return ("-".rjust(7) if value is None else f"{value:7.2%}  {value!r}").ljust(30)


if __name__ == "__main__":
    run(main)
