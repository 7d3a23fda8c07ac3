"""CenterFace (Xu et al. 2019) as published by chenjun2hao/CenterFace.pytorch, state-dict names included.

A MobileNetV2 without its classifier, three levels merged upwards to stride 4, and on that one map four 1x1 heads.
"""

from __future__ import annotations

from torch import Tensor, nn

OUTPUTS = ("hm", "wh", "hm_offset", "landmarks")
"""The outputs in their order."""


def conv_bn_relu6(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """MobileNetV2 (Sandler et al. 2018): widen ``expansion`` times, 3x3 depthwise, project; a shortcut if shapes allow.

    Names as in torchvision before its blocks were regrouped: ``conv.0.0`` is the first convolution of a block.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widen = [conv_bn_relu6(inputs, hidden, kernel=1)] if expansion > 1 else []
        self.shortcut = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *widen,
            conv_bn_relu6(hidden, hidden, kernel=3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        inner: Tensor = self.conv(features)
        return features + inner if self.shortcut else inner


def residuals(inputs: int, outputs: int, blocks: int, stride: int = 1) -> list[nn.Module]:
    """Sixfold blocks of one width; the first of them changes width and resolution."""
    return [InvertedResidual(inputs if n == 0 else outputs, outputs, stride if n == 0 else 1, 6) for n in range(blocks)]


class MobileNetV2(nn.Module):
    """The features of strides 4, 8, 16 and 32, each where its last block ends."""

    channels = (24, 32, 96, 320)

    def __init__(self) -> None:
        super().__init__()
        self.feature_1 = nn.Sequential(
            conv_bn_relu6(3, 32, kernel=3, stride=2),
            InvertedResidual(32, 16, stride=1, expansion=1),
            *residuals(16, 24, blocks=2, stride=2),
        )
        self.feature_2 = nn.Sequential(*residuals(24, 32, blocks=3, stride=2))
        self.feature_4 = nn.Sequential(*residuals(32, 64, blocks=4, stride=2), *residuals(64, 96, blocks=3))
        self.feature_6 = nn.Sequential(*residuals(96, 160, blocks=3, stride=2), *residuals(160, 320, blocks=1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        c2 = self.feature_1(images)
        c3 = self.feature_2(c2)
        c4 = self.feature_4(c3)
        return c2, c3, c4, self.feature_6(c4)


def normalised(layer: nn.Module, channels: int, eps: float = 1e-3) -> nn.Sequential:
    """A layer, batch norm and ReLU; the published merges divide by a larger ``eps`` than torch's default."""
    return nn.Sequential(layer, nn.BatchNorm2d(channels, eps=eps), nn.ReLU(inplace=True))


class Merge(nn.Module):
    """A coarse map doubled in size by a learned, depthwise upsampling, plus the finer map brought to its width."""

    def __init__(self, skip: int, channels: int) -> None:
        super().__init__()
        up = nn.ConvTranspose2d(channels, channels, 2, stride=2, groups=channels, bias=False)
        self.up = normalised(up, channels)
        self.conv = normalised(nn.Conv2d(skip, channels, 1, bias=False), channels)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        merged: Tensor = self.up(coarse) + self.conv(fine)
        return merged


class FeaturePyramid(nn.Module):
    """Four levels to one map of ``channels`` at the stride of the finest."""

    def __init__(self, inputs: tuple[int, int, int, int], channels: int) -> None:
        super().__init__()
        c2, c3, c4, c5 = inputs
        self.conv = normalised(nn.Conv2d(c5, channels, 1, bias=False), channels)
        self.up_0 = Merge(c4, channels)
        self.up_1 = Merge(c3, channels)
        self.up_2 = Merge(c2, channels)
        self.conv_last = normalised(nn.Conv2d(channels, channels, 3, padding=1, bias=False), channels, eps=1e-5)

    def forward(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> Tensor:
        merged = self.up_2(self.up_1(self.up_0(self.conv(c5), c4), c3), c2)
        last: Tensor = self.conv_last(merged)
        return last


class CenterFace(nn.Module):
    """Faces as peaks of a heat map, with size, offset and five landmarks at each cell of four by four pixels.

    1,881,551 parameters, 362 state-dict entries with the published ``channels`` (``head_conv`` there).
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.base = MobileNetV2()
        self.dla_up = FeaturePyramid(self.base.channels, channels)
        self.hm = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Sigmoid())
        self.wh = nn.Conv2d(channels, 2, 1)
        self.hm_offset = nn.Conv2d(channels, 2, 1)
        self.landmarks = nn.Conv2d(channels, 10, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Float32 ``(N, 3, H, W)``, normalised BGR, to the maps of ``OUTPUTS``; H and W are multiples of 32.

        Each map is ``(N, c, H/4, W/4)`` float32: ``hm`` the scores (c = 1, after sigmoid); ``wh`` the logarithm of
        width and height in units of 16 pixels; ``hm_offset`` x and y of the centre within its cell; ``landmarks``
        x, y of five points relative to the centre. The last two are in cells.

        Raises ``RuntimeError`` (torch's, on sums of unequal sizes) for another H or W.
        """
        features = self.dla_up(*self.base(images))
        return self.hm(features), self.wh(features), self.hm_offset(features), self.landmarks(features)
