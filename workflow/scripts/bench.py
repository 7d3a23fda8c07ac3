"""Measure latency and throughput of a graph on one real image, warm-up left out."""

import argparse
import json
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_check_argument, add_recipe_arguments, add_session_arguments, recipe_of, session_of
from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex
from pth2map.engines.bench import measure
from pth2map.files.atomic import read_json, write_json
from pth2map.files.command import run
from pth2map.files.provenance import describe_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    add_session_arguments(parser)
    add_check_argument(parser)
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset; its first image is used")
    parser.add_argument("--batch", type=int, default=1, help="images a run")
    parser.add_argument("--runs", type=int, default=50, help="runs that count")
    parser.add_argument("--warmup", type=int, default=5, help="runs before them")
    parser.add_argument(
        "--seconds", type=float, default=60, help="after these no more runs begin, once there are a few (default: 60)"
    )
    parser.add_argument("--perf", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    index = DatasetIndex.load(args.index)
    image, _ = recipe_of(args).preprocess()(read_image(index.file(index.images[0])))
    timing = measure(session_of(args, args.checked), image, args.batch, args.runs, args.warmup, args.seconds)
    point = {"kind": args.kind, "options": json.loads(args.options), "input": list(image.shape)}
    if args.checked:
        point["synthetic"] = read_json(args.checked)["weights"]["synthetic"]
    write_json(args.perf, {**point, **timing.to_json(), "run": describe_run()})


if __name__ == "__main__":
    run(main)
