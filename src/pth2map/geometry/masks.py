"""Masks of instances: from a small square of probabilities to pixels of an image, and to run lengths.

Two ways to paste are in use for the same networks. Both pad the square by one row of zeros all around, enlarge the box
about its centre to match, resize the square to the box and cut it at a threshold; they differ in how the box gets to
whole pixels, in where it ends and in who resizes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from faster_coco_eval.core.mask import frPyObjects
from PIL import Image

_PADDING = 1

Resize = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
"""A float32 mask to (width, height)."""


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of an image that a mask can cover; around it the mask is empty."""

    top: int
    left: int
    pixels: np.ndarray
    """``(h, w)`` bool; a side may be 0."""


def paste_published(
    masks: np.ndarray, boxes: np.ndarray, height: int, width: int, threshold: float = 0.5
) -> list[Patch]:
    """Masks ``(n, m, m)`` float32, laid into their boxes in an image of ``height`` × ``width`` pixels.

    ``boxes`` is ``(n, 4)`` corners x1, y1, x2, y2, float32 or float64, finite; they may reach beyond the image. A pixel
    is of the mask above ``threshold``. As the Ascend page of RetinaMask pastes: the resized square is as wide as the
    rounded x2 - x1 + 1, it lies between the rounded corners and ends before x2 (half a pixel goes to the even one);
    OpenCV resizes (bilinear, no smoothing).
    """
    boxes = _enlarged(boxes, masks.shape[-1])
    sides = np.rint(np.maximum(boxes[:, 2:] - boxes[:, :2] + 1, 1)).astype(np.int64)
    corners = np.rint(boxes).astype(np.int64)
    return _paste(masks, corners[:, :2], corners[:, 2:], sides, _resize_by_opencv, height, width, threshold)


def paste_masker(masks: np.ndarray, boxes: np.ndarray, height: int, width: int, threshold: float = 0.5) -> list[Patch]:
    """The same as the ``Masker`` of the training repository pastes (maskrcnn-benchmark and RetinaMask).

    Corners are cut to whole pixels towards 0, x2 is the last column; Pillow resizes (bilinear, smoothed when it
    shrinks).
    """
    corners = _enlarged(boxes, masks.shape[-1]).astype(np.int64)
    ends = corners[:, 2:] + 1
    sides = np.maximum(ends - corners[:, :2], 1)
    return _paste(masks, corners[:, :2], ends, sides, _resize_by_pillow, height, width, threshold)


def encode(patch: Patch, height: int, width: int) -> bytes:
    """The mask of an image of ``height`` × ``width`` pixels as COCO's compressed run lengths (``counts``).

    >>> encode(Patch(1, 1, np.ones((1, 2), dtype=np.bool_)), 3, 4)
    b'41202'
    """
    counts = run_lengths(patch, height, width).tolist()
    compressed: bytes = frPyObjects({"counts": counts, "size": [height, width]}, height, width)["counts"]
    return compressed


def run_lengths(patch: Patch, height: int, width: int) -> np.ndarray:
    """Run lengths of the mask, column after column: int64, those of 0 and of 1 in turns, beginning with 0.

    >>> run_lengths(Patch(1, 1, np.ones((1, 2), dtype=np.bool_)), 3, 4).tolist()
    [4, 1, 2, 1, 4]
    """
    rows, columns = patch.pixels.shape
    line = np.zeros(columns * height + 2, dtype=np.bool_)  # whole columns: runs may go on from one to the next
    line[1:-1].reshape(columns, height)[:, patch.top : patch.top + rows] = patch.pixels.T
    starts = np.flatnonzero(line[1:] != line[:-1]) + patch.left * height
    counts = np.diff(starts, prepend=0, append=height * width)
    return counts if counts[-1] else counts[:-1]


def _enlarged(boxes: np.ndarray, mask_side: int) -> np.ndarray:
    """Boxes for the padded masks, in the dtype of ``boxes``, in which every step is rounded as in both sources."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * ((mask_side + 2 * _PADDING) / mask_side)
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return np.concatenate([centre - half, centre + half], axis=1)


def _paste(
    masks: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    sides: np.ndarray,
    resize: Resize,
    height: int,
    width: int,
    threshold: float,
) -> list[Patch]:
    """Masks of ``sides`` between ``starts`` and ``ends``, each ``(n, 2)`` x, y in whole pixels, cut at the image."""
    firsts = np.maximum(starts, 0)
    lasts = np.maximum(np.minimum(ends, (width, height)), firsts)
    padded = np.pad(masks, ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING)))
    patches = []
    for mask, (x, y), (left, top), (right, bottom), (mask_width, mask_height) in zip(
        padded, starts.tolist(), firsts.tolist(), lasts.tolist(), sides.tolist(), strict=True
    ):
        if left == right or top == bottom:
            pixels = np.zeros((bottom - top, right - left), dtype=np.bool_)
        else:
            resized = resize(mask, (mask_width, mask_height))
            pixels = resized[top - y : bottom - y, left - x : right - x] > threshold
        patches.append(Patch(top, left, pixels))
    return patches


def _resize_by_opencv(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)


def _resize_by_pillow(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))
