"""Where an image lies on the input of a network."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Placement:
    """An image scaled by ``scale`` and laid at the upper left corner of an input of ``height`` × ``width`` pixels.

    ``scale`` is float32, as the published recipes keep it between preprocessing and decode.
    """

    height: int
    width: int
    scale: np.float32
