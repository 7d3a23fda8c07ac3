"""RetinaFace (Deng et al. 2019) as published by biubug6/Pytorch_Retinaface, state-dict names included.

A body, a feature pyramid of three levels (strides 8, 16, 32), and on each level a context module and three
1x1 heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from pth2map.networks.mobilenet import MobileNet025, conv_bn
from pth2map.networks.resnet import ResNet50

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

PRIORS_PER_CELL = 2


def slope_for(channels: int) -> float:
    """The published networks leak in their narrow layers only."""
    return 0.1 if channels <= 64 else 0.0


class FeaturePyramid(nn.Module):
    """Brings three levels to ``channels`` and adds each coarser level to the finer one below it."""

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        slope = slope_for(channels)
        self.output1 = conv_bn(inputs[0], channels, kernel=1, slope=slope)
        self.output2 = conv_bn(inputs[1], channels, kernel=1, slope=slope)
        self.output3 = conv_bn(inputs[2], channels, kernel=1, slope=slope)
        self.merge1 = conv_bn(channels, channels, slope=slope)
        self.merge2 = conv_bn(channels, channels, slope=slope)

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p3, p4, p5 = self.output1(c3), self.output2(c4), self.output3(c5)
        p4 = self.merge2(p4 + enlarge(p5, p4))
        p3 = self.merge1(p3 + enlarge(p4, p3))
        return p3, p4, p5


def enlarge(coarse: Tensor, fine: Tensor) -> Tensor:
    """Nearest neighbours, to the size of ``fine``: an odd size (125 from 63) is not an exact doubling."""
    return functional.interpolate(coarse, size=fine.shape[2:], mode="nearest")


class ContextModule(nn.Module):
    """SSH (Najibi et al. 2017): receptive fields of 3x3, 5x5 and 7x7, side by side, of 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        slope = slope_for(channels)
        self.conv3X3 = conv_bn(channels, half, slope=None)
        self.conv5X5_1 = conv_bn(channels, quarter, slope=slope)
        self.conv5X5_2 = conv_bn(quarter, quarter, slope=None)
        self.conv7X7_2 = conv_bn(quarter, quarter, slope=slope)
        self.conv7x7_3 = conv_bn(quarter, quarter, slope=None)

    def forward(self, features: Tensor) -> Tensor:
        shared = self.conv5X5_1(features)
        branches = (self.conv3X3(features), self.conv5X5_2(shared), self.conv7x7_3(self.conv7X7_2(shared)))
        return functional.relu(torch.cat(branches, dim=1))


class Head(nn.Module):
    """``values`` numbers for each prior: ``(N, C, h, w)`` to ``(N, h * w * 2, values)``."""

    def __init__(self, channels: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(channels, PRIORS_PER_CELL * values, 1)

    def forward(self, features: Tensor) -> Tensor:
        rows: Tensor = self.conv1x1(features).permute(0, 2, 3, 1)
        return rows.reshape(rows.shape[0], -1, self.values)


def heads(channels: int, values: int) -> nn.ModuleList:
    return nn.ModuleList(Head(channels, values) for _ in range(3))


class RetinaFace(nn.Module):
    """Face boxes and five landmarks as offsets to P priors, P = 2 · Σ ⌈H/s⌉ · ⌈W/s⌉ over s = 8, 16, 32.

    Priors run by level (fine to coarse), row, column, then the two of a cell. With ``logits`` the scores are
    left as they come from the head, which a training loss needs; evaluation mode does not touch this switch.
    """

    def __init__(self, body: MobileNet025 | ResNet50, channels: int, *, logits: bool = False) -> None:
        super().__init__()
        self.logits = logits
        self.body = body
        self.fpn = FeaturePyramid(body.channels[-3:], channels)
        self.ssh1 = ContextModule(channels)
        self.ssh2 = ContextModule(channels)
        self.ssh3 = ContextModule(channels)
        self.ClassHead = heads(channels, 2)
        self.BboxHead = heads(channels, 4)
        self.LandmarkHead = heads(channels, 10)

    @classmethod
    def mobilenet025(cls, *, logits: bool = False) -> Self:
        """426,608 parameters, 300 state-dict entries."""
        return cls(MobileNet025(), 64, logits=logits)

    @classmethod
    def resnet50(cls, *, logits: bool = False) -> Self:
        """27,293,600 parameters, 456 state-dict entries."""
        return cls(ResNet50(), 256, logits=logits)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Float32 ``(N, 3, H, W)``, BGR minus (104, 117, 123), to offsets, scores and landmarks.

        Returns ``loc (N, P, 4)``, ``conf (N, P, 2)`` (softmax; class 1 is a face) and ``landms (N, P, 10)``.
        """
        p3, p4, p5 = self.fpn(*self.body(images)[-3:])
        levels = self.ssh1(p3), self.ssh2(p4), self.ssh3(p5)
        loc, conf, landms = (
            torch.cat([kind[n](level) for n, level in enumerate(levels)], dim=1)
            for kind in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return loc, conf if self.logits else conf.softmax(dim=-1), landms
