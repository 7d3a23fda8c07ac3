"""The centred letterbox: an image scaled to fit an input, with padding on both sides of the shorter way.

The numbers are those by which the published decoders of the Vastai RetinaFace page undo it (VastModelZOO, ``vsx.py``
and ``npz_decode.py``), step by step in float64, since a last bit can decide a printed digit.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Letterbox:
    """An image of ``image_height`` × ``image_width`` pixels in the middle of an input of ``height`` × ``width``.

    Raises ``ValueError`` when a side is below 1, or the scaled image has a side without pixels.
    """

    height: int
    width: int
    image_height: int
    image_width: int
    stretch: bool = False
    """Whether the image is resized to the whole input instead, with no padding and other proportions."""

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.image_height, self.image_width) < 1:
            raise ValueError(f"letterbox: {self} has a side below 1")
        if min(self.resized_height, self.resized_width) < 1:
            raise ValueError(
                f"an image of {self.image_width}×{self.image_height} px scaled to fit {self.width}×{self.height} has "
                "no pixels left"
            )

    @property
    def scale(self) -> float:
        """Pixels of the input to a pixel of the image, before the sides are rounded; small images are enlarged."""
        return min(self.width / self.image_width, self.height / self.image_height)

    @property
    def resized_width(self) -> int:
        """Width of the scaled image, half a pixel rounded to even."""
        return self.width if self.stretch else round(self.image_width * self.scale)

    @property
    def resized_height(self) -> int:
        """Height of the scaled image, half a pixel rounded to even."""
        return self.height if self.stretch else round(self.image_height * self.scale)

    @property
    def pad_x(self) -> float:
        """Pixels left of the scaled image as the decoders take them: may be half a pixel more than ``left``."""
        return (self.width - self.resized_width) / 2

    @property
    def pad_y(self) -> float:
        """Pixels above the scaled image as the decoders take them: may be half a pixel more than ``top``."""
        return (self.height - self.resized_height) / 2

    @property
    def left(self) -> int:
        """Whole pixels left of the scaled image; of an odd margin the larger part is right (our choice, no source)."""
        return (self.width - self.resized_width) // 2

    @property
    def top(self) -> int:
        """Whole pixels above the scaled image; of an odd margin the larger part is below (our choice, no source)."""
        return (self.height - self.resized_height) // 2

    def points_to_image(self, points: np.ndarray) -> np.ndarray:
        """Points ``(..., 2)`` x, y in pixels of the input → the same in pixels of the image, float64, not clipped."""
        xy = points.astype(np.float64)
        xy -= (self.pad_x, self.pad_y)
        xy *= (self.image_width, self.image_height)
        xy /= (self.resized_width, self.resized_height)
        return xy

    def boxes_to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes ``(n, 4)`` x1, y1, x2, y2 in pixels of the input → of the image, float64, not clipped."""
        return self.points_to_image(boxes.reshape(-1, 2, 2)).reshape(-1, 4)
