"""The ResNet-50 body (He et al. 2015), named and strided (on the 3x3 convolution) as in torchvision.

Its blocks serve other bodies too: those of Detectron's descent stride on the first 1x1 convolution, with normalisation
that is frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

Norm: TypeAlias = "Callable[[int], nn.Module]"
"""From channels to a normalisation of them."""


class Bottleneck(nn.Module):
    """1x1 to ``width``, 3x3, 1x1 to four times ``width``, around a shortcut."""

    def __init__(
        self, inputs: int, width: int, stride: int = 1, norm: Norm = nn.BatchNorm2d, stride_in_1x1: bool = False
    ) -> None:
        super().__init__()
        outputs = 4 * width
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, first, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))
        )

    def forward(self, features: Tensor) -> Tensor:
        inner = self.relu(self.bn1(self.conv1(features)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        outputs: Tensor = self.relu(inner + self.downsample(features))
        return outputs


def stage(
    inputs: int, width: int, blocks: int, stride: int, norm: Norm = nn.BatchNorm2d, stride_in_1x1: bool = False
) -> nn.Sequential:
    """Bottlenecks of one resolution; the first of them changes it."""
    first = Bottleneck(inputs, width, stride, norm, stride_in_1x1)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, norm=norm) for _ in range(blocks - 1)))


class ResNet50(nn.Module):
    channels = (256, 512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(64, 64, blocks=3, stride=1)
        self.layer2 = stage(256, 128, blocks=4, stride=2)
        self.layer3 = stage(512, 256, blocks=6, stride=2)
        self.layer4 = stage(1024, 512, blocks=3, stride=2)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Float32 ``(N, 3, H, W)`` to the features of strides 4, 8, 16 and 32."""
        c2 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(images)))))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
