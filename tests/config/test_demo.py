"""Datasets that are drawn here: where they lie, what is asked of them, and what makes them anew."""

import copy
from pathlib import Path

import pytest
import yaml
from tests import synthetic_wider

from pth2map.config.load import load_config
from pth2map.config.points import Point, Points
from pth2map.config.states import States
from pth2map.files.errors import InputError

ROOT = Path(__file__).parents[2]
POINT = Point("demo", "onnxruntime", "640-fp32-b1")
FOLDER = "scratch/rendered/600_150_640x480_seed0"


@pytest.fixture
def values(monkeypatch, tmp_path):
    """The project's config in an empty folder, with a second block that is scored on the demo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PTH2MAP_MIRROR", raising=False)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["models"]["other"] = copy.deepcopy(config["models"]["retinaface_native"]) | {"dataset": "demo"}
    return config


def loaded(values, **demo) -> Points:
    """With other settings of the demo."""
    changed = copy.deepcopy(values)
    changed["datasets"]["demo"] |= demo
    return Points(load_config(changed, ROOT))


def test_the_demo_needs_nothing_from_elsewhere(values):
    points = loaded(values)
    assert points.files_needed("demo") == []
    (weights,) = points.files_needed("other")
    assert weights.startswith("scratch/fetched/weights/retinaface/mobilenet0.25_Final.pth.")


def test_where_the_pictures_lie(values):
    points = loaded(values)
    demo = points.dataset("demo")
    assert list(points.demos) == ["600_150_640x480_seed0"]
    assert demo.root == FOLDER
    assert demo.images == f"{FOLDER}/WIDER_val/images"
    assert points.labelled_faces("demo", "train").labels == f"{FOLDER}/train/label.txt"
    assert points.labelled_faces("demo", "train").folder == f"{FOLDER}/train/images"
    assert points.labelled_faces("demo", "validation").labels == f"{FOLDER}/val/label.txt"
    assert points.labelled_faces("demo", "validation").folder == demo.images
    assert demo.words == "rendered demo of 150 pictures, 640×480 px, seed 0"
    assert points.training_sets("demo") == {
        "train": "scratch/training/demo/train.npz",
        "validation": "scratch/training/demo/validation.npz",
    }


def test_rules_wait_for_the_folder_as_a_whole(values):
    points = loaded(values)
    demo = points.dataset("demo")
    assert {points.evidence(path) for path in demo.ground_truth} == {FOLDER}
    assert points.evidence(demo.training.train.labels) == FOLDER
    assert points.image_evidence("demo") == points.folder_evidence(demo.training.train.folder) == [FOLDER]
    assert points.demo_around("scratch/rendered/600_150_640x480_seed00/label.txt") is None
    assert points.rendered("widerface") is None


def test_it_is_scored_as_wider_face_is(values):
    points = loaded(values)
    assert points.datasets_scored_as("widerface") == ["widerface", "demo"]
    assert points.datasets_scored_as("coco") == ["coco"]
    assert {"retinaface", "demo", "other"} < set(points.models_on("widerface"))
    assert points.truth_path("demo") == "scratch/datasets/demo/ground_truth.npz"
    assert points.published_form("demo") == "text"


def test_equal_settings_share_a_folder_and_others_do_not(values):
    values["datasets"] |= {"same": {"kind": "demo"}, "another": {"kind": "demo", "seed": 3, "height": 360}}
    assert list(loaded(values).demos) == ["600_150_640x480_seed0", "600_150_640x360_seed3"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"root": "/faces"}, "datasets.demo.root: unknown key; allowed: "),
        ({"training": None}, "datasets.demo.training: unknown key; did you mean train?"),
        ({"val": 0}, "datasets.demo.val: found 0; expected 1 or more"),
        ({"width": 64}, "datasets.demo.width: found 64; expected 160 or more"),
        ({"seed": -1}, "datasets.demo.seed: found -1; expected 0 or more"),
        ({"kind": "dmo"}, "datasets.demo.kind: found 'dmo'; did you mean demo?"),
    ],
)
def test_what_is_wrong_with_a_demo_is_said_with_its_key_path(values, changes, sentence):
    with pytest.raises(InputError) as error:
        loaded(values, **changes)
    assert sentence in str(error.value)


def test_what_is_scored_as_coco_does_not_go_with_it(values):
    values["models"]["retinamask"]["dataset"] = "demo"
    with pytest.raises(InputError) as error:
        loaded(values)
    assert "dataset: recipe retinamask is scored as coco, demo is of kind demo; allowed: coco" in str(error.value)


STAGES = ("render", "index", "train", "train faces", "export", "check", "score", "report", "code")


def states(values, **demo) -> dict[str, str]:
    points = loaded(values, **demo)
    of = States(points, ROOT / "workflow/scripts")
    return {
        "render": of.render(points.dataset("demo").name),
        "index": of.index("demo"),
        "train": of.train("demo"),
        "train faces": of.index_training("demo", "train"),
        "export": of.export("demo", "640", "onnx"),
        "check": of.check("demo", "640", "onnx"),
        "score": of.score(POINT),
        "report": of.headline_report("demo"),
        "code": of.code(POINT),
    }


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize("changes", [{"train": 599}, {"val": 7}, {"width": 320}, {"height": 320}, {"seed": 1}])
def test_other_pictures_make_all_behind_them_anew(values, changes):
    assert differing(states(values), states(values, **changes)) == set(STAGES) - {"code"}


def test_how_they_are_shared_out_makes_nothing_anew(values):
    assert not differing(states(values), states(values, shards=3))


def test_a_part_of_them_is_another_index_and_no_other_training(values):
    after = states(values, subset={"first": 3})
    assert differing(states(values), after) == {"index", "check", "score", "report"}


def test_the_pictures_that_are_there_do_not_count_but_how_they_are_drawn_does(values, monkeypatch, tmp_path):
    before = states(values)
    synthetic_wider.make(tmp_path / FOLDER)
    assert not differing(before, states(values))
    monkeypatch.setattr(
        "pth2map.config.states.code_hash",
        lambda command, *picked: f"{command.stem} {picked}{' new' if command.stem == 'render_demo' else ''}",
    )
    other = states(values)
    monkeypatch.setattr("pth2map.config.states.code_hash", lambda command, *picked: f"{command.stem} {picked}")
    assert differing(other, states(values)) == set(STAGES)


def test_the_rehearsal_offers_the_demo():
    overlay = yaml.safe_load((ROOT / "config/rehearsal.yaml").read_text())
    assert overlay["models"]["demo"]["engines"] == ["onnxruntime", "torchscript", "ascend_rehearsal"]
