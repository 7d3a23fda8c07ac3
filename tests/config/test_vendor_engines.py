"""Engines that run a vendor's commands, and engines of the user's own: what the config makes of them."""

import copy
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config
from tests import synthetic_wider

from pth2map.config.load import load_config
from pth2map.config.points import Point, Points
from pth2map.config.states import States
from pth2map.files.errors import InputError

ROOT = Path(__file__).parents[2]
ASCEND = Point("retinaface", "ascend", "1000-fp16-b1")
TORCH_AIE = Point("retinaface", "torch_aie", "1000-fp32-b1")
OWN = Point("retinaface", "mine", "1000-fp32-b1")
CARD = Point("retinaface_mnet", "vastai", "640-fp16-b1")
CARD_INT8 = Point("retinaface_mnet", "vastai", "640-int8-b1")
INT8 = {"models": {"retinaface_mnet": {"variants": {"precisions": ["fp32", "fp16", "int8"]}}}}


@pytest.fixture
def values(tmp_path):
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["datasets"]["widerface"]["root"] = str(synthetic_wider.make(tmp_path / "wider"))
    (tmp_path / "own.pth").write_bytes(b"weights")
    (tmp_path / "mine.smk").write_text("# rules\n")
    config["models"]["retinaface"]["weights"] = {"path": str(tmp_path / "own.pth")}
    config["engines"]["mine"] = {"kind": "tvm", "rules": str(tmp_path / "mine.smk"), "options": {"target": "llvm"}}
    config["models"]["retinaface"]["engines"].append("mine")
    return config


def loaded(values, changes=None) -> Points:
    changed = copy.deepcopy(values)
    update_config(changed, changes or {})
    return Points(load_config(changed, ROOT))


def test_each_engine_has_the_points_that_it_can_compute(values):
    setup = {"engines": {"ascend": {"setup": []}, "torch_aie": {"setup": ["a.sh", "b.sh"]}}}
    points = loaded(values, setup).points("retinaface")
    assert [(point.engine, point.variant) for point in points] == [
        ("onnxruntime", "1000-fp32-b1"),
        ("torchscript", "1000-fp32-b1"),
        ("ascend", "1000-fp16-b1"),
        ("torch_aie", "1000-fp32-b1"),
        ("mine", "1000-fp32-b1"),
    ]
    asked = {"models": {"retinaface": {"variants": {"precisions": ["fp32", "fp16"]}}}}
    update_config(asked, setup)
    points = loaded(values, asked).points("retinaface")
    assert [(point.engine, point.precision) for point in points] == [
        ("onnxruntime", "fp32"),
        ("torchscript", "fp32"),
        ("ascend", "fp32"),
        ("ascend", "fp16"),
        ("torch_aie", "fp32"),
        ("torch_aie", "fp16"),
        ("mine", "fp32"),
    ]


def test_there_is_a_card_once_something_is_set_up_that_has_one(values):
    assert loaded(values).has_cards, "trainings on npu"
    for name in ("retinaface_train1p", "retinaface_train8p"):
        values["models"][name]["weights"]["training"]["device"] = "cpu"
    assert not loaded(values).has_cards
    assert loaded(values, {"engines": {"ascend": {"setup": []}}}).has_cards
    assert not loaded(values, {"engines": {"ascend": {"setup": "set_env.sh", "rehearsal": True}}}).has_cards


def test_an_engine_that_is_not_set_up_is_a_target_and_of_no_table(values):
    points = loaded(values)
    assert {point.engine for point in points.points("retinaface")} == {"onnxruntime", "torchscript", "mine"}
    assert points.left_out("retinaface") == ["ascend", "torch_aie"]
    assert points.point("retinaface", "ascend", "1000-fp16-b1") == ASCEND


def test_the_graphs_that_engines_start_from(values):
    points = loaded(values)
    assert points.compiled_graph(ASCEND) == points.graph_path(ASCEND) == "results/retinaface/export/1000/model.onnx"
    masks = Point("retinamask", "ascend", "1344-fp16-b1")
    assert points.compiled_graph(masks) == "results/retinamask/export/1344/model_cast.onnx"
    assert points.graph_path(masks) == "results/retinamask/export/1344/model.onnx"
    assert points.graph_path(TORCH_AIE) == "results/retinaface/export/1000/model.ts"
    traced = loaded(values, {"engines": {"torch_aie": {"trace": "vendor"}}})
    assert traced.graph_path(TORCH_AIE) == "results/retinaface/torch_aie/1000-fp32-b1/model.ts"
    assert (points.traced_by_vendor(), traced.traced_by_vendor()) == ([], ["torch_aie"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"engines": {"ascend": {"chip": "Ascend310P3"}}},
            "engines.ascend.chip: found 'Ascend310P3'; expected a chip as npu-smi calls it, such as 310P3",
        ),
        (
            {"engines": {"acend": {"kind": "acend"}}},
            "engines.acend.kind: found 'acend'; did you mean ascend? allowed: onnxruntime, torchscript, "
            "ascend, torch_aie, vastai, or a kind of your own with rules: FILE",
        ),
        (
            {"engines": {"mine": {"rules": "no/such.smk"}}},
            "engines.mine.rules: no such file: no/such.smk",
        ),
        (
            {"engines": {"ascend": {"rules": "mine.smk"}}},
            "engines.ascend.rules: unknown key; allowed: chip, ",
        ),
        (
            {"models": {"retinaface_native": {"engines": ["onnxruntime", "ascend"]}}},
            "models.retinaface_native.variants.sizes: engine ascend compiles for one size; native is none",
        ),
        (
            {"models": {"retinaface": {"variants": {"batches": [1, 4]}}}},
            "models.retinaface.variants.batches: engine torch_aie takes 1 image a run; expected [1], or a",
        ),
        (
            {"models": {"retinaface_mnet": {"engines": ["onnxruntime", "ascend"]}}},
            "models.retinaface_mnet.engines: ascend writes raw output files, which recipe retinaface_letterbox",
        ),
        (
            {"models": {"centerface": {"engines": ["onnxruntime", "torch_aie"], "variants": {"batches": [1]}}}},
            "models.centerface.engines: torch_aie reads .npy files, recipe centerface writes .bin",
        ),
        (
            {"models": {"centerface": {"compile": {"ascend": {"aipp": True}}}}},
            "models.centerface.compile.ascend.aipp: recipe centerface has no tensor files of raw pixels",
        ),
        (
            {"models": {"retinaface": {"recipe": {"preprocess": {"interpolation": "linear"}}}}},
            "models.retinaface.compile.ascend.aipp: recipe.preprocess.interpolation: linear gives fractions of grey",
        ),
        (
            {"models": {"retinaface": {"recipe": {"preprocess": {"mean_bgr": [104, 117.5, 123]}}}}},
            "models.retinaface.compile.ascend.aipp: recipe.preprocess.mean_bgr: found 104, 117.5, 123; a card",
        ),
        (
            {"models": {"retinaface_native": {"variants": {"precisions": ["fp16"]}}}},
            "models.retinaface_native.variants.precisions: fp16 is offered by none of the engines onnx",
        ),
        (
            {"models": {"retinaface": {"variants": {"precisions": ["fp16"]}}}},
            "models.retinaface.variants.precisions: engine onnxruntime offers none of fp16; allowed: fp32",
        ),
    ],
)
def test_what_an_engine_cannot_do_is_said_before_any_job(values, changes, sentence):
    with pytest.raises(InputError) as error:
        loaded(values, changes)
    assert f"\n  {sentence}" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"models": {"retinaface": {"engines": ["onnxruntime", "vastai"]}}},
            "models.retinaface.engines: vastai reads .npz files, recipe retinaface writes .npy",
        ),
        (
            {"models": {"retinaface_mnet": {"recipe": {"preprocess": {"resize": "stretch"}}}}},
            "models.retinaface_mnet.recipe.preprocess.resize: vastai has no stretch; expected letterbox",
        ),
        (
            {"models": {"retinaface_native": {"variants": {"precisions": ["fp32", "int8"]}}}},
            "models.retinaface_native.variants.sizes: int8 on engine onnxruntime is calibrated at one size; native",
        ),
        (
            {"models": {"retinamask": {"variants": {"precisions": ["fp32", "fp16", "int8"]}}}},
            "models.retinamask.variants.precisions: network retinamask, whose outputs are rows, has no int8",
        ),
        (
            {"models": {"centerface_vastai": {"variants": {"precisions": ["fp32", "int8"]}}}},
            "models.centerface_vastai.variants.precisions: CenterFace in int8 compiles for vastai, but",
        ),
        (
            {**INT8, "datasets": {"widerface": {"calibration": {"source": None}}}},
            "models.retinaface_mnet.variants.precisions: int8 needs images to calibrate with, "
            "datasets.widerface.calibration.source is null; expected a folder",
        ),
        (
            {**INT8, "datasets": {"widerface": {"calibration": {"source": "/no/images"}}}},
            "models.retinaface_mnet.variants.precisions: int8 needs images to calibrate with, "
            "datasets.widerface.calibration.source: /no/images is not a folder",
        ),
    ],
)
def test_what_int8_and_a_card_cannot_do_is_said_before_any_job(values, changes, sentence):
    with pytest.raises(InputError) as error:
        loaded(values, changes)
    assert f"\n  {sentence}" in str(error.value)


def test_int8_on_onnx_runtime_is_quantised_here_and_on_a_card_by_its_compiler(values):
    points = loaded(values, INT8)
    here = Point("retinaface_mnet", "onnxruntime", "640-int8-b1")
    assert points.graph_path(here) == "results/retinaface_mnet/export/640/model_int8.onnx"
    assert points.graph_path(CARD_INT8) == "results/retinaface_mnet/export/640/model.onnx"
    assert points.leaf(here)["quantization"]["exclude"] == ["/body/stage1/.*"]
    assert points.leaf(CARD_INT8)["quantization"] is None
    other = {"models": {"retinaface_mnet": {"quantization": {"method": "entropy"}}}}
    update_config(other, INT8)
    of, changed_of = (States(given, ROOT / "workflow/scripts") for given in (points, loaded(values, other)))
    assert of.detect(here) != changed_of.detect(here)
    for point in (CARD_INT8, Point("retinaface_mnet", "onnxruntime", "640-fp32-b1")):
        assert of.detect(point) == changed_of.detect(point)


def test_a_card_does_its_part_of_the_recipe(values):
    points = loaded(values, INT8)
    assert points.recipe(CARD).decode.form == "card"
    assert points.leaf(CARD)["recipe"]["decode"]["form"] == "card"
    assert points.recipe(Point("retinaface_mnet", "onnxruntime", "640-fp32-b1")).decode.form == "host"
    assert points.recipe(Point("centerface_vastai", "vastai", "640-fp16-b1")).kind == "centerface_letterbox"


STAGES = ("prepare", "compile", "infer", "detect", "score", "bench")


def states(values, point, changes=None) -> dict[str, str]:
    of = States(loaded(values, changes), ROOT / "workflow/scripts")
    return {stage: getattr(of, stage)(point) for stage in STAGES}


def changed(values, point, changes) -> set[str]:
    before, after = states(values, point), states(values, point, changes)
    return {stage for stage in STAGES if before[stage] != after[stage]}


ALL = set(STAGES)


@pytest.mark.parametrize(
    ("point", "changes", "expected"),
    [
        (ASCEND, {"engines": {"ascend": {"device": 3}}}, set()),
        (ASCEND, {"engines": {"ascend": {"loops": 20}}}, {"bench"}),
        (ASCEND, {"engines": {"ascend": {"chip": "310P3"}}}, ALL - {"prepare"}),
        (ASCEND, {"engines": {"ascend": {"setup": "other/set_env.sh"}}}, ALL - {"prepare"}),
        (ASCEND, {"models": {"retinaface": {"compile": {"ascend": {"aipp": False}}}}}, ALL),
        (ASCEND, {"models": {"retinaface": {"recipe": {"decode": {"nms_threshold": 0.5}}}}}, {"detect", "score"}),
        (ASCEND, {"models": {"retinaface": {"recipe": {"preprocess": {"mean_bgr": [1, 2, 3]}}}}}, ALL),
        (ASCEND, {"models": {"retinaface": {"export": {"opset": 12}}}}, ALL - {"prepare"}),
        (TORCH_AIE, {"engines": {"torch_aie": {"trace": "vendor"}}}, ALL - {"prepare"}),
        (TORCH_AIE, {"engines": {"torch_aie": {"set_device": "torch_aie"}}}, ALL - {"prepare", "compile"}),
        (TORCH_AIE, {"models": {"retinaface": {"compile": {"ascend": {"aipp": False}}}}}, set()),
        (CARD, {"engines": {"vastai": {"iterations": 8, "instances": 1}}}, {"bench"}),
        (CARD, {"engines": {"vastai": {"setup": "activate.sh"}}}, ALL - {"prepare"}),
        (CARD, {"models": {"retinaface_mnet": {"recipe": {"preprocess": {"even_sizes": True}}}}}, ALL),
        (CARD, {"models": {"retinaface_mnet": {"compile": {"vastai": {"cluster_mode": 1}}}}}, ALL - {"prepare"}),
        (CARD, {"models": {"retinaface_mnet": {"recipe": {"decode": {"nms_threshold": 0.5}}}}}, ALL - {"prepare"}),
        (CARD, {"models": {"retinaface_mnet": {"recipe": {"decode": {"form": "card"}}}}}, set()),
        (CARD, {"datasets": {"widerface": {"calibration": {"seed": 7}}}}, set()),
        (OWN, {"engines": {"mine": {"options": {"target": "cuda"}}}}, {"infer", "detect", "score", "bench"}),
    ],
)
def test_what_depends_on_a_key_is_made_again(values, point, changes, expected):
    assert changed(values, point, changes) == expected


def test_other_calibration_images_make_int8_anew(values, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"an image")
    calibration = {"source": str(tmp_path / "images")}
    given = {**INT8, "datasets": {"widerface": {"calibration": calibration}}}
    before = states(values, CARD_INT8, given)
    for change in ({"seed": 1}, {"images": 51}, {"evaluation_images": True}):
        other = {**INT8, "datasets": {"widerface": {"calibration": calibration | change}}}
        after = states(values, CARD_INT8, other)
        assert {stage for stage in STAGES if before[stage] != after[stage]} == ALL - {"prepare"}
    (tmp_path / "images/b.jpg").write_bytes(b"another")
    assert states(values, CARD_INT8, given)["compile"] != before["compile"]


def test_other_rules_of_an_engine_of_ones_own_make_it_infer_again(values):
    before = states(values, OWN)
    Path(values["engines"]["mine"]["rules"]).write_text("# other rules\n")
    after = states(values, OWN)
    assert {stage for stage in STAGES if before[stage] != after[stage]} == {"infer", "detect", "score", "bench"}


def test_no_place_on_disk_is_among_what_decides_a_figure(values):
    points = loaded(values, {"engines": {"ascend": {"setup": "/opt/set_env.sh", "device": 2}}})
    leaf = points.leaf(ASCEND)
    assert leaf["engine"] == {"kind": "ascend", "chip": None, "rehearsal": False}
    assert leaf["compile"] == {"aipp": True}
    assert points.leaf(TORCH_AIE)["compile"] is None
    assert points.leaf(OWN)["engine"]["options"] == {"target": "llvm"}
