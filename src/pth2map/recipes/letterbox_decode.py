"""RetinaFace in a letterbox: from the outputs of the network, or of the card, to detections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pth2map.geometry.letterbox import Letterbox
from pth2map.geometry.placement import Placement
from pth2map.recipes import retinaface_decode
from pth2map.recipes.card_form import OUTPUTS, ROWS, CardRows, card_outputs, card_rows
from pth2map.recipes.card_text import as_printed, card_text
from pth2map.recipes.letterbox_settings import CardText, LetterboxDecode
from pth2map.recipes.retinaface_settings import RetinaFaceDecode


@dataclass(frozen=True)
class Decode:
    """The decode.

    In the host's form it takes the outputs of the network, in the shapes that
    :class:`pth2map.recipes.retinaface_decode.Decode` says, in the card's form those of a graph that decodes by itself
    (:mod:`pth2map.recipes.card_form`).
    """

    settings: LetterboxDecode

    def device_outputs(self, outputs: Sequence[np.ndarray], placement: Letterbox) -> Sequence[np.ndarray]:
        """What a device hands over for one image: the network's outputs, or in the card's form what it makes of them.

        Raises ``InputError`` as the decode of RetinaFace and :func:`pth2map.recipes.card_form.card_outputs` do.
        """
        if self.settings.form == "host":
            return outputs
        rows = self._host_rows(outputs, placement)
        return card_outputs(rows.corners, rows.scores, rows.landmarks, self.settings)

    def __call__(self, outputs: Sequence[np.ndarray], placement: Letterbox) -> dict[str, np.ndarray]:
        """Detections of one image, by falling score.

        Returns ``boxes`` ``(n, 4)`` float64 x, y, w, h and ``scores`` ``(n,)`` float64, the numbers that the published
        result text prints; ``corners`` ``(n, 4)`` float64 x1, y1, x2, y2 and ``landmarks`` ``(n, 5, 2)`` float32
        without that rounding. Pixels of the placement's image, not clipped to it.

        Raises ``InputError`` when an output has another shape or dtype, or a value that counts is not finite.
        """
        rows: retinaface_decode.Rows | CardRows
        rows = card_rows(outputs) if self.settings.form == "card" else self._host_rows(outputs, placement)
        boxes = image_boxes(self.settings.text, rows.corners, placement)
        boxes, scores = as_printed(self.settings.text, boxes, rows.scores)
        corners = placement.boxes_to_image(rows.corners)
        landmarks = placement.points_to_image(rows.landmarks).astype(np.float32)
        return {"boxes": boxes, "scores": scores, "corners": corners, "landmarks": landmarks}

    def nothing(self) -> dict[str, np.ndarray]:
        """The detections of an image in which nothing was found."""
        landmarks = np.empty((0, 5, 2), np.float32)
        return {"boxes": np.empty((0, 4)), "scores": np.empty(0), "corners": np.empty((0, 4)), "landmarks": landmarks}

    def output_shapes(self, placement: Letterbox) -> Mapping[str, tuple[int, ...]]:
        """Shape of each output for one image, in the order of the network or of the card."""
        return OUTPUTS if self.settings.form == "card" else self._host.output_shapes(_input(placement))

    def text(self, name: str, boxes: np.ndarray, scores: np.ndarray) -> str:
        """The result text of image ``name`` (``event/stem``)."""
        return card_text(self.settings.text, name, boxes, scores)

    def protocol(self) -> list[str]:
        """The decode in words, one clause an entry."""
        settings = self.settings
        where, rest = ("on the host", "all rows, in float32")
        if settings.form == "card":
            where, rest = ("in the card's form", f"the best {ROWS}, in float16")
        if settings.text == "vsx":
            digits = "boxes: in float32, printed with one decimal, scores with three"
        else:
            digits = "boxes: in float64, printed with all digits, scores with the digits of their precision"
        return [
            f"decode {where}: face score > {settings.confidence_threshold:g}, NMS at IoU {settings.nms_threshold:g} in "
            f"pixels of the input (sides counted +1 px), {rest}",
            f"{digits}, not clipped to the image",
        ]

    @property
    def _host(self) -> retinaface_decode.Decode:
        settings = self.settings
        # Of 300 rows the card keeps the best: no more need to pass the host's NMS, which is the slow part.
        keep = ROWS if settings.form == "card" else None
        return retinaface_decode.Decode(
            RetinaFaceDecode(
                confidence_threshold=settings.confidence_threshold,
                nms_threshold=settings.nms_threshold,
                keep_top_k=keep,
            )
        )

    def _host_rows(self, outputs: Sequence[np.ndarray], placement: Letterbox) -> retinaface_decode.Rows:
        """The host's rows in pixels of the input."""
        return self._host.rows(outputs, _input(placement))


def image_boxes(text: CardText, corners: np.ndarray, placement: Letterbox) -> np.ndarray:
    """Boxes ``(n, 4)`` float64 x, y, w, h in pixels of the placement's image, before they are printed.

    ``corners`` ``(n, 4)`` x1, y1, x2, y2 in pixels of the input. Both published scripts undo the letterbox in float64
    and take sides without +1. The one for the card (``vsx``) keeps corners and sides in float32; the one for files
    (``npz``) is meant for NumPy 1, where float16 scalars become float64.
    """
    placed = placement.boxes_to_image(corners)
    if text == "vsx":
        placed = placed.astype(np.float32)
    return np.concatenate([placed[:, :2], placed[:, 2:] - placed[:, :2]], axis=1).astype(np.float64)


def _input(placement: Letterbox) -> Placement:
    """The input as an image of its own."""
    return Placement(placement.height, placement.width, np.float32(1))
