import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from pth2map.datasets.coco import parse_annotations
from pth2map.evaluation.coco_records import read_records, records_of, write_records
from pth2map.files.errors import InputError
from pth2map.recipes.detections import Detections, load_detections, save_detections

TRUTH = parse_annotations(
    {
        "images": [
            {"id": 9, "file_name": "b.jpg", "width": 30, "height": 20},
            {"id": 4, "file_name": "a.jpg", "width": 10, "height": 40},
            {"id": 5, "file_name": "c.jpg", "width": 10, "height": 40},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 1, "name": "person"}, {"id": 3, "name": "dog"}],
        "annotations": [],
    },
    "val",
)


def detections_of(labels=(3, 1, 2), masks=None, names=("val/a", "val/c", "val/b"), boxes=None, scores=(0.25, 1 / 3, 1)):
    boxes = [[1, 2, 3, 4], [0.1, 0.2, 0.30000000000000004, 5e-324], [5, 6, 7, 8]] if boxes is None else boxes
    extra = {"labels": np.array(labels, dtype=np.int64)}
    if masks is not None:
        extra["masks"] = np.array(masks, dtype=object)
    counts = np.array([2, 0, 1], dtype=np.int64)
    return Detections(names, counts, np.array(boxes, dtype=np.float64), np.array(scores, dtype=np.float64), extra)


RECORDS = [
    {"image_id": 4, "category_id": 3, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.25},
    {"image_id": 4, "category_id": 7, "bbox": [0.1, 0.2, 0.30000000000000004, 5e-324], "score": 1 / 3},
    {"image_id": 9, "category_id": 1, "bbox": [5.0, 6.0, 7.0, 8.0], "score": 1.0},
]


def test_records_of_boxes():
    records = records_of(detections_of(), TRUTH)
    assert records == RECORDS
    assert {type(value) for value in [*records[0]["bbox"], records[0]["score"]]} == {float}


def test_records_of_masks_have_the_size_of_their_image(tmp_path):
    """Also after a run has kept them in a file."""
    detections = detections_of(masks=[b"Q", b"PR1", b"T"])
    save_detections(tmp_path / "detections.npz", detections)
    sizes = [[40, 10], [40, 10], [20, 30]]
    expected = [
        {**record, "segmentation": {"size": size, "counts": counts}}
        for record, size, counts in zip(RECORDS, sizes, ("Q", "PR1", "T"), strict=True)
    ]
    assert records_of(detections, TRUTH) == expected
    assert records_of(load_detections(tmp_path / "detections.npz"), TRUTH) == expected


def test_no_detections_are_no_records():
    nothing = Detections((), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), {"labels": np.zeros(0, np.int64)})
    assert records_of(nothing, TRUTH) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": (3, 0, 2)},
            r"val/a has label 0, expected 1 to 3, a category of the annotations \(1 such rows in all\)",
        ),
        ({"labels": (4, 4, 2)}, r"val/a has label 4, expected 1 to 3, .* \(2 such rows in all\)"),
        ({"labels": (1, 1, -1)}, "val/b has label -1, expected 1 to 3"),
        (
            {"names": ("val/a", "val/c", "val/z")},
            "1 images that the annotations do not have: val/z; .* val/b, val/a and 1",
        ),
        ({"scores": (0, 1, math.nan)}, "val/b has x y w h score = 5 6 7 8 nan, expected finite numbers"),
        ({"boxes": [[1, 2, math.inf, 4]] * 3}, r"val/a has x y w h score = 1 2 inf 4 0.25, .* \(3 such rows in all\)"),
        ({"masks": ["Q", "Q", "Q"]}, "masks holds something else than compressed RLE, expected bytes"),
        ({"masks": [b"Q", b"\xff", b"Q"]}, "masks holds something else than compressed RLE"),
    ],
)
def test_detections_that_are_no_records_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        records_of(detections_of(**changes), TRUTH)


def test_detections_without_labels_are_refused():
    detections = detections_of()
    for extra in ({}, {"labels": np.ones(3)}, {"labels": np.ones((3, 1), np.int64)}):
        other = Detections(detections.names, detections.counts, detections.boxes, detections.scores, extra)
        with pytest.raises(InputError, match="no labels, expected the number of its category, int64, for each row"):
            records_of(other, TRUTH)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30), st.sampled_from([1, 4, 1000]))
def test_every_number_reads_back_as_it_was(tmp_path_factory, values, portion):
    records = [
        {"bbox": [value, -value], "score": value, "segmentation": {"size": [1, 2], "counts": 'a"\\'}}
        for value in values
    ]
    path = tmp_path_factory.getbasetemp() / "records.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pth2map.evaluation.coco_records._RECORDS_AT_ONCE", portion)
        write_records(path, records)
    assert str(read_records(path)) == str(sorted_keys(records))
    content = path.read_bytes()
    write_records(path, [dict(reversed(record.items())) for record in records])
    assert path.read_bytes() == content


def sorted_keys(records):
    return [
        {key: record[key] if key != "segmentation" else dict(sorted(record[key].items())) for key in sorted(record)}
        for record in records
    ]


def test_what_is_written_is_what_pycocotools_reads(tmp_path, capsys):
    write_records(tmp_path / "records.json", RECORDS)
    truth = COCO()
    truth.dataset = {"images": [{"id": image.id} for image in TRUTH.images], "categories": [], "annotations": []}
    truth.createIndex()
    found = truth.loadRes(str(tmp_path / "records.json")).dataset["annotations"]
    assert [{key: each[key] for key in RECORDS[0]} for each in found] == RECORDS
    assert capsys.readouterr().out


def test_writing_takes_no_memory_to_speak_of(tmp_path):
    records = [{**RECORDS[0], "segmentation": {"size": [480, 640], "counts": "1" * 300}}] * 20_000
    tracemalloc.start()
    write_records(tmp_path / "records.json", records)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "records.json").stat().st_size > 8e6
    assert peak < 2e6


def test_a_number_that_json_does_not_have_is_refused(tmp_path):
    with pytest.raises(InputError, match="records 1 and following cannot be written"):
        write_records(tmp_path / "records.json", [{"score": math.nan}])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"annotations": [], "info": 1}, "an object of 'annotations', 'info'"),
        ({}, "an object of nothing"),
        (5, "a single value"),
    ],
)
def test_another_value_than_a_list_is_refused(tmp_path, value, found):
    (tmp_path / "records.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=rf"records\.json: holds {found}, expected a list of COCO result records"):
        read_records(tmp_path / "records.json")
