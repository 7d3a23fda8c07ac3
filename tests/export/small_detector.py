"""A detector in small, for the tests of int8: its graph, and images it may be calibrated with."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pth2map.export.onnx import export_onnx
from pth2map.networks.formula import formula_state_dict

SIDE = 32
OUTPUTS = ("loc", "conf")


class SmallDetector(nn.Module):
    """Convolutions with and without groups, a map that is enlarged, heads in the form of RetinaFace's."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.LeakyReLU(0.1))
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.LeakyReLU(0.1))
        self.merge = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.LeakyReLU(0.1))
        self.loc, self.conf = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.stem(image)
        coarse = self.deep(fine)
        fine = self.merge(fine + functional.interpolate(coarse, size=(SIDE // 2, SIDE // 2), mode="nearest"))
        return _rows(self.loc, (fine, coarse), 4), torch.softmax(_rows(self.conf, (fine, coarse), 2), dim=-1)


def _rows(head: nn.Module, levels: tuple[Tensor, ...], width: int) -> Tensor:
    maps = [head(level).permute(0, 2, 3, 1) for level in levels]
    return torch.cat([each.reshape(each.shape[0], -1, width) for each in maps], dim=1)


def export(path: Path, opset: int = 11, dynamic: Collection[str] = ()) -> Path:
    network = SmallDetector().eval()
    network.load_state_dict(formula_state_dict(network, [(r"^stem\.0\.weight$", 1 / 64)]))
    export_onnx(network, path, (1, 3, SIDE, SIDE), OUTPUTS, opset=opset, dynamic=dynamic)
    return path


def images(count: int, seed: int = 0) -> list[np.ndarray]:
    """Inputs ``(3, SIDE, SIDE)`` float32 of -128 to 127."""
    numbers = np.random.default_rng(seed)
    return [numbers.integers(-128, 128, (3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]
