"""The preprocessing by which the Ascend page of RetinaFace's training evaluates: long side 1600, bilinear."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from pth2map.datasets.images import read_image
from pth2map.recipes.recipe import Recipe

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text())


@pytest.mark.parametrize("block", ["retinaface_train1p", "retinaface_train8p"])
def test_the_blocks_that_are_trained_have_the_recipe_of_the_page(block):
    model = CONFIG["models"][block]
    preprocess = Recipe.parse(json.dumps(model["recipe"]), "1600").preprocess()
    assert (model["variants"]["sizes"], model["export"]["opset"]) == ([1600], 11)
    assert preprocess.protocol() == [
        "input: longer side scaled to 1600 px (bilinear), right and bottom padded with 0 before the mean to 1600×1600",
        "pixels: BGR, 0 to 255, minus mean (104, 117, 123)",
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_inputs_at_1600_equal_those_of_the_published_script(number, golden, mirror):
    case = json.loads((golden / "retinaface_train/case.json").read_text())["test_preprocess_1600"][number]
    recipe = json.dumps(CONFIG["models"]["retinaface_train8p"]["recipe"])
    tensor, placement = Recipe.parse(recipe, "1600").preprocess()(read_image(mirror / "widerface-mini" / case["image"]))
    assert placement.scale == np.float32(case["resize"])
    assert hashlib.sha256(np.ascontiguousarray(tensor[None]).tobytes()).hexdigest() == case["tensor"]["sha256"]
    assert tensor[None].shape == tuple(case["tensor"]["shape"])
    assert (float(tensor.min()), float(tensor.max())) == (case["tensor"]["min"], case["tensor"]["max"])
