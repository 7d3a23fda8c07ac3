"""What the two runners of a Vastai card have in common: the files that they must have written."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from _shard import recipe_of
from _vendor import add_runner_arguments
from pth2map.datasets.index import IndexedImage
from pth2map.engines.vamp import check_outputs
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.card_files import DATALIST, CardFiles


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    add_runner_arguments(parser)
    parser.add_argument("--inputs", required=True, type=Path, help="folder of the tensor files and their list")


def require_card_outputs(args: argparse.Namespace, images: Sequence[IndexedImage]) -> None:
    """Raise ``InputError`` unless there is one whole result file for each of the images."""
    recipe = recipe_of(args)
    placement = cast(Letterbox, recipe.preprocess().placement(images[0].height, images[0].width))
    outputs = cast(CardFiles, recipe.files()).card_outputs(placement)
    check_outputs(args.made / "outputs", args.inputs / DATALIST, [image.name for image in images], outputs)
