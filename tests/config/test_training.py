"""Blocks whose weights are trained: what the config makes of them, and what makes them anew."""

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config
from tests import synthetic_faces, synthetic_wider

from pth2map.config.load import load_config
from pth2map.config.points import Point, Points
from pth2map.config.schema import Training
from pth2map.config.states import States
from pth2map.files.errors import InputError
from pth2map.training.settings import TrainingSettings

ROOT = Path(__file__).parents[2]
POINT = Point("mine", "onnxruntime", "160-fp32-b1")


@pytest.fixture
def values(tmp_path):
    """The project's config with a block that is trained on faces of ours, from a backbone of ours."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    wider = config["datasets"]["widerface"]
    wider["root"] = str(synthetic_wider.make(tmp_path / "wider"))
    for part in ("train", "validation"):
        wider["training"][part] = {"labels": f"{synthetic_faces.make(tmp_path / part, 2)}/label.txt"}
    (tmp_path / "backbone.pth").write_bytes(b"weights")
    config["models"]["mine"] = {
        "network": "retinaface_mobilenet025",
        "weights": {"training": {"size": 160, "backbone": {"path": str(tmp_path / "backbone.pth")}}},
        "dataset": "widerface",
        "recipe": {"kind": "retinaface", "preprocess": {"resize": "long_side"}},
        "engines": ["onnxruntime"],
        "variants": {"sizes": [160]},
    }
    return config


def loaded(values, **training) -> Points:
    """With other values of the training."""
    changed = copy.deepcopy(values)
    changed["models"]["mine"]["weights"]["training"] |= training
    return Points(load_config(changed, ROOT))


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        ({"lr": 0.1}, ".lr: unknown key; "),
        ({"size": None}, ".size: found null; expected a whole number"),
        ({"size": 31}, ".size: found 31; expected 64 or more"),
        ({"schedule": "publshed"}, ".schedule: found 'publshed'; did you mean published?"),
        ({"amp": "O2"}, ".amp: found 'O2'; expected true or false"),
        ({"checkpoints": {"kep": 1}}, ".checkpoints.kep: unknown key; did you mean keep?"),
        ({"decay_epochs": [90, 70]}, ".decay_epochs: found [90, 70]; expected rising numbers, each once"),
        ({"decay_epochs": [70, 70]}, ".decay_epochs: found [70, 70]; expected rising numbers, each once"),
        (
            {"weights": "best", "checkpoints": {"best": False}},
            ".checkpoints.best: found false; weights: best needs it; expected true, or weights: last",
        ),
        ({"data": "widreface"}, ".data: found 'widreface'; did you mean widerface?"),
        ({"data": "coco"}, ".data: dataset coco has no training part; allowed: widerface, demo, or give it one"),
        ({"backbone": "resnet_imagenet"}, ".backbone: found 'resnet_imagenet'; did you mean resnet50_imagenet?"),
        ({"backbone": {"path": "no/such.pth"}}, ".backbone.path: no such file: no/such.pth"),
        ({"backbone": 3}, ".backbone: found 3; expected a block of keys"),
        (
            {"start_from": "retinaface_mobilenet025"},
            ": start_from replaces all weights, those of backbone too; give one, and the other null",
        ),
        ({"device": "gpu"}, ".device: found 'gpu'; did you mean npu? allowed: cpu, cuda, npu"),
        ({"devices": []}, ".devices: found []; expected at least 1"),
        ({"devices": [-1]}, ".devices[0]: found -1; expected 0 or more"),
        ({"devices": [0, 1, 1, 2]}, ".devices: 1 comes 2 times; expected each card once"),
        (
            {"devices": [0, 1, 2], "batch_size": 32},
            ".batch_size: 32 images cannot be shared out evenly among 3 devices; expected a multiple of 3",
        ),
        (
            {"devices": [0, 1], "nodes": 3, "batch_size": 32},
            ".batch_size: 32 images cannot be shared out evenly among 6 devices of 3 nodes; expected a multiple of 6",
        ),
        (
            {"backend": "nccl"},
            ".backend: nccl does not go with device cpu, which is of kind cpu; allowed: gloo, or null",
        ),
        (
            {"device": "cuda", "backend": "hccl"},
            ".backend: hccl does not go with device cuda, which is of kind cuda; ",
        ),
        ({"device": "npu", "backend": "gloo"}, ".backend: gloo does not go with device npu"),
        ({"nodes": 2, "node_rank": 2}, ".node_rank: found 2; expected less than nodes, 2"),
        ({"master_port": 70000}, ".master_port: found 70000; expected 65535 or less"),
    ],
)
def test_what_is_wrong_with_a_training_is_said_with_its_key_path(values, training, sentence):
    with pytest.raises(InputError) as error:
        loaded(values, **training)
    assert f"\n  models.mine.weights.training{sentence}" in str(error.value)
    assert str(error.value).startswith("the config has 1 error\n")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"models": {"centerface": {"weights": {"training": {"size": 800}}}}},
            "models.centerface.weights.training: network centerface cannot be trained here; allowed: ",
        ),
        (
            {"models": {"mine": {"weights": {"path": "x.pth"}}}},
            "models.mine.weights: found path and training; give one, and the other null",
        ),
        (
            {"models": {"mine": {"weights": {"formula": [], "path": "x.pth"}}}},
            "models.mine.weights: found path and formula and training; give one, and the others null",
        ),
        (
            {"models": {"mine": {"weights": {"trainig": {}, "training": None}}}},
            "models.mine.weights.trainig: unknown key; did you mean training? allowed: path, formula, training",
        ),
        (
            {"models": {"mine": {"weights": {"training": None}}}},
            "models.mine.weights.training: found null; expected a block of keys",
        ),
        (
            {"models": {"mine": {"weights": {"training": {"backbone": {"pth": "x"}}}}}},
            "models.mine.weights.training.backbone.pth: unknown key; did you mean path? allowed: path",
        ),
        (
            {"datasets": {"widerface": {"training": None}}, "models": {"retinaface_train1p": None}},
            "models.mine.weights.training.data: dataset widerface has no training part; allowed: demo",
        ),
        (
            {"datasets": {"widerface": {"training": {"train": {"labels": "no/label.txt"}}}}},
            "datasets.widerface.training.train.labels: no such file: no/label.txt; expected a label.txt, yours or ",
        ),
        (
            {"datasets": {"widerface": {"training": {"validation": {"images": "no/images"}}}}},
            "datasets.widerface.training.validation.images: no/images is not a folder; expected the images of /",
        ),
        (
            {"datasets": {"widerface": {"training": {"faults": {"outside": "drop"}}}}},
            "datasets.widerface.training.faults.outside: found 'drop'; allowed: refuse, clip, keep",
        ),
        ({"devices": {"mine": {"kind": "gpu"}}}, "devices.mine.kind: found 'gpu'; "),
        ({"devices": {"npu": {"python": ""}}}, "devices.npu.python: found ''; expected text that is not empty"),
        ({"devices": {"cpu": {"setup": "x"}}}, "devices.cpu.setup: unknown key; allowed: kind"),
    ],
)
def test_what_is_wrong_around_a_training(values, changes, sentence):
    update_config(values, changes)
    values["models"] = {name: block for name, block in values["models"].items() if block}
    with pytest.raises(InputError) as error:
        loaded_as_it_is(values)
    assert f"\n  {sentence}" in str(error.value)


def loaded_as_it_is(values) -> Points:
    return Points(load_config(values, ROOT))


def test_an_overlay_takes_a_training_away(values, tmp_path):
    weights = {"training": None, "path": str(tmp_path / "backbone.pth")}
    update_config(values, {"models": {"mine": {"weights": weights}}})
    assert loaded_as_it_is(values).weights_path("mine") == weights["path"]


def test_without_devices_there_are_those_of_each_kind(values):
    del values["devices"]
    assert {name: device.kind for name, device in loaded_as_it_is(values).config.devices.items()} == {
        "cpu": "cpu",
        "cuda": "cuda",
        "npu": "npu",
    }


def test_paths_are_looked_for_below_the_workflow_too(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values["devices"]["npu"]["setup"] = "workflow/rehearsal/set_env.sh"
    points = loaded(values, start_from={"path": "README.md"}, backbone=None)
    assert points.config.devices["npu"].setup == [str(ROOT / "workflow/rehearsal/set_env.sh")]
    assert points.starts("mine") == {"start_from": str(ROOT / "README.md")}


def test_the_presets_have_the_values_of_the_published_scripts():
    points = loaded_as_it_is(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    common = {
        "size": 840,
        "max_steps": None,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "gamma": 0.1,
        "decay_epochs": [70, 90],
        "warmup_epochs": 1,
        "schedule": "published",
        "amp": True,
        "opt_level": "O2",
        "loss_scale": 128.0,
        "seed": 0,
        "weights": "last",
        "checkpoints": {
            "every_epochs": 10,
            "late_from_epoch": 70,
            "late_every_epochs": 5,
            "keep": None,
            "best": True,
        },
    }
    one, eight = points.training("retinaface_train1p"), points.training("retinaface_train8p")
    assert one.settings == {**common, "epochs": 1, "batch_size": 32, "learning_rate": 1e-3}
    assert eight.settings == {**common, "epochs": 100, "batch_size": 256, "learning_rate": 0.01}
    assert (one.workers, one.devices, one.backbone) == (16, [0], "resnet50_imagenet")
    assert (eight.workers, eight.devices, eight.backbone) == (8, list(range(8)), "resnet50_imagenet")
    assert (one.master_port, points.device("retinaface_train8p").kind) == (29688, "npu")


def test_what_the_command_is_given_are_the_settings_alone():
    training = Training(size=640, epochs=3, workers=9)
    assert TrainingSettings.model_validate(training.settings) == TrainingSettings(size=640, epochs=3)


def test_where_things_of_a_training_lie(values):
    points = loaded(values)
    assert points.trained_models() == ["retinaface_train1p", "retinaface_train8p", "demo", "mine"]
    assert points.weights_path("mine") == points.evidence(points.weights_path("mine"))
    assert points.weights_path("mine") == "results/mine/train/weights.pth"
    assert points.weights_hashes("mine") == {}
    assert points.training_sets("mine") == {
        "train": "scratch/training/widerface/train.npz",
        "validation": "scratch/training/widerface/validation.npz",
    }
    faces = values["datasets"]["widerface"]["training"]["train"]["labels"]
    assert points.labelled_faces("widerface", "train").folder == faces.replace("label.txt", "images")
    assert points.hashes(points.starts("retinaface_train1p")["backbone"])["sha256"].startswith("0676ba61b679")


def test_without_a_validation_set_there_is_none(values):
    values["datasets"]["widerface"]["training"]["validation"] = None
    points = loaded(values)
    assert points.training_sets("mine") == {"train": "scratch/training/widerface/train.npz"}
    with pytest.raises(InputError, match=r"datasets\.widerface\.training\.validation: null; expected labels"):
        points.labelled_faces("widerface", "validation")


def test_what_a_training_needs_from_elsewhere(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PTH2MAP_MIRROR", str(tmp_path / "mirror"))
    own = set(loaded(values).files_needed("mine"))
    training = values["datasets"]["widerface"]["training"]
    assert {training[part]["labels"] for part in training if part != "faults"} < own
    assert str(tmp_path / "backbone.pth") in own
    shipped = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]["widerface"]
    values["datasets"]["widerface"]["training"] = shipped["training"]
    with pytest.raises(InputError, match=r"label.txt can only be fetched by a person: get it from https://pan\.baidu"):
        loaded(values, backbone="resnet50_imagenet").files_needed("mine")
    for part in ("train", "val"):
        (tmp_path / f"data/widerface/{part}").mkdir(parents=True)
        (tmp_path / f"data/widerface/{part}/label.txt").write_text("# a/b.jpg\n")
    fetched = loaded(values, backbone="resnet50_imagenet").files_needed("mine")
    records = [path.removeprefix("scratch/fetched/").rsplit(".", 2)[0] for path in fetched if "fetched" in path]
    assert records == [
        "weights/imagenet/resnet50-0676ba61.pth",
        "widerface/train/label.txt",
        "widerface/val/label.txt",
        "widerface/train/images",
        "widerface/val/images",
    ]


def test_the_leaf_tells_of_the_training_and_no_place(values):
    leaf = loaded(values, devices=[3, 1]).leaf(POINT)
    assert leaf["weights"] == "trained"
    assert leaf["training"].pop("settings")["learning_rate"] == 1e-3
    assert leaf["training"] == {
        "device": "cpu",
        "processes": 2,
        "data": "widerface",
        "backbone": "own",
        "start_from": None,
    }
    assert "/" not in json.dumps(leaf)
    assert loaded(values).leaf(Point("retinaface", "onnxruntime", "1000-fp32-b1"))["training"] is None


STAGES = ("train", "plot", "export", "reference", "check", "detect", "score")


def states(values, **training) -> dict[str, str]:
    of = States(loaded(values, **training), ROOT / "workflow/scripts")
    return {
        "index": of.index_training("widerface", "train"),
        "validation": of.index_training("widerface", "validation"),
        "train": of.train("mine"),
        "plot": of.plot_training("mine"),
        "export": of.export("mine", "160", "onnx"),
        "reference": of.reference("mine", "160"),
        "check": of.check("mine", "160", "onnx"),
        "detect": of.detect(POINT),
        "score": of.score(POINT),
        "other": of.export("retinaface_train1p", "1600", "onnx"),
    }


def differing(before, after) -> set[str]:
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize(
    "training",
    [
        {"learning_rate": 2e-3},
        {"epochs": 91},
        {"seed": 1},
        {"schedule": "published"},
        {"amp": True},
        {"weights": "best"},
        {"devices": [0, 1]},
        {"nodes": 2},
        {"device": "cuda"},
        {"backbone": None},
        {"backbone": "mobilenet025_imagenet"},
        {"backbone": None, "start_from": "retinaface_mobilenet025"},
    ],
    ids=str,
)
def test_what_decides_the_weights_makes_all_behind_them_anew(values, training):
    assert differing(states(values), states(values, **training)) == set(STAGES)


@pytest.mark.parametrize(
    "training",
    [
        {"workers": 9},
        {"threads": 7},
        {"state_every_steps": 3},
        {"devices": [5]},
        {"master_address": "10.0.0.1", "master_port": 4000},
        {"backend": "gloo"},
        {"data": "widerface"},
    ],
    ids=str,
)
def test_what_only_decides_where_and_how_fast_makes_nothing_anew(values, training):
    assert differing(states(values), states(values, **training)) == set()


def test_other_labels_images_or_policies_train_anew(values):
    before = states(values)
    labels = Path(values["datasets"]["widerface"]["training"]["train"]["labels"])
    labels.write_text(labels.read_text().replace("0.8\n", "0.7\n"))
    after = states(values)
    assert differing(before, after) == {"index", "other", *STAGES}
    image = next((labels.parent / "images").rglob("*.jpg"))
    os.utime(image, ns=(1, 1))
    assert differing(after, states(values)) == {"index", "other", *STAGES}
    before = states(values)
    values["datasets"]["widerface"]["training"]["faults"] = {"outside": "clip"}
    assert differing(before, states(values)) == {"index", "validation", "other", *STAGES}
    before = states(values)
    values["datasets"]["widerface"]["training"]["validation"] = None
    after = {stage: state for stage, state in before.items() if stage != "validation"}
    of = States(loaded(values), ROOT / "workflow/scripts")
    assert of.train("mine") != after["train"]
    assert of.index_training("widerface", "train") == after["index"]


def test_faces_and_backbone_in_another_place_train_nothing_anew(values, tmp_path):
    before = states(values)
    training = values["datasets"]["widerface"]["training"]
    shutil.copytree(Path(training["train"]["labels"]).parent, tmp_path / "moved")  # with their times
    training["train"]["labels"] = str(tmp_path / "moved/label.txt")
    shutil.copy(tmp_path / "backbone.pth", tmp_path / "other.pth")
    after = states(values, backbone={"path": str(tmp_path / "other.pth")})
    assert differing(before, after) == {"index"}
    (tmp_path / "other.pth").write_bytes(b"others.")
    assert differing(after, states(values, backbone={"path": str(tmp_path / "other.pth")})) == set(STAGES)


def test_labels_that_a_person_gets_count_the_same_in_the_mirror_and_in_their_place(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PTH2MAP_MIRROR", str(tmp_path / "mirror"))
    labels = Path(values["datasets"]["widerface"]["training"]["train"]["labels"])
    values["datasets"]["widerface"]["training"]["train"] = {"labels": "data/widerface/train/label.txt"}
    for place in ("mirror", "data"):
        path = tmp_path / place / "widerface/train/label.txt"
        path.parent.mkdir(parents=True)
        shutil.copy(labels, path)
        if place == "mirror":
            before = states(values)
    assert differing(before, states(values)) == set()
    path.write_text("# other/one.jpg\n")
    assert differing(before, states(values)) == {"index", "other", *STAGES}
