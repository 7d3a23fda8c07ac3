"""A sheet of small pictures of a demo dataset, with its faces framed by the subset that counts them."""

from pathlib import Path

import cv2
import numpy as np

from pth2map.datasets.images import read_image
from pth2map.datasets.widerface import SUBSETS, GroundTruth, read_ground_truth
from pth2map.datasets.widerface_index import GROUND_TRUTH, IMAGES

_TINTS = {"easy": (115, 158, 0), "medium": (0, 159, 230), "hard": (60, 60, 235), "none": (170, 170, 170)}  # BGR
_GAP, _CAPTION = 4, 28  # pixels
_GROUND, _TEXT = (32, 32, 32), (235, 235, 235)


def contact_sheet(root: Path, columns: int = 6, rows: int = 4, width: int = 200) -> np.ndarray:
    """``(h, w, 3)`` uint8 BGR: pictures of val, ``width`` pixels wide, evenly from the list of them, over a caption.

    A frame has the colour of the easiest subset that counts the face, which the harder ones then count too.
    Raises ``InputError`` for what is no WIDER FACE layout.
    """
    truth = read_ground_truth(root / GROUND_TRUTH)
    chosen = np.unique(np.linspace(0, len(truth.names) - 1, columns * rows).astype(int)).tolist()
    files = [root / IMAGES / f"{truth.names[number]}.jpg" for number in chosen]
    pictures = [_framed(read_image(file), truth, number, width) for file, number in zip(files, chosen, strict=True)]
    height = max(len(picture) for picture in pictures)
    columns, lines = min(columns, len(pictures)), -(-len(pictures) // columns)
    sheet = np.empty((lines * (height + _GAP) + _GAP + _CAPTION, columns * (width + _GAP) + _GAP, 3), np.uint8)
    sheet[:] = _GROUND
    for place, picture in enumerate(pictures):
        top = _GAP + place // columns * (height + _GAP)
        left = _GAP + place % columns * (width + _GAP)
        sheet[top : top + len(picture), left : left + width] = picture
    _write_caption(sheet, truth, len(chosen))
    return sheet


def _framed(picture: np.ndarray, truth: GroundTruth, number: int, width: int) -> np.ndarray:
    factor = width / picture.shape[1]
    small = cv2.resize(picture, (width, round(picture.shape[0] * factor)), interpolation=cv2.INTER_AREA)
    for face in range(truth.offsets[number], truth.offsets[number + 1]):
        subset = next((name for name in SUBSETS if truth.counted[name][face]), "none")
        x, y, w, h = (truth.boxes[face] * factor).tolist()
        cv2.rectangle(small, (round(x), round(y)), (round(x + w), round(y + h)), _TINTS[subset], 1)
    return small


def _write_caption(sheet: np.ndarray, truth: GroundTruth, shown: int) -> None:
    easy, medium, hard = (truth.counted[subset] for subset in SUBSETS)
    counts = {"easy": easy, "medium": medium & ~easy, "hard": hard & ~medium, "none": ~hard}
    said = {"easy": "easy, medium and hard", "medium": "medium and hard", "hard": "hard only", "none": "none"}
    x, y = _GAP * 2, sheet.shape[0] - 9
    words = [(f"{shown} of {len(truth.names)} pictures of val; faces:", _TEXT)]
    words += [(f"{said[name]} {int(flags.sum())}", _TINTS[name]) for name, flags in counts.items()]
    for text, tint in words:
        cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, tint, 1, cv2.LINE_AA)
        x += cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] + 18
