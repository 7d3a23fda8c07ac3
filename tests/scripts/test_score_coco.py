import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pth2map.datasets.coco import parse_annotations
from pth2map.evaluation.coco import EVALUATOR, FIGURES

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/score_coco.py"
ANNOTATIONS = {
    "images": [{"id": 4, "file_name": "a.jpg", "width": 200, "height": 100}],
    "categories": [{"id": 7, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 4, "category_id": 7, "bbox": [0, 0, 40, 40], "area": 1600, "iscrowd": 0},
        {"id": 2, "image_id": 4, "category_id": 7, "bbox": [100, 0, 40, 40], "area": 1600, "iscrowd": 0},
    ],
}
RECORDS = [
    {"image_id": 4, "category_id": 7, "bbox": [0, 0, 40, 40], "score": 0.9},
    {"image_id": 4, "category_id": 2, "bbox": [0, 0, 40, 40], "score": 0.8},
]


def score(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(ANNOTATIONS))
    (tmp_path / "records.json").write_text(json.dumps(RECORDS))
    return tmp_path


def test_figures_of_boxes(inputs):
    common = ("--detections", inputs / "records.json", "--ground-truth", inputs / "truth.json")
    run = score(*common, "--json", inputs / "r.json")
    assert run.returncode == 0, run.stderr
    result = json.loads((inputs / "r.json").read_text())
    half = 51 / 101
    assert result["metrics"]["bbox"] == pytest.approx(
        {name: 0.5 if name.startswith("AR") else half for name in FIGURES} | dict.fromkeys(("APs", "APl", "ARs", "ARl"))
    )
    assert (result["evaluator"], result["segm_area"]) == (EVALUATOR, "box")
    assert re.fullmatch(r"faster-coco-eval \d+\.\d+\.\d+", EVALUATOR)
    assert (result["images"], result["categories"], result["records"]) == (1, 2, 2)
    truth = parse_annotations(ANNOTATIONS, "any")
    assert result["ground_truth"] == truth.content_hash()
    assert len(result["detections"]) == 64
    assert run.stdout.splitlines()[:5] == [
        "        bbox",
        f"AP       50.50%  {half!r}",
        f"AP50     50.50%  {half!r}",
        f"AP75     50.50%  {half!r}",
        "APs" + "-".rjust(12),
    ]
    assert len(run.stdout.splitlines()) == 13
    assert run.stderr == "warning: bbox: no object to measure APs, APl, ARs, ARl on\n"
    truth.save(inputs / "index.json")
    again = score(*common[:3], inputs / "index.json", "--json", inputs / "again.json")
    assert again.stdout == run.stdout
    assert (inputs / "again.json").read_bytes() == (inputs / "r.json").read_bytes()


def test_golden_figures_text_curves_and_picture(golden, tmp_path):
    case = golden / "retinamask_eval"
    common = ("--detections", case / "records.json", "--ground-truth", case / "instances_mini.json")
    expected = json.loads((case / "case.json").read_text())["results"]
    for number in (1, 2):
        outputs = [(f"--{kind}", tmp_path / f"{number}.{kind}") for kind in ("json", "text", "curves", "picture")]
        run = score(*common, *(part for output in outputs for part in output))
        assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[:2] == [
        "        bbox                          segm",
        f"AP       50.55%  {expected['bbox']['AP']!r}    62.38%  0.6238204002687932",
    ]
    result = json.loads((tmp_path / "1.json").read_text())
    for kind in ("bbox", "segm"):
        assert result["metrics"][kind] == pytest.approx(expected[kind], abs=1e-9)
    assert result["detections"] == json.loads((case / "case.json").read_text())["records_sha256"]
    assert (tmp_path / "1.text").read_bytes() == (case / "evaluation_results.txt").read_bytes()
    with np.load(tmp_path / "1.curves") as curves:
        ap = dict(zip(curves["subsets"].tolist(), curves["curves"][:, :, 0].mean(axis=1), strict=True))
    assert ap["bbox IoU 0.50"] == pytest.approx(expected["bbox"]["AP50"], abs=1e-9)
    assert ap["segm IoU 0.50:0.95"] == pytest.approx(expected["segm"]["AP"], abs=1e-9)
    assert (tmp_path / "1.picture").read_bytes().startswith(b"\x89PNG")
    for kind in ("json", "curves", "picture"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    run = score(*common, "--json", tmp_path / "mask.json", "--segm-area", "mask")
    assert run.returncode == 0
    mask = json.loads((tmp_path / "mask.json").read_text())
    assert mask["segm_area"] == "mask"
    assert mask["metrics"]["segm"]["AP"] == result["metrics"]["segm"]["AP"]
    assert mask["metrics"]["segm"]["APs"] != result["metrics"]["segm"]["APs"]


def test_what_touches_no_score_is_no_matter(inputs):
    """Where files lie, equal stems, an annotation and records without masks."""
    expected = score(
        "--detections", inputs / "records.json", "--ground-truth", inputs / "truth.json", "--json", inputs / "a"
    )
    other = {"id": 9, "file_name": "../a.png", "width": 30, "height": 30}
    for file_name in ("/data/a.jpg", "http://x/a.jpg", "../a.jpg", None):
        images = [{**ANNOTATIONS["images"][0], "file_name": file_name}, other]
        objects = [{**each, "segmentation": []} for each in ANNOTATIONS["annotations"]]
        (inputs / "other.json").write_text(json.dumps({**ANNOTATIONS, "images": images, "annotations": objects}))
        (inputs / "empty.json").write_text(json.dumps([{**each, "segmentation": []} for each in RECORDS]))
        common = ("--ground-truth", inputs / "other.json", "--json", inputs / "r.json")
        for records in ("records.json", "empty.json"):
            run = score("--detections", inputs / records, *common)
            assert (run.returncode, run.stdout) == (0, expected.stdout), run.stderr


def test_masks_beside_a_ground_truth_of_boxes(inputs):
    mask = {"size": [100, 200], "counts": rle_of([0, 100 * 200])}
    (inputs / "masks.json").write_text(json.dumps([{**each, "segmentation": mask} for each in RECORDS]))
    outputs = [part for kind in ("json", "text", "curves", "picture") for part in (f"--{kind}", inputs / f"r.{kind}")]
    run = score("--detections", inputs / "masks.json", "--ground-truth", inputs / "truth.json", *outputs)
    assert run.returncode == 0, run.stderr
    assert "warning: segm: the ground truth has no masks, so there are no figures of masks\n" in run.stderr
    metrics = json.loads((inputs / "r.json").read_text())["metrics"]
    assert metrics["segm"] == dict.fromkeys(FIGURES)
    assert metrics["bbox"]["AP"] == pytest.approx(51 / 101)
    assert run.stdout.splitlines()[1].split() == ["AP", "50.50%", repr(metrics["bbox"]["AP"]), "-"]
    assert (inputs / "r.picture").read_bytes().startswith(b"\x89PNG")


def rle_of(runs):
    return coco_mask.frPyObjects({"size": [100, 200], "counts": runs}, 100, 200)["counts"].decode()


def test_wrong_input_is_a_sentence_and_writes_nothing(inputs):
    (inputs / "records.json").write_text(json.dumps([*RECORDS, {**RECORDS[0], "image_id": 5}]))
    outputs = ("--json", inputs / "r.json", "--curves", inputs / "c.npz", "--picture", inputs / "p.png")
    run = score("--detections", inputs / "records.json", "--ground-truth", inputs / "truth.json", *outputs)
    assert run.returncode == 2
    assert (
        run.stderr == f"error: {inputs}/records.json: record 3: image_id is 5, expected an image of the ground truth\n"
    )
    (inputs / "truth.json").write_text("<html>")
    run = score("--detections", inputs / "records.json", "--ground-truth", inputs / "truth.json", *outputs)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {inputs}/truth.json: not a whole JSON file (it looks like a web page")
    assert run.stderr.count("\n") == 1
    assert not [path for path in outputs[1::2] if path.exists()]
