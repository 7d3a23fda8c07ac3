"""Configs that are wrong, odd, or cannot be read."""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest
import yaml
from tests.bad_input.case import ROOT, Area, Case, refused, works
from tests.bad_input.page import hold

from pth2map.config.load import load_config
from pth2map.config.schema import Config
from pth2map.files.errors import InputError

AREA = Area("The config")
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def load(overlay: str) -> Config:
    """The config of the project with an overlay, put together as Snakemake does."""
    config = copy.deepcopy(BASE)
    update(config, yaml.safe_load(overlay))
    return load_config(config, ROOT)


def update(config: dict, changes: Mapping) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            update(config[key], value)
        else:
            config[key] = value


def wrong(overlay: str) -> str:
    with pytest.raises(InputError) as error:
        load(overlay)
    return str(error.value)


def unreadable(folder: Path, content: bytes | None) -> str:
    if content is not None:
        (folder / "mine.yaml").write_bytes(content)
    return refused("check_config", folder / "mine.yaml", folder=folder)


@AREA.case(
    "a key that does not exist", "Take the key that is offered; all are in [configuration.md](configuration.md)."
)
def unknown_key(folder: Path) -> str:
    return wrong("models: {retinaface: {datset: widerface}}")


@AREA.case("several mistakes at once", "All are listed; mend them together.")
def several_mistakes(folder: Path) -> str:
    return wrong(
        "{models: {retinaface: {datset: widerface}}, engines: {onnxruntime: {threads: four}}, tensor_shards: 0}"
    )


@AREA.case("text where a number is wanted", "Write the number.")
def wrong_type(folder: Path) -> str:
    return wrong("datasets: {widerface: {shards: many}}")


@AREA.case("`5e-4`, which YAML reads as text", "Write `5.0e-4` or `0.0005`.")
def number_as_text(folder: Path) -> str:
    return wrong("models: {retinaface: {export: {parity: {max_abs: 5e-4}}}}")


@AREA.case("a fraction where a whole number is wanted", "Write a whole number.")
def fraction(folder: Path) -> str:
    return wrong("engines: {onnxruntime: {threads: 1.5}}")


@AREA.case("`yes`, `no`, `on`, `off` where text is wanted", "Put quotes around it.")
def boolean(folder: Path) -> str:
    return wrong("models: {retinaface: {network: yes}}")


@AREA.case("a block that is called `no`", "Choose a name that YAML reads as text.")
def boolean_name(folder: Path) -> str:
    return wrong("engines: {no: {kind: onnxruntime}}")


@AREA.case("nothing behind the colon, or a `~` alone", "Give a value, or leave the key out for its default.")
def null(folder: Path) -> str:
    return wrong("datasets: {widerface: {root: ~}}")


@AREA.case("a number where a name is wanted", "Put quotes around it, or take a name that begins with a letter.")
def number_as_name(folder: Path) -> str:
    return wrong("models: {retinaface: {network: 25}}")


@AREA.case("one value where a list is wanted", "Write `[onnxruntime]`.")
def no_list(folder: Path) -> str:
    return wrong("models: {retinaface: {engines: onnxruntime}}")


@AREA.case("a block without its values", "Give the block its keys, or leave it out.")
def empty_block(folder: Path) -> str:
    return wrong("models: {retinaface: }")


@AREA.case("a network that does not exist", "Take one that is allowed.")
def unknown_network(folder: Path) -> str:
    return wrong("models: {retinaface: {network: retinaface_mobilenet}}")


@AREA.case("an engine that does not exist", "Take one of `engines:`, or declare it there.")
def unknown_engine(folder: Path) -> str:
    return wrong("models: {retinaface: {engines: [onnx, torchscript], headline: {engine: torchscript}}}")


@AREA.case("a kind of engine that does not exist", "Take one that is allowed.")
def unknown_kind(folder: Path) -> str:
    return wrong("engines: {mine: {kind: tensorrt}}")


@AREA.case("a dataset that does not exist", "Take one of `datasets:`, or declare it there.")
def unknown_dataset(folder: Path) -> str:
    return wrong("models: {retinaface: {dataset: widerfaces}}")


@AREA.case("a headline on an engine that the block does not have", "Name one of the block's engines.")
def headline_engine(folder: Path) -> str:
    return wrong("models: {retinaface: {engines: [torchscript]}}")


@AREA.case("a headline at a variant that the block does not have", "Name one of its variants, or add the size.")
def headline_variant(folder: Path) -> str:
    return wrong("models: {retinaface: {variants: {sizes: [640]}}}")


@AREA.case("a precision that the engine does not offer", "Take one that is allowed.")
def precision(folder: Path) -> str:
    return wrong("models: {retinaface: {variants: {precisions: [int4]}}}")


@AREA.case("batches of images that keep their sizes", "Give the batch 1, or a recipe that resizes.")
def native_batches(folder: Path) -> str:
    return wrong("models: {retinaface_native: {variants: {batches: [4]}, headline: {variant: native-fp32-b4}}}")


@AREA.case(
    "a size that does not go with the recipe", "Give `native` to a recipe with `resize: none`, pixels to others."
)
def size_and_resize(folder: Path) -> str:
    return wrong("models: {retinaface: {variants: {sizes: [native]}, headline: {variant: native-fp32-b1}}}")


@AREA.case("`shards: 0`", "Give 1 or more.")
def no_shards(folder: Path) -> str:
    return wrong("datasets: {widerface: {shards: 0}}")


@AREA.case("a threshold below 0", "Give a number from 0 to 1.")
def negative_threshold(folder: Path) -> str:
    return wrong("models: {retinaface: {recipe: {decode: {nms_threshold: -0.4}}}}")


@AREA.case("a threshold that is not a number (`.nan`)", "Give a number.")
def nan(folder: Path) -> str:
    return wrong("models: {retinaface: {recipe: {decode: {confidence_threshold: .nan}}}}")


@AREA.case("a mean of an infinite value", "Give a number.")
def infinite(folder: Path) -> str:
    return wrong("models: {retinaface: {recipe: {preprocess: {mean_bgr: [.inf, 1, 1]}}}}")


@AREA.case("a dataset folder that does not exist", "Correct the path, or put the dataset there.")
def root_missing(folder: Path) -> str:
    return wrong(f"datasets: {{widerface: {{root: '{folder}/wider'}}}}")


@AREA.case("a dataset folder that is a file", "Give the folder; an archive has to be unpacked.")
def root_is_a_file(folder: Path) -> str:
    (folder / "wider.zip").touch()
    return wrong(f"datasets: {{widerface: {{root: '{folder}/wider.zip'}}}}")


@AREA.case("a dataset folder without the layout of WIDER FACE", "Give the folder that holds `WIDER_val`.")
def root_is_empty(folder: Path) -> str:
    return wrong(f"datasets: {{widerface: {{root: '{folder}'}}}}")


@AREA.case("a dataset folder that is a link to itself", "Make the link anew.")
def root_is_a_loop(folder: Path) -> str:
    (folder / "wider").symlink_to(folder / "wider")
    return wrong(f"datasets: {{widerface: {{root: '{folder}/wider'}}}}")


@AREA.case("`~/wider` as a path", "Nothing: `~` is the home folder.")
def home(folder: Path) -> str:
    for part in ("WIDER_val/images", "ground_truth"):
        (folder / "wider" / part).mkdir(parents=True)
    with mock.patch.dict(os.environ, HOME=str(folder)):
        config = load("datasets: {widerface: {root: ~/wider}}")
    assert config.datasets["widerface"].root == str(folder / "wider")
    return "works"


@AREA.case("blanks and letters of any language in a path", "Nothing.")
def odd_path(folder: Path) -> str:
    root = folder / "Größe 検出 'a'"
    for part in ("WIDER_val/images", "ground_truth"):
        (root / part).mkdir(parents=True)
    assert load(f'datasets: {{widerface: {{root: "{root}"}}}}').datasets["widerface"].root == str(root)
    return "works"


@AREA.case("an environment variable that is not set", "Set it: `export MY_DATA=/some/folder`.")
def variable(folder: Path) -> str:
    with mock.patch.dict(os.environ):
        os.environ.pop("MY_DATA", None)
        return wrong("datasets: {widerface: {root: '${MY_DATA}/wider'}}")


@AREA.case("weights of your own that are not there", "Correct the path.")
def own_weights_missing(folder: Path) -> str:
    return wrong(f"models: {{retinaface: {{weights: {{path: '{folder}/epoch_80.pth'}}}}}}")


@AREA.case("weights of your own that are a folder", "Give the checkpoint in it.")
def own_weights_folder(folder: Path) -> str:
    return wrong(f"models: {{retinaface: {{weights: {{path: '{folder}'}}}}}}")


@AREA.case("weights that are not declared", "Take one of `files:`, declare it there, or give `path: FILE`.")
def undeclared_weights(folder: Path) -> str:
    return wrong("models: {retinaface: {weights: retinaface_resnet}}")


@AREA.case("a subset by number and by list at once", "Give one of them.")
def two_subsets(folder: Path) -> str:
    return wrong("datasets: {widerface: {subset: {first: 3, list: names.txt}}}")


@AREA.case("a list of a subset that is not there", "Correct the path.")
def subset_list_missing(folder: Path) -> str:
    return wrong(f"datasets: {{widerface: {{subset: {{list: '{folder}/names.txt'}}}}}}")


def training(values: str, block: str = "retinaface_train1p") -> str:
    return wrong(f"models: {{{block}: {{weights: {{training: {{{values}}}}}}}}}")


@AREA.case(
    "a key of the training script, not of a training",
    "Take the key that is offered; [training.md](training.md) has a table.",
)
def training_key(folder: Path) -> str:
    return training("lr: 0.01")


@AREA.case("nothing behind `size:` of a training", "Give it: 840 for resnet50, 640 for mobilenet0.25.")
def training_size(folder: Path) -> str:
    return training("size: null")


@AREA.case("apex's level as `amp`", "Write `amp: true, opt_level: O2`.")
def training_amp(folder: Path) -> str:
    return training("amp: O2")


@AREA.case("decays that do not rise", "Write the epochs in their order, each once.")
def training_decays(folder: Path) -> str:
    return training("decay_epochs: [90, 70]")


@AREA.case("the best checkpoint asked for, and none kept", "Let it be kept.")
def training_best(folder: Path) -> str:
    return training("weights: best, checkpoints: {best: false}")


@AREA.case("a network that cannot be trained here", "Take one that is allowed.")
def training_network(folder: Path) -> str:
    return training("size: 800", "centerface")


@AREA.case("a dataset without labelled faces as `data`", "Take one that is allowed, or give it `training:`.")
def training_data(folder: Path) -> str:
    return training("data: coco")


@AREA.case("weights to start from and a backbone", "The preset has a backbone: give `backbone: null` too.")
def training_starts(folder: Path) -> str:
    return training("start_from: retinaface_resnet50")


@AREA.case("a backbone of your own that is not there", "Correct the path.")
def training_backbone(folder: Path) -> str:
    return training(f"backbone: {{path: '{folder}/resnet50.pth'}}")


@AREA.case("a device that does not exist", "Take one of `devices:`, or declare it there.")
def training_device(folder: Path) -> str:
    return training("device: gpu")


@AREA.case("a batch that cannot be shared out among the devices", "Make it a multiple of their number.")
def training_batch(folder: Path) -> str:
    return training("devices: [0, 1, 2]")


@AREA.case("a backend of another kind of device", "Leave it null.")
def training_backend(folder: Path) -> str:
    return training("backend: gloo")


@AREA.case("a checkpoint for a block that is trained", "Give `weights: {training: null, path: FILE}`.")
def training_and_path(folder: Path) -> str:
    return wrong(f"models: {{retinaface_train1p: {{weights: {{path: '{folder}/mine.pth'}}}}}}")


@AREA.case("labels of your own that are not there", "Correct the path.")
def training_labels(folder: Path) -> str:
    return wrong(f"datasets: {{widerface: {{training: {{train: {{labels: '{folder}/label.txt'}}}}}}}}")


@AREA.case(
    "a policy that a kind of fault does not have",
    "Take one that is allowed; [training.md](training.md#data) has a table.",
)
def training_faults(folder: Path) -> str:
    return wrong("datasets: {widerface: {training: {faults: {outside: drop}}}}")


@AREA.case("a key that stands twice", "Put both into one block. YAML alone would take the last without a word.")
def duplicate_key(folder: Path) -> str:
    return unreadable(folder, b"models:\n  mine: {dataset: a}\n  other: {dataset: a}\nmodels:\n  mine: {dataset: b}\n")


@AREA.case("a key that stands twice in a JSON file", "Put both into one block.")
def duplicate_json_key(folder: Path) -> str:
    return unreadable(folder, b'{\n\t"tensor_shards": 1,\n\t"tensor_shards": 2\n}')


@AREA.case("an overlay that is not there", "Correct its name.")
def overlay_missing(folder: Path) -> str:
    return unreadable(folder, None)


@AREA.case("an empty overlay, or one of comments alone", "Leave it out, or give it a key.")
def overlay_empty(folder: Path) -> str:
    return unreadable(folder, b"# nothing yet\n")


@AREA.case("an overlay that is a list", "Write `key: value` without the dash.")
def overlay_list(folder: Path) -> str:
    return unreadable(folder, b"- tensor_shards: 2\n")


@AREA.case("an overlay that is one value", "Write `key: value`, with a blank behind the colon.")
def overlay_scalar(folder: Path) -> str:
    return unreadable(folder, b"tensor_shards:2\n")


@AREA.case("tabs in YAML", "Indent with blanks.")
def tabs(folder: Path) -> str:
    return unreadable(folder, b"datasets:\n\twiderface: {shards: 2}\n")


@AREA.case("a bracket that is not closed", "Close it, above the line that is named.")
def bracket(folder: Path) -> str:
    return unreadable(folder, b"models:\n  retinaface: {engines: [onnxruntime}\n")


@AREA.case("an overlay in another encoding", "Save it as UTF-8.")
def encoding(folder: Path) -> str:
    return unreadable(folder, "datasets:\n  widerface: {root: /Größe}\n".encode("latin-1"))


@AREA.case("a byte order mark at the start, Windows line ends", "Nothing.")
def byte_order_mark(folder: Path) -> str:
    path = folder / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbftensor_shards: 3\r\ndatasets:\r\n  widerface: {shards: 2}\r\n")
    assert works("check_config", path) == ""
    config = load(path.read_text(encoding="utf-8"))
    assert (config.tensor_shards, config.datasets["widerface"].shards) == (3, 2)
    return "works"


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
