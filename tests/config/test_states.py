import copy
import os
import shutil
from pathlib import Path

import pytest
import yaml
from tests import synthetic_wider

from pth2map.config.load import load_config
from pth2map.config.points import Point, Points
from pth2map.config.states import States
from pth2map.files.hashing import hash_file
from pth2map.files.records import note_fetched

ROOT = Path(__file__).parents[2]
POINT = Point("retinaface", "onnxruntime", "1000-fp32-b1")
OTHER = Point("retinaface", "torchscript", "1000-fp32-b1")
STAGES = ("prepare", "infer", "detect", "gather", "score", "draw", "plot", "bench")


@pytest.fixture
def values(tmp_path):
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["datasets"]["widerface"]["root"] = str(synthetic_wider.make(tmp_path / "wider"))
    (tmp_path / "own.pth").write_bytes(b"weights")
    config["models"]["retinaface"]["weights"] = {"path": str(tmp_path / "own.pth")}
    return config


def states_of(values) -> dict[str, str]:
    states = States(Points(load_config(copy.deepcopy(values), ROOT)), ROOT / "workflow/scripts")
    graph = ("retinaface", "1000", "onnx")
    return {
        "index": states.index("widerface"),
        "export": states.export(*graph),
        "check": states.check(*graph),
        "parity": states.parity("retinaface"),
        "complexity": states.complexity("retinaface", "1000"),
        "table": states.all_points("retinaface"),
        "headline": states.headline("retinaface"),
        **{stage: getattr(states, stage)(POINT) for stage in STAGES},
    }


def changed(before, values) -> set[str]:
    after = states_of(values)
    return {stage for stage in before if before[stage] != after[stage]}


EXPORT = {"export", "complexity"}
EVERYTHING = {"index", "check", "parity", "table", "headline", *EXPORT, *STAGES}


def older(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_equal_configs_have_equal_states(values):
    assert not changed(states_of(values), values)


def test_an_older_image_in_the_place_of_one_counts(values):
    before = states_of(values)
    older(next(Path(values["datasets"]["widerface"]["root"]).glob("*/*/*/*.jpg")))
    assert changed(before, values) == EVERYTHING - EXPORT


def test_of_the_ground_truth_the_content_counts(values):
    before = states_of(values)
    path = Path(values["datasets"]["widerface"]["root"]) / "ground_truth/wider_easy_val.mat"
    older(path)
    assert not changed(before, values)
    path.write_bytes(path.read_bytes() + b" ")
    assert changed(before, values) == EVERYTHING - EXPORT


def test_a_declared_dataset_has_one_state_before_and_after_it_is_fetched(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = Path(values["datasets"]["widerface"]["root"])
    values["datasets"]["widerface"]["root"] = "data/widerface"
    for part in ("face", "easy", "medium", "hard"):
        path = f"ground_truth/wider_{part}_val.mat"
        name = next(name for name, file in values["files"].items() if file["path"] == f"widerface/{path}")
        values["files"][name]["sha256"] = hash_file(root / path)
    absent = states_of(values)
    shutil.copytree(root / "ground_truth", "data/widerface/ground_truth")
    points = Points(load_config(values, ROOT))
    declared = points.declared_folder("data/widerface/WIDER_val/images")
    folder = Path("data/widerface/WIDER_val/images")
    shutil.copytree(root / "WIDER_val/images", folder)
    note_fetched(declared, Path("data"))
    assert not changed(absent, values)
    older(next(folder.glob("*/*.jpg")))
    assert changed(absent, values) == EVERYTHING - EXPORT


def test_other_files_beside_the_images_do_not(values):
    before = states_of(values)
    folder = Path(values["datasets"]["widerface"]["root"]) / "WIDER_val/images/0--Parade"
    (folder / "Thumbs.db").touch()
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    assert changed(before, values) == EVERYTHING - EXPORT  # the link: its name could be an image's
    (folder / "gone.jpg").unlink()
    assert not changed(before, values)


def test_older_weights_count(values):
    before = states_of(values)
    older(Path(values["models"]["retinaface"]["weights"]["path"]))
    assert changed(before, values) == EVERYTHING - {"index", "prepare"}


RESULTS = {"gather", "score", "draw", "plot", "headline", "table"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("recipe.decode", {"nms_threshold": 0.3}, RESULTS | {"detect"}),
        ("scoring", {"iou_thresholds": [0.4]}, RESULTS - {"gather", "draw"}),
        ("export.opset", 12, EVERYTHING - {"index", "prepare"}),
        ("export.parity", {"images": 2}, EVERYTHING - {"index", "prepare"} - EXPORT),
        ("recipe.preprocess.pad_value", 7, EVERYTHING - {"index"} - EXPORT),
        ("engines", ["onnxruntime"], {"parity", "table"}),
    ],
)
def test_a_key_counts_for_the_stages_behind_it(values, path, value, expected):
    before = states_of(values)
    *parents, last = path.split(".")
    block = values["models"]["retinaface"]
    for parent in parents:
        block = block[parent]
    block[last] = value
    assert changed(before, values) == expected


LETTERBOX = Point("retinaface_mnet", "onnxruntime", "320-fp32-b1")


@pytest.mark.parametrize(
    ("form", "key", "value", "infers"),
    [("host", "text", "npz", False), ("host", "form", "card", True), ("card", "nms_threshold", 0.3, True)],
)
def test_a_decode_on_the_device_is_a_part_of_inference(values, form, key, value, infers):
    values["engines"]["onnxruntime"]["route"] = "files"
    decode = values["models"]["retinaface_mnet"]["recipe"]["decode"]
    decode["form"] = form
    before = letterbox_states(values)
    decode[key] = value
    assert (letterbox_states(values)["infer"] != before["infer"]) is infers
    assert letterbox_states(values)["detect"] != before["detect"]
    assert letterbox_states(values)["prepare"] == before["prepare"]


def letterbox_states(values) -> dict[str, str]:
    config = copy.deepcopy(values)
    config["models"]["retinaface_mnet"]["weights"] = config["models"]["retinaface"]["weights"]
    states = States(Points(load_config(config, ROOT)), ROOT / "workflow/scripts")
    return {stage: getattr(states, stage)(LETTERBOX) for stage in ("prepare", "infer", "detect")}


def test_the_scale_rules_of_a_formula_count_as_weights(values):
    values["models"]["retinaface"]["weights"] = {"formula": [["^a", 1.0]]}
    before = states_of(values)
    values["models"]["retinaface"]["weights"] = {"formula": [["^a", 2.0]]}
    assert changed(before, values) == EVERYTHING - {"index", "prepare"}


def test_how_pictures_are_drawn_counts_for_them_alone(values):
    before = states_of(values)
    values["drawing"] = {"score_above": 0.9}
    assert changed(before, values) == {"draw"}


def test_the_code_alone_does_not_know_the_config(values):
    states = States(Points(load_config(values, ROOT)), ROOT / "workflow/scripts")
    code = states.code(POINT)
    assert code != states.score(POINT)
    values["datasets"]["widerface"]["shards"] = 3
    values["models"]["retinaface"]["recipe"]["decode"] = {"nms_threshold": 0.3}
    changed_config = States(Points(load_config(values, ROOT)), ROOT / "workflow/scripts")
    assert changed_config.code(POINT) == code
    assert changed_config.score(POINT) != states.score(POINT)
    assert states.code(OTHER) != code


def test_weights_without_a_hash_count_by_content(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PTH2MAP_MIRROR", str(tmp_path / "mirror"))
    values["files"]["mine"] = {"path": "weights/mine.pth", "manual": {}}
    values["models"]["retinaface"]["weights"] = "mine"
    place, mirrored = tmp_path / "data/weights/mine.pth", tmp_path / "mirror/weights/mine.pth"
    for path in (place, mirrored):
        path.parent.mkdir(parents=True)
    mirrored.write_bytes(b"weights")
    before = states_of(values)
    place.write_bytes(b"weights")
    assert not changed(before, values)
    place.write_bytes(b"others.")
    assert changed(before, values) == EVERYTHING - {"index", "prepare"}


MASKS = Point("retinamask", "onnxruntime", "1344-fp32-b1")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scoring": {"segm_area": "mask"}}, {"score"}),
        ({"recipe": {"kind": "retinamask", "decode": {"paste": "masker"}}}, {"detect", "score"}),
        ({"network": "retinamask_kept_masks"}, {"export", "cast", "check", "detect", "score"}),
        (
            {"export": {"opset": 11, "dynamic": [], "parity": {"max_abs_of": {"masks": 0.1}}}},
            {"check", "cast", "detect", "score"},
        ),
    ],
)
def test_of_a_model_on_coco_what_depends_on_a_key_is_made_again(values, changes, expected):
    def states():
        of = States(Points(load_config(copy.deepcopy(values), ROOT)), ROOT / "workflow/scripts")
        graph = {stage: getattr(of, stage)("retinamask", "1344", "onnx") for stage in ("export", "check")}
        point = {stage: getattr(of, stage)(MASKS) for stage in ("detect", "score")}
        return {"index": of.index("coco"), "cast": of.cast("retinamask", "1344"), **graph, **point}

    values["models"]["retinamask"]["engines"] = ["onnxruntime"]
    values["models"]["retinamask"]["export"]["parity"].pop("images")  # the default of the last case
    before = states()
    values["models"]["retinamask"] |= changes
    after = states()
    assert {stage for stage in before if before[stage] != after[stage]} == expected


def test_another_split_is_another_index(values):
    def state():
        return States(Points(load_config(copy.deepcopy(values), ROOT)), ROOT / "workflow/scripts").index("coco")

    before = state()
    values["datasets"]["coco"]["split"] = "train2017"
    values["files"]["coco_val_instances"]["path"] = "coco/annotations/instances_train2017.json"
    values["folders"]["coco_val_images"]["path"] = "coco/train2017"
    assert state() != before
