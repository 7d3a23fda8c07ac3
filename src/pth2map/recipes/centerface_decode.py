"""CenterFace: from the network's outputs to detections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.affine import AffinePlacement
from pth2map.geometry.boxes import nms
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.centerface_settings import OUTPUT_STRIDE, CenterFaceDecode
from pth2map.recipes.centerface_text import boxes_as_written, result_text, scores_as_written

Placed = AffinePlacement | Letterbox
"""Where an image lies on the input: each kind of letterbox undoes itself."""


@dataclass(frozen=True)
class Decode:
    """The decode.

    The outputs it takes are the network's, float32, h × w cells of four by four pixels of the input: ``hm``
    ``(1, h, w)`` after sigmoid, ``wh`` ``(2, h, w)``, ``hm_offset`` ``(2, h, w)``, ``landmarks`` ``(10, h, w)``.
    """

    settings: CenterFaceDecode

    def device_outputs(self, outputs: Sequence[np.ndarray], placement: Placed) -> Sequence[np.ndarray]:
        """What a device hands over for one image: the network's outputs as they are."""
        return outputs

    def __call__(self, outputs: Sequence[np.ndarray], placement: Placed) -> dict[str, np.ndarray]:
        """Detections of one image, by falling score; equal scores by row, then column of their cell.

        Returns ``boxes`` ``(n, 4)`` float64 x, y, w, h and ``scores`` ``(n,)`` float64, the values that the digits of
        the result text stand for (tenths, thousandths); ``corners`` ``(n, 4)`` float32 x1, y1, x2, y2 and
        ``landmarks`` ``(n, 5, 2)`` float32, unrounded. Pixels of the original image, not clipped to it. A box of the
        text is one pixel wider and higher than its corners are apart.

        Only peaks are detections: a map with fewer than ``top_k`` of them gives as many rows as it has peaks. The
        published code fills up with other cells, at score 0.

        Raises ``InputError`` when an output has another shape or dtype, or a value that counts is not finite.
        """
        hm, wh, hm_offset, landmarks = self._checked(outputs, placement)
        cells = peaks(hm[0])
        scores = hm[0].ravel()[cells]
        if self.settings.confidence_threshold is not None:
            likely = scores > np.float32(self.settings.confidence_threshold)
            cells, scores = cells[likely], scores[likely]
        best = np.argsort(-scores, kind="stable")[: self.settings.top_k]
        cells, scores = cells[best], scores[best]

        rows, columns = np.divmod(cells, hm.shape[2])
        centre = np.stack([columns, rows], axis=1).astype(np.float32) + _at(hm_offset, cells)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is named below
            # In float64, rounded once: the float32 exponential of numpy is less exact than the published code's.
            size = np.exp(_at(wh, cells).astype(np.float64)).astype(np.float32) * np.float32(4)
            corners = _to_image(np.stack([centre - size / 2, centre + size / 2], axis=1), placement).reshape(-1, 4)
            points = _to_image(centre[:, None] + _at(landmarks, cells).reshape(-1, 5, 2), placement)
        if not (np.isfinite(corners).all() and np.isfinite(points).all()):
            raise InputError("output wh, hm_offset or landmarks decodes to boxes or landmarks that are not finite")
        if self.settings.nms_threshold is not None:
            kept = nms(corners, scores, self.settings.nms_threshold)
            corners, scores, points = corners[kept], scores[kept], points[kept]
        return _detections(corners, scores, points)

    def nothing(self) -> dict[str, np.ndarray]:
        """The detections of an image in which nothing was found."""
        return _detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))

    def output_shapes(self, placement: Placed) -> dict[str, tuple[int, ...]]:
        """Shape of each output for one image, in the network's order."""
        height, width = placement.height // OUTPUT_STRIDE, placement.width // OUTPUT_STRIDE
        channels = {"hm": 1, "wh": 2, "hm_offset": 2, "landmarks": 10}
        return {name: (count, height, width) for name, count in channels.items()}

    def text(self, name: str, boxes: np.ndarray, scores: np.ndarray) -> str:
        """The result text of image ``name`` (``event/stem``)."""
        return result_text(name, boxes, scores)

    def protocol(self) -> list[str]:
        """The decode in words, one clause an entry."""
        threshold, overlap = self.settings.confidence_threshold, self.settings.nms_threshold
        return [
            f"decode: peaks of the heat map (3×3), {_unless_none(threshold, 'score >', 'no score threshold')}, "
            f"the best {self.settings.top_k}, {_unless_none(overlap, 'then NMS (+1 px) at IoU', 'no NMS')}",
            "boxes: sides counted +1 px, rounded to 0.1 px and scores to 0.001 as in the result text, not clipped to "
            "the image",
        ]

    def _checked(self, outputs: Sequence[np.ndarray], placement: Placed) -> Sequence[np.ndarray]:
        shapes = self.output_shapes(placement)
        if len(outputs) != len(shapes):
            raise InputError(f"{len(outputs)} outputs, expected {len(shapes)}: {', '.join(shapes)}")
        for (name, shape), output in zip(shapes.items(), outputs, strict=True):
            if output.shape != shape or output.dtype != np.float32:
                raise InputError(
                    f"output {name} is {output.dtype} {output.shape}, expected float32 {shape} for an input of "
                    f"{placement.width}×{placement.height}"
                )
        if bad := np.count_nonzero(~np.isfinite(outputs[0])):
            raise InputError(f"output hm holds {bad} scores that are not finite")
        return outputs


def peaks(heat: np.ndarray) -> np.ndarray:
    """Cells of ``heat`` ``(h, w)`` that none of their up to eight neighbours exceeds.

    Returns their numbers ``row * w + column``, int64, rising. All cells of a plateau that nothing beside it exceeds
    are peaks.

    >>> peaks(np.array([[1, 0, 2, 2], [0, 0, 0, 2]])).tolist()
    [0, 2, 3, 7]
    """
    highest = heat.copy()
    np.maximum(highest[:, 1:], heat[:, :-1], out=highest[:, 1:])
    np.maximum(highest[:, :-1], heat[:, 1:], out=highest[:, :-1])
    of_rows = highest.copy()
    np.maximum(highest[1:], of_rows[:-1], out=highest[1:])
    np.maximum(highest[:-1], of_rows[1:], out=highest[:-1])
    return np.flatnonzero(heat == highest)


def _at(maps: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Values ``(n, c)`` of maps ``(c, h, w)`` at n cells."""
    return maps.reshape(len(maps), -1)[:, cells].T


def _to_image(points: np.ndarray, placement: Placed) -> np.ndarray:
    """Points ``(..., 2)`` in cells → pixels of the image, rounded once to float32 as in the published code."""
    return placement.points_to_image(points.astype(np.float64) * OUTPUT_STRIDE).astype(np.float32)


def _detections(corners: np.ndarray, scores: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "boxes": boxes_as_written(corners),
        "scores": scores_as_written(scores),
        "corners": corners,
        "landmarks": landmarks,
    }


def _unless_none(value: float | None, words: str, otherwise: str) -> str:
    return otherwise if value is None else f"{words} {value:g}"
