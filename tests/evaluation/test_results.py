from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pth2map.config.load import load_config
from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.evaluation.coco import FIGURES, CocoEvaluation
from pth2map.evaluation.coco_scores import CocoScores
from pth2map.evaluation.results import Result, clauses, dataset_notes, engine_clause, stamps, training_clause
from pth2map.evaluation.widerface import Evaluation
from pth2map.evaluation.widerface_scores import WiderFaceScores
from pth2map.files import code
from pth2map.files.code import code_hash
from pth2map.recipes.catalogue import RECIPES
from pth2map.recipes.recipe import Recipe
from pth2map.recipes.settings import Size

COMMANDS = Path(__file__).parents[2] / "workflow/scripts"
IMAGES = tuple(IndexedImage(f"e/{i}", f"e/{i}.jpg", 10, 20, f"{i:064}") for i in range(3))


def index(**changes) -> DatasetIndex:
    fields = {"subset": None, "full": False, "ground_truth": "0" * 64, **changes}
    return DatasetIndex(dataset="widerface", root="/data", images=IMAGES, **fields)


def evaluation(iou: float = 0.5, notes: list[str] | None = None, **ap: float) -> Evaluation:
    """NaN is an AP of nothing."""
    curves = np.zeros((len(ap), 1000, 2))
    return Evaluation(ap, curves, notes or [], 3, dict.fromkeys(ap, 1), iou, "strict")


def point(of: DatasetIndex, scores: WiderFaceScores, **changes) -> Result:
    names = {"model": "m", "engine": "e", "kind": "k", "variant": "v", "weights": "own", "protocol": [], "hashes": {}}
    stamped = {
        "synthetic": False,
        "rehearsal": False,
        "trained_on_evaluation": False,
        "calibrated_on_evaluation": False,
    }
    return Result(**{**names, **stamped, "index": of, "scores": scores, **changes})


def test_the_text_for_a_person():
    result = Result(
        model="retinaface",
        engine="onnxruntime",
        kind="onnxruntime",
        variant="640-fp32-b1",
        index=index(),
        scores=WiderFaceScores([evaluation(notes=["something"], easy=0.90454321, medium=1.0, hard=np.nan)]),
        synthetic=False,
        rehearsal=False,
        trained_on_evaluation=False,
        calibrated_on_evaluation=False,
        weights="declared",
        protocol=["input: x", "engine: y"],
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
        "  engine: y\n"
        "  images: a set in WIDER FACE's format, 3 images of a folder; not comparable with published figures\n"
        "  evaluator: WIDER FACE, AP at IoU 0.5 (sides counted +1 px), 1,000 thresholds, scores scaled to 0…1 over all "
        "images, strict mode\n"
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
    assert content["protocol"].startswith("input: x; engine: y; images: a set in WIDER FACE's format, 3 images")
    assert content["notes"] == ["something"]
    assert content["images"] == 3
    assert content["iou_threshold"] == 0.5
    assert content["synthetic"] is False
    assert result.caption() == ["AP at IoU 0.5, 3 images, not the published set"]


def test_every_iou_threshold_is_labelled_and_the_first_is_the_result():
    scores = WiderFaceScores([evaluation(easy=0.5, medium=0.25), evaluation(0.4, easy=0.625, medium=np.nan)])
    names = {"model": "m", "engine": "e", "kind": "k", "variant": "v"}
    result = Result(
        **names,
        index=index(),
        scores=scores,
        synthetic=True,
        rehearsal=False,
        trained_on_evaluation=False,
        calibrated_on_evaluation=False,
        weights="own",
        protocol=[],
        hashes={},
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
    scores = WiderFaceScores([evaluation(easy=0.5)])
    clauses = {case: scores.clauses(index(**changes))[0] for case, changes in cases.items()}
    assert clauses["full"] == "images: WIDER FACE val, all 3 images of the published ground truth"
    assert clauses["part"] == (
        "images: a set in WIDER FACE's format, a subset: the first 3 of 9 images; not comparable with published figures"
    )
    assert "3 images of a folder; not comparable" in clauses["other"]


def test_a_set_of_ones_own_is_not_called_the_published_one():
    names = ["9--Press_Conference/9_Press_Conference_a_1", "59--people--driving/59_peopledriving_b_2"]
    own, other = (
        [replace(image, name=name) for image, name in zip(IMAGES, part, strict=False)] for part in (names, ["9--a/8_b"])
    )
    clause = {}
    for images in (own, [*own, *other]):
        clause[len(images)] = WiderFaceScores([evaluation(easy=0.5)]).clauses(replace(index(), images=tuple(images)))[0]
    assert clause[2].startswith("images: WIDER FACE val, 2 images of a folder that is not the published set of 3,226;")
    assert clause[3].startswith("images: a set in WIDER FACE's format, 3 images of a folder; not comparable")


def test_rendered_pictures_are_called_what_they_are():
    words = "rendered demo of 3 pictures, 640×480 px, seed 0"
    scores = WiderFaceScores([evaluation(easy=0.5)])
    assert scores.clauses(index(rendered=words))[0] == f"images: {words}; comparable with no published figures"
    assert scores.clauses(index(rendered=words, subset="the first 3 of 9 images"))[0] == (
        f"images: {words}, a subset: the first 3 of 9 images; comparable with no published figures"
    )
    result = point(index(rendered=words), scores)
    assert result.to_text().split("\n\n")[1] == (
        "RENDERED PICTURES, no photographs: these figures compare with no published ones"
    )
    assert result.caption() == ["AP at IoU 0.5, 3 images", "RENDERED PICTURES, no photographs"]
    assert result.to_json()["rendered"] == words
    assert "WIDER FACE" not in result.to_text().replace("evaluator: WIDER FACE", "")


def test_what_a_page_says_first_stands_in_the_json():
    scores = WiderFaceScores([evaluation(easy=0.5)])
    assert stamps(point(index(), scores).to_json()) == []
    stamped = point(index(), scores, synthetic=True, rehearsal=True, calibrated_on_evaluation=True)
    assert [stamp.split(",")[0].split(" WITH")[0] for stamp, _ in stamps(stamped.to_json())] == [
        *("SYNTHETIC WEIGHTS", "REHEARSAL", "CALIBRATED")
    ]


def test_the_clauses_of_the_protocol_come_back_one_by_one():
    scores = WiderFaceScores([evaluation(easy=0.5)])
    said = ["network: a", "weights: trained here, from b: c; d", "boxes: whole; not clipped"]
    result = point(index(), scores, protocol=said)
    assert [f"{of}: {words}" for of, words in clauses(result.to_json())] == [*said, *scores.clauses(index())]


@pytest.mark.parametrize("kind", sorted(RECIPES))
def test_a_clause_begins_with_what_it_is_of(kind):
    config = load_config(yaml.safe_load((COMMANDS.parents[1] / "config/config.yaml").read_text()), COMMANDS.parents[1])
    settings = next(model.recipe for model in config.models.values() if model.recipe.kind == kind)
    recipe = Recipe(settings, Size.parse("640"))
    said = [*recipe.preprocess().protocol(), *recipe.decode().protocol()]
    assert [f"{of}: {words}" for of, words in clauses({"protocol": "; ".join(said)})] == said


def test_the_iou_thresholds_stand_in_the_protocol():
    first, second = evaluation(easy=0.5), evaluation(0.4, easy=0.5)
    assert "AP at IoU 0.5 (sides" in WiderFaceScores([first]).clauses(index())[1]
    assert "AP at IoU 0.5 and beside it at 0.4 (sides" in WiderFaceScores([first, second]).clauses(index())[1]


def test_coco_has_a_line_for_each_figure():
    metrics = {"bbox": dict.fromkeys(FIGURES, 0.25), "segm": {**dict.fromkeys(FIGURES, 0.5), "APs": None}}
    scores = CocoScores(CocoEvaluation(metrics, {}, np.zeros((0, 101, 2)), ["empty"], 3, "mask"), of_val2017=True)
    lines = scores.table()
    assert lines[:2] == [
        "COCO      bbox %    segm %    bbox fraction    segm fraction",
        "AP         25.00     50.00         0.250000         0.500000",
    ]
    assert lines[4] == "APs        25.00         -         0.250000                -"
    assert len(lines) == 13
    assert scores.to_json() == {"metrics": metrics}
    assert scores.notes() == ["empty"]
    images, evaluator = scores.clauses(index(full=True))
    assert images == "images: COCO val2017, all 3 images of the published ground truth"
    assert evaluator.endswith("the area of a detected mask is that of the mask itself")
    assert scores.clauses(index(subset="the first 3 of 9 images"))[0] == (
        "images: COCO val2017, a subset: the first 3 of 9 images; not comparable with published figures"
    )
    assert "COCO val2017, 3 images of a folder that is not the published set of 5,000;" in scores.clauses(index())[0]
    own = replace(scores, of_val2017=False)
    assert own.clauses(index())[0] == (
        "images: a set in COCO's format, 3 images of a folder; not comparable with published figures"
    )
    assert "a set in COCO's format, a subset: the first" in own.clauses(index(subset="the first 3 of 9 images"))[0]


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


def test_a_score_does_not_depend_on_the_evaluator_of_another_kind_of_dataset(monkeypatch):
    def hashes():
        return {kind: code_hash(COMMANDS / f"score_{kind}_point.py") for kind in ("coco", "widerface")}

    before, of_tree = hashes(), code._tree_hash
    monkeypatch.setattr(code, "_tree_hash", lambda path: b"?" if path.match("evaluation/coco.py") else of_tree(path))
    after = hashes()
    assert after["coco"] != before["coco"]
    assert after["widerface"] == before["widerface"]


def test_weights_that_were_trained_here_stand_in_the_protocol():
    steps = {"size": 840, "epochs": 100, "max_steps": None, "batch_size": 256, "learning_rate": 0.01, "seed": 0}
    settings = {**steps, "schedule": "published", "amp": True, "loss_scale": 128.0, "weights": "last"}
    training = {"device": "npu", "processes": 8, "data": "widerface", "backbone": "resnet50_imagenet"}
    assert training_clause({"settings": settings, "start_from": None, **training}, {}) == (
        "weights: trained here, 100 epochs of widerface at 840 px, batch 256 on 8 × npu, learning rate 0.01 (published "
        "schedule), mixed precision (loss scale 128), from a backbone resnet50_imagenet, seed 0, the last checkpoint"
    )
    short = {**settings, "epochs": 1, "max_steps": 20, "amp": False, "weights": "best"}
    own = {**training, "processes": 1, "backbone": None, "start_from": "own"}
    assert training_clause({"settings": short, **own}, {"train": 0, "validation": 0}) == (
        "weights: trained here, 1 epoch (at most 20 steps) of widerface at 840 px, batch 256 on 1 × npu, learning rate "
        "0.01 (published schedule), from weights of the user's own, seed 0, the best checkpoint"
    )
    assert ", from random weights, " in training_clause({"settings": short, **own, "start_from": None}, {})
    seen = training_clause({"settings": short, **own}, {"train": 3, "validation": 1200})
    assert seen.endswith(
        "the best checkpoint, by the loss on 1,200 of the evaluated images, 3 of the evaluated images are among those "
        "trained on"
    )
