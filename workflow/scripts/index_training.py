"""Index labelled faces for a training: which images there are, their sizes and hashes, and their faces."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.face_labels import read_labels, write_names
from pth2map.datasets.label_faults import Faults
from pth2map.datasets.training_set import PARTS, index_training_set
from pth2map.files.command import run
from pth2map.files.errors import some


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="its name in the config")
    parser.add_argument("--part", required=True, choices=PARTS, help="what the faces are for")
    parser.add_argument("--labels", required=True, type=Path, help="label file (label.txt)")
    parser.add_argument("--images", required=True, type=Path, metavar="FOLDER", help="images, by event")
    parser.add_argument("--faults", default="{}", metavar="JSON", help="training.faults of the dataset in the config")
    parser.add_argument("--set", required=True, type=Path, help="output: images and faces (.npz)")
    parser.add_argument("--list", type=Path, help="output: all images of the label file, as wider_val.txt has them")
    args = parser.parse_args()
    faces = index_training_set(args.dataset, args.part, args.labels, args.images, Faults.parse(args.faults))
    if faces.mended:
        mended = "; ".join(f"{kind} ({count})" for kind, count in sorted(faces.mended.items()))
        print(f"warning: {args.labels} has faults, with which the config deals: {mended}", file=sys.stderr)
    if faces.damaged:
        print(f"warning: {len(faces.damaged)} images hold corrupt bytes: {some(faces.damaged)}", file=sys.stderr)
    if args.list:
        write_names(args.list, [image.name for image in read_labels(args.labels)])
    faces.save(args.set)
    print(f"{len(faces)} images, {len(faces.faces)} faces", file=sys.stderr)


if __name__ == "__main__":
    run(main)
