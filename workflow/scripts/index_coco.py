"""Index a COCO folder: which images there are, their sizes and hashes, and their ground truth."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.coco_index import index_coco
from pth2map.files.command import run
from pth2map.files.errors import some


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="its name in the config")
    parser.add_argument("--root", required=True, type=Path, help="folder with <split>/ and annotations/")
    parser.add_argument("--split", default="val2017", help="of instances_<split>.json (default: val2017)")
    parser.add_argument("--first", type=int, help="only the first so many images")
    parser.add_argument("--list", type=Path, help="only the images of this list")
    parser.add_argument("--index", required=True, type=Path, help="output: index (.json)")
    parser.add_argument("--ground-truth", required=True, type=Path, help="output: ground truth of these images (.json)")
    args = parser.parse_args()
    index, truth = index_coco(args.dataset, args.root, args.split, args.first, args.list)
    if index.extra:
        print(f"warning: {len(index.extra)} images without annotations: {some(index.extra)}", file=sys.stderr)
    if index.damaged:
        print(f"warning: {len(index.damaged)} images hold corrupt bytes: {some(index.damaged)}", file=sys.stderr)
    truth.save(args.ground_truth)
    index.save(args.index)
    print(f"{len(index.images)} images", file=sys.stderr)


if __name__ == "__main__":
    run(main)
