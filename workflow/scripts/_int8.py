"""The arguments of the commands that quantise a graph, and what they stand for."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from _shard import add_recipe_arguments, recipe_of
from pth2map.export.quantize import DEFAULT_METHOD, METHODS, read_inputs


def add_int8_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--graph", required=True, type=Path, help="exported float graph (.onnx)")
    parser.add_argument(
        "--images", required=True, type=Path, help="list of calibration images (.json), or a folder of nothing else"
    )
    add_recipe_arguments(parser)
    parser.add_argument("--method", choices=METHODS, default=DEFAULT_METHOD, help="how a range follows from values")
    parser.add_argument("--per-tensor", action="store_true", help="one scale for a weight, not one by output channel")
    parser.add_argument(
        "--exclude",
        nargs="*",
        default=[],
        metavar="NODE",
        help="nodes that stay float, or regular expressions of their names",
    )


def inputs_of(args: argparse.Namespace) -> Iterator[np.ndarray]:
    return read_inputs(args.images, recipe_of(args).preprocess())


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    return {"method": args.method, "per_channel": not args.per_tensor, "exclude": args.exclude}
