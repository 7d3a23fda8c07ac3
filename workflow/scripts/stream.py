"""Read, preprocess, infer and decode the images of a shard in one pass, with no tensor on disk."""

import argparse
import time
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import (
    add_check_argument,
    add_index_arguments,
    add_recipe_arguments,
    add_session_arguments,
    images_of,
    recipe_of,
    session_of,
    write_run,
)
from pth2map.engines.passes import stream
from pth2map.files.command import run
from pth2map.recipes.detections import save_detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    add_session_arguments(parser)
    add_check_argument(parser)
    parser.add_argument("--batch", type=int, default=1, help="images a run")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")
    parser.add_argument("--detections", required=True, type=Path, help="output (.npz)")
    args = parser.parse_args()
    index, images = images_of(args)
    start = time.monotonic()
    session = session_of(args, args.checked)
    save_detections(args.detections, stream(index, images, recipe_of(args), session, args.batch))
    write_run(args, start)


if __name__ == "__main__":
    run(main)
