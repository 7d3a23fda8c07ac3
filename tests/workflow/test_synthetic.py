"""The whole workflow on five images of noise and made-up weights: no real data needed."""

import json
import re
import shutil

import numpy as np
import pytest
from tests import synthetic_weights, synthetic_wider
from tests.html_page import Page

from pth2map.recipes.detections import concatenate, load_detections

from .conftest import ROOT, run_snakemake

OVERLAY = """
datasets:
  widerface: {{root: "{root}", shards: 6}}
engines:
  by_files: {{kind: onnxruntime, route: files}}
models:
  retinaface:
    weights: {{path: "{weights}"}}
    recipe: {{decode: {{confidence_threshold: 0.45}}}}
    export: {{parity: {{max_abs: 1.0e-3}}}}
    engines: [onnxruntime, by_files]
    variants: {{sizes: [320], batches: [1, 4]}}
    headline: {{engine: onnxruntime, variant: 320-fp32-b4}}
"""
POINTS = [("onnxruntime", "320-fp32-b1"), ("onnxruntime", "320-fp32-b4"), ("by_files", "320-fp32-b4")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six shards of five images: one has none."""
    folder = tmp_path_factory.mktemp("synthetic")
    root = synthetic_wider.make(folder / "größe/wider face")
    weights = folder / "formula.pth"
    synthetic_weights.save(weights)
    (folder / "overlay.yaml").write_text(OVERLAY.format(root=root, weights=weights), encoding="utf-8")
    targets = [f"results/retinaface/{engine}/{variant}/map.json" for engine, variant in POINTS]
    targets += ["results/retinaface/map.txt", "results/retinaface/report.html"]
    run = run_snakemake(ROOT, folder, "--configfile", "overlay.yaml", "--", *targets)
    assert run.status == 0, run.output
    return folder


def detections(folder, engine, variant):
    return np.load(folder / "results/retinaface" / engine / variant / "detections/detections.npz")


def test_batches_and_routes_find_the_same(folder):
    first, *others = (detections(folder, *point) for point in POINTS)
    assert first["counts"].shape == (5,)
    assert first["counts"].sum() > 20
    for other in others:
        assert first["names"].tolist() == other["names"].tolist()
        np.testing.assert_array_equal(first["counts"], other["counts"])
        np.testing.assert_allclose(first["scores"], other["scores"], atol=1e-5)
    np.testing.assert_array_equal(others[0]["boxes"], others[1]["boxes"])


def test_the_result_is_stamped(folder):
    result = json.loads((folder / "results/retinaface/map.json").read_text())
    assert result["images"] == 5
    assert result["variant"] == "320-fp32-b4"
    assert result["full_dataset"] is False
    assert result["synthetic"] is True, "the checkpoint says so, though it is given by path"
    assert result["weights"] == "own"
    assert "SYNTHETIC WEIGHTS" in (folder / "results/retinaface/map.txt").read_text()
    assert "5 images of a folder that is not the published set of 3,226" in result["protocol"]


def test_the_report_of_weights_that_were_not_trained_here(folder):
    page = Page((folder / "results/retinaface/report.html").read_text(encoding="utf-8"))
    *pictures, curves = page.pictures
    assert len(pictures) == 5
    assert curves.shape == (720, 840, 3)
    assert "SYNTHETIC WEIGHTS, made of a formula" in page.text
    assert "NOT THE PUBLISHED SET" in page.text
    assert "faces that count 5 10 15" in page.text
    assert "Training" not in page.text
    assert "drawn by this project" not in page.text


@pytest.mark.parametrize("lost", ["map.json", "detections", "precision_recall.png"])
def test_results_that_were_lost_behind_a_headline_are_made_again(folder, lost):
    call = ("--configfile", "overlay.yaml", "--", "results/retinaface/map.txt")
    run_snakemake(ROOT, folder, *call)
    headline = (folder / "results/retinaface/map.json").read_bytes()
    path = folder / "results/retinaface/onnxruntime/320-fp32-b4" / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    run = run_snakemake(ROOT, folder, *call)
    assert run.status == 0, run.output
    assert path.exists()
    assert (folder / "results/retinaface/map.json").read_bytes() == headline
    run_snakemake(ROOT, folder, *call)
    assert "Nothing to be done" in run_snakemake(ROOT, folder, *call).output


CHANGE = "{models: {retinaface: {recipe: {decode: {nms_threshold: 0.2}}}}}"


def test_a_job_that_failed_after_a_change_is_made_up_for(folder, tmp_path):
    """Snakemake forgets a failed job: the next call must not take what lies behind it for up to date."""
    (folder / "change.yaml").write_text(CHANGE)
    (tmp_path / "traps/onnxruntime").mkdir(parents=True)
    (tmp_path / "traps/onnxruntime/__init__.py").write_text("raise RuntimeError('not to be had today')")
    overlays = ("--configfile", folder / "overlay.yaml", folder / "change.yaml", "--", "results/retinaface/map.json")
    failed = run_snakemake(ROOT, folder, *overlays, PYTHONPATH=str(tmp_path / "traps"))
    assert failed.status != 0
    assert run_snakemake(ROOT, folder, *overlays).status == 0
    assert run_snakemake(ROOT, tmp_path, *overlays).status == 0
    again, fresh = ((f / "results/retinaface/map.json").read_bytes() for f in (folder, tmp_path))
    assert again == fresh


def test_what_a_leftover_job_of_another_config_writes_is_not_gathered(folder):
    """An orphan of a killed run ends after the rerun and puts its shards down: where those of its own config lie."""
    target = "results/retinaface/onnxruntime/320-fp32-b4/map.json"
    before = (folder / target).read_bytes()
    states = sorted((folder / "scratch/retinaface/onnxruntime/320-fp32-b4").iterdir())
    assert len(states) == 2  # of the first config and of the changed one
    calls = ("--configfile", "overlay.yaml", "change.yaml", "--", target)
    of_the_result = json.loads(before)["hashes"]["detections"]
    for state in states:
        shards = [load_detections(path) for path in sorted(state.glob("*/detections.npz"))]
        names = sorted(name for shard in shards for name in shard.names)
        if concatenate(shards, names).content_hash() != of_the_result:
            for path in state.glob("*/detections.npz"):
                path.write_bytes(b"of another config")
    run = run_snakemake(ROOT, folder, *calls)
    assert run.status == 0, run.output
    assert (folder / target).read_bytes() == before


def test_tensor_files_of_another_state_are_swept(folder):
    point = folder / "scratch/retinaface/by_files/320-fp32-b4"
    (state,) = (path.name for path in point.iterdir())
    left = point / "0123456789ab/1-of-6/inputs/prep"
    left.mkdir(parents=True)
    call = ("--configfile", "overlay.yaml", "--forcerun", "plot_curves", "--")
    run = run_snakemake(ROOT, folder, *call, "results/retinaface/by_files/320-fp32-b4/precision_recall.png")
    assert run.status == 0, run.output
    assert not left.parent.exists()
    assert (point / state / "1-of-6/detections.npz").exists()


def test_an_error_comes_again_when_nothing_is_mended(folder, tmp_path):
    (folder / "elsewhere.yaml").write_text(f"{{datasets: {{widerface: {{root: '{tmp_path}/empty'}}}}}}")
    root = synthetic_wider.make(tmp_path / "empty")
    next(root.rglob("*.jpg")).unlink()
    for _ in range(2):
        run = run_snakemake(
            ROOT, folder, "--configfile", "overlay.yaml", "elsewhere.yaml", "--", "results/retinaface/map.txt"
        )
        assert run.status != 0
        assert "1 of 5 images of the ground truth are missing" in run.output


def test_a_graph_beyond_the_tolerance_stops_the_run(folder):
    (folder / "strict.yaml").write_text("{models: {retinaface: {export: {parity: {max_abs: 1.0e-12}}}}}")
    run = run_snakemake(ROOT, folder, "--configfile", "overlay.yaml", "strict.yaml", "--", "results/retinaface/map.txt")
    assert run.status != 0
    assert re.search(r"differs from the network on \d+ images: loc by \S+, more than 1e-12; conf by", run.output)


def test_a_broken_image_stops_the_run_and_is_named(folder):
    """After the others: it spoils the folder."""
    path = folder / "größe/wider face/WIDER_val/images/0--Parade/0_Parade_b_1.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    run = run_snakemake(ROOT, folder, "--configfile", "overlay.yaml", "--", "results/retinaface/map.txt")
    assert run.status != 0
    assert "0_Parade_b_1.jpg: truncated JPEG" in run.output
