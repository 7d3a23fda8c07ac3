"""Index a COCO folder: which images there are, their sizes and hashes, and their ground truth."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _index import add_dataset_arguments, save_index
from pth2map.datasets.coco_index import index_coco
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_dataset_arguments(parser)
    parser.add_argument("--root", required=True, type=Path, help="folder with <split>/ and annotations/")
    parser.add_argument("--split", default="val2017", help="of instances_<split>.json (default: val2017)")
    args = parser.parse_args()
    save_index(args, *index_coco(args.dataset, args.root, args.split, args.first, args.list))


if __name__ == "__main__":
    run(main)
