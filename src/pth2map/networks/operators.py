"""Operators that torch has not: in PyTorch as they are computed here, in an ONNX graph as one standard node each.

A network that uses them is exported by torch's tracing exporter, which asks a function for its ``symbolic``. They have
no gradient, and a TorchScript program cannot hold them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def roi_align(features: Tensor, rois: Tensor, side: int, sampling_ratio: int, spatial_scale: float) -> Tensor:
    """RoIAlign (He et al. 2017) in its first form: no half-pixel shift, sides of at least one cell.

    ``features`` ``(N, C, H, W)`` float32; ``rois`` ``(R, 5)`` float32: image number, then corners x1, y1, x2, y2 in
    pixels of the input, of which ``spatial_scale`` makes cells of the features. Returns ``(R, C, side, side)``: a bin
    is the mean of ``sampling_ratio`` × ``sampling_ratio`` points, interpolated between the four cells around them;
    points more than one cell outside the features count as 0. The same as torchvision's ``roi_align(aligned=False)``
    and ONNX's ``RoiAlign`` of opset 10, which from 16 on is its mode ``output_half_pixel``.
    """
    return _RoiAlign.apply(features, rois, side, sampling_ratio, spatial_scale)  # type: ignore[no-untyped-call,no-any-return]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, keep: int) -> Tensor:
    """Greedy non-maximum suppression: the numbers of at most ``keep`` boxes, int64 ``(K,)``, by falling score.

    ``boxes`` ``(R, 4)`` float32 corners x1, y1, x2, y2, with sides ``x2 - x1``; ``scores`` ``(R,)``. A box goes when
    its IoU with a better one that stays is above ``iou_threshold``. ONNX's ``NonMaxSuppression`` of opset 10.
    """
    return _Nms.apply(boxes, scores, iou_threshold, keep)  # type: ignore[no-untyped-call,no-any-return]


def _shapes_count(tensor: Tensor) -> bool:
    """Whether nobody looks at values: on the meta device, and while a graph is traced, which gets the ``symbolic``."""
    return tensor.is_meta or torch.onnx.is_in_onnx_export()


class _RoiAlign(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, rois: Tensor, side: int, sampling_ratio: int, spatial_scale: float
    ) -> Tensor:
        count, channels, height, width = features.shape
        if _shapes_count(features):
            return features.new_zeros((rois.shape[0], channels, side, side))
        # Every bin is a weighted sum of a few cells: what an embedding bag computes, without a tensor of all points.
        rows, row_weights = _along(rois[:, 2], rois[:, 4], height, side, sampling_ratio, spatial_scale)
        columns, column_weights = _along(rois[:, 1], rois[:, 3], width, side, sampling_ratio, spatial_scale)
        first = (rois[:, 0].long() * (height * width))[:, None, None, None, None]
        cells = first + rows[:, :, None, :, None] * width + columns[:, None, :, None, :]
        weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
        table = features.permute(0, 2, 3, 1).reshape(count * height * width, channels)
        bins = functional.embedding_bag(
            cells.reshape(-1, cells.shape[-2] * cells.shape[-1]),
            table,
            mode="sum",
            per_sample_weights=weights.reshape(-1, weights.shape[-2] * weights.shape[-1]),
        )
        return bins.view(len(rois), side * side, channels).transpose(1, 2).reshape(len(rois), channels, side, side)

    @staticmethod
    def symbolic(g: Any, features: Any, rois: Any, side: int, sampling_ratio: int, spatial_scale: float) -> Any:
        def constant(*values: int) -> Any:
            return g.op("Constant", value_t=torch.tensor(values, dtype=torch.int64))

        images = g.op("Slice", rois, constant(0), constant(1), constant(1))
        images = g.op("Cast", g.op("Reshape", images, constant(-1)), to_i=torch.onnx.TensorProtoDataType.INT64)
        # Before opset 16 there was no other, and no name for it; since then half a pixel is taken off by default.
        since_16 = {"coordinate_transformation_mode_s": "output_half_pixel"} if g.opset >= 16 else {}
        return g.op(
            "RoiAlign",
            features,
            g.op("Slice", rois, constant(1), constant(5), constant(1)),
            images,
            mode_s="avg",
            output_height_i=side,
            output_width_i=side,
            sampling_ratio_i=sampling_ratio,
            spatial_scale_f=spatial_scale,
            **since_16,
        )


def _along(
    start: Tensor, end: Tensor, length: int, side: int, sampling_ratio: int, spatial_scale: float
) -> tuple[Tensor, Tensor]:
    """Along one axis of ``length`` cells: which cells each bin takes, int64, and how much of each, float32.

    Both are ``(R, side, 2 * sampling_ratio)``.
    """
    start = start * spatial_scale
    extent = (end * spatial_scale - start).clamp(min=1)
    steps = (torch.arange(side * sampling_ratio, device=start.device) + 0.5) / sampling_ratio
    points = start[:, None] + steps * (extent / side)[:, None]
    outside = (points < -1) | (points > length)
    points = points.clamp(0, length - 1)
    lower = points.floor()
    upper = (lower + 1).clamp(max=length - 1)
    fraction = points - lower
    weights = torch.stack([1 - fraction, fraction], dim=-1).masked_fill(outside[..., None], 0) / sampling_ratio
    cells = torch.stack([lower, upper], dim=-1).long()
    return cells.view(len(start), side, -1), weights.view(len(start), side, -1)


class _Nms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, iou_threshold: float, keep: int) -> Tensor:
        if _shapes_count(boxes):
            return boxes.new_zeros((keep,), dtype=torch.int64)
        order = scores.argsort(descending=True, stable=True)
        upper_left, lower_right = boxes[order, :2], boxes[order, 2:]
        area = (lower_right - upper_left).prod(1)
        kept: list[int] = []
        waiting = torch.ones(len(order), dtype=torch.bool)
        for number in range(len(order)):
            if not waiting[number] or len(kept) == keep:
                continue
            kept.append(number)
            overlap = (
                (torch.minimum(lower_right, lower_right[number]) - torch.maximum(upper_left, upper_left[number]))
                .clamp(min=0)
                .prod(1)
            )
            waiting &= overlap / (area + area[number] - overlap) <= iou_threshold
        return order[torch.tensor(kept, dtype=torch.int64)]

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, iou_threshold: float, keep: int) -> Any:
        def constant(value: Any, dtype: torch.dtype) -> Any:
            return g.op("Constant", value_t=torch.tensor(value, dtype=dtype))

        chosen = g.op(
            "NonMaxSuppression",
            g.op("Reshape", boxes, constant([1, -1, 4], torch.int64)),
            g.op("Reshape", scores, constant([1, 1, -1], torch.int64)),
            constant([keep], torch.int64),
            constant([iou_threshold], torch.float32),
        )
        return g.op(
            "Reshape",
            g.op("Slice", chosen, *(constant([n], torch.int64) for n in (2, 3, 1))),
            constant([-1], torch.int64),
        )
