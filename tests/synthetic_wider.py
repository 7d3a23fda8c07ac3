"""A small folder in WIDER FACE's layout, made of noise, for tests that need no real data."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

SIZES = {
    "0--Parade": {"0_Parade_b_1": (320, 200), "0_Parade_a_2": (150, 240)},
    "1--Shop": {"1_Shop_a_1": (320, 320), "1_Shop_b_2": (97, 61), "1_Shop_c_3": (320, 200)},
}
"""Width and height by event and stem; the order inside an event is not that of the names."""
NAMES = tuple(f"{event}/{stem}" for event, stems in SIZES.items() for stem in stems)


def make(root: Path, sizes: Mapping[str, Mapping[str, tuple[int, int]]] = SIZES) -> Path:
    """Write images and ground truth: three faces in each image, the first easy, two medium, all hard."""
    random = np.random.default_rng(0)
    boxes = {}
    for event, stems in sizes.items():
        for stem, (width, height) in stems.items():
            path = root / "WIDER_val/images" / event / f"{stem}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            cv2.imwrite(str(path), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
            boxes[stem] = np.array([[5, 5, 20, 20], [30, 10, 25, 30], [10, 30, 15, 15]], dtype=np.int32)
    truth = root / "ground_truth"
    truth.mkdir(parents=True)
    names = {
        "event_list": _cells(list(sizes)),
        "file_list": _cells([_cells(list(stems)) for stems in sizes.values()]),
    }
    faces = _cells([_cells([boxes[stem] for stem in stems]) for stems in sizes.values()])
    savemat(truth / "wider_face_val.mat", {**names, "face_bbx_list": faces})
    for counted, subset in ((1, "easy"), (2, "medium"), (3, "hard")):
        kept = np.arange(1, counted + 1, dtype=np.uint8)[:, None]
        numbers = _cells([_cells([kept for _ in stems]) for stems in sizes.values()])
        savemat(truth / f"wider_{subset}_val.mat", {**names, "gt_list": numbers})
    return root


def _cells(values: list) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array
