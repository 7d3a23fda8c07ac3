"""Index a WIDER FACE folder: which images there are, their sizes and hashes, and their ground truth."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _index import add_dataset_arguments, save_index
from pth2map.datasets.widerface_index import index_widerface
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_dataset_arguments(parser)
    parser.add_argument("--root", required=True, type=Path, help="folder with WIDER_val/images and ground_truth")
    parser.add_argument("--rendered", metavar="WORDS", help="what the pictures are, if this project has drawn them")
    args = parser.parse_args()
    save_index(args, *index_widerface(args.dataset, args.root, args.first, args.list, args.rendered))


if __name__ == "__main__":
    run(main)
