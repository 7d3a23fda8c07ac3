"""RetinaMask: from the network's outputs to detections with masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.boxes import nms
from pth2map.geometry.corner import CornerPlacement
from pth2map.geometry.masks import encode, paste_masker, paste_published
from pth2map.recipes.retinamask_settings import CLASSES, MASK_SIDE, ROWS, RetinaMaskDecode

OUTPUTS = {
    "bboxs": (np.float32, (4,)),
    "labels": (np.int32, ()),
    "scores": (np.float32, ()),
    "masks": (np.float32, (1, MASK_SIDE, MASK_SIDE)),
}
"""Of a network and in its order: dtype of each output, and shape of a row of it."""

_PASTES = {"published": paste_published, "masker": paste_masker}
_PASTE_WORDS = {
    "published": "between rounded corners, the last column and row not covered",
    "masker": "between truncated corners, the last column and row covered, smoothed when shrunk",
}


@dataclass(frozen=True)
class Decode:
    """The decode.

    The outputs it takes are the network's, n rows of one image: ``bboxs`` ``(n, 4)`` float32 corners in pixels of the
    input, ``labels`` ``(n,)`` int32 from 1 to 80, ``scores`` ``(n,)`` float32, ``masks`` ``(n, 1, 28, 28)`` float32
    after sigmoid. The published graph gives 1000 rows; any number will do.
    """

    settings: RetinaMaskDecode

    def device_outputs(self, outputs: Sequence[np.ndarray], placement: CornerPlacement) -> Sequence[np.ndarray]:
        """What a device hands over for one image: the network's outputs as they are."""
        return outputs

    def __call__(self, outputs: Sequence[np.ndarray], placement: CornerPlacement) -> dict[str, np.ndarray]:
        """Detections of one image, by falling score; equal scores keep the order of their rows.

        Returns ``boxes`` ``(n, 4)`` float64 x, y, w, h with w = x2 - x1, ``scores`` ``(n,)`` float64, ``labels``
        ``(n,)`` int64, ``corners`` ``(n, 4)`` float32 x1, y1, x2, y2, and ``masks`` ``(n,)`` of bytes objects: COCO's
        compressed run lengths in the size of the image. Pixels of the original image, clipped to it.

        Raises ``InputError`` when an output has another shape or dtype, a label is not a class, or a value that counts
        is not finite.
        """
        bboxs, labels, scores, masks = _checked(outputs)
        if not len(scores):
            return self.nothing()
        with np.errstate(all="ignore"):  # what overflows is named below; 0/0 of boxes without area drops one of them
            apart = bboxs + (labels.astype(np.float32) * (bboxs.max() + 1))[:, None]
            if not np.isfinite(apart).all():
                raise InputError("output bboxs holds corners that are too large to tell classes apart")
            kept = nms(apart, scores, self.settings.nms_threshold)
        # Where too few are left the published code fills up with rows of float64, and goes on in float64 with all.
        dtype = np.float64 if len(kept) < self.settings.keep else np.float32
        kept = kept[: self.settings.keep]
        corners = placement.boxes_to_image(bboxs[kept].astype(dtype))
        return _detections(corners, scores[kept], labels[kept], self._encoded(masks[kept, 0], corners, placement))

    def nothing(self) -> dict[str, np.ndarray]:
        """The detections of an image in which nothing was found."""
        return _detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32), [])

    def output_shapes(self, placement: CornerPlacement) -> dict[str, tuple[int, ...]]:
        """Shape of each output of the published graph for one image, in its order."""
        return {name: (ROWS, *shape) for name, (_, shape) in OUTPUTS.items()}

    def protocol(self) -> list[str]:
        """The decode in words, one clause an entry."""
        settings = self.settings
        return [
            f"decode: no score threshold, NMS of each class at IoU {settings.nms_threshold:g} in pixels of the input "
            f"(sides counted +1 px, classes apart by an offset in float32), the best {settings.keep} after it",
            "boxes: clipped to the image, w = x2 - x1, not rounded",
            f"masks: {MASK_SIDE}×{MASK_SIDE} resized to the box (bilinear) {_PASTE_WORDS[settings.paste]}, "
            f"a pixel above {settings.mask_threshold:g}",
        ]

    def _encoded(self, masks: np.ndarray, corners: np.ndarray, placement: CornerPlacement) -> list[bytes]:
        if bad := np.count_nonzero(~np.isfinite(masks).all(axis=(1, 2))):
            raise InputError(f"output masks holds values that are not finite in {bad} of {len(masks)} rows kept")
        size = placement.image_height, placement.image_width
        paste = _PASTES[self.settings.paste]
        return [encode(patch, *size) for patch in paste(masks, corners, *size, self.settings.mask_threshold)]


def _checked(outputs: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    if len(outputs) != len(OUTPUTS):
        raise InputError(f"{len(outputs)} outputs, expected {len(OUTPUTS)}: {', '.join(OUTPUTS)}")
    rows = outputs[0].shape[:1]
    for (name, (dtype, shape)), output in zip(OUTPUTS.items(), outputs, strict=True):
        if output.shape != rows + shape or output.dtype != dtype:
            raise InputError(
                f"output {name} is {output.dtype} {output.shape}, expected {np.dtype(dtype)} {rows + shape} of one "
                "image, a row for each of bboxs"
            )
    bboxs, labels, scores, _ = outputs
    for name, values in (("bboxs", bboxs), ("scores", scores)):
        if bad := np.count_nonzero(~np.isfinite(values)):
            raise InputError(f"output {name} holds {bad} values that are not finite")
    if strange := sorted({*labels.tolist()} - set(range(1, CLASSES + 1))):
        raise InputError(f"output labels holds {strange[0]}, expected classes from 1 to {CLASSES}")
    return outputs


def _detections(
    corners: np.ndarray, scores: np.ndarray, labels: np.ndarray, masks: Sequence[bytes]
) -> dict[str, np.ndarray]:
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return {
        "boxes": boxes.astype(np.float64),
        "scores": scores.astype(np.float64),
        "labels": labels.astype(np.int64),
        "corners": corners.astype(np.float32),
        "masks": np.array(masks, dtype=np.object_),
    }
