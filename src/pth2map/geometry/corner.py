"""An image scaled to whole pixels at the upper left corner of a square input, its sides cut down, not rounded.

Of RetinaMask's Ascend page (ModelZoo-PyTorch, ``ACL_PyTorch/contrib/cv/detection/RetinaMask``).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CornerPlacement:
    """An image of ``image_height`` × ``image_width`` pixels on an input of ``side`` × ``side``.

    Raises ``ValueError`` when a side is below 1, or the scaled image has a side without pixels.
    """

    side: int
    image_height: int
    image_width: int

    def __post_init__(self) -> None:
        if min(self.side, self.image_height, self.image_width) < 1:
            raise ValueError(f"{self} has a side below 1")
        if min(self.resized_height, self.resized_width) < 1:
            raise ValueError(
                f"an image of {self.image_width}×{self.image_height} px scaled to fit {self.side}×{self.side} has no "
                "pixels left"
            )

    @property
    def height(self) -> int:
        """Pixels of the input."""
        return self.side

    @property
    def width(self) -> int:
        """Pixels of the input."""
        return self.side

    @property
    def ratio(self) -> float:
        """Pixels of the input to a pixel of the image, both ways, before the sides are cut."""
        return self.side / max(self.image_height, self.image_width)

    @property
    def resized_height(self) -> int:
        """Height of the scaled image. Even the longer side can be cut: 333 px become 1343 of 1344.

        >>> CornerPlacement(1344, 333, 250).resized_height
        1343
        """
        return min(int(self.image_height * self.ratio), self.side)

    @property
    def resized_width(self) -> int:
        """Width of the scaled image."""
        return min(int(self.image_width * self.ratio), self.side)

    def boxes_to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes ``(n, 4)`` x1, y1, x2, y2 in pixels of the input → of the image, clipped to 0 … width, 0 … height.

        In the dtype of ``boxes``.
        """
        image_boxes: np.ndarray = boxes / self.ratio
        return image_boxes.clip(0, np.array([self.image_width, self.image_height] * 2, dtype=boxes.dtype))
