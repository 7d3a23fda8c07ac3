"""CenterFace in a letterbox: from an image to the network's input, as a Vastai card can make it."""

from dataclasses import dataclass

import cv2
import numpy as np

from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.centerface_letterbox_settings import CenterFaceLetterboxPreprocess
from pth2map.recipes.centerface_preprocess import normalised_levels, pixels_in_words
from pth2map.recipes.letterbox_preprocess import letterbox
from pth2map.recipes.settings import Size, require_size


@dataclass(frozen=True)
class Preprocess:
    """The preprocessing at one size. Raises ``InputError`` for a size that the network cannot take."""

    settings: CenterFaceLetterboxPreprocess
    size: Size

    def __post_init__(self) -> None:
        require_size(self.settings, self.size)

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Letterbox]:
        """``image`` ``(h, w, 3)`` uint8 BGR → ``(3, H, W)`` float32 BGR, normalised, and where the image lies on it.

        Resized pixels are whole grey levels. The tensor is ``out`` where that is given, every element of it written.

        Raises ``InputError`` when no pixels would be left of a very thin image.
        """
        placement = self.placement(*image.shape[:2])
        top, left = placement.top, placement.left
        bottom, right = top + placement.resized_height, left + placement.resized_width
        levels = np.full((placement.height, placement.width, 3), self.settings.pad, dtype=np.uint8)
        levels[top:bottom, left:right] = cv2.resize(
            image, (placement.resized_width, placement.resized_height), interpolation=cv2.INTER_LINEAR
        )
        tensor = np.empty((3, placement.height, placement.width), dtype=np.float32) if out is None else out
        for channel, values in enumerate(normalised_levels(self.settings)):
            values.take(levels[:, :, channel], out=tensor[channel], mode="clip")  # "raise" would copy
        return tensor, placement

    def placement(self, height: int, width: int) -> Letterbox:
        """Where an image of ``height`` × ``width`` pixels lies. Raises ``InputError`` when no pixels would be left."""
        return letterbox(self.size, height, width)

    def protocol(self) -> list[str]:
        """The preprocessing in words, one clause an entry."""
        return [
            f"input: scaled to fit {self.size.width}×{self.size.height} px (bilinear, whole pixels and grey levels), "
            f"centred, padded on both sides with {self.settings.pad} before the mean",
            pixels_in_words(self.settings),
        ]
