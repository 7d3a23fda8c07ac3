"""Run the tensor files of a shard and write what the network, or the card, hands over for each."""

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
from pth2map.engines.passes import infer_files
from pth2map.files.atomic import replacing_folder
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    add_session_arguments(parser)
    add_check_argument(parser)
    parser.add_argument("--inputs", required=True, type=Path, help="folder of tensor files")
    parser.add_argument("--batch", type=int, default=1, help="images a run")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")
    parser.add_argument("--outputs", required=True, type=Path, help="output: folder of raw files")
    args = parser.parse_args()
    _, images = images_of(args)
    start = time.monotonic()
    session = session_of(args, args.checked)
    with replacing_folder(args.outputs) as folder:
        infer_files(images, args.inputs, session, recipe_of(args), folder, args.batch)
    write_run(args, start)


if __name__ == "__main__":
    run(main)
