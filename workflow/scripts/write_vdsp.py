"""Write what a Vastai card does to a picture before the network, as a recipe has it."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, recipe_of
from pth2map.engines.vdsp import letterbox_op, vdsp_json
from pth2map.files.atomic import write_text
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument("--vdsp", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    write_text(args.vdsp, vdsp_json(letterbox_op(recipe_of(args))))


if __name__ == "__main__":
    run(main)
