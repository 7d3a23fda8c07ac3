"""Annotations in COCO's format: what they become, pycocotools' masks, and every refusal."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import example as hypothesis_example
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from pth2map.datasets import coco
from pth2map.datasets.coco import Category, CocoImage, CocoTruth, is_official, parse_annotations, read_annotations
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file

SQUARE = [[2, 2, 2, 8, 8, 8, 8, 2]]
RUNS = {"size": [20, 30], "counts": [42, 5, 553]}
COMPRESSED = coco_mask.frPyObjects(RUNS, 20, 30)
EXAMPLE = {
    "info": {"year": 2017},
    "images": [
        {"id": 9, "file_name": "b.jpg", "width": 30, "height": 20, "license": 1},
        {"id": 4, "file_name": "a.png", "width": 10, "height": 40},
        {"id": 7, "file_name": "inner/c.jpg", "width": 5, "height": 5},
    ],
    "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 1, "name": "person"}],
    "annotations": [
        {
            "id": 11,
            "image_id": 9,
            "category_id": 1,
            "bbox": [2, 2, 6, 6],
            "area": 36,
            "iscrowd": 0,
            "segmentation": SQUARE,
        },
        {
            "id": 10,
            "image_id": 9,
            "category_id": 3,
            "bbox": [2.5, 2, 1, 5],
            "area": 5,
            "iscrowd": 1,
            "segmentation": RUNS,
        },
        {
            "id": 12,
            "image_id": 4,
            "category_id": 3,
            "bbox": [0, 0, 0, 9.5],
            "area": 0.0,
            "segmentation": [],
            "ignore": 1,
        },
    ],
}


def example():
    return copy.deepcopy(EXAMPLE)


def test_what_becomes_of_a_file(tmp_path):
    (tmp_path / "instances.json").write_text(json.dumps(EXAMPLE))
    truth = read_annotations(tmp_path / "instances.json", "val")
    assert truth.images == (
        CocoImage("val/b", "b.jpg", 9, 30, 20),
        CocoImage("val/a", "a.png", 4, 10, 40),
        CocoImage("val/inner--c", "inner/c.jpg", 7, 5, 5),
    )
    assert truth.names == ("val/b", "val/a", "val/inner--c")
    assert truth.categories == (Category(3, "cat"), Category(1, "person"))
    square, crowd, bare = truth.annotations
    assert square == {
        "id": 11,
        "image_id": 9,
        "category_id": 1,
        "bbox": [2.0, 2.0, 6.0, 6.0],
        "area": 36.0,
        "iscrowd": 0,
        "segmentation": {"size": [20, 30], "counts": coco_mask.frPyObjects(SQUARE, 20, 30)[0]["counts"].decode()},
    }
    assert (crowd["iscrowd"], crowd["segmentation"]["counts"]) == (1, COMPRESSED["counts"].decode())
    assert bare == {
        "id": 12,
        "image_id": 4,
        "category_id": 3,
        "bbox": [0, 0, 0, 9.5],
        "area": 0,
        "iscrowd": 0,
        "ignore": 1,
    }


POINTS = st.tuples(st.floats(-40, 80), st.floats(-30, 60)).map(lambda point: [round(value, 2) for value in point])


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.lists(POINTS, min_size=3, max_size=9).map(lambda points: np.ravel(points).tolist()), min_size=1, max_size=4
    )
)
@hypothesis_example([[2.0, 2.0, 12.0, 2.0, 12.0, 12.0], [3.0, 3.0, 5.0, 5.0]])
def test_polygons_are_drawn_as_by_pycocotools(polygons):
    content = example()
    content["images"][0] |= {"width": 40, "height": 30}
    content["annotations"] = [{**content["annotations"][0], "segmentation": polygons}]
    expected = coco_mask.merge(coco_mask.frPyObjects(polygons, 30, 40))
    (annotation,) = parse_annotations(content, "val").annotations
    assert annotation["segmentation"] == {"size": [30, 40], "counts": expected["counts"].decode()}


def test_real_annotations(mirror):
    path = mirror / "coco-mini/annotations/instances_val2017.json"
    truth = read_annotations(path, "val2017")
    assert (len(truth.images), len(truth.categories), len(truth.annotations)) == (206, 80, 1786)
    assert truth.categories[-1] == Category(90, "toothbrush")
    content = json.loads(path.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for given_, kept in zip(content["annotations"], truth.annotations, strict=True):
        drawn = coco_mask.frPyObjects(given_["segmentation"], *sizes[given_["image_id"]])
        mask = drawn if given_["iscrowd"] else coco_mask.merge(drawn)
        assert kept["segmentation"]["counts"] == mask["counts"].decode()
        assert (kept["bbox"], kept["area"]) == (given_["bbox"], given_["area"])
    assert not is_official(path)


def test_the_published_file_is_known_by_its_hash(tmp_path, monkeypatch):
    path = tmp_path / "instances_val2017.json"
    assert not is_official(path)
    path.write_text("{}")
    assert not is_official(path)
    monkeypatch.setattr(coco, "OFFICIAL_SHA256", hash_file(path))
    assert not is_official(path)
    monkeypatch.setattr(coco, "OFFICIAL_BYTES", 2)
    assert is_official(path)


def test_a_subset_keeps_its_annotations_and_all_categories():
    truth = parse_annotations(example(), "val")
    chosen = truth.subset(["val/inner--c", "val/b"])
    assert chosen.names == ("val/inner--c", "val/b")
    assert [each["id"] for each in chosen.annotations] == [11, 10]
    assert chosen.categories == truth.categories
    with pytest.raises(InputError, match="val/z not in the annotations of 3 images"):
        truth.subset(["val/b", "val/z"])


def test_saved_and_loaded(tmp_path):
    truth = parse_annotations(example(), "val")
    truth.save(tmp_path / "truth.json")
    for loaded in (CocoTruth.load(tmp_path / "truth.json"), read_annotations(tmp_path / "truth.json", "val")):
        assert (loaded.images, loaded.categories) == (truth.images, truth.categories)
        assert loaded.annotations == truth.annotations
        assert loaded.content_hash() == truth.content_hash()
        loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "truth.json").read_bytes()
    (tmp_path / "other.json").write_text(json.dumps(EXAMPLE))
    with pytest.raises(InputError, match=r"other\.json: its images have no names; expected what the index wrote"):
        CocoTruth.load(tmp_path / "other.json")


def changed(change):
    content = example()
    change(content)
    return content


def put(where, number, **values):
    return lambda content: content[where][number].update(values)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("info"),
        lambda content: content["images"].reverse(),
        lambda content: (
            content["annotations"].append(content["annotations"].pop(0) | {"id": 99, "more": 1})
            or content["annotations"].insert(0, content["annotations"].pop())
        ),
        lambda content: content["annotations"].insert(0, content["annotations"].pop()),  # of another image
        put("annotations", 0, bbox=[2.0, 2, 6, 6.0], area=36.0),
        put("annotations", 1, segmentation={"counts": COMPRESSED["counts"].decode(), "size": [20, 30]}),
        put("annotations", 0, ignore=0, iscrowd=0),
        put("annotations", 2, ignore=True),
    ],
)
def test_the_hash_is_that_of_what_a_score_depends_on(change):
    before = parse_annotations(example(), "val").content_hash()
    assert parse_annotations(changed(change), "test").content_hash() == before


@pytest.mark.parametrize(
    "change",
    [
        put("annotations", 0, bbox=[2, 2, 6, 6.001]),
        put("annotations", 0, area=37),
        put("annotations", 0, iscrowd=1),
        put("annotations", 0, category_id=3),
        put("annotations", 0, segmentation=[[2, 2, 2, 9, 8, 8, 8, 2]]),
        put("annotations", 0, segmentation=None),
        put("annotations", 0, ignore=1),  # which is noted
        put("annotations", 2, ignore=0),
        put("annotations", 0, id=0),  # which is noted
        put("images", 1, width=11),
        put("images", 1, file_name="d.jpg"),
        put("categories", 0, name="dog"),
        lambda content: content["categories"].reverse(),
        lambda content: content["annotations"].insert(0, content["annotations"].pop(1)),  # of the same image
        lambda content: content["annotations"].pop(),
        lambda content: content["images"].pop(),
    ],
)
def test_another_score_is_another_hash(change):
    before = parse_annotations(example(), "val").content_hash()
    assert parse_annotations(changed(change), "val").content_hash() != before


# What is refused

FAR = [[2, 2, 2, 8, 70, 8]]
LOOPS = [[0, 0, 29, 19] * 1_000_000]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("images"), "no list of objects 'images' in it, expected annotations in COCO's"),
        (lambda content: content.update(annotations={"a": 1}), "no list of objects 'annotations'"),
        (lambda content: content.update(categories=[1]), "no list of objects 'categories'"),
        (lambda content: content.update(categories=[]), "its list 'categories' is empty"),
        (put("images", 0, id="9"), "image number 1 of its list: id is '9', expected a whole number"),
        (lambda content: content["images"][0].pop("id"), "image number 1 of its list: id is missing"),
        (put("images", 0, file_name=""), "image 9: file_name is '', expected a path below its folder"),
        (put("images", 0, file_name="../b.jpg"), r"image 9: file_name is '../b.jpg'"),
        (put("images", 0, file_name="/b.jpg"), r"image 9: file_name is '/b.jpg'"),
        (put("images", 0, file_name="...jpg"), r"image 9: file_name is '...jpg'"),
        (put("images", 0, file_name="//b.jpg"), r"image 9: file_name is '//b.jpg'"),
        (put("images", 0, file_name="b\0.jpg"), r"image 9: file_name is 'b\\x00.jpg'"),
        (put("images", 0, file_name="\ud800.jpg"), r"image 9: file_name is '\\ud800.jpg'"),
        (put("images", 0, file_name="b" * 300), "image 9: file_name is 'bbb"),
        (put("images", 0, width=0), "image 9: width is 0, expected pixels, more than 0"),
        (put("images", 0, height=20.0), "image 9: height is 20.0"),
        (put("images", 0, height=True), "image 9: height is True"),
        (put("images", 0, width=2**40), "image 9: width is 1099511627776, expected at most 134,217,728 pixels in all"),
        (put("images", 0, id=4), "image id 4 more than once"),
        (put("images", 0, file_name="a.jpg"), "image val/a more than once"),
        (put("categories", 0, id=None), "category number 1 of its list: id is None"),
        (put("categories", 0, name=""), "category 3: name is '', expected a word"),
        (put("categories", 0, id=1), "category id 1 more than once"),
        (put("annotations", 0, id=1.5), "annotation number 1 of its list: id is 1.5"),
        (put("annotations", 0, id=10), "annotation id 10 more than once"),
        (put("annotations", 0, image_id=5), "annotation 11: image_id is 5, expected that of an image"),
        (put("annotations", 0, image_id=[9]), r"annotation 11: image_id is \[9\]"),
        (put("annotations", 0, category_id=2), "annotation 11: category_id is 2, expected that of a category"),
        (put("annotations", 0, category_id=True), "annotation 11: category_id is True"),
        (
            lambda content: content["annotations"][0].pop("bbox"),
            "annotation 11: bbox is missing, expected four numbers",
        ),
        (put("annotations", 0, bbox=[1, 2, 3]), r"annotation 11: bbox is \[1, 2, 3\]"),
        (put("annotations", 0, bbox=[1, 2, 3, math.nan]), r"annotation 11: bbox is \[1, 2, 3, nan\]"),
        (put("annotations", 0, bbox=[1, 2, 3, -1]), r"annotation 11: bbox is \[1, 2, 3, -1\]"),
        (put("annotations", 0, bbox=[1, 2, 3, 10**400]), "annotation 11: bbox is"),
        (put("annotations", 0, area=-1), "annotation 11: area is -1, expected a number of pixels, not negative"),
        (put("annotations", 0, area=math.inf), "annotation 11: area is inf"),
        (lambda content: content["annotations"][0].pop("area"), "annotation 11: area is missing"),
        (put("annotations", 0, iscrowd=2), "annotation 11: iscrowd is 2, expected 0 or 1"),
        (put("annotations", 0, iscrowd=[]), r"annotation 11: iscrowd is \[\]"),
        (
            put("annotations", 0, segmentation=[[1, 2, 3, 4]]),
            r"annotation 11: segmentation .* expected polygons of three",
        ),
        (put("annotations", 0, segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "annotation 11: segmentation"),
        (put("annotations", 0, segmentation=[1, 2, 3, 4, 5, 6]), "annotation 11: segmentation"),
        (put("annotations", 0, segmentation=[[1, 2, 3, 4, 5, "6"]]), "annotation 11: segmentation"),
        (put("annotations", 0, segmentation=[[1, 2, 3, 4, 5, math.nan]]), "annotation 11: segmentation"),
        (put("annotations", 0, segmentation=[[1, 2, 3, 4, 5, 10**400]]), "annotation 11: segmentation"),
        (put("annotations", 0, segmentation="mask"), "annotation 11: segmentation is 'mask'"),
        (put("annotations", 0, segmentation={"size": [20, 30]}), "annotation 11: segmentation is {'size'"),
        (put("annotations", 0, segmentation={**RUNS, "counts": []}), "annotation 11: segmentation"),
        (put("annotations", 0, segmentation={**RUNS, "counts": [600.0]}), "annotation 11: segmentation"),
        (
            put("annotations", 0, segmentation={**RUNS, "size": [30, 20]}),
            "annotation 11: .* expected the height and width",
        ),
        (put("annotations", 0, segmentation={**RUNS, "counts": [42, 5, 552]}), "annotation 11: .* expected the height"),
        (put("annotations", 0, segmentation={**RUNS, "counts": [642, -42]}), "annotation 11: .* expected the height"),
        (
            put("annotations", 0, segmentation={**RUNS, "counts": [2**70, 600 - 2**70]}),
            "annotation 11: .* expected the",
        ),
        (put("annotations", 0, segmentation={"counts": "1", "size": None}), "annotation 11: .* expected the height"),
        (put("annotations", 0, segmentation=FAR), "annotation 11: .* or polygons in and around it"),
        (put("annotations", 0, segmentation=LOOPS), "annotation 11: .* or polygons in and around it"),
        (
            put("annotations", 0, segmentation={"size": [20, 30], "counts": "1Z"}),
            "annotation 11: the run-length mask ends",
        ),
        (
            put("annotations", 0, segmentation={"size": [20, 30], "counts": "\udcff"}),
            "annotation 11: the run-length mask",
        ),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(InputError, match=message):
        parse_annotations(changed(change), "val")


def test_the_file_and_some_of_many_are_named(tmp_path):
    content = example()
    content["annotations"] = [{**content["annotations"][0], "id": number, "area": None} for number in range(20, 30)]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    message = r"instances\.json: annotation 20, 21, 22, 23, 24 and 5 more: area is None, expected"
    with pytest.raises(InputError, match=message):
        read_annotations(tmp_path / "instances.json", "val")
    with pytest.raises(InputError, match=r"none\.json: No such file or directory, expected annotations in COCO's"):
        read_annotations(tmp_path / "none.json", "val")


@pytest.mark.parametrize(
    "files",
    [("/data/a.jpg", "http://x/b.jpg", "../c.jpg"), ("a.jpg", "a.png", "a.jpg"), (None, 7, "\0"), ("", "\ud800", [])],
)
def test_images_may_be_known_by_their_ids_alone(files, tmp_path):
    content = example()
    for image, file in zip(content["images"], files, strict=True):
        image["file_name"] = file
    del content["images"][2]["file_name"]
    with pytest.raises(InputError, match=r"file_name|more than once"):
        parse_annotations(content, "val")
    truth = parse_annotations(content, None)
    assert truth.names == ("9", "4", "7")
    assert truth.annotations == parse_annotations(example(), "val").annotations
    assert len(truth.content_hash()) == 64
    truth.save(tmp_path / "truth.json")
    assert read_annotations(tmp_path / "truth.json", None).content_hash() == truth.content_hash()


def test_of_well_formed_annotations_the_hash_is_the_same_by_ids():
    assert parse_annotations(example(), None).content_hash() == parse_annotations(example(), "val").content_hash()


def test_val2017_is_known_by_the_names_of_its_images(mirror):
    path = mirror / "coco-mini/annotations/instances_val2017.json"
    truth = read_annotations(path, "val2017")
    assert truth.of_val2017
    assert truth.subset(truth.names[:3]).of_val2017
    assert not read_annotations(path, "photos").of_val2017
    assert not parse_annotations(example(), "val2017").of_val2017
    other = example()
    other["images"] = [image | {"file_name": f"{image['id'] + 1:012}.jpg"} for image in other["images"]]
    assert not parse_annotations(other, "val2017").of_val2017


@pytest.mark.parametrize("folder", ["", "a/b", "..", "a\nb"])
def test_the_folder_is_a_name(folder):
    with pytest.raises(InputError, match="expected the name of one folder"):
        parse_annotations(example(), folder)


@pytest.mark.parametrize("content", [None, 1, [], [example()], "images", {}])
def test_another_value_is_refused(content):
    with pytest.raises(InputError, match="no list of objects 'images'"):
        parse_annotations(content, "val")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([0, 20, 30, "1", -1]),
    lambda inner: (
        st.lists(inner, max_size=7) | st.dictionaries(st.sampled_from(["size", "counts", "id"]), inner, max_size=3)
    ),
    max_leaves=10,
)
FIELDS = [(key, None, None) for key in EXAMPLE] + [
    (key, number, field)
    for key in ("images", "categories", "annotations")
    for number in (0, 1)
    for field in EXAMPLE[key][number]
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FIELDS), JSON)
def test_whatever_a_file_holds_is_taken_or_refused(tmp_path_factory, field, value):
    key, number, name = field
    content = example()
    if number is None:
        content[key] = value
    else:
        content[key][number][name] = value
    try:
        truth = parse_annotations(content, "val")
    except InputError:
        return
    path = tmp_path_factory.getbasetemp() / "truth.json"
    truth.save(path)
    assert CocoTruth.load(path).content_hash() == truth.content_hash()
    for each in truth.annotations:
        if "segmentation" in each:
            assert np.isfinite(coco_mask.area(each["segmentation"]))
