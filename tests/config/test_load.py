import copy
from pathlib import Path

import pytest
import yaml

from pth2map.config.load import load_config
from pth2map.files.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def load(**changes):
    """The project's config with values at dotted paths replaced; ``DROP`` removes a key."""
    values = copy.deepcopy(CONFIG)
    for path, value in changes.items():
        *parents, last = path.split("__")
        block = values
        for parent in parents:
            block = block[parent]
        if value is DROP:
            del block[last]
        else:
            block[last] = value
    return load_config(values, ROOT)


DROP = object()


def test_the_shipped_config_is_right():
    config = load()
    assert list(config.models) == [
        *("retinaface", "retinaface_native", "retinaface_mnet", "retinaface_r50"),
        *("centerface", "centerface_vastai", "retinamask"),
        *("retinaface_train1p", "retinaface_train8p", "demo"),
    ]
    assert config.models["retinaface"].recipe.decode.nms_threshold == 0.4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"modles": {}},
            "modles: unknown key; did you mean models? allowed: datasets, devices, drawing, engines, files, folders, "
            "models, tensor_shards",
        ),
        ({"models__retinaface__datset": "x"}, "models.retinaface.datset: unknown key; did you mean dataset?"),
        (
            {"models__retinaface__dataset": "widreface"},
            "models.retinaface.dataset: found 'widreface'; did you mean widerface?",
        ),
        (
            {"models__retinaface__network": "retinaface_mobilnet025"},
            "models.retinaface.network: found 'retinaface_mobilnet025'; did you mean retinaface_mobilenet025?",
        ),
        (
            {"models__retinaface__engines": ["onnxruntime", "torchscrip"]},
            "models.retinaface.engines[1]: found 'torchscrip'; did you mean torchscript?",
        ),
        (
            {"models__retinaface__headline__variant": "1000-fp32-b8"},
            "models.retinaface.headline.variant: found '1000-fp32-b8'; did you mean 1000-fp32-b1?",
        ),
        (
            {"models__retinaface_native__headline__engine": "ascend"},
            "models.retinaface_native.headline.engine: found 'ascend'; allowed: onnxruntime, torchscript",
        ),
        ({"models__retinaface__headline": DROP}, "models.retinaface.headline: missing; the block offers 4 points"),
        (
            {"models__retinaface__weights": "retinaface_mobilenet"},
            "models.retinaface.weights: found 'retinaface_mobilenet'; did you mean retinaface_mobilenet025?",
        ),
        (
            {"models__retinaface__weights": {"path": "no/such.pth"}},
            "models.retinaface.weights.path: no such file: no/such.pth",
        ),
        (
            {"models__retinaface__weights": 3},
            "models.retinaface.weights: found 3; expected an entry of files, or a block with one of path, formula, "
            "training",
        ),
        ({"models__retinaface__network": DROP}, "models.retinaface.network: missing; this key is required"),
        ({"models__retinaface": [1]}, "models.retinaface: found [1]; expected a block of keys"),
        (
            {"models__retinaface__recipe__preprocess__interpolation": "neares"},
            "models.retinaface.recipe.preprocess.interpolation: found 'neares'; did you mean nearest?",
        ),
        (
            {"models__retinaface__recipe__decode__nms_threshold": 1.4},
            "models.retinaface.recipe.decode.nms_threshold: found 1.4; expected 1 or less",
        ),
        (
            {"models__retinaface__recipe__preprocess__pad_value": "0"},
            "models.retinaface.recipe.preprocess.pad_value: found '0'; expected a whole number",
        ),
        (
            {"models__retinaface__variants__sizes": ["big"]},
            "models.retinaface.variants.sizes[0]: found 'big'; expected a whole number, or pixels, WxH or native",
        ),
        (
            {"models__retinaface__variants__precisions": ["fp61"]},
            "models.retinaface.variants.precisions[0]: found 'fp61'; did you mean fp16?",
        ),
        (
            {"models__retinaface__variants__sizes": ["native"], "models__retinaface__headline": DROP},
            "models.retinaface.variants.sizes: native does not go with recipe.preprocess.resize: long_side",
        ),
        (
            {"models__retinaface_native__export__dynamic": ["batch"]},
            "models.retinaface_native.export.dynamic: size native needs height and width to be dynamic",
        ),
        (
            {"models__retinaface_native__variants__batches": [1, 4]},
            "models.retinaface_native.variants.batches: images of different sizes (native) cannot share a batch",
        ),
        (
            {"engines__onnxruntime__kind": "onnxrt"},
            "engines.onnxruntime.kind: found 'onnxrt'; did you mean onnxruntime?",
        ),
        ({"engines__onnxruntime__kind": DROP}, "engines.onnxruntime.kind: missing"),
        ({"engines__torchscript__route": "file"}, "engines.torchscript.route: found 'file'; did you mean files?"),
        (
            {"engines__torchscript__threads": 0},
            "engines.torchscript.threads: found 0; expected 1 or more",
        ),
        ({"datasets__widerface__root": "/no/such"}, "datasets.widerface.root: /no/such is not a folder"),
        (
            {"datasets__widerface__subset": {"list": "none.txt"}},
            "datasets.widerface.subset.list: no such file: none.txt",
        ),
        ({"datasets__widerface__subset": {}}, "datasets.widerface.subset: found neither; give either first or list"),
        (
            {"datasets__widerface__root": "${PTH2MAP_NO}/x"},
            "needs the environment variable PTH2MAP_NO, which is not set",
        ),
        (
            {"models__retinaface__recipe__decode__nms_threshold": float("nan")},
            "models.retinaface.recipe.decode.nms_threshold: found nan; expected a finite number",
        ),
        (
            {"models__retinaface__engines": ["onnxruntime", "onnxruntime"]},
            "models.retinaface.engines: onnxruntime comes 2 times",
        ),
        (
            {"engines__tables": 3, "engines__export": CONFIG["engines"]["onnxruntime"]},
            "engines.tables: found 3; expected a block",
        ),
        ({"engines__export": CONFIG["engines"]["onnxruntime"]}, "engines.export: this name is a folder of its own"),
        (
            {"files__retinaface_mobilenet025__path": "../evil.pth"},
            "files.retinaface_mobilenet025.path: found '../evil.pth'; expected a relative path of plain names",
        ),
        ({"files__retinaface_mobilenet025__sha256": None}, "files.retinaface_mobilenet025: no hash; give sha256"),
        (
            {"files__retinaface_resnet50__path": "weights/retinaface/mobilenet0.25_Final.pth"},
            "files.retinaface_mobilenet025.path: weights/retinaface/mobilenet0.25_Final.pth is the place of "
            "files.retinaface_resnet50",
        ),
        ({"models__retinaface__variants__batches": [1, 1]}, "models.retinaface.variants: 1000-fp32-b1 comes 2 times"),
        ({"models": None}, "models: found null; expected a block of keys"),
        (
            {"models__retinamask__engines": ["onnxruntime", "torchscript"]},
            "models.retinamask.engines[1]: torchscript runs torchscript graphs, which network retinamask cannot "
            "become; allowed: onnxruntime",
        ),
        (
            {"models__retinamask__variants__batches": [2], "models__retinamask__headline": DROP},
            "models.retinamask.variants.batches: network retinamask takes one image a run; expected 1",
        ),
        (
            {"models__retinamask__export__dynamic": ["batch"]},
            "models.retinamask.export.dynamic: the anchors of network retinamask are constants; expected []",
        ),
        (
            {"models__retinamask__variants__sizes": [1350], "models__retinamask__headline": DROP},
            "models.retinamask.variants.sizes: 1350 does not go with recipe.kind: retinamask",
        ),
        (
            {"models__retinamask__dataset": "widerface"},
            "models.retinamask.dataset: recipe retinamask is scored as coco, widerface is of kind widerface; "
            "allowed: coco",
        ),
        (
            {"models__centerface__dataset": "coco"},
            "models.centerface.dataset: recipe centerface is scored as widerface, coco is of kind coco; "
            "allowed: widerface",
        ),
        (
            {"models__retinamask__scoring__iou_thresholds": [0.5]},
            "models.retinamask.scoring.iou_thresholds: COCO has thresholds of its own; leave this key out",
        ),
        (
            {"models__retinamask__export__parity__max_abs_of": {"boxes": 0.02}},
            "models.retinamask.export.parity.max_abs_of: network retinamask has no output 'boxes'; did you mean bboxs?",
        ),
        (
            {
                "models__retinamask__network": "retinamask_kept_masks",
                "models__retinamask__recipe__decode__keep": 300,
                "engines__onnxruntime__route": "files",
            },
            "models.retinamask.recipe.decode: network retinamask_kept_masks drops rows at IoU 0.4 and keeps 100; "
            "expected nms_threshold 0.4 and keep up to 100, or network retinamask\n"
            "  models.retinamask.engines[0]: onnxruntime works over files, whose length would follow the picture; "
            "leave it out, or give it route: stream",
        ),
        ({"datasets__coco__kind": "cocoo"}, "datasets.coco.kind: found 'cocoo'; did you mean coco?"),
        ({"datasets__coco__split": "../x"}, "datasets.coco.split: found '../x'"),
        (
            {"datasets__coco__root": "/no/such"},
            "datasets.coco.root: /no/such is not a folder; expected <root>/<split>/*.jpg and "
            "<root>/annotations/instances_<split>.json",
        ),
        (
            {"models__centerface__variants__sizes": [810], "models__centerface__headline": DROP},
            "models.centerface.variants.sizes: 810 does not go with recipe.kind: centerface; expected one size for all "
            "images, multiples of 32",
        ),
        (
            {"models__retinaface_mnet__variants__sizes": ["native"], "models__retinaface_mnet__headline": DROP},
            "models.retinaface_mnet.variants.sizes: native does not go with recipe.kind: retinaface_letterbox",
        ),
        (
            {"models__retinaface_mnet__recipe__decode__form": "crad"},
            "models.retinaface_mnet.recipe.decode.form: found 'crad'; did you mean card?",
        ),
        (
            {"models__centerface__recipe__kind": "centreface"},
            "models.centerface.recipe.kind: found 'centreface'; did you mean centerface?",
        ),
        (
            {"models__centerface__recipe": {}},
            "models.centerface.recipe.kind: missing",
        ),
        (
            {"models__centerface__scoring": {"iou_thresholds": [0.5, 1.4]}},
            "models.centerface.scoring.iou_thresholds[1]: found 1.4; expected 1 or less",
        ),
        (
            {"models__centerface__scoring": {"iou_thresholds": [0.5, 0.5]}},
            "models.centerface.scoring.iou_thresholds: 0.5 comes 2 times",
        ),
        (
            {"models__centerface__weights": {"formula": [["^hm(", 2.0]]}},
            "models.centerface.weights.formula: '^hm(' is no regular expression",
        ),
        (
            {"models__centerface__weights": {"formla": []}},
            "models.centerface.weights.formla: unknown key; did you mean formula? allowed: path, formula, training",
        ),
        (
            {"models__centerface__variants__batches": [1, 4], "models__centerface__export__dynamic": []},
            "models.centerface.export.dynamic: batches above 1 need batch to be dynamic",
        ),
        (
            {"models__centerface__network": "retinaface_resnet50"},
            "models.centerface.recipe.kind: centerface does not go with network retinaface_resnet50; allowed: ",
        ),
        (
            {"models__centerface__scoring": {"iou_thresholds": [0.3333333333]}},
            "models.centerface.scoring.iou_thresholds: found 0.3333333333; expected at most six digits",
        ),
        (
            {"models__centerface__weights": {"formula": [], "path": "mine.pth"}},
            "models.centerface.weights: found path and formula; give one, and the other null",
        ),
        (
            {"models__retinaface_mnet__variants__sizes": [320, "320x320"], "models__retinaface_mnet__headline": DROP},
            "models.retinaface_mnet.variants.sizes: 320x320 is a square; give one number, 320",
        ),
        (
            {"models__retinaface_mnet__variants__sizes": [100000000], "models__retinaface_mnet__headline": DROP},
            "models.retinaface_mnet.variants.sizes: 100000000 has more than 67,108,864 pixels",
        ),
        (
            {"models__retinaface_mnet__export__opset": 8},
            "models.retinaface_mnet.export.opset: found 8; expected 9 or more",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_key_path(changes, sentence):
    with pytest.raises(InputError) as error:
        load(**changes)
    assert f"\n  {sentence}" in str(error.value) or sentence in str(error.value).splitlines()[1]


def test_all_errors_come_at_once():
    with pytest.raises(InputError, match="the config has 2 errors"):
        load(models__retinaface__datset=1, engines__onnxruntime__threads="four")


def test_names_must_be_fit_for_paths():
    with pytest.raises(InputError, match="letters, digits and _, a letter first"):
        load(**{"models__my model": CONFIG["models"]["retinaface"]})


def test_environment_variables_are_put_in(monkeypatch, tmp_path):
    for folder in ("wider/WIDER_val/images", "wider/ground_truth"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("SOME_MIRROR", str(tmp_path))
    assert load(datasets__widerface__root="${SOME_MIRROR}/wider").datasets["widerface"].root == f"{tmp_path}/wider"


def test_paths_are_looked_for_below_the_workflow_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = load(datasets__widerface__subset={"list": "config/lists/widerface_smoke.txt"})
    assert Path(config.datasets["widerface"].subset.list) == ROOT / "config/lists/widerface_smoke.txt"
    (tmp_path / "config/lists").mkdir(parents=True)
    (tmp_path / "config/lists/widerface_smoke.txt").write_text("")
    config = load(datasets__widerface__subset={"list": "config/lists/widerface_smoke.txt"})
    assert config.datasets["widerface"].subset.list == "config/lists/widerface_smoke.txt"


@pytest.mark.parametrize("overlay", sorted(p.name for p in (ROOT / "config").glob("*.yaml") if p.name != "config.yaml"))
def test_overlays_are_right(overlay, mirror, monkeypatch):
    from snakemake.utils import update_config  # noqa: PLC0415  (the merge that Snakemake does)

    values = copy.deepcopy(CONFIG)
    update_config(values, yaml.safe_load((ROOT / "config" / overlay).read_text()))
    load_config(values, ROOT)
