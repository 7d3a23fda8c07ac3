from dataclasses import replace

import numpy as np

from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.evaluation.results import Result, dataset_notes, engine_clause, widerface_clauses
from pth2map.evaluation.widerface import Evaluation

IMAGES = tuple(IndexedImage(f"e/{i}", f"e/{i}.jpg", 10, 20, f"{i:064}") for i in range(3))


def index(**changes) -> DatasetIndex:
    fields = {"subset": None, "full": False, "ground_truth": "0" * 64, **changes}
    return DatasetIndex(dataset="widerface", root="/data", images=IMAGES, **fields)


EVALUATION = Evaluation({"easy": 0.5}, np.zeros((1, 1000, 2)), [], 3, {"easy": 1}, 0.5, "strict")


def test_the_text_for_a_person():
    result = Result(
        model="retinaface",
        engine="onnxruntime",
        kind="onnxruntime",
        variant="640-fp32-b1",
        index=index(),
        metrics={0.5: {"easy": 0.90454321, "medium": 1.0, "hard": None}},
        synthetic=False,
        weights="declared",
        protocol=["input: x", "evaluator: y"],
        notes=["something"],
        hashes={"weights": "ab", "ground_truth": "cd"},
    )
    assert result.to_text() == (
        "retinaface on onnxruntime, 640-fp32-b1: widerface, 3 images\n"
        "\n"
        "AP                      easy    medium      hard\n"
        "IoU 0.5 %              90.45    100.00         -\n"
        "IoU 0.5 fraction    0.904543  1.000000         -\n"
        "\n"
        "Protocol\n"
        "  input: x\n"
        "  evaluator: y\n"
        "\n"
        "Notes\n"
        "  something\n"
        "\n"
        "Hashes\n"
        "  weights      ab\n"
        "  ground_truth cd\n"
    )
    content = result.to_json()
    assert content["metrics"] == {"easy": 0.90454321, "medium": 1.0, "hard": None}
    assert content["protocol"] == "input: x; evaluator: y"
    assert content["images"] == 3
    assert content["iou_threshold"] == 0.5
    assert content["synthetic"] is False
    assert result.caption() == ["AP at IoU 0.5, 3 images, not the published set"]


def test_every_iou_threshold_is_labelled_and_the_first_is_the_result():
    metrics = {0.5: {"easy": 0.5, "medium": 0.25}, 0.4: {"easy": 0.625, "medium": None}}
    names = {"model": "m", "engine": "e", "kind": "k", "variant": "v"}
    result = Result(
        **names, index=index(), metrics=metrics, synthetic=True, weights="own", protocol=[], notes=[], hashes={}
    )
    assert result.to_text().split("\n\n")[1:3] == [
        "SYNTHETIC WEIGHTS, made of a formula: these figures say nothing of the model",
        "AP                      easy    medium\n"
        "IoU 0.5 %              50.00     25.00\n"
        "IoU 0.5 fraction    0.500000  0.250000\n"
        "IoU 0.4 %              62.50         -\n"
        "IoU 0.4 fraction    0.625000         -",
    ]
    content = result.to_json()
    assert content["metrics"] == {"easy": 0.5, "medium": 0.25}
    assert content["metrics_at_iou"] == {"0.5": {"easy": 0.5, "medium": 0.25}, "0.4": {"easy": 0.625, "medium": None}}
    assert content["synthetic"] is True
    assert result.caption()[1].startswith("SYNTHETIC WEIGHTS")


def test_what_may_be_compared_with_published_figures():
    cases = {"full": {"full": True}, "part": {"subset": "the first 3 of 9 images"}, "other": {}}
    clauses = {case: widerface_clauses(index(**changes), [EVALUATION])[0] for case, changes in cases.items()}
    assert clauses["full"] == "images: WIDER FACE val, all 3 images of the published ground truth"
    assert clauses["part"].endswith("a subset: the first 3 of 9 images; not comparable with published figures")
    assert "not the published set of 3,226; not comparable" in clauses["other"]


def test_the_iou_thresholds_stand_in_the_protocol():
    assert "AP at IoU 0.5 (sides" in widerface_clauses(index(), [EVALUATION])[1]
    both = [EVALUATION, replace(EVALUATION, iou_threshold=0.4)]
    assert "AP at IoU 0.5 and beside it at 0.4 (sides" in widerface_clauses(index(), both)[1]


def test_left_out_images_are_noted():
    assert dataset_notes(index()) == []
    assert dataset_notes(index(extra=("e/9",))) == [
        "1 images of the folder have no ground truth and were left out: e/9"
    ]


def test_the_engine_is_named_by_what_it_is():
    ort = {
        "kind": "onnxruntime",
        "options": {"providers": ["CPUExecutionProvider"]},
        "packages": {"onnxruntime": "1.2"},
    }
    assert engine_clause([ort], "fp32", 4) == "engine: onnxruntime 1.2 (CPUExecutionProvider), fp32, batch 4"
    newer = {**ort, "packages": {"onnxruntime": "1.3"}}
    assert "onnxruntime 1.2 (CPUExecutionProvider) and onnxruntime 1.3" in engine_clause([newer, ort], "fp32", 1)
    trace = {"kind": "torchscript", "options": {"threads": 1}, "packages": {"torch": "2.13.0+cpu"}}
    assert engine_clause([trace], "fp32", 1) == "engine: torchscript 2.13.0+cpu, fp32, batch 1"
