"""RetinaMask: from an image to the network's input."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from pth2map.files.errors import InputError
from pth2map.geometry.corner import CornerPlacement
from pth2map.recipes.retinamask_settings import RetinaMaskPreprocess
from pth2map.recipes.settings import Size, require_size


@dataclass(frozen=True)
class Preprocess:
    """The preprocessing at one size. Raises ``InputError`` for a size that the network cannot take."""

    settings: RetinaMaskPreprocess
    size: Size

    def __post_init__(self) -> None:
        require_size(self.settings, self.size)

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, CornerPlacement]:
        """``image`` ``(h, w, 3)`` uint8 BGR → ``(3, S, S)`` float32 BGR minus mean, and where the image lies on it.

        The tensor is ``out`` where that is given, every element of it written. Pillow resizes, which smooths when it
        shrinks: the bytes are those of the published code.

        Raises ``InputError`` when no pixels would be left of a very thin image.
        """
        placement = self.placement(*image.shape[:2])
        height, width = placement.resized_height, placement.resized_width
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        tensor = np.empty((3, placement.height, placement.width), dtype=np.float32) if out is None else out
        tensor[:, height:] = tensor[:, :height, width:] = 0
        for plane, values, levels in zip(tensor, self._normalised(), resized.split(), strict=True):
            cv2.LUT(np.asarray(levels), values, dst=plane[:height, :width])
        return tensor, placement

    def placement(self, height: int, width: int) -> CornerPlacement:
        """Where an image of ``height`` × ``width`` pixels lies on the input.

        Raises ``InputError`` when no pixels would be left of it.
        """
        assert self.size.width is not None
        try:
            return CornerPlacement(self.size.width, height, width)
        except ValueError as error:
            raise InputError(str(error)) from None

    def protocol(self) -> list[str]:
        """The preprocessing in words, one clause an entry."""
        mean = ", ".join(map(str, self.settings.mean_bgr))
        return [
            f"input: longer side scaled to {self.size.width} px (bilinear, smoothed when shrunk; sides truncated to "
            f"whole pixels), right and bottom padded to {self.size.width}×{self.size.height} with 0 after the mean",
            f"pixels: BGR, 0 to 255, minus mean ({mean})",
        ]

    def _normalised(self) -> np.ndarray:
        """``(3, 256)`` float32: what each grey level becomes. In float64, rounded once, as in the published code."""
        mean = np.array(self.settings.mean_bgr, dtype=np.float64)[:, None]
        values: np.ndarray = (np.arange(256) - mean).astype(np.float32)
        return values
