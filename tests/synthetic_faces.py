"""Labelled pictures of noise with bright ovals for faces, in the layout of a training set, made in a moment."""

from pathlib import Path

import cv2
import numpy as np

from pth2map.datasets.label_faults import Faults
from pth2map.datasets.training_set import TrainingSet, index_training_set


def make(folder: Path, images: int, seed: int = 0, side: int = 120) -> Path:
    """Write ``images/<event>/<file>.jpg`` and ``label.txt``: two faces a picture, one of them with landmarks."""
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(images):
        name = f"{number % 3}--Event/{number}.jpg"
        lines.append(f"# {name}")
        picture = rng.integers(0, 90, (side, side + 8 * (number % 4), 3), dtype=np.uint8)
        for face in range(2):
            width, height = (int(value) for value in rng.integers(18, 40, 2))
            x, y = int(rng.integers(0, side - width)), int(rng.integers(0, side - height))
            centre = (x + width // 2, y + height // 2)
            cv2.ellipse(picture, centre, (width // 2, height // 2), 0, 0, 360, (90, 160, 230), -1)
            points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * [width, height] + [x, y]
            marks = " ".join(f"{px:.2f} {py:.2f} 0.0" for px, py in points) if face else " ".join(["-1.0"] * 15)
            lines.append(f"{x} {y} {width} {height} {marks} 0.8")
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    (folder / "label.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def indexed(folder: Path, images: int, seed: int = 0, part: str = "train") -> TrainingSet:
    """The same, indexed."""
    make(folder, images, seed)
    return index_training_set("synthetic", part, folder / "label.txt", folder / "images", Faults())
