"""Labels of faces out of the ground truth of WIDER FACE, for those who have no label file."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from pth2map.datasets.index import choose_subset
from pth2map.datasets.widerface import GroundTruth, read_ground_truth
from pth2map.datasets.widerface_index import GROUND_TRUTH
from pth2map.files.errors import InputError

_INVALID = "invalid_label_list"


@dataclass(frozen=True, eq=False)
class WiderLabels:
    """Boxes that a training can use, and how many were left out."""

    boxes: Mapping[str, np.ndarray]
    """Of each image, by ``<event>/<file>.jpg``, ``(k, 4)`` float64: x, y, w, h in pixels."""
    invalid: int | None
    """Faces that WIDER FACE marks so; None: this ground truth marks none."""
    empty: int
    """Other faces of no width or no height."""


def widerface_labels(root: Path, listed: Path | None = None, excepted: Path | None = None) -> WiderLabels:
    """Boxes from ``ground_truth/*.mat`` below ``root``, the images in the order of the files.

    ``listed`` names the only images to take, ``excepted`` those to leave out, as
    :func:`pth2map.datasets.index.choose_subset` reads lists. Raises ``InputError`` for a broken ground truth, for a
    wrong list, and if no image is left.
    """
    truth = read_ground_truth(root / GROUND_TRUTH)
    chosen = set(choose_subset(truth.names, listed=listed, key="--list")[0])
    if excepted:
        chosen -= set(choose_subset(truth.names, listed=excepted, key="--except")[0])
    if not chosen:
        raise InputError(f"{excepted} names all images of the ground truth in {root / GROUND_TRUTH}; leave some")
    asked = np.repeat([name in chosen for name in truth.names], truth.counts)
    marked = _invalid(root / GROUND_TRUTH / "wider_face_val.mat", truth)
    invalid = np.zeros(len(truth.boxes), dtype=np.bool_) if marked is None else marked
    empty = (truth.boxes[:, 2:] <= 0).any(axis=1) & ~invalid
    return WiderLabels(
        boxes={
            f"{name}.jpg": truth.boxes[start:end][~(invalid | empty)[start:end]]
            for name, (start, end) in zip(truth.names, pairwise(truth.offsets), strict=True)
            if name in chosen
        },
        invalid=None if marked is None else int((asked & invalid).sum()),
        empty=int((asked & empty).sum()),
    )


def _invalid(path: Path, truth: GroundTruth) -> np.ndarray | None:
    """``(M,)`` bool, of the file that ``truth`` was read from; None if it marks no face."""
    content = loadmat(path, variable_names=[_INVALID])
    if _INVALID not in content:
        return None
    cells = [np.ravel(cell) for event in content[_INVALID].ravel() for cell in np.ravel(event)]
    flags: np.ndarray = np.concatenate([np.zeros(0, np.uint8), *cells])
    if [len(cell) for cell in cells] != truth.counts.tolist() or not np.isin(flags, (0, 1)).all():
        raise InputError(f"{path}: {_INVALID} is not a 0 or 1 for each face of each image")
    return flags.astype(np.bool_)
