"""The demo: from nothing to a page with AP, of few pictures and 60 steps, twice, and rehearsed on a vendor's engine."""

import json
import re
from pathlib import Path

import pytest
from tests.html_page import Page

from pth2map.training.epochs import read_epochs

from .conftest import ROOT, Run, run_snakemake

OVERLAY = """
datasets:
  demo: {train: 24, val: 6, width: 320, height: 240, shards: 1}
models:
  demo:
    weights:
      training: {size: 160, epochs: 10, max_steps: 60, batch_size: 4, decay_epochs: [7, 9]}
    recipe: {decode: {confidence_threshold: 0.3}}
    export: {parity: {max_abs: 1.0e-3}}
    variants: {sizes: [160]}
    headline: {variant: 160-fp32-b1}
"""
RENDERED = "rendered demo of 6 pictures, 320×240 px, seed 0"
REHEARSED = "results/demo/ascend_rehearsal/160-fp16-b1"


def call(folder: Path, *targets: str, options: tuple[str, ...] = (), change: str = "{}") -> Run:
    """Without a mirror, as on a machine that has nothing."""
    (folder / "few.yaml").write_text(OVERLAY, encoding="utf-8")
    (folder / "change.yaml").write_text(change)
    overlays = (ROOT / "config/rehearsal.yaml", "few.yaml", "change.yaml")
    return run_snakemake(ROOT, folder, *options, "--configfile", *overlays, "--", *targets, PTH2MAP_MIRROR=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    run = call(folder, "results/demo/map.txt", "results/demo/report.html", f"{REHEARSED}/report.html")
    assert run.status == 0, run.output
    assert "fetch" not in "".join(run.jobs)
    return folder


def test_the_result_says_that_it_is_the_demo(folder):
    result = json.loads((folder / "results/demo/map.json").read_text())
    assert (result["images"], result["rendered"], result["weights"]) == (6, RENDERED, "trained")
    assert result["full_dataset"] is False
    text = (folder / "results/demo/map.txt").read_text()
    assert text.startswith("demo on onnxruntime, 160-fp32-b1: demo, 6 images\n\nRENDERED PICTURES, no photographs: ")
    assert f"  images: {RENDERED}; comparable with no published figures\n" in text
    assert "  weights: trained here, 10 epochs (at most 60 steps) of demo at 160 px, batch 4 on 2 × cpu, " in text
    assert re.findall(r".*WIDER.*", text) == [line for line in text.split("\n") if line.startswith("  evaluator: ")]


def test_another_folder_gives_the_same(folder, tmp_path):
    run = call(tmp_path, "results/demo/report.html")
    assert run.status == 0, run.output
    first, second = ((each / "results/demo/onnxruntime/160-fp32-b1") for each in (folder, tmp_path))
    assert (first / "map.json").read_bytes() == (second / "map.json").read_bytes()
    assert unmeasured(first / "report.html") == unmeasured(second / "report.html")


def test_sixty_steps_teach_something(folder):
    """From random weights; the shipped demo has eight times as many."""
    first, *_, last = read_epochs(folder / "results/demo/train/epochs.tsv")
    assert last.loss < 0.8 * first.loss


def unmeasured(report: Path) -> str:
    """A page without what is of one run alone: hosts, times, and the throughput of the training."""
    text = report.read_text(encoding="utf-8")
    for section in ("provenance", "curves"):
        text, found = re.subn(rf'<section id="{section}">.*?</section>', "", text, flags=re.DOTALL)
        assert found == 1
    return text


def test_the_report_holds_everything(folder):
    page = Page((folder / "results/demo/report.html").read_text(encoding="utf-8"))
    sheet, *pictures, curves, training = page.pictures
    assert sheet.shape[1] > 600
    assert [picture.shape for picture in pictures] == [(240, 320, 3)] * 6
    assert curves.shape == (720, 840, 3)
    assert training.shape == (1080, 1050, 3)
    metrics = json.loads((folder / "results/demo/map.json").read_text())["metrics"]
    assert " ".join(f"{metrics[subset]:.6f}" for subset in ("easy", "medium", "hard")) in page.text
    for words in (RENDERED, "Training: 60 steps in 10 epochs", "RENDERED PICTURES", "NOT THE PUBLISHED"):
        assert (words in page.text) is (words != "NOT THE PUBLISHED")
    command = re.search(r"snakemake --cores 2 \S.* -- results/demo/report.html", page.text)[0]
    assert "rehearsal.yaml few.yaml change.yaml --" in command


def test_the_rehearsal_is_told_from_the_hardware(folder):
    text = (folder / REHEARSED / "map.txt").read_text()
    assert "REHEARSAL, computed by stand-ins on a CPU" in text
    assert "RENDERED PICTURES" in text
    page = Page((folder / REHEARSED / "report.html").read_text(encoding="utf-8"))
    assert "REHEARSAL, computed by stand-ins on a CPU" in page.text
    assert page.text.count(f"-- {REHEARSED}/report.html") == 1


def test_of_a_second_call_the_page_alone_knows_what_is_drawn(folder):
    run = call(folder, "results/demo/report.html", options=("-n",), change="{drawing: {score_above: 0.31}}")
    assert run.jobs == {"write_report": 1, "report_model": 1}


def test_the_demo_is_planned_as_it_is_shipped(tmp_path):
    overlay = ROOT / "config/rehearsal.yaml"
    target = "results/demo/ascend_rehearsal/640-fp16-b1/map.txt"
    run = run_snakemake(ROOT, tmp_path, "-n", "--configfile", overlay, "--", target, PTH2MAP_MIRROR=None)
    assert run.status == 0, run.output
    assert {"render_demo": 1, "train": 1, "score_widerface_point": 1}.items() <= run.jobs.items()
    assert "fetch_file" not in run.jobs
