"""MobileNetV1 at a quarter of its width, as RetinaFace uses it (no pooling, no classifier)."""

from __future__ import annotations

from torch import Tensor, nn


def activation(slope: float) -> nn.Module:
    """LeakyReLU; a slope of 0 is a plain ReLU."""
    return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, slope: float | None = 0.1) -> nn.Sequential:
    """Convolution, batch norm and, unless ``slope`` is None, an activation."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers) if slope is None else nn.Sequential(*layers, activation(slope))


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Depthwise 3x3, then pointwise 1x1, each with batch norm and LeakyReLU(0.1)."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        activation(0.1),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        activation(0.1),
    )


class MobileNet025(nn.Module):
    """Three stages; state-dict names as in the RetinaFace checkpoints (``stage1.0.0.weight``)."""

    channels = (64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            conv_bn(3, 8, stride=2),
            separable(8, 16),
            separable(16, 32, stride=2),
            separable(32, 32),
            separable(32, 64, stride=2),
            separable(64, 64),
        )
        self.stage2 = nn.Sequential(separable(64, 128, stride=2), *(separable(128, 128) for _ in range(5)))
        self.stage3 = nn.Sequential(separable(128, 256, stride=2), separable(256, 256))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Float32 ``(N, 3, H, W)`` to the features of strides 8, 16 and 32."""
        c3 = self.stage1(images)
        c4 = self.stage2(c3)
        return c3, c4, self.stage3(c4)
