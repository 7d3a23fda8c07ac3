"""What the two runners of a Vastai card have in common: the files that they must have written."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from _shard import add_index_arguments, add_recipe_arguments, recipe_of
from _vendor import add_engine_arguments, add_tool_arguments
from pth2map.datasets.index import IndexedImage
from pth2map.engines.vamp import check_outputs
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.card_files import DATALIST, CardFiles


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    add_tool_arguments(parser)
    add_engine_arguments(parser)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--inputs", required=True, type=Path, help="folder of the tensor files and their list")
    parser.add_argument("--made", required=True, type=Path, help="where it wrote: the folder `outputs` in it")
    parser.add_argument("--outputs", required=True, type=Path, help="output: folder of result files")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")


def require_card_outputs(args: argparse.Namespace, images: Sequence[IndexedImage]) -> None:
    """Raise ``InputError`` unless there is one whole result file for each of the images."""
    recipe = recipe_of(args)
    placement = cast(Letterbox, recipe.preprocess().placement(images[0].height, images[0].width))
    outputs = cast(CardFiles, recipe.files()).card_outputs(placement)
    check_outputs(args.made / "outputs", args.inputs / DATALIST, [image.name for image in images], outputs)


def move_outputs(args: argparse.Namespace, folder: Path) -> None:
    for path in (args.made / "outputs").glob("*.npz"):
        path.rename(folder / path.name)
