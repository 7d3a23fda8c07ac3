"""RetinaFace: from the network's outputs to detections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.boxes import nms
from pth2map.geometry.placement import Placement
from pth2map.geometry.priors import decode_boxes, decode_landmarks, retinaface_prior_count, retinaface_priors
from pth2map.recipes.detections import widerface_text
from pth2map.recipes.retinaface_settings import RetinaFaceDecode


@dataclass(frozen=True, eq=False)
class Rows:
    """n faces by falling score, in pixels of the image."""

    corners: np.ndarray
    """``(n, 4)`` float32 x1, y1, x2, y2."""
    scores: np.ndarray
    """``(n,)`` float32."""
    landmarks: np.ndarray
    """``(n, 5, 2)`` float32 x, y."""


@dataclass(frozen=True)
class Decode:
    """The decode.

    The outputs it takes are the network's: ``loc`` ``(P, 4)``, ``conf`` ``(P, 2)`` after softmax with the face second,
    ``landms`` ``(P, 10)``, float32, P the number of priors of the input.
    """

    settings: RetinaFaceDecode

    def device_outputs(self, outputs: Sequence[np.ndarray], placement: Placement) -> Sequence[np.ndarray]:
        """What a device hands over for one image: the network's outputs as they are."""
        return outputs

    def __call__(self, outputs: Sequence[np.ndarray], placement: Placement) -> dict[str, np.ndarray]:
        """Detections of one image, by falling score.

        Returns ``boxes`` ``(n, 4)`` float64 x, y, w, h, whole numbers as the result text holds them; ``scores``
        ``(n,)`` float64, the value that the text's shortest float32 digits stand for; ``corners`` ``(n, 4)`` float32
        x1, y1, x2, y2 before truncation; ``landmarks`` ``(n, 5, 2)`` float32. Pixels of the original image, not
        clipped to it.

        Raises ``InputError`` when an output has another shape or dtype, or a value that counts is not finite.
        """
        found = self.rows(outputs, placement)
        return _detections(found.corners, found.scores, found.landmarks)

    def rows(self, outputs: Sequence[np.ndarray], placement: Placement) -> Rows:
        """The same before anything is rounded. Raises ``InputError`` as a call does."""
        loc, conf, landms = self._checked(outputs, placement)
        faces = conf[:, 1]
        rows = np.flatnonzero(faces > np.float32(self.settings.confidence_threshold))
        rows = rows[np.argsort(-faces[rows], kind="stable")][: self.settings.pre_nms_top_k]

        priors = retinaface_priors(placement.height, placement.width)[rows]
        pixels = np.array([placement.width, placement.height], dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is named below
            corners = decode_boxes(loc[rows], priors) * np.tile(pixels, 2) / placement.scale
            landmarks = decode_landmarks(landms[rows], priors) * pixels / placement.scale
        if not (np.isfinite(corners).all() and np.isfinite(landmarks).all()):
            raise InputError("output loc or landms decodes to boxes or landmarks that are not finite")
        kept = nms(corners, faces[rows], self.settings.nms_threshold)[: self.settings.keep_top_k]
        return Rows(corners[kept], faces[rows[kept]], landmarks[kept])

    def nothing(self) -> dict[str, np.ndarray]:
        """The detections of an image in which nothing was found."""
        return _detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))

    def output_shapes(self, placement: Placement) -> dict[str, tuple[int, ...]]:
        """Shape of each output for one image, in the network's order."""
        priors = retinaface_prior_count(placement.height, placement.width)
        return {"loc": (priors, 4), "conf": (priors, 2), "landms": (priors, 10)}

    def text(self, name: str, boxes: np.ndarray, scores: np.ndarray) -> str:
        """The result text of image ``name`` (``event/stem``)."""
        return widerface_text(name, boxes, scores)

    def protocol(self) -> list[str]:
        """The decode in words, one clause an entry."""
        settings = self.settings
        return [
            f"decode: face score > {settings.confidence_threshold:g}, {_top(settings.pre_nms_top_k, 'before')}, "
            f"NMS at IoU {settings.nms_threshold:g} (sides counted +1 px), {_top(settings.keep_top_k, 'after')}",
            "boxes: truncated to whole pixels as in the result text, not clipped to the image",
        ]

    def _checked(self, outputs: Sequence[np.ndarray], placement: Placement) -> Sequence[np.ndarray]:
        for (name, shape), output in zip(self.output_shapes(placement).items(), outputs, strict=True):
            if output.shape != shape or output.dtype != np.float32:
                raise InputError(
                    f"output {name} is {output.dtype} {output.shape}, expected float32 {shape} for an input of "
                    f"{placement.width}×{placement.height}"
                )
        bad = np.count_nonzero(~np.isfinite(outputs[1][:, 1]))
        if bad:
            raise InputError(f"output conf holds {bad} scores that are not finite")
        return outputs


def _detections(corners: np.ndarray, scores: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    whole = np.trunc(corners.astype(np.float64)) + 0.0  # no negative zeros: a text could not keep them
    return {
        "boxes": np.concatenate([whole[:, :2], whole[:, 2:] - whole[:, :2]], axis=1),
        "scores": np.array([float(str(score)) for score in scores], dtype=np.float64),
        "corners": corners,
        "landmarks": landmarks,
    }


def _top(count: int | None, when: str) -> str:
    return f"no top-k {when} it" if count is None else f"the best {count} {when} it"
