"""RetinaMask and COCO from end to end on two real images, with weights by formula: streaming, and over files by the
rehearsed Ascend route with the graph for ATC.
"""

import json

import numpy as np
import onnx
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pth2map.evaluation.coco import FIGURES
from pth2map.recipes.detections import load_detections

from .conftest import ROOT, run_snakemake

OVERLAY = """
engines:
  atc: {kind: ascend, setup: workflow/rehearsal/set_env.sh, python: python, rehearsal: true}
models:
  retinamask:
    engines: [onnxruntime, atc]
    variants: {sizes: [672], precisions: [fp32]}
    headline: {engine: onnxruntime, variant: 672-fp32-b1}
datasets:
  coco: {shards: 1, subset: {list: two.txt}}
tensor_shards: 1
"""
ENGINES = ("onnxruntime", "atc")
IMAGES = (139, 536038)


@pytest.fixture(scope="module")
def run(mirror, tmp_path_factory):
    """A folder in which both routes and the graph for ATC have been made."""
    folder = tmp_path_factory.mktemp("coco run")
    (folder / "two.txt").write_text("".join(f"val2017/{image:012d}\n" for image in IMAGES))
    (folder / "routes.yaml").write_text(OVERLAY.replace("two.txt", f"'{folder}/two.txt'"))
    targets = ["results/retinamask/all.tsv", "results/retinamask/map.txt"]
    targets += ["results/retinamask/export/672/model_cast.onnx"]
    targets += ["results/retinamask/onnxruntime/672-fp32-b1/drawn"]
    overlays = ["--configfile", ROOT / "config/smoke.yaml", "routes.yaml"]
    done = run_snakemake(ROOT, folder, *overlays, "--", *targets, PTH2MAP_MIRROR=str(mirror))
    assert done.status == 0, done.output
    again = run_snakemake(ROOT, folder, "-n", *overlays, "--", *targets, PTH2MAP_MIRROR=str(mirror))
    assert again.jobs == {}, again.output
    return folder


def point(folder, engine):
    return folder / "results/retinamask" / engine / "672-fp32-b1"


def test_both_routes_find_the_same(run):
    streamed, filed = (load_detections(point(run, engine) / "detections/detections.npz") for engine in ENGINES)
    assert len(streamed.names) == len(IMAGES)
    assert streamed.content_hash() == filed.content_hash()
    np.testing.assert_array_equal(streamed.extra["corners"], filed.extra["corners"])
    records = [(point(run, engine) / "detections/detections.json").read_bytes() for engine in ENGINES]
    assert records[0] == records[1]


def test_the_result_says_what_it_is(run):
    content = json.loads((run / "results/retinamask/map.json").read_text())
    assert content["synthetic"] is True
    assert content["images"] == len(IMAGES)
    assert [sorted(content["metrics"][kind]) for kind in ("bbox", "segm")] == [sorted(FIGURES)] * 2
    for words in ("672", "NMS of each class at IoU 0.4", "COCO val2017, a subset: 2 of 206 images", "that of its box"):
        assert words in content["protocol"]
    text = (run / "results/retinamask/map.txt").read_text()
    assert "SYNTHETIC WEIGHTS" in text
    header, *rows = (run / "results/retinamask/all.tsv").read_text().splitlines()
    table = [dict(zip(header.split("\t"), row.split("\t"), strict=True)) for row in rows]
    assert [row["engine"] for row in table] == list(ENGINES)
    assert (table[0]["parameters"], table[0]["macs"]) == ("36430341", "632780228608")


def test_the_figures_are_those_of_pycocotools_on_the_written_records(run, mirror, capsys):
    truth = COCO(mirror / "coco-mini/annotations/instances_val2017.json")
    folder = point(run, "onnxruntime")
    found = truth.loadRes(str(folder / "detections/detections.json"))
    metrics = json.loads((folder / "map.json").read_text())["metrics"]
    for kind in ("bbox", "segm"):
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = list(IMAGES)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        values = [metrics[kind][name] for name in FIGURES]
        assert [-1 if value is None else value for value in values] == pytest.approx(
            evaluation.stats.tolist(), abs=1e-9
        )
        assert max(value or 0 for value in values) > 0 or kind == "segm"
    summary = (folder / "detections/evaluation_results.txt").read_text()
    assert summary.count("Average Precision") == 12


def test_the_graph_for_atc_lies_beside_the_one_that_runs(run):
    folder = run / "results/retinamask/export/672"
    model = onnx.load(folder / "model_cast.onnx")
    casts = [node for node in model.graph.node if node.name.startswith("Cast_")]
    assert len(casts) == 2
    parity = json.loads((folder / "model.onnx.parity.json").read_text())
    assert parity["outputs"]["bboxs"]["shape"] == [1000, 4]
    assert parity["outputs"]["masks"]["max_abs"] <= 5e-4


def test_the_graph_for_atc_is_what_the_ascend_route_compiles(run):
    assert "--model=results/retinamask/export/672/model_cast.onnx" in run_command(run)
    result = json.loads((point(run, "atc") / "map.json").read_text())
    assert (result["rehearsal"], result["synthetic"]) == (True, True)


def run_command(run):
    """What a dry-run shows of the compile rule."""
    overlays = ["--configfile", ROOT / "config/smoke.yaml", "routes.yaml"]
    target = "results/retinamask/atc/672-fp32-b1/model.om"
    shown = run_snakemake(ROOT, run, "-n", "-p", "--forcerun", "compile_ascend", *overlays, "--", target)
    return shown.output


def test_no_tensor_file_is_left(run):
    assert not list((run / "scratch/retinamask").rglob("*.bin"))
    assert len(list((point(run, "onnxruntime") / "drawn").rglob("*.jpg"))) == len(IMAGES)
