import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.geometry.boxes import nms


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    overlap = max(0, width) * max(0, height)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return overlap / (sum(areas) - overlap)


def kept_one_by_one(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):  # sorted is stable
        if all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


box = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(0, 12)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(st.tuples(box, st.integers(0, 5)), max_size=25), st.sampled_from([0.1, 0.4, 0.7]))
def test_nms_keeps_what_a_plain_loop_keeps(rows, threshold):
    boxes = np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, 4)
    scores = np.array([row[1] / 5 for row in rows], dtype=np.float32)
    assert nms(boxes, scores, threshold).tolist() == kept_one_by_one(boxes.astype(np.float64), scores, threshold)


@pytest.mark.parametrize(("count", "side"), [(33, 400), (300, 100), (300, 2000), (64, 1)])
def test_nms_of_many_boxes_keeps_what_a_plain_loop_keeps_in_float32(count, side):
    """In one crowd, in several, with none in common and all at the same place: more than one block of comparisons."""
    random = np.random.default_rng(count + side)
    corners = random.uniform(0, side, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(1, 60, (count, 2))], axis=1).astype(np.float32)
    scores = random.integers(0, count // 2, count).astype(np.float32)
    assert nms(boxes, scores, 0.4).tolist() == kept_one_by_one(boxes, scores, 0.4)


def test_sides_are_counted_in_pixels():
    # 10 × 10 and the same moved by 5: 50 shared of 150 pixels. Without the +1 it would be 4·9 of 126.
    boxes = np.array([[0, 0, 9, 9], [5, 0, 14, 9]], dtype=np.float32)
    scores = np.array([0.9, 0.8], dtype=np.float32)
    assert nms(boxes, scores, 1 / 3 + 1e-6).tolist() == [0, 1]
    assert nms(boxes, scores, 1 / 3 - 1e-6).tolist() == [0]


def test_equal_scores_keep_their_order():
    boxes = np.array([[0, 0, 5, 5], [100, 0, 105, 5], [50, 0, 55, 5]], dtype=np.float32)
    assert nms(boxes, np.full(3, 0.5, dtype=np.float32), 0.4).tolist() == [0, 1, 2]


def test_no_boxes():
    assert nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.4).tolist() == []


@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        (np.zeros((2, 4), np.float32), np.zeros(3, np.float32), "do not belong together"),
        (np.zeros((1, 4), np.float32), np.array([np.nan], np.float32), "not finite"),
    ],
)
def test_refused(boxes, scores, message):
    with pytest.raises(ValueError, match=message):
        nms(boxes, scores, 0.4)
