"""RetinaFace: from an image to the network's input."""

from dataclasses import dataclass

import cv2
import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.retinaface_settings import RetinaFacePreprocess
from pth2map.recipes.settings import Size, require_size

_INTERPOLATIONS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR}
_INTERPOLATION_WORDS = {"nearest": "nearest neighbour", "linear": "bilinear"}


@dataclass(frozen=True)
class Preprocess:
    """The preprocessing at one size. Raises ``InputError`` for a size that the settings do not go with."""

    settings: RetinaFacePreprocess
    size: Size

    def __post_init__(self) -> None:
        require_size(self.settings, self.size)

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Placement]:
        """``image`` ``(h, w, 3)`` uint8 BGR → ``(3, H, W)`` float32 BGR minus mean, and where the image lies on it.

        The tensor is ``out`` where that is given, every element of it written.
        """
        placement = self.placement(*image.shape[:2])
        if self.settings.resize == "long_side":
            image = self._resized(image)
        height, width = image.shape[:2]
        mean = self._mean()
        tensor = np.empty((3, placement.height, placement.width), dtype=np.float32) if out is None else out
        tensor[:, height:] = tensor[:, :height, width:] = np.float32(self.settings.pad_value) - mean
        np.subtract(image.transpose(2, 0, 1), mean, out=tensor[:, :height, :width])
        return tensor, placement

    def raw(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """As the call, but ``(H, W, 3)`` uint8: what a device gets that subtracts the mean itself.

        :meth:`minus_mean` of it is bit for bit what the call gives. Raises ``InputError`` for settings whose pixels are
        no whole grey levels.
        """
        if refusal := self.settings.raw_refusal():
            raise InputError(refusal)
        placement = self.placement(*image.shape[:2])
        if self.settings.resize == "long_side":
            image = self._resized(image)
        pixels = np.full((placement.height, placement.width, 3), self.settings.pad_value, dtype=np.uint8)
        pixels[: image.shape[0], : image.shape[1]] = image
        return pixels, placement

    def minus_mean(self, pixels: np.ndarray) -> np.ndarray:
        """``(H, W, 3)`` uint8 → ``(3, H, W)`` float32."""
        difference: np.ndarray = pixels.transpose(2, 0, 1) - self._mean()
        return difference

    def placement(self, height: int, width: int) -> Placement:
        """Where an image of ``height`` × ``width`` pixels lies on the input."""
        if self.settings.resize == "none":
            return Placement(height=height, width=width, scale=np.float32(1))
        assert self.size.height is not None and self.size.width is not None
        return Placement(self.size.height, self.size.width, np.float32(self._scale(height, width)))

    def protocol(self) -> list[str]:
        """The preprocessing in words, one clause an entry."""
        if self.settings.resize == "none":
            geometry = "input: the image in its original size, no padding"
        else:
            geometry = (
                f"input: longer side scaled to {self.size.width} px "
                f"({_INTERPOLATION_WORDS[self.settings.interpolation]}), right and bottom padded with "
                f"{self.settings.pad_value} before the mean to {self.size.width}×{self.size.height}"
            )
        mean = ", ".join(f"{value:g}" for value in self.settings.mean_bgr)
        return [geometry, f"pixels: BGR, 0 to 255, minus mean ({mean})"]

    def _mean(self) -> np.ndarray:
        return np.array(self.settings.mean_bgr, dtype=np.float32)[:, None, None]

    def _resized(self, image: np.ndarray) -> np.ndarray:
        scale = self._scale(*image.shape[:2])
        if round(min(image.shape[:2]) * scale) < 1:
            raise InputError(
                f"an image of {image.shape[1]}×{image.shape[0]} px scaled to {self.size} has no pixels left"
            )
        # The published code resizes float32 pixels: linear interpolation must not round to whole grey levels.
        source = image if self.settings.interpolation == "nearest" else image.astype(np.float32)
        return cv2.resize(source, None, fx=scale, fy=scale, interpolation=_INTERPOLATIONS[self.settings.interpolation])

    def _scale(self, height: int, width: int) -> float:
        assert self.size.width is not None
        return self.size.width / max(height, width)
