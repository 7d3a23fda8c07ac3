"""Weights of RetinaFace mobilenet0.25 by a formula, for tests that need no real ones."""

from pathlib import Path

import torch

from pth2map.networks.catalogue import build
from pth2map.networks.formula import formula_state_dict

SCALES = ((r"^body\.stage1\.0\.0\.weight$", 1 / 64), (r"^ClassHead", 0.3), (r"^(BboxHead|LandmarkHead)", 0.1))
"""So that images of noise give some detections."""


def save(path: Path) -> None:
    torch.save(formula_state_dict(build("retinaface_mobilenet025"), SCALES), path)
