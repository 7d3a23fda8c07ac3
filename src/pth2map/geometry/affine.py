"""An image laid on an input by scale and offset, to fractions of a pixel: the affine letterbox of CenterNet's family.

:mod:`pth2map.geometry.letterbox` has the other kind, which resizes to whole pixels and pads with whole ones.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class AffinePlacement:
    """An image scaled by ``scale`` and moved by ``left`` and ``top`` onto an input of ``height`` × ``width`` pixels.

    The point x, y of the image lies at ``scale * x + left``, ``scale * y + top`` of the input. Whole numbers are
    centres of pixels in both, as OpenCV's ``warpAffine`` has it.
    """

    height: int
    width: int
    scale: float
    left: float
    top: float

    @classmethod
    def fit(cls, image_height: int, image_width: int, height: int, width: int) -> Self:
        """As large as fits, the centre of the image at the centre of the input.

        >>> AffinePlacement.fit(651, 1024, 800, 800)
        AffinePlacement(height=800, width=800, scale=0.78125, left=0.0, top=145.703125)
        """
        scale = min(width / image_width, height / image_height)
        return cls(
            height, width, scale, left=width / 2 - image_width / 2 * scale, top=height / 2 - image_height / 2 * scale
        )

    def points_to_image(self, points: np.ndarray) -> np.ndarray:
        """Points ``(..., 2)`` x, y in pixels of the input → the same in pixels of the image, float64."""
        placed: np.ndarray = (points.astype(np.float64) - (self.left, self.top)) / self.scale
        return placed
