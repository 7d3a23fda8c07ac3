"""RetinaMask (Fu et al. 2019) with ResNet-50 and a feature pyramid, as in chengyangfu/retinamask, state-dict names
included, with the inference graph of the Ascend model zoo's page.

A body of frozen normalisation, five levels (strides 8 to 128), on each the two towers of RetinaNet (Lin et al. 2017),
and on the best boxes of all levels together a mask head. Boxes are in the pixel-count convention: a side is
``x2 - x1 + 1`` wide.
"""

import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from pth2map.networks.kept_rows import KEPT_IOU, KEPT_ROWS
from pth2map.networks.operators import nms, roi_align
from pth2map.networks.resnet import stage

CLASSES = 80
STRIDES = (8, 16, 32, 64, 128)
ASPECT_RATIOS = (0.5, 1.0, 2.0)
SCALES_PER_OCTAVE = 3
ANCHORS_PER_CELL = len(ASPECT_RATIOS) * SCALES_PER_OCTAVE
ROWS = 1000
"""Best scores of an image that go on to the mask head."""

LARGEST_GROWTH = math.log(1000 / 16)
"""Of the logarithm of a side over its anchor's."""
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""What the regressions of x, y, w, h are divided by."""

MASK_STRIDES = STRIDES[:3]
POOLED = 14
CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
"""A box of this side, in pixels, gets its mask from this level; one twice as wide from the next (Lin et al. 2016)."""


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose scale, shift and statistics are constants; without epsilon, as in this family."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        scale = self.weight * self.running_var.rsqrt()
        shift = self.bias - self.running_mean * scale
        return features * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = FrozenBatchNorm2d(64)

    def forward(self, images: Tensor) -> Tensor:
        return functional.max_pool2d(functional.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)


class Body(nn.Module):
    """ResNet-50, strided on the first 1x1 convolution of a block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.layer1 = stage(64, 64, 3, 1, FrozenBatchNorm2d, stride_in_1x1=True)
        self.layer2 = stage(256, 128, 4, 2, FrozenBatchNorm2d, stride_in_1x1=True)
        self.layer3 = stage(512, 256, 6, 2, FrozenBatchNorm2d, stride_in_1x1=True)
        self.layer4 = stage(1024, 512, 3, 2, FrozenBatchNorm2d, stride_in_1x1=True)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The features of strides 8, 16 and 32."""
        c3 = self.layer2(self.layer1(self.stem(images)))
        c4 = self.layer3(c3)
        return c3, c4, self.layer4(c4)


class CoarseLevels(nn.Module):
    """Two levels more, of strides 64 and 128, out of the coarsest of the pyramid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, p5: Tensor) -> tuple[Tensor, Tensor]:
        p6 = self.p6(p5)
        return p6, self.p7(functional.relu(p6))


class FeaturePyramid(nn.Module):
    """Brings three levels to ``channels``, adds each coarser level to the finer one below it, and adds two levels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fpn_inner2 = nn.Conv2d(512, channels, 1)
        self.fpn_inner3 = nn.Conv2d(1024, channels, 1)
        self.fpn_inner4 = nn.Conv2d(2048, channels, 1)
        self.fpn_layer2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.fpn_layer3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.fpn_layer4 = nn.Conv2d(channels, channels, 3, padding=1)
        self.top_blocks = CoarseLevels(channels)

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, ...]:
        inner5 = self.fpn_inner4(c5)
        inner4 = self.fpn_inner3(c4) + functional.interpolate(inner5, scale_factor=2, mode="nearest")
        inner3 = self.fpn_inner2(c3) + functional.interpolate(inner4, scale_factor=2, mode="nearest")
        p3, p4, p5 = self.fpn_layer2(inner3), self.fpn_layer3(inner4), self.fpn_layer4(inner5)
        return p3, p4, p5, *self.top_blocks(p5)


def tower(channels: int) -> nn.Sequential:
    """Four 3x3 convolutions, each with a ReLU."""
    layers = [(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)) for _ in range(4)]
    return nn.Sequential(*(layer for pair in layers for layer in pair))


class RetinaHead(nn.Module):
    """Class logits and box regressions of every anchor; the same layers on every level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cls_tower = tower(channels)
        self.bbox_tower = tower(channels)
        self.cls_logits = nn.Conv2d(channels, ANCHORS_PER_CELL * CLASSES, 3, padding=1)
        self.bbox_pred = nn.Conv2d(channels, ANCHORS_PER_CELL * 4, 3, padding=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_logits(self.cls_tower(features)), self.bbox_pred(self.bbox_tower(features))


def cell_anchors(stride: int) -> Tensor:
    """``(9, 4)`` float32 corners of the anchors of the first cell of a level, in pixels.

    By aspect ratio (height over width), then by scale. Sides are whole numbers before they are scaled (rounded half to
    even), so the ratios are nearly those they are named after.
    """
    anchors = []
    centre = (stride - 1) / 2
    for ratio in ASPECT_RATIOS:
        width = round(math.sqrt(stride * stride / ratio))
        height = round(width * ratio)
        for octave in range(SCALES_PER_OCTAVE):
            scale = 4 * 2 ** (octave / SCALES_PER_OCTAVE)
            half = (0.5 * (width * scale - 1), 0.5 * (height * scale - 1))
            anchors.append([centre - half[0], centre - half[1], centre + half[0], centre + half[1]])
    return torch.tensor(anchors, dtype=torch.float32)


class CellAnchors(nn.Module):
    """Anchors of a cell as buffers ``0`` to ``4``: they are part of the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        for level, stride in enumerate(STRIDES):
            self.register_buffer(str(level), cell_anchors(stride))

    def of_level(self, level: int, height: int, width: int) -> Tensor:
        """``(height * width * 9, 4)`` corners of the anchors of a whole level, row by row."""
        cells: Tensor = getattr(self, str(level))
        x = torch.arange(width, dtype=torch.float32, device=cells.device) * STRIDES[level]
        y = torch.arange(height, dtype=torch.float32, device=cells.device) * STRIDES[level]
        corners = torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1).repeat(1, 2)
        return (corners[:, None] + cells).view(-1, 4)


class AnchorGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell_anchors = CellAnchors()


class RetinaNet(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.anchor_generator = AnchorGenerator()
        self.head = RetinaHead(channels)

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Boxes ``(A, 4)`` and class scores ``(A, 80)`` of all anchors of one image, level by level."""
        outputs = [self.head(features) for features in levels]
        logits = torch.cat([_by_anchor(logits, CLASSES) for logits, _ in outputs])
        regressions = torch.cat([_by_anchor(regressions, 4) for _, regressions in outputs])
        of_level = self.anchor_generator.cell_anchors.of_level
        anchors = torch.cat([of_level(level, *features.shape[2:]) for level, features in enumerate(levels)])
        return decode(regressions, anchors), logits.sigmoid()


def _by_anchor(values: Tensor, each: int) -> Tensor:
    """``(1, 9 * each, H, W)`` → ``(H * W * 9, each)``."""
    _, _, height, width = values.shape
    return values.view(ANCHORS_PER_CELL, each, height, width).permute(2, 3, 0, 1).reshape(-1, each)


def decode(regressions: Tensor, anchors: Tensor) -> Tensor:
    """Boxes ``(A, 4)``, corners in pixels, of regressions and anchors ``(A, 4)``."""
    x1, y1, x2, y2 = anchors.unbind(1)
    width, height = x2 - x1 + 1, y2 - y1 + 1
    dx, dy, dw, dh = (column / weight for column, weight in zip(regressions.unbind(1), BOX_WEIGHTS, strict=True))
    x, y = dx * width + (x1 + 0.5 * width), dy * height + (y1 + 0.5 * height)
    w, h = dw.clamp(max=LARGEST_GROWTH).exp() * width, dh.clamp(max=LARGEST_GROWTH).exp() * height
    return torch.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w - 1, y + 0.5 * h - 1], dim=1)


class MaskFeatures(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        for number in range(1, 5):
            self.add_module(f"mask_fcn{number}", nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, levels: tuple[Tensor, ...], boxes: Tensor) -> Tensor:
        # The image number in front of each box stays a Concat of its own in the graph, as in the published one: a
        # compiler that mixes precisions wants casts there.
        rois = torch.cat([boxes.new_zeros((boxes.shape[0], 1)), boxes], dim=1)
        side = ((boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)).sqrt()
        level = (CANONICAL_LEVEL + (side / CANONICAL_SIDE + 1e-6).log2()).floor().clamp(3, 5)
        # Every box on every level, then none but its own: lengths that depend on the picture cannot be compiled.
        pooled = [
            roi_align(features, rois, POOLED, 2, 1 / stride) * (level == number).to(features.dtype).view(-1, 1, 1, 1)
            for number, (features, stride) in enumerate(zip(levels, MASK_STRIDES, strict=False), start=3)
        ]
        features = pooled[0] + pooled[1] + pooled[2]
        for number in range(1, 5):
            features = functional.relu(getattr(self, f"mask_fcn{number}")(features), inplace=True)
        return features


class MaskPredictor(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.mask_fcn_logits = nn.Conv2d(channels, CLASSES + 1, 1)  # channel 0 is the background's

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.mask_fcn_logits(functional.relu(self.conv5_mask(features), inplace=True))
        return logits


class MaskHead(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.feature_extractor = MaskFeatures(channels)
        self.predictor = MaskPredictor(channels)

    def forward(self, levels: tuple[Tensor, ...], boxes: Tensor, labels: Tensor) -> Tensor:
        """Masks ``(R, 1, 28, 28)`` of boxes ``(R, 4)`` with their labels ``(R,)`` int64."""
        masks: Tensor = self.predictor(self.feature_extractor(levels, boxes)).sigmoid()
        return masks.gather(1, labels.view(-1, 1, 1, 1).expand(-1, 1, *masks.shape[2:]))


class Backbone(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = Body()
        self.fpn = FeaturePyramid(channels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        levels: tuple[Tensor, ...] = self.fpn(*self.body(images))
        return levels


class RetinaMask(nn.Module):
    """Boxes, labels, scores and masks of one image.

    36,430,341 parameters, 318 state-dict entries with the published ``channels``.
    """

    def __init__(self, channels: int = 256, kept_masks: bool = False) -> None:
        super().__init__()
        self.kept_masks = kept_masks
        self.backbone = Backbone(channels)
        self.rpn = RetinaNet(channels)
        self.mask = MaskHead(channels)

    @classmethod
    def with_kept_masks(cls) -> Self:
        """Rows that the post-processing would drop are dropped before the mask head, and get no mask."""
        return cls(kept_masks=True)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Float32 ``(1, 3, H, W)``, BGR less its mean, to rows by falling score, without a batch axis.

        ``bboxs`` ``(R, 4)`` float32 corners in pixels, clipped to 0…W and 0…H; ``labels`` ``(R,)`` int32, 1 to 80;
        ``scores`` ``(R,)`` float32; ``masks`` ``(R, 1, 28, 28)`` float32, 0 to 1. H and W are multiples of 32. R is
        ``ROWS``, anchor and class counted as one; with ``kept_masks`` what non-maximum suppression leaves of these
        within a class, at most ``KEPT_ROWS``.
        """
        levels = self.backbone(images)
        boxes, scores = self.rpn(levels)
        top, which = scores.view(-1).topk(ROWS)
        labels = which % CLASSES + 1
        width, height = images.shape[3], images.shape[2]
        x1, y1, x2, y2 = boxes[torch.div(which, CLASSES, rounding_mode="trunc")].unbind(1)
        rows = torch.stack([x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)], dim=1)
        if self.kept_masks:
            kept = nms(_apart(rows, labels), top, KEPT_IOU, KEPT_ROWS)
            rows, labels, top = rows[kept], labels[kept], top[kept]
        return rows, labels.to(torch.int32), top, self.mask(levels, rows, labels)


def _apart(boxes: Tensor, labels: Tensor) -> Tensor:
    """Boxes moved so that those of different labels do not touch, their sides one pixel wider: ``x2 - x1`` counts."""
    moved = boxes + (labels.to(boxes.dtype) * (boxes.max() + 1))[:, None]
    return torch.cat([moved[:, :2], moved[:, 2:] + 1], dim=1)
