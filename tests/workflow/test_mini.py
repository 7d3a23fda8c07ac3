"""The main job on the 366 images, in both protocols and at both IoU thresholds."""

import json

import pytest

from .conftest import ROOT, run_snakemake

BOTH = {"scoring": {"iou_thresholds": [0.5, 0.4]}}
RECIPES = {"retinaface": "a1000", "retinaface_native": "orig"}


def test_ap_is_that_of_the_upstream_code(golden, mirror, tmp_path):
    targets = [f"results/{model}/map.json" for model in RECIPES]
    (tmp_path / "both.yaml").write_text(json.dumps({"models": dict.fromkeys(RECIPES, BOTH)}))
    overlays = ("--configfile", ROOT / "config/mini.yaml", "both.yaml")
    run = run_snakemake(ROOT, tmp_path, *overlays, "--", *targets, PTH2MAP_MIRROR=str(mirror))
    assert run.status == 0, run.output
    case = json.loads((golden / "retinaface_wider_subset/case.json").read_text())
    for model, recipe in RECIPES.items():
        result = json.loads((tmp_path / "results" / model / "map.json").read_text())
        assert result["images"] == 366
        upstream = case["results"][recipe]["subset"]
        assert result["metrics"] == pytest.approx(upstream["ap_iou_0.5"], abs=0.002)
        assert result["metrics_at_iou"]["0.4"] == pytest.approx(upstream["ap_iou_0.4"], abs=0.002)
