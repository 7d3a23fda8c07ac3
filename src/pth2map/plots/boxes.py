"""Detections drawn on their picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from faster_coco_eval.core import mask as coco_mask

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex
from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError
from pth2map.files.progress import track
from pth2map.recipes.detections import Detections

SYNTHETIC = "SYNTHETIC WEIGHTS"
"""The stamp of pictures whose detections say nothing of the model."""
REHEARSAL = "REHEARSAL"
"""The same of the hardware."""

_TINTS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66))
_BOX, _POINT, _TEXT = (0, 158, 115), (213, 94, 0), (255, 255, 255)  # of Okabe and Ito's palette, RGB


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    landmarks: np.ndarray | None = None,
    stamp: str | None = None,
    names: Sequence[str] | None = None,
    masks: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """A copy of ``image`` ``(h, w, 3)`` uint8 BGR with a frame and the score of each detection.

    ``boxes`` is ``(n, 4)`` x, y, w, h, ``scores`` ``(n,)``, ``landmarks`` ``(n, k, 2)`` x, y, in pixels of the image.
    ``names`` stand before the scores; ``masks``, each ``(h, w)``, are laid over the image where they are not 0. Frames
    are drawn around the pixels of a box, the best on top; what lies outside the image is cut off. A ``stamp`` is
    written into the upper left corner.
    """
    drawn = image.copy()
    thick = max(1, round(max(image.shape[:2]) / 600))
    for number, row in enumerate(np.argsort(scores, kind="stable")):
        if masks is not None:
            covered = masks[row] != 0
            tint = np.array(_TINTS[number % len(_TINTS)][::-1])
            drawn[covered] = ((drawn[covered].astype(np.uint16) + tint) // 2).astype(np.uint8)
    for row in np.argsort(scores, kind="stable"):
        x, y, w, h = boxes[row]
        first, last = _pixel(x, y), _pixel(x + w, y + h)
        cv2.rectangle(drawn, first, last, _BOX[::-1], thick)
        for point in () if landmarks is None else landmarks[row]:
            cv2.circle(drawn, _pixel(*point), thick, _POINT[::-1], cv2.FILLED)
        name = f"{names[row]} " if names is not None else ""
        _label(drawn, f"{name}{scores[row]:.2f}", first, thick)
    if stamp:
        _label(drawn, stamp, (0, 0), thick)
    return drawn


def draw_rows(
    image: np.ndarray, rows: Mapping[str, np.ndarray], classes: Sequence[str], stamp: str | None = None
) -> np.ndarray:
    """:func:`draw_detections` of what a recipe's decode gives; ``classes`` are the names of labels from 1."""
    labels, masks = rows.get("labels"), rows.get("masks")
    size = list(image.shape[:2])
    return draw_detections(
        image,
        rows["boxes"],
        rows["scores"],
        rows.get("landmarks"),
        stamp,
        None if labels is None else [classes[label - 1] for label in labels.tolist()],
        None if masks is None else [coco_mask.decode({"size": size, "counts": counts}) for counts in masks],
    )


def draw_all(
    index: DatasetIndex,
    detections: Detections,
    score_above: float,
    folder: Path,
    stamp: str | None = None,
    classes: Sequence[str] = (),
) -> None:
    """Write ``<folder>/<event>/<stem>.jpg`` for every image of ``detections``, with its boxes above a score."""
    file_of = {image.name: index.file(image) for image in index.images}
    arrays = {"boxes": detections.boxes, "scores": detections.scores, **detections.extra}
    offsets = detections.offsets.tolist()
    for name, start, stop in zip(track(detections.names, "draw"), offsets, offsets[1:], strict=False):
        chosen = start + np.flatnonzero(detections.scores[start:stop] > score_above)
        rows = {key: array[chosen] for key, array in arrays.items()}
        write_picture(folder / f"{name}.jpg", draw_rows(read_image(file_of[name]), rows, classes, stamp))


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write ``image`` ``(h, w, 3)`` uint8 BGR in the format of the path's ending.

    Raises ``InputError`` for an ending that no format has, and for an image that is too large for the format.
    """
    try:
        done, content = cv2.imencode(path.suffix, image)
    except cv2.error:
        raise InputError(f"{path}: no picture format is known by this ending; use .jpg or .png") from None
    if not done:
        size = f"{image.shape[1]}×{image.shape[0]}"
        raise InputError(f"{path}: the format of this ending takes no picture of {size} px; use .png")
    with replacing(path) as temporary:
        temporary.write_bytes(content.tobytes())


def _label(image: np.ndarray, text: str, corner: tuple[int, int], thick: int) -> None:
    """The text on a ground of its own, above the corner where there is room."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.35 * thick
    (width, height), below = cv2.getTextSize(text, font, scale, thick)
    x, y = corner
    y = y if y >= height + below else y + height + below
    cv2.rectangle(image, (x, y - height - below), (x + width, y), _BOX[::-1], cv2.FILLED)
    cv2.putText(image, text, (x, y - below // 2), font, scale, _TEXT, thick, cv2.LINE_AA)


def _pixel(x: float, y: float) -> tuple[int, int]:
    """Within what the drawing functions take; far outside every image it is all the same."""
    whole = np.clip(np.rint([x, y]), -(2**15), 2**15).astype(int)
    return int(whole[0]), int(whole[1])
