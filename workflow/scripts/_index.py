"""What the commands share that index a dataset."""

import argparse
import sys
from pathlib import Path
from typing import Protocol

from pth2map.datasets.index import DatasetIndex
from pth2map.files.errors import some


class Truth(Protocol):
    def save(self, path: Path) -> None: ...


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="its name in the config")
    parser.add_argument("--first", type=int, help="only the first so many images")
    parser.add_argument("--list", type=Path, help="only the images of this list")
    parser.add_argument("--index", required=True, type=Path, help="output: index (.json)")
    parser.add_argument("--ground-truth", required=True, type=Path, help="output: ground truth of these images")


def save_index(args: argparse.Namespace, index: DatasetIndex, truth: Truth) -> None:
    """Save both, and tell of images that were left out or are damaged."""
    if index.extra:
        print(f"warning: {len(index.extra)} images without ground truth: {some(index.extra)}", file=sys.stderr)
    if index.damaged:
        print(f"warning: {len(index.damaged)} images hold corrupt bytes: {some(index.damaged)}", file=sys.stderr)
    truth.save(args.ground_truth)
    index.save(args.index)
    print(f"{len(index.images)} images", file=sys.stderr)
