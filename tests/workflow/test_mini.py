"""The main job on the 366 images, in both protocols."""

import json

import pytest

from .conftest import ROOT, run_snakemake

RECIPES = {"retinaface": "a1000", "retinaface_native": "orig"}


def test_ap_is_that_of_the_upstream_code(golden, mirror, tmp_path):
    targets = [f"results/{model}/map.json" for model in RECIPES]
    run = run_snakemake(
        ROOT, tmp_path, "--configfile", ROOT / "config/mini.yaml", "--", *targets, PTH2MAP_MIRROR=str(mirror)
    )
    assert run.status == 0, run.output
    case = json.loads((golden / "retinaface_wider_subset/case.json").read_text())
    for model, recipe in RECIPES.items():
        result = json.loads((tmp_path / "results" / model / "map.json").read_text())
        assert result["images"] == 366
        assert result["metrics"] == pytest.approx(case["results"][recipe]["subset"]["ap_iou_0.5"], abs=0.002)
