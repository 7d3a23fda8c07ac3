"""Tensor files of RetinaFace on a Vastai card: :mod:`card_files <pth2map.recipes.card_files>` with outputs of rows."""

from dataclasses import dataclass

import numpy as np

from pth2map.recipes.card_files import CardFiles
from pth2map.recipes.card_form import OUTPUTS
from pth2map.recipes.letterbox_decode import Decode
from pth2map.recipes.letterbox_preprocess import Preprocess


@dataclass(frozen=True)
class Files(CardFiles):
    """The files of a shard; :class:`pth2map.recipes.recipe.TensorFiles` says what each method is for."""

    preprocess: Preprocess
    decode: Decode

    outputs = tuple(OUTPUTS)

    def picture(self, image: np.ndarray) -> np.ndarray:
        """With odd sides made even where the recipe says so, as the published script does before the card."""
        return self.preprocess.evened(image)
