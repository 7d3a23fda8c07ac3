"""Write the AIPP config that leaves the mean of a recipe to an Ascend card."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, recipe_of
from pth2map.engines.atc import aipp
from pth2map.files.atomic import write_text
from pth2map.files.command import run
from pth2map.files.errors import InputError
from pth2map.recipes.retinaface_settings import RetinaFaceSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument("--aipp", required=True, type=Path, help="output (.cfg)")
    args = parser.parse_args()
    recipe = recipe_of(args)
    if not isinstance(recipe.settings, RetinaFaceSettings):
        raise InputError(f"recipe {recipe.settings.kind} has no mean that a card could subtract")
    write_text(args.aipp, aipp(recipe.size, recipe.settings.preprocess.mean_bgr, (1, 1, 1)))


if __name__ == "__main__":
    run(main)
