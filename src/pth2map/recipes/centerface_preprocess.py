"""CenterFace: from an image to the network's input."""

from dataclasses import dataclass

import cv2
import numpy as np

from pth2map.geometry.affine import AffinePlacement
from pth2map.recipes.centerface_settings import CenterFacePreprocess
from pth2map.recipes.settings import Size, require_size


@dataclass(frozen=True)
class Preprocess:
    """The preprocessing at one size. Raises ``InputError`` for a size that the network cannot take."""

    settings: CenterFacePreprocess
    size: Size

    def __post_init__(self) -> None:
        require_size(self.settings, self.size)

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, AffinePlacement]:
        """``image`` ``(h, w, 3)`` uint8 BGR → ``(3, H, W)`` float32 BGR, normalised, and where the image lies on it.

        The tensor is ``out`` where that is given, every element of it written. Its pixels are those of the published
        code with the same OpenCV: 4.x and 5.0 warp differently, by up to four grey levels.
        """
        height, width = image.shape[:2]
        placement = self.placement(height, width)
        warped = cv2.warpAffine(
            image,
            _matrix(height, width, placement),
            (placement.width, placement.height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0),
        )
        tensor = np.empty((3, placement.height, placement.width), dtype=np.float32) if out is None else out
        for channel, values in enumerate(normalised_levels(self.settings)):
            values.take(warped[:, :, channel], out=tensor[channel], mode="clip")  # "raise" would copy
        return tensor, placement

    def placement(self, height: int, width: int) -> AffinePlacement:
        """Where an image of ``height`` × ``width`` pixels lies on the input."""
        assert self.size.height is not None and self.size.width is not None
        return AffinePlacement.fit(height, width, self.size.height, self.size.width)

    def protocol(self) -> list[str]:
        """The preprocessing in words, one clause an entry."""
        return [
            f"input: image scaled to fit {self.size.width}×{self.size.height} px and centred (bilinear), "
            "the rest 0 before the mean",
            pixels_in_words(self.settings),
        ]


def normalised_levels(settings: CenterFacePreprocess) -> np.ndarray:
    """``(3, 256)`` float32: what each grey level of blue, green, red becomes.

    The published arithmetic: constants of float32, computed in float64, rounded once.
    """
    mean, std = (
        np.array(values, dtype=np.float32)[:, None].astype(np.float64)
        for values in (settings.mean_bgr, settings.std_bgr)
    )
    values: np.ndarray = ((np.arange(256) / 255.0 - mean) / std).astype(np.float32)
    return values


def pixels_in_words(settings: CenterFacePreprocess) -> str:
    """What :func:`normalised_levels` does, for a protocol."""
    mean, std = (", ".join(map(str, values)) for values in (settings.mean_bgr, settings.std_bgr))
    return f"pixels: BGR, 0 to 1, minus mean ({mean}), divided by ({std})"


def _matrix(height: int, width: int, placement: AffinePlacement) -> np.ndarray:
    """``(2, 3)`` float64: from points of an image of ``height`` × ``width`` pixels to points of the input.

    ``placement`` in another form. The published code solves for it from three pairs of points; so does this, since
    its last bits decide the grey level of a few pixels in odd sizes.
    """
    across = placement.width / width <= placement.height / height
    reach, placed_reach = (width, placement.width) if across else (height, placement.height)
    points, placed = (
        np.array([(x, y), (x, y - half), (x - half, y - half)], dtype=np.float32)
        for x, y, half in (
            (width / 2, height / 2, reach / 2),
            (placement.width / 2, placement.height / 2, placed_reach / 2),
        )
    )
    return cv2.getAffineTransform(points, placed)
