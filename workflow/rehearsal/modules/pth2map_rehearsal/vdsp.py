"""Preprocessing on a Vastai card: the JSON file that says which, and what it makes of a picture.

Vocabulary of the parameter files of VastModelZOO and VastStreamX-Samples. Of the operators the letterbox alone is
rehearsed.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

_LETTERBOX = "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR"
_OTHER_OPERATORS = (
    "FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP_NORM_TENSOR",
    "FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR",
    "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR_EXT",
    "BERT_EMBEDDING_OP",
)
_SIZES = tuple(
    f"{end}image{side}{pitch}" for end in "IO" for side in ("Width", "Height") for pitch in ("", "Pitch")
)  # spelt so; OimageWidthPitch and its like are in no file, and no harm
_KEYS = (*_SIZES, "IimageFormat", "Mean", "Std", "NormaType", "ColorCvtCode", "ResizeType", "Padding")
_OTHER_KEYS = (
    *("PaddingLeft", "PaddingRight", "PaddingTop", "PaddingBottom", "ResizeWidth", "ResizeHeight"),
    *("CropX", "CropY", "Scale", "TensorType0"),
)
_NORMALISATIONS = ("MINUSMEAN_DIVSTD", "DIV255_MINUSMEAN_DIVSTD", "DIV255", "DIV1275_MINUSONE", "EQUAL")
_COLOURS = ("NO_CHANGE", "RGB2BGR", "BGR2RGB")


class VdspError(ValueError):
    """A parameter file that is none or not rehearsed, or a picture it cannot be done to."""


@dataclass(frozen=True)
class Vdsp:
    """A letterbox of RGB pictures. ``mean`` and ``std`` are in the order of the channels that the network gets."""

    width: int | None
    """Of the letterbox in pixels; None where the file leaves it to the model. So ``height``."""
    height: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    normalisation: str
    swaps_colours: bool
    padding: tuple[float, float, float]
    """Red, green, blue: the picture is padded before its colours are swapped, as the operator's name has it."""

    def tensor(self, picture: np.ndarray, height: int, width: int) -> np.ndarray:
        """``picture`` ``(3, h, w)`` uint8 RGB in a letterbox of ``height`` × ``width``: ``(3, height, width)`` float32.

        The scaled picture has whole grey levels and lies in the middle, of an odd margin the smaller part above it
        and left of it. Raises ``VdspError`` for another size than the file's, another picture, and one so thin that
        nothing is left of it.
        """
        if (self.height or height, self.width or width) != (height, width):
            raise VdspError(
                f"the parameter file makes pictures of {self.width}x{self.height}, the model takes {width}x{height}"
            )
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] != 3 or picture.size == 0:
            raise VdspError(f"a picture is {picture.dtype} {list(picture.shape)}, expected uint8 [3, h, w]")
        scale = min(width / picture.shape[2], height / picture.shape[1])
        wide, high = round(picture.shape[2] * scale), round(picture.shape[1] * scale)
        if min(wide, high) < 1:
            raise VdspError(f"nothing is left of a picture of {picture.shape[2]}x{picture.shape[1]} in the letterbox")
        pixels = np.ascontiguousarray(picture.transpose(1, 2, 0))
        if pixels.shape[:2] != (high, wide):
            pixels = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_LINEAR)
        top, left = (height - high) // 2, (width - wide) // 2
        tensor = np.empty((3, height, width), np.float32)
        tensor[:] = np.array(self.padding, np.float32)[:, None, None]
        tensor[:, top : top + high, left : left + wide] = pixels.transpose(2, 0, 1)
        return self._normalised(tensor[::-1] if self.swaps_colours else tensor)

    def _normalised(self, tensor: np.ndarray) -> np.ndarray:
        if self.normalisation == "DIV1275_MINUSONE":
            return tensor / np.float32(127.5) - np.float32(1)
        if self.normalisation.startswith("DIV255"):
            tensor = tensor / np.float32(255)
        if self.normalisation.endswith("MINUSMEAN_DIVSTD"):
            mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
            tensor = (tensor - mean) / std
        return np.ascontiguousarray(tensor)


def load(path: str | Path) -> Vdsp:
    """Read a parameter file. Raises ``VdspError`` for one that cannot be read, is wrong, or is not rehearsed."""
    try:
        whole = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VdspError(f"{path} cannot be read: {error}") from error
    try:
        return _checked(whole)
    except VdspError as error:
        raise VdspError(f"{path}: {error}") from error


def _checked(whole: Any) -> Vdsp:
    if not isinstance(whole, Mapping) or not isinstance(whole.get("OpConfig"), Mapping):
        raise VdspError("expected an object with OpType and an object OpConfig")
    _check_keys(whole, ("OpType", "OpConfig"), ())
    config = whole["OpConfig"]
    _choice(whole, "OpType", (_LETTERBOX,), _OTHER_OPERATORS)
    _check_keys(config, _KEYS, _OTHER_KEYS)
    _choice(config, "IimageFormat", ("RGB_PLANAR",), ("BGR888", "RGB888", "YUV_NV12"))
    _choice(config, "ResizeType", ("BILINEAR_CV",), ("BILINEAR_PILLOW", "BILINEAR"))
    normalisation = _choice(config, "NormaType", _NORMALISATIONS)
    colours = _choice(config, "ColorCvtCode", _COLOURS)
    for key in _SIZES:
        if key in config and (type(config[key]) is not int or config[key] < 1):
            raise VdspError(f"{key} is {config[key]!r}, expected pixels")
    if ("OimageWidth" in config) != ("OimageHeight" in config):
        raise VdspError("OimageWidth and OimageHeight go together")
    needed = normalisation.endswith("MINUSMEAN_DIVSTD")
    mean, std = (_three(config, key, None if needed else default) for key, default in (("Mean", 0.0), ("Std", 1.0)))
    if 0 in std:
        raise VdspError("Std holds a 0")
    return Vdsp(
        width=config.get("OimageWidth"),
        height=config.get("OimageHeight"),
        mean=mean,
        std=std,
        normalisation=normalisation,
        swaps_colours=colours != "NO_CHANGE",
        padding=_three(config, "Padding", 0.0),
    )


def _check_keys(block: Mapping[str, Any], known: Sequence[str], others: Sequence[str]) -> None:
    for key in block:
        if key in others:
            raise VdspError(f"{key} is not rehearsed")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0)
            raise VdspError(f"there is no key {key}; the nearest is {near[0]}")


def _choice(block: Mapping[str, Any], key: str, rehearsed: Sequence[str], others: Sequence[str] = ()) -> str:
    value = block.get(key)
    if value in others:
        raise VdspError(f"{key} {value} is not rehearsed")
    if value not in rehearsed:
        raise VdspError(f"{key} is {value!r}, expected {' or '.join((*rehearsed, *others))}")
    return str(value)


def _three(config: Mapping[str, Any], key: str, default: float | None) -> tuple[float, float, float]:
    values = config.get(key, None if default is None else [default] * 3)
    if not isinstance(values, list) or len(values) != 3 or any(type(each) not in (int, float) for each in values):
        raise VdspError(f"{key} is {values!r}, expected three numbers")
    return float(values[0]), float(values[1]), float(values[2])
