"""COCO's annotations, images and result files that are missing, broken, or of something else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tests.bad_input.case import Area, Case, refused, works
from tests.bad_input.page import hold

from pth2map.datasets.coco_names import COCO_NAMES
from pth2map.datasets.index import DatasetIndex

AREA = Area("COCO")
WIDTH, HEIGHT = 40, 30


def content() -> dict[str, Any]:
    """Two images, two categories, an object in each image."""
    return {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": WIDTH, "height": HEIGHT} for n in (1, 2)],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 7,
                "bbox": [2, 2, 10, 10],
                "area": 100,
                "iscrowd": 0,
                "segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]],
            }
            for n in (1, 2)
        ],
    }


def dataset(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    root = folder / "coco"
    (root / "val2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    for name in ("1.jpg", "2.jpg"):
        cv2.imwrite(str(root / "val2017" / name), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    annotations = content()
    annotations["categories"] = [{"id": number, "name": name} for number, name in enumerate(COCO_NAMES, start=1)]
    change(annotations)
    (root / "annotations/instances_val2017.json").write_text(json.dumps(annotations))
    return root


def index(folder: Path) -> str:
    outputs = (folder / "index.json", folder / "ground_truth.json")
    where = ("--root", folder / "coco", "--index", outputs[0], "--ground-truth", outputs[1])
    return refused("index_coco", "--dataset", "coco", *where, outputs=outputs, folder=folder)


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    dataset(folder, change)
    return index(folder)


def scored(folder: Path, records: object, truth: object = None) -> str:
    given = records if isinstance(records, str) else json.dumps(records)
    (folder / "records.json").write_text(given)
    (folder / "truth.json").write_text(json.dumps(content() if truth is None else truth))
    where = ("--detections", folder / "records.json", "--ground-truth", folder / "truth.json")
    return refused("score_coco", *where, "--json", folder / "ap.json", outputs=(folder / "ap.json",), folder=folder)


def record(**changes: object) -> dict[str, object]:
    return {"image_id": 1, "category_id": 7, "bbox": [2, 2, 10, 10], "score": 0.5} | changes


@AREA.case("no annotation file", "Put it there; see [data.md](data.md).")
def no_annotations(folder: Path) -> str:
    (dataset(folder) / "annotations/instances_val2017.json").unlink()
    return index(folder)


@AREA.case("an annotation file that is cut short", "Fetch it again.")
def cut_short(folder: Path) -> str:
    path = dataset(folder) / "annotations/instances_val2017.json"
    path.write_text(json.dumps(content())[:200])
    return index(folder)


@AREA.case("captions instead of instances", "Take `instances_<split>.json`.")
def captions(folder: Path) -> str:
    return changed(folder, lambda given: given.pop("categories"))


@AREA.case("an annotation of an image that the file does not have", "Repair the file that wrote it.")
def stray_annotation(folder: Path) -> str:
    return changed(folder, lambda given: given["annotations"][1].update(image_id=3))


@AREA.case("two annotations of one id", "Number them.")
def same_id(folder: Path) -> str:
    return changed(folder, lambda given: given["annotations"][1].update(id=1))


@AREA.case("a box of three numbers", "Write x, y, width, height.")
def three_numbers(folder: Path) -> str:
    return changed(folder, lambda given: given["annotations"][0].update(bbox=[1, 2, 3]))


@AREA.case("an image of the annotations that is not there", "Fetch it, or leave it out by a subset.")
def missing_image(folder: Path) -> str:
    (dataset(folder) / "val2017/2.jpg").unlink()
    return index(folder)


@AREA.case("an image of another size than annotated", "Use the images that were annotated.")
def other_size(folder: Path) -> str:
    return changed(folder, lambda given: given["images"][0].update(width=WIDTH + 1))


@AREA.case("an image turned by a viewer", "Use the file as it was published.")
def turned(folder: Path) -> str:
    return changed(folder, lambda given: given["images"][0].update(width=HEIGHT, height=WIDTH))


@AREA.case("an image more than annotated", "Nothing, if it is not meant to be scored.")
def one_more(folder: Path) -> str:
    root = dataset(folder)
    cv2.imwrite(str(root / "val2017/3.jpg"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    outputs = ("--index", folder / "index.json", "--ground-truth", folder / "ground_truth.json")
    said = works("index_coco", "--dataset", "coco", "--root", root, *outputs)
    assert DatasetIndex.load(folder / "index.json").extra == ("val2017/3.jpg",)
    return "works; " + said.strip().splitlines()[0]


@AREA.case("results that are no list", "Give the list of records alone.")
def no_list(folder: Path) -> str:
    return scored(folder, {"annotations": [record()]})


@AREA.case("a result file that is no JSON", "Give the `.json` that the detector wrote.")
def no_json(folder: Path) -> str:
    return scored(folder, "1 2 3 4 0.5\n")


@AREA.case("a result of an unknown image", "Give the ground truth of the same images.")
def unknown_image(folder: Path) -> str:
    return scored(folder, [record(), record(image_id=9)])


@AREA.case("labels instead of category ids", "Write the ids of the annotation file: COCO's go to 90, with gaps.")
def labels(folder: Path) -> str:
    return scored(folder, [record(category_id=1)])


@AREA.case("a score that is not a number", "Look for what made it.")
def nan_score(folder: Path) -> str:
    return scored(folder, '[{"image_id": 1, "category_id": 7, "bbox": [2, 2, 9, 9], "score": NaN}]')


@AREA.case("some results with masks and some without", "Score boxes and masks in files of their own.")
def mixed(folder: Path) -> str:
    mask = {"size": [HEIGHT, WIDTH], "counts": "l0T11"}
    return scored(folder, [record(segmentation=mask), record()])


@AREA.case("a mask of another size than its image", "Paste masks into the image, not into the input of the network.")
def other_mask(folder: Path) -> str:
    return scored(folder, [record(segmentation={"size": [WIDTH, HEIGHT], "counts": "l0T11"})])


@AREA.case("a mask whose run lengths do not fill its image", "Write it again; other evaluators may crash on it.")
def bad_runs(folder: Path) -> str:
    return scored(folder, [record(segmentation={"size": [HEIGHT, WIDTH], "counts": "l0"})])


@AREA.case("polygons as masks of results", "Encode them as run lengths.")
def polygons(folder: Path) -> str:
    return scored(folder, [record(segmentation=[[2, 2, 12, 2, 12, 12]])])


@AREA.case(
    "categories that are not COCO's 80 in its order",
    "Give the file all 80; results of other detectors go to `score_coco.py` as they are.",
)
def other_categories(folder: Path) -> str:
    return changed(folder, lambda given: given["categories"].pop(0))


@AREA.case("no results at all", "Look whether the detector ran.")
def nothing_found(folder: Path) -> str:
    (folder / "records.json").write_text("[]")
    (folder / "truth.json").write_text(json.dumps(content()))
    where = ("--detections", folder / "records.json", "--ground-truth", folder / "truth.json")
    said = works("score_coco", *where, "--json", folder / "ap.json")
    assert json.loads((folder / "ap.json").read_text())["metrics"]["bbox"]["AP"] == 0
    return "works; " + said.strip().splitlines()[0]


@AREA.case("corners instead of x, y, width, height", "Write x, y, width, height.")
def corners(folder: Path) -> str:
    (folder / "records.json").write_text(json.dumps([record(bbox=[20, 20, -3, 4])]))
    (folder / "truth.json").write_text(json.dumps(content()))
    where = ("--detections", folder / "records.json", "--ground-truth", folder / "truth.json")
    said = works("score_coco", *where, "--json", folder / "ap.json")
    return "works; " + said.strip().splitlines()[0]


@AREA.parametrize()
def test_coco(case: Case) -> None:
    hold(AREA, case)
