"""Write the label file of a training out of the ground truth of WIDER FACE: boxes, without landmarks."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.face_labels import write_labels
from pth2map.datasets.widerface_labels import widerface_labels
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", required=True, type=Path, help="folder with ground_truth/*.mat (and WIDER_val/images)"
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--list", type=Path, help="only the images of this list")
    part.add_argument("--except", type=Path, metavar="LIST", dest="excepted", help="all but the images of this list")
    parser.add_argument("--labels", required=True, type=Path, help="output: label file (label.txt)")
    args = parser.parse_args()
    found = widerface_labels(args.root, args.list, args.excepted)
    if found.invalid is None:
        print("warning: this ground truth does not say which faces are invalid; all are taken", file=sys.stderr)
    kept = {name: boxes for name, boxes in found.boxes.items() if len(boxes)}
    write_labels(args.labels, kept)
    print(
        f"{len(kept)} images, {sum(map(len, kept.values()))} faces; left out: {found.invalid or 0} faces that are "
        f"marked invalid, {found.empty} more of no width or height, {len(found.boxes) - len(kept)} images without a "
        "face",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
