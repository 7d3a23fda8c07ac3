"""Blocks of several sizes, batches and forms on 24 real images, some with weights by formula."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from pth2map.datasets.widerface import read_ground_truth
from pth2map.evaluation.widerface import evaluate
from pth2map.files.hashing import hash_json
from pth2map.recipes.detections import load_detections, read_texts

from .conftest import ROOT, Run, copy_project, run_snakemake

OVERLAY = """
engines:
  by_files: {kind: onnxruntime, route: files}
  atc: {kind: ascend, setup: workflow/rehearsal/set_env.sh, python: python, chip: 310P3, rehearsal: true}
  card: {kind: vastai, setup: workflow/rehearsal/set_env.sh, rehearsal: true, iterations: 4}
  vsx: {kind: vastai, runner: vaststreamx, setup: workflow/rehearsal/set_env.sh, python: python, rehearsal: true}
models:
  retinaface_card:
    network: retinaface_mobilenet025
    weights: retinaface_mobilenet025
    dataset: widerface
    recipe: {kind: retinaface_letterbox, decode: {form: card}}
    export: {opset: 10, dynamic: []}
    engines: [onnxruntime, card]
    variants: {sizes: [320], precisions: [fp32, fp16, int8]}
    headline: {engine: onnxruntime, variant: 320-fp32-b1}
  retinaface_vsx:
    network: retinaface_mobilenet025
    weights: retinaface_mobilenet025
    dataset: widerface
    recipe: {kind: retinaface_letterbox, preprocess: {even_sizes: true}}
    export: {opset: 10, dynamic: []}
    engines: [vsx]
    variants: {sizes: [320]}
  retinaface_mnet:
    engines: [onnxruntime, torchscript]
    variants: {sizes: [320, 416]}
    headline: {engine: onnxruntime, variant: 416-fp32-b1}
  retinaface_r50:
    engines: [onnxruntime, by_files]
    variants: {sizes: [320]}
    headline: {engine: onnxruntime, variant: 320-fp32-b1}
    recipe: {decode: {form: card, text: npz}}
  centerface:
    engines: [onnxruntime, by_files, atc]
    variants: {sizes: [416], batches: [1, 5]}
    headline: {engine: onnxruntime, variant: 416-fp32-b1}
datasets:
  widerface: {calibration: {images: 8}}
tensor_shards: 1
"""
BATCHES = (1, 5)


@pytest.fixture(scope="module")
def folder(mirror, tmp_path_factory) -> Path:
    """A folder in which every point of three blocks has been made."""
    folder = tmp_path_factory.mktemp("variants")
    (folder / "variants.yaml").write_text(OVERLAY)
    models = ("retinaface_mnet", "retinaface_r50", "centerface", "retinaface_card", "retinaface_vsx")
    targets = [f"results/{model}/{file}" for model in models for file in ("all.tsv", "map.txt")]
    targets += ["results/retinaface_mnet/onnxruntime/416-fp32-b1/drawn"]
    run = call(folder, mirror, *targets)
    assert run.status == 0, run.output
    return folder


def call(folder: Path, mirror: Path, *targets: str) -> Run:
    overlays = (ROOT / "config/smoke.yaml", "variants.yaml")
    return run_snakemake(ROOT, folder, "--configfile", *overlays, "--", *targets, PTH2MAP_MIRROR=str(mirror))


def table(folder: Path, model: str) -> list[dict[str, str]]:
    with (folder / "results" / model / "all.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def point(folder: Path, model: str, engine: str, variant: str) -> Path:
    return folder / "results" / model / engine / variant


def test_the_table_has_a_row_for_every_point(folder):
    points = {model: [(r["engine"], r["size"], r["batch"]) for r in table(folder, model)] for model in
              ("retinaface_mnet", "retinaface_r50", "centerface")}  # fmt: skip
    assert points == {
        "retinaface_mnet": [(e, s, "1") for e in ("onnxruntime", "torchscript") for s in ("320", "416")],
        "retinaface_r50": [(e, "320", "1") for e in ("onnxruntime", "by_files")],
        "centerface": [(e, "416", str(b)) for e in ("onnxruntime", "by_files", "atc") for b in BATCHES],
    }
    for model in points:
        for row in table(folder, model):
            variant = f"{row['size']}-{row['precision']}-b{row['batch']}"
            result = json.loads((point(folder, model, row["engine"], variant) / "map.json").read_text())
            for subset, value in result["metrics"].items():
                assert float(row[subset]) == pytest.approx(value, abs=5e-7)


def test_cost_in_the_table_is_that_of_the_published_page(folder):
    costs = {row["size"]: (row["parameters"], row["operations"]) for row in table(folder, "retinaface_mnet")}
    assert costs == {"320": ("426608", "254329600"), "416": ("426608", "429817024")}
    (cost,) = {(row["parameters"], row["operations"]) for row in table(folder, "retinaface_r50")}
    assert int(cost[0]) == pytest.approx(27.294e6, rel=1e-4)
    assert int(cost[1]) == pytest.approx(11.117e9, rel=1e-4)


def test_ap_grows_with_the_size_and_engines_agree(folder):
    rows = table(folder, "retinaface_mnet")
    by_point = {(row["engine"], row["size"]): float(row["hard"]) for row in rows}
    assert 0.3 < by_point["onnxruntime", "320"] < by_point["onnxruntime", "416"] < 0.8
    for size in ("320", "416"):
        assert by_point["torchscript", size] == pytest.approx(by_point["onnxruntime", size], abs=1e-3)


@pytest.mark.parametrize(
    ("model", "variant"),
    [("retinaface_r50", "320-fp32-b1"), ("centerface", "416-fp32-b5")],
)
def test_both_routes_give_identical_detections(folder, model, variant):
    stream, files = (point(folder, model, engine, variant) / "detections" for engine in ("onnxruntime", "by_files"))
    assert (stream / "detections.npz").read_bytes() == (files / "detections.npz").read_bytes()
    assert len(load_detections(stream / "detections.npz").scores) > 24


def test_batches_find_the_same(folder):
    """Not the AP alone, which is near 0 with weights by formula."""
    first, *others = (
        load_detections(point(folder, "centerface", "onnxruntime", f"416-fp32-b{batch}") / "detections/detections.npz")
        for batch in BATCHES
    )
    for other in others:
        np.testing.assert_array_equal(other.counts, first.counts)
        np.testing.assert_allclose(other.scores, first.scores, rtol=0, atol=1e-3)
        np.testing.assert_allclose(other.extra["corners"], first.extra["corners"], rtol=0, atol=0.01)
    results = [row for row in table(folder, "centerface") if row["engine"] == "onnxruntime"]
    for name in ("easy", "medium", "hard", "easy@0.4", "medium@0.4", "hard@0.4"):
        assert np.ptp([float(row[name]) for row in results]) <= 1e-4


def test_the_rehearsed_ascend_route_finds_nearly_the_same_in_every_batch(folder):
    """In half precision, and the last run of each shard filled up with images that are then left out."""
    expected = load_detections(point(folder, "centerface", "onnxruntime", "416-fp32-b1") / "detections/detections.npz")
    rows = {(row["engine"], row["batch"]): row for row in table(folder, "centerface")}
    for batch in BATCHES:
        found = load_detections(point(folder, "centerface", "atc", f"416-fp16-b{batch}") / "detections/detections.npz")
        np.testing.assert_array_equal(found.counts, expected.counts)
        ours, theirs = (np.split(each.scores, np.cumsum(each.counts)[:-1]) for each in (found, expected))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=0.01)  # rounding makes peaks equal, which shifts ranks
        row = rows["atc", str(batch)]
        assert (row["kind"], row["precision"], row["rehearsal"], row["comparable"]) == ("ascend", "fp16", "yes", "no")
        for name in ("easy", "medium", "hard"):
            assert float(row[name]) == pytest.approx(float(rows["onnxruntime", "1"][name]), abs=3e-3)
        printed = next((folder / f"logs/centerface/atc/416-fp16-b{batch}").rglob("ais_bench-1-of-2.txt")).read_text()
        assert f"filesperbatch:{batch} runcount:{-(-12 // batch)}" in printed


def test_the_rehearsed_card_finds_what_the_embedded_engine_finds_in_its_form(folder):
    """Row by row; AP of 24 images moves by 0.02 when one box is rounded across the IoU that counts."""
    rows = {(row["engine"], row["precision"]): row for row in table(folder, "retinaface_card")}
    assert set(rows) == {("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("card", "fp16"), ("card", "int8")}
    for precision in ("fp16", "int8"):
        row = rows["card", precision]
        assert (row["kind"], row["rehearsal"], row["comparable"]) == ("vastai", "yes", "no")
        assert float(row["easy"]) == pytest.approx(float(rows["onnxruntime", "fp32"]["easy"]), abs=0.15)
    expected, half, whole = (
        load_detections(point(folder, "retinaface_card", engine, variant) / "detections/detections.npz")
        for engine, variant in (("onnxruntime", "320-fp32-b1"), ("card", "320-fp16-b1"), ("card", "320-int8-b1"))
    )
    sure = expected.scores >= 0.3
    assert sure.sum() > 50
    for start, end, place in zip(expected.offsets[:-1], expected.offsets[1:], half.offsets[:-1], strict=True):
        count = np.count_nonzero(sure[start:end])
        ours, theirs = half.scores[place : place + count], expected.scores[start : start + count]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-3)
    assert half.content_hash() != whole.content_hash()


def test_the_images_of_a_calibration_are_told_and_none_of_them_is_evaluated(folder, mirror):
    result = json.loads((point(folder, "retinaface_card", "card", "320-int8-b1") / "map.json").read_text())
    images = "8 images of widerface-mini/WIDER_val/images, seed 0"
    assert f"calibration: {images}, none of them evaluated" in result["protocol"]
    drawn = json.loads((folder / "scratch/calibration/widerface/list.json").read_text())
    assert result["hashes"]["calibration"] == hash_json([image["sha256"] for image in drawn["images"]])
    index = json.loads((folder / "scratch/datasets/widerface/index.json").read_text())
    assert not {i["sha256"] for i in drawn["images"]} & {i["sha256"] for i in index["images"]}
    assert len(list((folder / "scratch/calibration/widerface/images").glob("*.jpg"))) == 8
    plain = json.loads((point(folder, "retinaface_card", "card", "320-fp16-b1") / "map.json").read_text())
    assert "calibration" not in plain["hashes"]


def test_the_cards_python_interface_is_another_runner_of_the_same_model(folder):
    """Its pictures have even sides, as the published script makes them, so that a few rows differ."""
    runs = [load_detections(point(folder, model, engine, "320-fp16-b1") / "detections/detections.npz")
            for model, engine in (("retinaface_vsx", "vsx"), ("retinaface_card", "card"))]  # fmt: skip
    assert runs[0].names == runs[1].names
    index = json.loads((folder / "scratch/datasets/widerface/index.json").read_text())
    even = [number for number, image in enumerate(index["images"]) if not (image["width"] % 2 or image["height"] % 2)]
    assert 5 < len(even) < 24
    for number in even:
        ours, theirs = (slice(run.offsets[number], run.offsets[number + 1]) for run in runs)
        np.testing.assert_array_equal(runs[0].boxes[ours], runs[1].boxes[theirs])
        np.testing.assert_array_equal(runs[0].scores[ours], runs[1].scores[theirs])
    result = json.loads((folder / "results/retinaface_vsx/map.json").read_text())
    assert "a rehearsal by stand-ins of vamc and vaststreamx, fp16" in result["protocol"]


def test_int8_of_onnx_runtime_is_a_point_of_its_own(folder):
    """Of a smaller graph with the same calibration images, whose distance from PyTorch is told, not limited."""
    exported = folder / "results/retinaface_card/export/320"
    parity = json.loads((exported / "model_int8.onnx.parity.json").read_text())
    assert parity["max_abs_allowed"] is None
    assert parity["outputs"]["conf"]["max_abs"] > 5e-4
    assert (exported / "model_int8.onnx").stat().st_size < 0.5 * (exported / "model.onnx").stat().st_size
    result = json.loads((point(folder, "retinaface_card", "onnxruntime", "320-int8-b1") / "map.json").read_text())
    card = json.loads((point(folder, "retinaface_card", "card", "320-int8-b1") / "map.json").read_text())
    assert result["hashes"]["calibration"] == card["hashes"]["calibration"]
    assert ", int8, batch 1; calibration: 8 images" in result["protocol"]


def test_every_image_has_its_best_peaks_and_no_more(folder):
    counts = load_detections(point(folder, "centerface", "onnxruntime", "416-fp32-b1") / "detections/detections.npz")
    assert counts.counts.shape == (24,)
    assert (counts.counts <= 200).all()
    assert (counts.counts == 200).any()


def test_text_and_binary_give_the_same_ap(folder, mirror):
    truth = read_ground_truth(mirror / "widerface-mini/ground_truth")
    for model, variant in (
        ("retinaface_mnet", "416-fp32-b1"),
        ("retinaface_r50", "320-fp32-b1"),
        ("centerface", "416-fp32-b1"),
    ):
        detections = point(folder, model, "onnxruntime", variant) / "detections"
        binary, text = load_detections(detections / "detections.npz"), read_texts(detections / "text")
        assert text.content_hash() == binary.content_hash()
        part = truth.subset(binary.names)
        assert evaluate(text, part).ap == pytest.approx(evaluate(binary, part).ap, abs=1e-12)


def test_both_thresholds_are_labelled_and_weights_by_formula_are_stamped(folder):
    text = (folder / "results/centerface/map.txt").read_text()
    assert "\nIoU 0.5 % " in text
    assert "\nIoU 0.4 % " in text
    assert "SYNTHETIC WEIGHTS" in text
    assert "SYNTHETIC" not in (folder / "results/retinaface_mnet/map.txt").read_text()
    assert {row["weights"] for row in table(folder, "centerface")} == {"synthetic"}
    assert {row["weights"] for row in table(folder, "retinaface_mnet")} == {"declared"}
    curves = np.load(point(folder, "centerface", "onnxruntime", "416-fp32-b1") / "precision_recall.npz")
    assert curves["caption"].tolist()[0] == "AP at IoU 0.5, 24 images, not the published set"
    assert "SYNTHETIC" in curves["caption"].tolist()[1]


def test_the_protocol_says_what_was_done(folder):
    protocol = json.loads((folder / "results/centerface/map.json").read_text())["protocol"]
    for part in (
        "centred (bilinear)",
        "divided by (0.28863828, 0.27408164, 0.27809835)",
        "peaks of the heat map (3×3), no score threshold, the best 200, no NMS",
        "AP at IoU 0.5 and beside it at 0.4",
    ):
        assert part in protocol
    protocol = json.loads((folder / "results/retinaface_r50/map.json").read_text())["protocol"]
    assert "in the card's form" in protocol
    assert "the best 300, in float16" in protocol


def test_graphs_have_the_opset_asked_for(folder):
    for model, size, opset in (("retinaface_mnet", 416, 10), ("centerface", 416, 11)):
        graph = onnx.load(folder / f"results/{model}/export/{size}/model.onnx")
        assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", opset)]


def test_pictures_with_what_was_found(folder, mirror):
    drawn = point(folder, "retinaface_mnet", "onnxruntime", "416-fp32-b1") / "drawn"
    pictures = sorted(path.relative_to(drawn).as_posix() for path in drawn.rglob("*.jpg"))
    assert len(pictures) == 24
    changed = 0
    for name in pictures:
        ours, original = (
            cv2.imread(str(drawn / name)),
            cv2.imread(str(mirror / "widerface-mini/WIDER_val/images" / name)),
        )
        assert ours.shape == original.shape
        changed += int(np.abs(ours.astype(int) - original).max() > 100)
    assert changed > 12


def test_the_file_route_leaves_no_tensor_behind(folder):
    left = [path for path in (folder / "scratch").rglob("*") if path.suffix in {".npy", ".bin"}]
    left += (folder / "scratch").rglob("inputs/*")
    assert not left


def test_a_second_call_does_nothing(folder, mirror):
    run = call(folder, mirror, "results/centerface/all.tsv", "results/retinaface_r50/map.txt")
    assert "Nothing to be done" in run.output, run.output


def test_weights_by_formula_in_the_shipped_config_are_refused(mirror, tmp_path):
    project = copy_project(tmp_path / "project")
    path = project / "config/config.yaml"
    path.write_text(path.read_text().replace("weights: centerface\n", "weights: {formula: []}\n"))
    run = run_snakemake(project, tmp_path, "-n", "--", "results/centerface/map.txt", PTH2MAP_MIRROR=str(mirror))
    assert run.status != 0
    assert "models.centerface.weights" in run.output
    assert "found formula; weights made of a formula stand in overlays" in run.output
