"""Weights of RetinaFace mobilenet0.25 by a formula, for tests that need no real ones."""

from pathlib import Path

from pth2map.networks.formula import save_formula_weights

SCALES = ((r"^body\.stage1\.0\.0\.weight$", 1 / 64), (r"^ClassHead", 0.3), (r"^(BboxHead|LandmarkHead)", 0.1))
"""So that images of noise give some detections."""


def save(path: Path) -> None:
    save_formula_weights("retinaface_mobilenet025", SCALES, path)
