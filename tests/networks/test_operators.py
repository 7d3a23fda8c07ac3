"""Operators of our own against independent references, and against ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pth2map.export.onnx import export_onnx
from pth2map.geometry.boxes import nms as nms_of_pixels
from pth2map.networks.operators import nms, roi_align

SIDE, RATIO = 3, 2


def roi_align_by_points(features: np.ndarray, rois: np.ndarray, spatial_scale: float) -> np.ndarray:
    """Point by point, as the definition says."""
    _, channels, height, width = features.shape
    out = np.zeros((len(rois), channels, SIDE, SIDE))
    for number, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * spatial_scale for corner in corners)
        bins = max(x2 - x1, 1) / SIDE, max(y2 - y1, 1) / SIDE
        for row, column in np.ndindex(SIDE, SIDE):
            for j, i in np.ndindex(RATIO, RATIO):
                y = y1 + bins[1] * (row + (j + 0.5) / RATIO)
                x = x1 + bins[0] * (column + (i + 0.5) / RATIO)
                if -1 <= y <= height and -1 <= x <= width:
                    value = interpolate(features[int(image)], min(max(y, 0), height - 1), min(max(x, 0), width - 1))
                    out[number, :, row, column] += value / RATIO**2
    return out


def interpolate(features: np.ndarray, y: float, x: float) -> np.ndarray:
    top, left = int(y), int(x)
    bottom, right = min(top + 1, features.shape[1] - 1), min(left + 1, features.shape[2] - 1)
    down, over = y - top, x - left
    return (
        features[:, top, left] * (1 - down) * (1 - over)
        + features[:, top, right] * (1 - down) * over
        + features[:, bottom, left] * down * (1 - over)
        + features[:, bottom, right] * down * over
    )


corner = st.floats(-40, 120, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), corner, corner, corner, corner), min_size=1, max_size=5))
def test_roi_align_is_what_its_definition_says(rois):
    features = np.random.default_rng(0).standard_normal((2, 4, 7, 9)).astype(np.float32)
    rows = np.array(rois, dtype=np.float32)
    found = roi_align(torch.from_numpy(features), torch.from_numpy(rows), SIDE, RATIO, 0.125).numpy()
    expected = roi_align_by_points(features, rows, 0.125)
    assert found == pytest.approx(expected, abs=2e-5)


def test_roi_align_of_a_box_around_one_cell_is_that_cell():
    features = torch.arange(12, dtype=torch.float32).view(1, 1, 3, 4)
    aligned = roi_align(features, torch.tensor([[0.0, 2, 1, 2, 1]]), 1, 1, 1.0)  # half a cell to the lower right
    assert aligned.item() == 6 + 0.5 + 2


class Both(nn.Module):
    """Both operators in one network, so that a graph of them can be run."""

    def forward(self, images):
        boxes = images[0, 0, :, :4].abs()
        boxes = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
        rois = torch.cat([boxes.new_zeros((boxes.shape[0], 1)), boxes], dim=1)
        return roi_align(images, rois, SIDE, RATIO, 0.5), nms(boxes, images[0, 0, :, 4], 0.1, 12).to(torch.int32)


@pytest.mark.parametrize("opset", [11, 12, 13, 15, 16, 20])
def test_graphs_compute_the_same(tmp_path, opset):
    example = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 12, 10)).astype(np.float32) * 4)
    path = tmp_path / "both.onnx"
    export_onnx(Both().eval(), path, example.shape, ("aligned", "kept"), opset=opset, example=example, open_rows=True)
    session = onnxruntime.InferenceSession(path)
    assert [output.shape[0] for output in session.get_outputs()] == [12, "rows"], (
        "how many are kept, the picture decides"
    )
    counts = set()
    for seed in range(20):
        images = np.random.default_rng(seed).standard_normal((1, 3, 12, 10)).astype(np.float32) * 4
        aligned, kept = (output.numpy() for output in Both()(torch.from_numpy(images)))
        found = session.run(None, {"image": images})
        assert found[0] == pytest.approx(aligned, abs=1e-5)
        assert found[1].tolist() == kept.tolist()
        counts.add(len(kept))
    assert len(counts) > 2, "the number of rows follows the picture"


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.floats(0.1, 0.9), st.integers(1, 12))
def test_nms_keeps_what_that_of_pixel_boxes_keeps(seed, count, threshold, keep):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 40, (count, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 30, (count, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)
    found = nms(torch.from_numpy(boxes) + torch.tensor([0, 0, 1, 1]), torch.from_numpy(scores), threshold, keep)
    assert found.tolist() == nms_of_pixels(boxes, scores, threshold)[:keep].tolist()
