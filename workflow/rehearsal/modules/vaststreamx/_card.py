"""The rehearsal's one die: who may import, which process has taken it, and pictures and tensors that lie on it."""

import os
from enum import Enum

import numpy as np

if not os.environ.get("VASTSTREAMX_ROOT"):
    raise ImportError("libvaststreamx.so: cannot open shared object file: No such file or directory")
if not os.environ.get("PTH2MAP_REHEARSAL"):  # what is run here would pass for a card's
    raise ImportError("PTH2MAP_REHEARSAL is not set; source workflow/rehearsal/set_env.sh")

_taken = False
_NO_DEVICE = 1


class ImageFormat(Enum):
    YUV_NV12 = 0
    RGB_PLANAR = 5000
    BGR_PLANAR = 5001
    RGB_INTERLEAVE = 5002
    BGR_INTERLEAVE = 5003
    GRAY = 5004


class Image:
    """A picture on the card."""

    def __init__(self, planes: np.ndarray) -> None:
        self._planes = planes


class Tensor:
    """An output on the card."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array


def set_device(device: int) -> int:
    """Take a die for this process: 0, or another number where there is none. Raises ``TypeError`` for no number."""
    global _taken  # noqa: PLW0603  a process has a device or has none
    if type(device) is not int:
        raise TypeError(f"set_device takes the number of a die, got {device!r}")
    if device != 0:
        return _NO_DEVICE
    _taken = True
    return 0


def require_device() -> None:
    if not _taken:
        raise RuntimeError("no device is set: call set_device first")


def create_image(array: np.ndarray, format: ImageFormat, width: int, height: int, device: int) -> Image:
    """A copy on the card of ``array`` uint8 ``(3, height, width)`` in the format ``RGB_PLANAR``.

    Raises ``TypeError`` for arguments of other types, ``RuntimeError`` for another die, format or shape.
    """
    require_device()
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or not array.flags.c_contiguous:
        raise TypeError("create_image takes an array of uint8 in C order")
    if not isinstance(format, ImageFormat):
        raise TypeError(f"format is one of vaststreamx.ImageFormat, got {format!r}")
    if any(type(number) is not int for number in (width, height, device)):
        raise TypeError(f"width, height and device are whole numbers, got {width!r}, {height!r}, {device!r}")
    if device != 0:
        raise RuntimeError(f"device {device} does not exist: the rehearsal has one die, 0")
    if format is not ImageFormat.RGB_PLANAR:
        raise RuntimeError(f"REHEARSAL: {format} is not rehearsed; only Vastai's own vaststreamx can take it")
    if array.shape != (3, height, width):
        raise RuntimeError(f"a picture of {width}x{height} in RGB planes is {[3, height, width]}, not {[*array.shape]}")
    return Image(array.copy())


def planes_of(image: Image) -> np.ndarray:
    return image._planes


def as_numpy(tensor: Tensor) -> np.ndarray:
    """A copy on the host, float16, the axis of the batch in front."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"as_numpy takes a tensor of vaststreamx, got {type(tensor).__name__}")
    return tensor._array.copy()
