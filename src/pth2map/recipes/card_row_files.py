"""Tensor files of RetinaFace on a Vastai card: :mod:`card_files <pth2map.recipes.card_files>` with outputs of rows."""

from dataclasses import dataclass

from pth2map.recipes.card_files import CardFiles
from pth2map.recipes.card_form import OUTPUTS
from pth2map.recipes.letterbox_decode import Decode


@dataclass(frozen=True)
class Files(CardFiles):
    """The files of a shard; :class:`pth2map.recipes.recipe.TensorFiles` says what each method is for."""

    decode: Decode

    outputs = tuple(OUTPUTS)
