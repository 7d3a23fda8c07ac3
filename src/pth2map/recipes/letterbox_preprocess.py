"""RetinaFace in a letterbox: from an image to the network's input."""

from dataclasses import dataclass

import cv2
import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.letterbox_settings import LetterboxPreprocess
from pth2map.recipes.settings import Size, require_size


@dataclass(frozen=True)
class Preprocess:
    """The preprocessing at one size. Raises ``InputError`` for a size that the settings do not go with."""

    settings: LetterboxPreprocess
    size: Size

    def __post_init__(self) -> None:
        require_size(self.settings, self.size)

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Letterbox]:
        """``image`` ``(h, w, 3)`` uint8 BGR → ``(3, H, W)`` float32 BGR minus mean, and where the image lies on it.

        Resized pixels are whole grey levels. The tensor is ``out`` where that is given, every element of it written.

        Raises ``InputError`` when no pixels would be left of a very thin image.
        """
        placement = self.placement(*image.shape[:2])
        image = self.evened(image)
        image = _resized(image, placement.resized_height, placement.resized_width)
        mean = np.array(self.settings.mean_bgr, dtype=np.float32)[:, None, None]
        tensor = np.empty((3, placement.height, placement.width), dtype=np.float32) if out is None else out
        top, left = placement.top, placement.left
        bottom, right = top + placement.resized_height, left + placement.resized_width
        padding = 0 if self.settings.pad == "mean" else np.float32(self.settings.pad) - mean
        tensor[:, :top] = tensor[:, bottom:] = padding
        tensor[:, top:bottom, :left] = tensor[:, top:bottom, right:] = padding
        np.subtract(image.transpose(2, 0, 1), mean, out=tensor[:, top:bottom, left:right])
        return tensor, placement

    def evened(self, image: np.ndarray) -> np.ndarray:
        """The picture that the letterbox is of: with ``even_sizes`` its odd sides are resized to even ones."""
        placement = self.placement(*image.shape[:2])
        return _resized(image, placement.image_height, placement.image_width)

    def placement(self, height: int, width: int) -> Letterbox:
        """Where an image of ``height`` × ``width`` pixels lies on the input.

        With ``even_sizes`` it is the image of even sides that lies there: the published decoder gives boxes in pixels
        of that one. Raises ``InputError`` when no pixels would be left.
        """
        evened = (height - height % 2, width - width % 2) if self.settings.even_sizes else (height, width)
        if min(evened) < 1:
            raise InputError(f"an image of {width}×{height} px has no pixels left when its sides are made even")
        return letterbox(self.size, *evened, stretch=self.settings.resize == "stretch")

    def protocol(self) -> list[str]:
        """The preprocessing in words, one clause an entry."""
        evened = ""
        if self.settings.even_sizes:
            evened = "odd sides resized to the next lower even ones (bilinear), in whose pixels boxes are, then "
        mean = ", ".join(f"{value:g}" for value in self.settings.mean_bgr)
        pad = f"the mean ({mean})" if self.settings.pad == "mean" else f"{self.settings.pad} before the mean"
        how, padded = ("scaled to fit", f", centred, padded on both sides with {pad}")
        if self.settings.resize == "stretch":
            how, padded = "stretched to", ", proportions not kept"
        return [
            f"input: {evened}{how} {self.size.width}×{self.size.height} px (bilinear, whole grey levels){padded}",
            f"pixels: BGR, 0 to 255, minus mean ({mean})",
        ]


def letterbox(size: Size, height: int, width: int, stretch: bool = False) -> Letterbox:
    """Where an image of ``height`` × ``width`` pixels lies. Raises ``InputError`` when no pixels would be left."""
    assert size.height is not None and size.width is not None
    try:
        return Letterbox(size.height, size.width, height, width, stretch)
    except ValueError as error:
        raise InputError(str(error)) from None


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
