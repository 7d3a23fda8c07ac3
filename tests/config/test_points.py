import copy
from pathlib import Path

import pytest
import yaml

from pth2map.config.load import load_config
from pth2map.config.points import Points
from pth2map.files.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture
def points():
    return Points(load_config(CONFIG, ROOT))


def test_a_point_knows_its_size_and_batch(points):
    point = points.point("retinaface", "onnxruntime", "1000-fp32-b1")
    assert (point.size, point.batch) == ("1000", 1)
    assert points.graph_path(point) == "results/retinaface/export/1000/model.onnx"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (("retinafce", "onnxruntime", "1000-fp32-b1"), "unknown model 'retinafce'; did you mean retinaface?"),
        (("retinaface", "onnxrutime", "1000-fp32-b1"), "not offered on engine 'onnxrutime'; did you mean onnxruntime?"),
        (
            ("retinaface", "onnxruntime", "640-fp32-b1"),
            "no variant '640-fp32-b1' on onnxruntime; did you mean 1000-fp32-b1?",
        ),
    ],
)
def test_points_that_are_not_offered(points, name, sentence):
    with pytest.raises(InputError) as error:
        points.point(*name)
    assert sentence in str(error.value)


def test_headline_without_one_is_the_only_point():
    values = copy.deepcopy(CONFIG)
    values["models"]["retinaface"]["engines"] = ["torchscript"]
    del values["models"]["retinaface"]["headline"]
    assert Points(load_config(values, ROOT)).headline("retinaface").engine == "torchscript"


def test_the_leaf_holds_what_decides_the_figures_and_no_place(points):
    leaf = points.leaf(points.point("retinaface", "onnxruntime", "1000-fp32-b1"))
    assert leaf["recipe"]["decode"]["nms_threshold"] == 0.4
    assert "route" not in leaf["engine"]
    assert "/" not in str(leaf)


def test_tensor_files_of_few_shards_at_once(points):
    waits = {shard: points.earlier_shard(shard) for shard in points.shards("retinaface")}
    assert waits["1-of-8"] is waits["2-of-8"] is None
    assert waits["3-of-8"] == "1-of-8"
    assert waits["8-of-8"] == "6-of-8"


def test_routes_share_no_engine():
    values = copy.deepcopy(CONFIG)
    values["engines"]["by_files"] = {"kind": "onnxruntime", "route": "files"}
    points = Points(load_config(values, ROOT))
    assert points.engines_of("files") == ["ascend", "torch_aie", "vastai", "by_files"]
    assert points.engines_of("stream", "onnxruntime") == ["onnxruntime"]
    assert points.engines_of("files", "torchscript") == []


def test_weights_that_only_a_person_can_get_are_asked_for_at_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PTH2MAP_MIRROR", str(tmp_path))
    values = copy.deepcopy(CONFIG)
    values["models"]["retinaface"]["weights"] = "retinamask_npu"
    points = Points(load_config(values, ROOT))
    with pytest.raises(InputError) as error:
        points.evidence(points.weights_path("retinaface"))
    place = "data/weights/retinamask/npu_8P_model_0020001.pth"
    assert str(error.value) == (
        "npu_8P_model_0020001.pth can only be fetched by a person: get it from "
        f"https://pan.baidu.com/s/1qx0WbB627AkPGgNgHHq56Q (extraction code xxzz); put it at {place} "
        f"(not in the mirror {tmp_path})"
    )
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert points.evidence(place).startswith("scratch/fetched/weights/retinamask/npu_8P_model_0020001.pth.")


def test_what_can_be_fetched_is_planned(points, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert points.weights_path("retinaface") == "data/weights/retinaface/mobilenet0.25_Final.pth"
    assert points.declared_folder("data/widerface/WIDER_val/images").member == "WIDER_val/images"
    archive = points.declared_file("data/widerface/ground_truth/wider_easy_val.mat").archive
    assert archive.path == "archives/eval_tools.zip"
    assert points.declared_file("elsewhere/ground_truth/wider_easy_val.mat") is None


def test_a_folder_that_a_person_put_there_is_not_fetched(points, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/widerface/WIDER_val/images"
    folder.mkdir(parents=True)
    (folder / "0--Parade").mkdir()
    assert len(points.image_evidence("widerface")) == 1, "empty folders are none"
    (folder / "0--Parade/0_Parade_1.jpg").touch()
    assert Points(points.config).image_evidence("widerface") == []
