"""COCO's figures: published values, pycocotools on random sets and real annotations, and every refusal."""

import copy
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from pth2map.datasets.coco import parse_annotations, read_annotations
from pth2map.evaluation.coco import FIGURES, curve_arrays, evaluate, evaluation_text
from pth2map.evaluation.coco_records import read_records
from pth2map.files.errors import InputError

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from reference_coco import reference_evaluate

SIDE = 120


def pixels(x, y, w, h, height=SIDE, width=SIDE):
    """A rectangle, cut to the image."""
    drawn = np.zeros((height, width), np.uint8, order="F")
    drawn[max(int(y), 0) : max(int(y + h), 0), max(int(x), 0) : max(int(x + w), 0)] = 1
    return drawn


def rectangle(*box_and_size):
    """Compressed RLE."""
    rle = coco_mask.encode(pixels(*box_and_size))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def runs(*box):
    """The same as a list of runs."""
    flat = pixels(*box).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges.tolist(), len(flat)]).tolist()
    return {"size": [SIDE, SIDE], "counts": [0, *counts] if flat[0] else counts}


def polygon(x, y, w, h):
    return [[x, y, x, y + h, x + w, y + h, x + w, y]]


def annotation(id_, image, category, box, crowd=0, area=None, **more):
    area = box[2] * box[3] if area is None else area
    return {
        "id": id_,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": area,
        "iscrowd": crowd,
        "segmentation": runs(*box) if crowd else polygon(*box),
        **more,
    }


def record(image, category, box, score, mask=True):
    given = {"image_id": image, "category_id": category, "bbox": list(box), "score": score}
    return {**given, "segmentation": rectangle(*box)} if mask else given


def annotations_of(objects, images=(1,), categories=(1,)):
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": SIDE, "height": SIDE} for i in images],
        "categories": [{"id": i, "name": f"thing {i}"} for i in categories],
        "annotations": objects,
    }


def assert_agrees(annotations, records, segm_area="box"):
    """With pycocotools, which has the area of a mask for records that have no box."""
    result = evaluate(records, parse_annotations(copy.deepcopy(annotations), "val"), segm_area)
    for kind, figures in result.metrics.items():
        given = [{key: value for key, value in each.items() if key != "bbox"} for each in records]
        expected = reference_evaluate(annotations, given if kind == "segm" and segm_area == "mask" else records, kind)
        assert figures == pytest.approx(expected, abs=1e-9), kind
    assert_curves(result)
    return result


def assert_curves(result):
    assert result.curves.shape == (len(result.ap), 101, 2)
    for (label, ap), curve in zip(result.ap.items(), result.curves, strict=True):
        kind, _, iou = label.partition(" ")
        name = {"IoU 0.50:0.95": "AP", "IoU 0.50": "AP50", "IoU 0.75": "AP75"}[iou]
        figure = result.metrics[kind][name]
        assert ap == pytest.approx(math.nan if figure is None else figure, abs=0, nan_ok=True)
        np.testing.assert_allclose(curve[:, 0].mean(), ap, atol=1e-12)
        np.testing.assert_allclose(curve[:, 1], np.arange(101) / 100, atol=1e-15)
        assert (np.diff(curve[:, 0]) <= 1e-15).all() or math.isnan(ap)


# By hand

BOX, ELSEWHERE = (10, 10, 40, 40), (70, 70, 40, 40)


def test_worked_out_by_hand():
    """Of two objects one is found exactly, after a false positive; the other with an IoU of 0.6."""
    annotations = annotations_of([annotation(5, 1, 1, BOX), annotation(6, 1, 1, ELSEWHERE)])
    found = [
        record(1, 1, (0, 60, 20, 20), 0.9),
        record(1, 1, BOX, 0.8),
        record(1, 1, (70, 70, 40, 24), 0.7),
    ]
    result = assert_agrees(annotations, found)
    figures = result.metrics["bbox"]
    # At .50, .55, .60: precision 1/2 up to recall 1/2, 2/3 beyond, so 2/3 all along; above: 1/2 at 51 of 101 points.
    assert figures["AP50"] == pytest.approx(2 / 3, abs=1e-12)
    assert figures["AP75"] == pytest.approx(51 / 101 / 2, abs=1e-12)
    assert figures["AP"] == pytest.approx((3 * 2 / 3 + 7 * 51 / 101 / 2) / 10, abs=1e-12)
    assert figures["APs"] is None
    assert figures["APm"] == pytest.approx((3 + 7 * 51 / 101) / 10, abs=1e-12)  # the false positive is a small one
    assert (figures["AR1"], figures["AR10"]) == pytest.approx((0, (3 + 7 * 0.5) / 10), abs=1e-12)
    assert list(figures) == list(FIGURES)
    assert (result.images, result.segm_area) == (1, "box")
    assert result.notes == [f"{kind}: no object to measure APs, APl, ARs, ARl on" for kind in ("bbox", "segm")]


@pytest.mark.parametrize("sides", [(-4, 9), (9, -0.5), (-3, -3)])
@pytest.mark.parametrize("segm_area", ["box", "mask"])
def test_a_box_turned_inside_out_is_as_in_pycocotools(sides, segm_area):
    """A regressed side below one pixel, counted without it, is below zero."""
    odd = record(1, 1, (20, 20, 30, 30), 0.9) | {"bbox": [20, 20, *sides]}
    result = assert_agrees(annotations_of([annotation(1, 1, 1, BOX)]), [odd, record(1, 1, BOX, 0.5)], segm_area)
    counted = sides == (-3, -3)
    assert result.metrics["bbox"]["AP"] == pytest.approx(0.5 if counted else 1, abs=1e-12)
    assert result.notes[0].startswith("1 boxes have a negative width or height")


def test_a_crowd_takes_out_what_lies_in_it():
    """Of the two records in the crowd neither counts; without the crowd both would be false positives."""
    objects = [annotation(1, 1, 1, BOX), annotation(2, 1, 1, (60, 60, 60, 60), crowd=1)]
    found = [record(1, 1, (62, 62, 20, 20), 0.9), record(1, 1, (90, 90, 20, 20), 0.8), record(1, 1, BOX, 0.5)]
    assert assert_agrees(annotations_of(objects), found).metrics["bbox"]["AP"] == 1
    assert assert_agrees(annotations_of(objects[:1]), found).metrics["bbox"]["AP"] == pytest.approx(1 / 3, abs=1e-12)


def test_ignore_is_not_heeded_as_in_pycocotools():
    objects = [annotation(1, 1, 1, BOX), annotation(2, 1, 1, ELSEWHERE, ignore=1)]
    result = assert_agrees(annotations_of(objects), [record(1, 1, BOX, 0.5)])
    assert result.metrics["bbox"]["AR100"] == 0.5
    assert result.notes[0] == "1 annotations are marked ignore, which COCO's evaluator does not heed; iscrowd it does"


def test_images_without_records_or_objects_count():
    objects = [annotation(1, 1, 1, BOX), annotation(2, 2, 1, BOX)]
    annotations = annotations_of(objects, images=(1, 2, 3))
    result = assert_agrees(annotations, [record(1, 1, BOX, 0.5), record(3, 1, BOX, 0.9)])
    assert result.metrics["bbox"]["AP"] == pytest.approx(51 / 101 / 2, abs=1e-12)
    assert result.images == 3


def test_no_records_are_zero_everywhere():
    """Where pycocotools raises IndexError."""
    truth = parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val")
    result = evaluate([], truth)
    medium = ("AP", "AP50", "AP75", "APm", "AR1", "AR10", "AR100", "ARm")
    assert result.metrics == {
        kind: {name: 0 if name in medium else None for name in FIGURES} for kind in ("bbox", "segm")
    }
    assert result.notes[0] == "no records at all: whatever can be measured is 0"
    assert_curves(result)
    assert result.metrics == evaluate([], parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), None)).metrics


@pytest.mark.parametrize(
    ("masks", "note"),
    [
        ([[], []], "segm: the ground truth has no masks, so there are no figures of masks"),
        (
            [polygon(*BOX), None],
            "segm: 1 of 2 objects of the ground truth have no mask (annotation 2), so there are no figures of masks",
        ),
    ],
)
def test_boxes_are_scored_where_the_ground_truth_has_no_masks(masks, note):
    objects = [annotation(1, 1, 1, BOX, segmentation=masks[0]), annotation(2, 1, 1, ELSEWHERE, segmentation=masks[1])]
    found = [record(1, 1, BOX, 0.5), record(1, 1, (0, 60, 20, 20), 0.9)]
    truth = parse_annotations(annotations_of(objects), "val")
    result = evaluate(found, truth)
    boxes = [{key: value for key, value in each.items() if key != "segmentation"} for each in found]
    assert result.metrics == {"bbox": evaluate(boxes, truth).metrics["bbox"], "segm": dict.fromkeys(FIGURES)}
    assert result.metrics["bbox"]["AP"] == pytest.approx(51 / 101 / 2, abs=1e-12)
    assert note in result.notes
    assert sum("segm" in each for each in result.notes) == 1
    assert_curves(result)
    assert set(result.ap) == {"bbox IoU 0.50:0.95", "bbox IoU 0.50", "bbox IoU 0.75"}
    assert evaluation_text(result).count("= -1.000") == 12 + 4
    assert list(evaluate([], truth).metrics) == ["bbox", "segm"], "nothing found is a result of the same kinds"
    with pytest.raises(InputError, match="record 1: the run-length mask"):
        evaluate([{**found[0], "segmentation": {"size": [SIDE, SIDE], "counts": "11"}}], truth)


def test_an_empty_list_is_no_mask_of_a_record():
    truth = parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val")
    result = evaluate([record(1, 1, BOX, 0.5) | {"segmentation": []}], truth)
    assert list(result.metrics) == ["bbox"]
    assert result.metrics["bbox"]["AP"] == 1


def test_no_objects_have_no_figures():
    result = assert_agrees(annotations_of([]), [record(1, 1, BOX, 0.5)])
    assert result.metrics == {kind: dict.fromkeys(FIGURES) for kind in ("bbox", "segm")}
    assert all(map(math.isnan, result.ap.values()))


def test_an_annotation_of_id_0_counts_like_any_other():
    """For pycocotools the id of what was matched says whether something was."""
    found = [record(1, 1, BOX, 0.5)]
    result = evaluate(found, parse_annotations(annotations_of([annotation(0, 1, 1, BOX)]), "val"))
    assert result.metrics["bbox"]["AP"] == 1
    assert "id 0" in result.notes[0]
    assert reference_evaluate(annotations_of([annotation(0, 1, 1, BOX)]), found, "bbox")["AP"] == 0


def test_the_best_hundred_of_a_category_in_an_image_count():
    generator = np.random.default_rng(3)
    objects, found = [], []
    for number in range(1, 131):
        box = (*generator.integers(0, 90, 2).tolist(), *generator.integers(8, 30, 2).tolist())
        objects.append(annotation(number, 1, 1, box))
        found.append(record(1, 1, box, float(generator.random())))
    found += [record(1, 2, BOX, 0.5)] * 100
    annotations = annotations_of([*objects, annotation(131, 1, 2, BOX)], categories=(1, 2))
    result = assert_agrees(annotations, found)
    assert result.notes[0].startswith("more than 100 records of one category in one image (1 times, up to 130): only")
    assert result.metrics["bbox"]["AR100"] < 0.95


def test_the_area_of_a_mask_is_that_of_its_box_or_its_own():
    """A false positive of a large box and a small mask counts among the objects whose size its area is."""
    objects = [annotation(1, 1, 1, (0, 0, 20, 20)), annotation(2, 1, 1, (10, 10, 100, 100))]
    stripe = {**record(1, 1, (15, 15, 97, 97), 0.9), "segmentation": rectangle(100, 0, 5, 5)}
    found = [stripe, record(1, 1, (0, 0, 20, 20), 0.5), record(1, 1, (10, 10, 100, 100), 0.4)]
    box = assert_agrees(annotations_of(objects), found).metrics
    mask = assert_agrees(annotations_of(objects), found, "mask").metrics
    assert box["bbox"] == mask["bbox"]
    assert (box["segm"]["APs"], box["segm"]["APl"]) == (1, 0.5)
    assert (mask["segm"]["APs"], mask["segm"]["APl"]) == (0.5, 1)
    assert box["segm"]["AP"] == mask["segm"]["AP"]
    alone = [{key: value for key, value in each.items() if key != "bbox"} for each in found]
    assert evaluate(alone, parse_annotations(annotations_of(objects), "val"), "mask").metrics == {"segm": mask["segm"]}


def test_nothing_is_printed_and_nothing_changed(capfd):
    annotations, found = annotations_of([annotation(1, 1, 1, BOX)]), [record(1, 1, BOX, 0.5)]
    truth, before = parse_annotations(annotations, "val"), copy.deepcopy(found)
    content = truth.content_hash()
    evaluate(found, truth)
    assert capfd.readouterr() == ("", "")
    assert found == before
    assert truth.content_hash() == content
    assert all(set(each) <= {*annotations["annotations"][0]} for each in truth.annotations)


def test_curves_as_arrays():
    result = evaluate([record(1, 1, BOX, 0.5)], parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val"))
    arrays = curve_arrays(result)
    ious = ("0.50:0.95", "0.50")
    labels = [*(f"{kind} IoU {iou}" for kind in ("bbox", "segm") for iou in ious), "bbox IoU 0.75", "segm IoU 0.75"]
    assert arrays["subsets"].tolist() == labels
    assert arrays["ap"].tolist() == [1] * 6
    assert arrays["curves"] is result.curves


# Against pycocotools

IMAGES, CATEGORIES = (30, 2, 11), (7, 1, 90)  # in no order
SIDES = st.sampled_from([10, 20, 31, 32, 33, 95, 96, 97]) | st.floats(5, 100).map(lambda side: round(side, 2))
PLACES = st.sampled_from([0, 1, 5, 20]) | st.floats(0, 60).map(lambda place: round(place, 2))
BOXES = st.tuples(PLACES, PLACES, SIDES, SIDES)
AREAS = st.none() | st.sampled_from([0, 1023.99, 1024, 1024.01, 9215.99, 9216, 9216.01])
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.999, 1.0]) | st.floats(-1, 2)


@st.composite
def sets(draw):
    """Annotations, and records near to them and elsewhere, of few images, categories and scores."""
    objects = [
        annotation(number, *where, box, crowd=int(crowd), area=area)
        for number, (where, box, crowd, area) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.tuples(st.sampled_from(IMAGES[:2]), st.sampled_from(CATEGORIES)),
                        *(BOXES, st.sampled_from([False] * 5 + [True]), AREAS),
                    ),
                    max_size=8,
                )
            ),
            start=1,
        )
    ]
    near = st.tuples(st.sampled_from(objects), st.sampled_from([0, 0, 1, 3, -2, 0.5])) if objects else st.nothing()
    places = near.map(lambda pair: (pair[0]["image_id"], pair[0]["category_id"], moved(pair[0]["bbox"], pair[1])))
    places |= st.tuples(st.sampled_from(IMAGES), st.sampled_from(CATEGORIES), BOXES)
    found = draw(st.lists(st.tuples(places, SCORES), min_size=1, max_size=14))
    return annotations_of(objects, IMAGES, CATEGORIES), [record(*place, score) for place, score in found]


def moved(box, by):
    x, y, w, h = box
    return (x + by, y, w, max(h - by, 1))


@settings(deadline=None, max_examples=80)
@given(sets(), st.sampled_from(["box", "mask"]))
def test_agrees_with_pycocotools(case, segm_area):
    assert_agrees(*case, segm_area)


@settings(deadline=None, max_examples=20)
@given(sets())
def test_boxes_alone_agree_with_pycocotools(case):
    annotations, found = case
    boxes = [{key: value for key, value in each.items() if key != "segmentation"} for each in found]
    assert list(assert_agrees(annotations, boxes).metrics) == ["bbox"]


@pytest.mark.parametrize("segm_area", ["box", "mask"])
def test_real_annotations_agree_with_pycocotools(mirror, segm_area):
    """Objects of 206 images, moved and scaled a little, some left out, some of another category, each with its mask."""
    annotations = json.loads((mirror / "coco-mini/annotations/instances_val2017.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in annotations["images"]}
    categories = [category["id"] for category in annotations["categories"]]
    generator = np.random.default_rng(7)
    found = []
    for each in annotations["annotations"]:
        if each["iscrowd"]:
            continue
        for _ in range(generator.integers(0, 4)):
            shift = generator.normal(0, 0.05, 2) * each["bbox"][2:]
            scale = np.exp(generator.normal(0, 0.08))
            x, y, w, h = each["bbox"]
            outlines = [
                (np.reshape(p, (-1, 2)) * scale + shift + (1 - scale) * np.array([x, y])).ravel()
                for p in each["segmentation"]
            ]
            mask = coco_mask.merge(coco_mask.frPyObjects([p.tolist() for p in outlines], *sizes[each["image_id"]]))
            found.append(
                {
                    "image_id": each["image_id"],
                    "category_id": each["category_id"]
                    if generator.random() < 0.9
                    else int(generator.choice(categories)),
                    "bbox": [x + shift[0].item(), y + shift[1].item(), w * scale.item(), h * scale.item()],
                    "score": round(generator.random(), 2),
                    "segmentation": {"size": mask["size"], "counts": mask["counts"].decode()},
                }
            )
    result = assert_agrees(annotations, found, segm_area)
    assert 0.2 < result.metrics["bbox"]["AP"] < 0.6
    assert 0.2 < result.metrics["segm"]["APs"] < 0.6


# Published values


def test_golden(golden):
    case = golden / "retinamask_eval"
    truth = read_annotations(case / "instances_mini.json", "val2017")
    result = evaluate(read_records(case / "records.json"), truth)
    expected = json.loads((case / "case.json").read_text())["results"]
    for kind in ("bbox", "segm"):
        assert result.metrics[kind] == pytest.approx(expected[kind], abs=1e-9)
    assert evaluation_text(result) == (case / "evaluation_results.txt").read_text()
    assert (result.images, result.notes) == (20, [])
    assert_curves(result)


def test_text_says_minus_one_where_there_is_nothing():
    result = evaluate([record(1, 1, BOX, 0.5, mask=False)], parse_annotations(annotations_of([]), "val"))
    lines = evaluation_text(result).splitlines()
    assert lines[0] == "bbox_info: "
    assert lines[1] == "  Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = -1.000"
    assert len(lines) == 15


# What is refused

GOOD = record(1, 1, BOX, 0.5)


def mask_alone(given):
    return {key: value for key, value in given.items() if key != "bbox"}


POLYGONS, RUNS = polygon(*BOX), runs(*BOX)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 9}, "record 2: image_id is 9, expected an image of the ground truth"),
        ({"image_id": "1"}, "record 2: image_id is '1', expected"),
        ({"image_id": True}, "record 2: image_id is True, expected"),
        ({"image_id": [1]}, r"record 2: image_id is \[1\], expected"),
        ({"image_id": ...}, "record 2: image_id is missing, expected"),
        ({"category_id": 3}, "record 2: category_id is 3, expected one of its categories"),
        ({"category_id": 1.0}, "record 2: category_id is 1.0, expected"),
        ({"score": math.nan}, "record 2: score is nan, expected a finite number"),
        ({"score": -math.inf}, "record 2: score is -inf"),
        ({"score": 10**400}, "record 2: score is 1000"),
        ({"score": None}, "record 2: score is None"),
        ({"score": True}, "record 2: score is True"),
        ({"bbox": [1, 2, 3]}, r"record 2: bbox is \[1, 2, 3\], expected four finite numbers x, y, w, h"),
        ({"bbox": [1, 2, 3, math.inf]}, r"record 2: bbox is \[1, 2, 3, inf\]"),
        ({"bbox": [1, 2, "3", 4]}, "record 2: bbox is"),
        ({"bbox": {"x": 1}}, "record 2: bbox is"),
        ({"bbox": ...}, "record 1 has a bbox, record 2 has none; expected all alike"),
        ({"segmentation": ...}, "record 1 has a segmentation, record 2 has none; expected all alike"),
        ({"segmentation": POLYGONS}, r"record 2: segmentation is \[\[.*\]\], expected compressed RLE: size and counts"),
        ({"segmentation": RUNS}, r"record 2: segmentation is \{.*\}, expected compressed RLE"),
        (
            {"segmentation": rectangle(*BOX, 120, 121)},
            r"of size \[120, 121\], its image is \[120, 120\] \(height, width\)",
        ),
        ({"segmentation": {"size": [120, 120], "counts": ""}}, "record 2: the run-length mask is empty"),
        (
            {"segmentation": {"size": [120, 120], "counts": "é"}},
            "record 2: .* holds a character that RLE does not have",
        ),
        ({"segmentation": {"size": [120, 120], "counts": "Po"}}, "record 2: .* ends within a number"),
        ({"segmentation": {"size": [120, 120], "counts": "11"}}, "record 2: .* do not sum to height × width"),
    ],
)
def test_a_record_that_is_wrong_is_named(change, message):
    truth = parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val")
    wrong = {key: value for key, value in {**GOOD, **change}.items() if value is not ...}
    with pytest.raises(InputError, match=message):
        evaluate([GOOD, wrong], truth)


def test_how_many_are_wrong_is_said():
    truth = parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val")
    with pytest.raises(InputError, match=r"record 2: .* \(3 such records in all\)"):
        evaluate([GOOD, *[{**GOOD, "score": "high"}] * 3], truth)


def test_what_does_not_fit_together_is_refused():
    truth = parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val")
    with pytest.raises(InputError, match="neither bbox nor segmentation"):
        evaluate([{"image_id": 1, "category_id": 1, "score": 0.5}], truth)
    with pytest.raises(InputError, match=r"no bbox.*choose segm_area mask"):
        evaluate([mask_alone(GOOD)], truth)
    with pytest.raises(InputError, match="record 1: not an object"):
        evaluate([[1, 2]], truth)
    with pytest.raises(InputError, match="segm_area 'boxes'; did you mean box"):
        evaluate([GOOD], truth, "boxes")
    bare = annotations_of([annotation(1, 1, 1, BOX, segmentation=[])])
    with pytest.raises(
        InputError, match="masks alone, but annotation 1 of the ground truth has none; give the records"
    ):
        evaluate([mask_alone(GOOD)], parse_annotations(bare, "val"), "mask")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([0, 1, 120, "P", ""]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(GOOD)), JSON, st.booleans())
def test_whatever_a_field_holds_ends_in_figures_or_a_sentence(key, value, alone):
    truth = parse_annotations(annotations_of([annotation(1, 1, 1, BOX)]), "val")
    strange = {**GOOD, key: value}
    try:
        result = evaluate([strange] if alone else [GOOD, strange], truth)
    except InputError:
        return
    assert all(value is None or 0 <= value <= 1 for figures in result.metrics.values() for value in figures.values())
