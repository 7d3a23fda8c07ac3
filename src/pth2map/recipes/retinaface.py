"""RetinaFace: an image to the network's input, the network's outputs to detections."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pth2map.files.errors import InputError
from pth2map.geometry.boxes import nms
from pth2map.geometry.placement import Placement
from pth2map.geometry.priors import decode_boxes, decode_landmarks, retinaface_prior_count, retinaface_priors
from pth2map.recipes.settings import RetinaFaceSettings, Size

_INTERPOLATIONS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR}


@dataclass(frozen=True)
class RetinaFaceRecipe:
    """The recipe at one size.

    The outputs it decodes are the network's: ``loc`` ``(P, 4)``, ``conf`` ``(P, 2)`` after softmax with the face
    second, ``landms`` ``(P, 10)``, float32, P the number of priors of the input.
    """

    settings: RetinaFaceSettings
    size: Size

    def preprocess(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """``image`` ``(h, w, 3)`` uint8 BGR → ``(3, H, W)`` float32 BGR minus mean, and where the image lies on it."""
        options = self.settings.preprocess
        placement = self.placement(*image.shape[:2])
        if options.resize == "long_side":
            scale = self._scale(*image.shape[:2])
            # The published code resizes float32 pixels: linear interpolation must not round to whole grey levels.
            source = image if options.interpolation == "nearest" else image.astype(np.float32)
            if round(min(image.shape[:2]) * scale) < 1:
                raise InputError(
                    f"an image of {image.shape[1]}×{image.shape[0]} px scaled to {self.size} has no pixels left"
                )
            interpolation = _INTERPOLATIONS[options.interpolation]
            image = cv2.resize(source, None, fx=scale, fy=scale, interpolation=interpolation)
        height, width = image.shape[:2]
        mean = np.array(options.mean_bgr, dtype=np.float32)
        tensor = np.empty((3, placement.height, placement.width), dtype=np.float32)
        tensor[:] = (np.float32(options.pad_value) - mean)[:, None, None]
        for channel in range(3):
            np.subtract(image[:, :, channel], mean[channel], out=tensor[channel, :height, :width])
        return tensor, placement

    def placement(self, height: int, width: int) -> Placement:
        """Where an image of ``height`` × ``width`` pixels lies on the input."""
        if self.settings.preprocess.resize == "none":
            return Placement(height=height, width=width, scale=np.float32(1))
        assert self.size.height is not None and self.size.width is not None
        return Placement(self.size.height, self.size.width, np.float32(self._scale(height, width)))

    def _scale(self, height: int, width: int) -> float:
        assert self.size.width is not None
        return self.size.width / max(height, width)

    def output_shapes(self, placement: Placement) -> dict[str, tuple[int, ...]]:
        """Shape of each output for one image."""
        priors = retinaface_prior_count(placement.height, placement.width)
        return {"loc": (priors, 4), "conf": (priors, 2), "landms": (priors, 10)}

    def decode(self, outputs: Sequence[np.ndarray], placement: Placement) -> dict[str, np.ndarray]:
        """Detections of one image, by falling score.

        Returns ``boxes`` ``(n, 4)`` float64 x, y, w, h, whole numbers as the result text holds them; ``scores``
        ``(n,)`` float64, the value that the text's shortest float32 digits stand for; ``corners`` ``(n, 4)`` float32
        x1, y1, x2, y2 before truncation; ``landmarks`` ``(n, 5, 2)`` float32. Pixels of the original image, not
        clipped to it.

        Raises ``InputError`` when an output has another shape or a kept row is not finite.
        """
        options = self.settings.decode
        for (name, shape), output in zip(self.output_shapes(placement).items(), outputs, strict=True):
            if output.shape != shape:
                raise InputError(f"output {name} has shape {output.shape}, expected {shape} for this input")
        loc, conf, landms = outputs
        faces = conf[:, 1]
        if not np.isfinite(faces).all():
            raise InputError(f"output conf holds {np.count_nonzero(~np.isfinite(faces))} scores that are not finite")
        rows = np.flatnonzero(faces > np.float32(options.confidence_threshold))
        rows = rows[np.argsort(-faces[rows], kind="stable")][: options.pre_nms_top_k]

        priors = retinaface_priors(placement.height, placement.width)[rows]
        pixels = np.array([placement.width, placement.height], dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is named below
            corners = decode_boxes(loc[rows], priors) * np.tile(pixels, 2) / placement.scale
            landmarks = decode_landmarks(landms[rows], priors) * pixels / placement.scale
        if not (np.isfinite(corners).all() and np.isfinite(landmarks).all()):
            raise InputError("output loc or landms decodes to boxes or landmarks that are not finite")
        kept = nms(corners, faces[rows], options.nms_threshold)[: options.keep_top_k]
        corners, landmarks, scores = corners[kept], landmarks[kept], faces[rows[kept]]

        whole = np.trunc(corners.astype(np.float64)) + 0.0  # no negative zeros: a text could not keep them
        return {
            "boxes": np.concatenate([whole[:, :2], whole[:, 2:] - whole[:, :2]], axis=1),
            "scores": np.array([float(str(score)) for score in scores], dtype=np.float64),
            "corners": corners,
            "landmarks": landmarks,
        }

    def protocol(self) -> list[str]:
        """The recipe in words, one clause an entry."""
        pre, dec = self.settings.preprocess, self.settings.decode
        if pre.resize == "none":
            geometry = "input: the image in its original size, no padding"
        else:
            interpolation = {"nearest": "nearest neighbour", "linear": "bilinear"}[pre.interpolation]
            geometry = (
                f"input: longer side scaled to {self.size.width} px ({interpolation}), right and bottom padded with "
                f"{pre.pad_value} before the mean to {self.size.width}×{self.size.height}"
            )
        mean = ", ".join(f"{value:g}" for value in pre.mean_bgr)
        return [
            geometry,
            f"pixels: BGR, 0 to 255, minus mean ({mean})",
            f"decode: face score > {dec.confidence_threshold:g}, {_top(dec.pre_nms_top_k, 'before')}, "
            f"NMS at IoU {dec.nms_threshold:g} (sides counted +1 px), {_top(dec.keep_top_k, 'after')}",
            "boxes: truncated to whole pixels as in the result text, not clipped to the image",
        ]


def _top(count: int | None, when: str) -> str:
    return f"no top-k {when} it" if count is None else f"the best {count} {when} it"
