"""From labelled faces to AP: a training of four steps on pictures of noise, and what is made anew of it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests import synthetic_faces, synthetic_wider

from .conftest import ROOT, Run, run_snakemake

OVERLAY = """
datasets:
  widerface:
    root: "{folder}/wider"
    shards: 2
    training:
      train: {{labels: "{folder}/faces/train/label.txt"}}
      validation: {{labels: "{folder}/faces/val/label.txt"}}
models:
  mine:
    network: retinaface_mobilenet025
    weights:
      training:
        {{size: 160, epochs: 2, batch_size: 4, learning_rate: 1.0e-3, workers: 1, threads: 1, state_every_steps: 1}}
    dataset: widerface
    recipe: {{kind: retinaface, preprocess: {{resize: long_side}}, decode: {{confidence_threshold: 0.3}}}}
    export: {{parity: {{max_abs: 1.0e-3}}}}
    engines: [onnxruntime]
    variants: {{sizes: [160]}}
"""
TRAINED = "results/mine/train/weights.pth"
RESULT = "results/mine/map.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Eight pictures to train on, three to validate on, five to score, and the result of two epochs of two steps."""
    folder = tmp_path_factory.mktemp("training")
    synthetic_wider.make(folder / "wider")
    synthetic_faces.make(folder / "faces/train", 8)
    synthetic_faces.make(folder / "faces/val", 3, seed=1)
    (folder / "overlay.yaml").write_text(OVERLAY.format(folder=folder), encoding="utf-8")
    run = call(folder, "results/mine/map.txt", "results/mine/train/training.png")
    assert run.status == 0, run.output
    return folder


def call(folder: Path, *targets: str, change: str = "{}", options: tuple[str, ...] = ()) -> Run:
    """Run with one more overlay."""
    (folder / "change.yaml").write_text(change)
    return run_snakemake(ROOT, folder, *options, "--configfile", "overlay.yaml", "change.yaml", "--", *targets)


def changed(**training: object) -> str:
    return json.dumps({"models": {"mine": {"weights": {"training": training}}}})


def epochs(folder: Path) -> list[dict[str, str]]:
    head, *rows = (folder / "results/mine/train/epochs.tsv").read_text().splitlines()
    return [dict(zip(head.split("\t"), row.split("\t"), strict=True)) for row in rows]


def test_what_comes_of_a_training(folder):
    rows = epochs(folder)
    assert [(row["epoch"], row["steps"]) for row in rows] == [("1", "2"), ("2", "2")]
    assert all(float(row["loss"]) > 0 and float(row["validation_loss"]) > 0 for row in rows)
    assert float(rows[1]["learning_rate"]) == 1e-3
    assert (folder / "results/mine/train/training.png").read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in (folder / "results/mine/train/checkpoints").glob("*.pth")}
    assert names == {"epoch_0002.pth", "best.pth"}
    last = folder / "results/mine/train/checkpoints/epoch_0002.pth"
    assert (folder / TRAINED).read_bytes() == last.read_bytes()
    listed = (folder / "scratch/training/widerface/wider_val.txt").read_text().splitlines()
    assert listed == ["0--Event/0.jpg", "1--Event/1.jpg", "2--Event/2.jpg"]


def test_the_result_says_that_its_weights_were_trained_here(folder):
    result = json.loads((folder / RESULT).read_text())
    assert (result["weights"], result["synthetic"], result["images"]) == ("trained", False, 5)
    clause = (
        "weights: trained here, 2 epochs of widerface at 160 px, batch 4 on 1 × cpu, learning rate 0.001 (intended "
        "schedule), from random weights, seed 0, the last checkpoint"
    )
    assert clause in result["protocol"]
    assert f"  {clause}\n" in (folder / "results/mine/map.txt").read_text()
    provenance = json.loads((folder / "results/mine/onnxruntime/160-fp32-b1/provenance.json").read_text())
    record = json.loads((folder / "results/mine/train/training.json").read_text())
    assert provenance["train"] == record
    assert provenance["point"]["training"]["settings"] == record["settings"]


def test_a_second_call_does_nothing(folder):
    assert call(folder, "results/mine/map.txt", options=("-n",)).jobs == {}
    elsewhere = changed(workers=2, threads=2, state_every_steps=5, master_port=4000)
    assert call(folder, "results/mine/map.txt", change=elsewhere, options=("-n",)).jobs == {}


def test_what_decides_the_weights_trains_anew_and_all_behind_it(folder):
    run = call(folder, "results/mine/map.txt", change=changed(learning_rate=1e-2), options=("-n",))
    assert run.jobs == {
        "train": 1,
        "export_onnx": 1,
        "run_network": 1,
        "check_export": 1,
        "stream_onnxruntime": 2,
        "score_widerface_point": 1,
        "plot_curves": 1,
        "report_headline": 1,
    }


def test_another_learning_rate_gives_other_weights(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    before = (folder / TRAINED).read_bytes()
    run = call(tmp_path / "copy", TRAINED, change=changed(learning_rate=1e-2))
    assert run.status == 0, run.output
    assert (tmp_path / "copy" / TRAINED).read_bytes() != before
    assert len(list((tmp_path / "copy/scratch/mine/train").glob("*/state.pt"))) == 2, "one for each training"


def test_lost_weights_come_out_of_the_state_without_a_step(folder, tmp_path):
    """And equal trainings give equal weights."""
    shutil.copytree(folder, tmp_path / "copy")
    before = (folder / TRAINED).read_bytes()
    (tmp_path / "copy" / TRAINED).unlink()
    assert call(tmp_path / "copy", TRAINED).status == 0
    assert (tmp_path / "copy" / TRAINED).read_bytes() == before
    runs = json.loads((tmp_path / "copy/results/mine/train/training.json").read_text())["runs"]
    assert [run["first_step"] for run in runs] == [0, 4]
    shutil.rmtree(tmp_path / "copy/scratch/mine/train")
    (tmp_path / "copy" / TRAINED).unlink()
    assert call(tmp_path / "copy", TRAINED).status == 0
    assert (tmp_path / "copy" / TRAINED).read_bytes() == before


def test_two_processes_share_a_step_on_one_machine_or_on_two(folder, tmp_path):
    two = changed(devices=[0, 1])
    run = call(folder, TRAINED, change=two, options=("-n", "-p"))
    assert "python -m torch.distributed.run --standalone --nproc-per-node 2 " in run.output
    assert " --device cpu --devices 0,1 " in run.output
    shutil.copytree(folder, tmp_path / "one")
    run = call(tmp_path / "one", TRAINED, change=two)
    assert run.status == 0, run.output
    record = json.loads((tmp_path / "one/results/mine/train/training.json").read_text())
    assert record["runs"][0]["processes"] == 2
    together = (tmp_path / "one" / TRAINED).read_bytes()
    run = call(tmp_path / "one", TRAINED, change=changed(devices=[0, 1], learning_rate=1e20, warmup_epochs=0))
    assert run.status != 0
    *before, last = (tmp_path / "one/logs/mine/train/train.log").read_text().splitlines()
    assert last.startswith("error: loss or weights are no longer finite "), last
    assert any("ChildFailedError" in line for line in before), "torchrun's own words are still there"

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "overlay.yaml").write_text((folder / "overlay.yaml").read_text())
    until = ("--until", "fetch_file", "fetch_folder", "index_training", "index_validation")
    assert call(tmp_path / "second", TRAINED, options=until).jobs == {"index_training": 1, "index_validation": 1}
    nodes = {"nodes": 2, "master_port": free_port()}
    planned = call(tmp_path / "second", TRAINED, change=changed(**nodes, node_rank=1), options=("-n", "-p"))
    (line,) = re.findall(r"^Shell command: (.* -m torch.distributed.run .*)$", planned.output, re.MULTILINE)
    assert f" --nnodes 2 --node-rank 1 --master-addr 127.0.0.1 --master-port {nodes['master_port']} " in line
    (tmp_path / "second/logs/mine/train").mkdir(parents=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    other = subprocess.Popen(["bash", "-c", line], cwd=tmp_path / "second", env={**os.environ, "PATH": path})
    try:
        run = call(tmp_path / "first", TRAINED, change=changed(**nodes))
        assert run.status == 0, run.output
        assert other.wait(60) == 0
    finally:
        other.kill()
    assert (tmp_path / "first" / TRAINED).read_bytes() == together
    assert not (tmp_path / "second/results").exists()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_models_that_are_trained_are_left_out_of_all_and_named(folder):
    for target in ((), ("fetch",)):
        run = call(folder, *target, options=("-n",))
        assert run.status == 0, run.output
        assert "left out: mine: it is trained when it is asked for by name" in run.output
        assert "train" not in run.jobs
        assert "results/mine" not in run.output


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        (
            {"device": "cuda", "devices": [99]},
            r"error: devices\.cuda: (torch \S+ of \S+ is built without CUDA; name an interpreter|torch finds no card|"
            "no card 99)",
        ),
        ({"device": "npu"}, r"error: devices\.npu: \S+ cannot import torch_npu \(.*\); name the interpreter with"),
    ],
)
def test_a_device_that_is_not_there_is_said_before_anything_else(folder, tmp_path, training, sentence):
    overlay = (folder / "overlay.yaml").read_text()
    (tmp_path / "overlay.yaml").write_text(overlay)
    run = call(tmp_path, "results/mine/map.txt", change=changed(**training))
    assert run.status != 0
    assert re.search(sentence, run.output), run.output
    assert set(re.findall(r"^Job \d+: (.*)$", run.output, re.MULTILINE)) == {
        "mine: look for the device that it is trained on"
    }
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "scratch/training").exists()


def test_another_node_than_the_first_is_told_what_to_run(folder, tmp_path):
    (tmp_path / "overlay.yaml").write_text((folder / "overlay.yaml").read_text())
    run = call(tmp_path, TRAINED, change=changed(nodes=2, node_rank=1))
    assert run.status != 0
    assert "models.mine.weights.training.node_rank: 1 of 2 nodes writes no checkpoint" in run.output
    assert not (tmp_path / "scratch").exists()


def test_labels_that_are_wrong_end_the_run(folder, tmp_path):
    synthetic_faces.make(tmp_path / "faces/train", 4)
    labels = tmp_path / "faces/train/label.txt"
    labels.write_text(labels.read_text() + "# 0--Event/gone.jpg\n1 1 5 5\n")
    (tmp_path / "overlay.yaml").write_text((folder / "overlay.yaml").read_text())
    change = json.dumps({"datasets": {"widerface": {"training": {"train": {"labels": str(labels)}}}}})
    run = call(tmp_path, "scratch/training/widerface/train.npz", change=change)
    assert run.status != 0
    assert "datasets.widerface.training.faults.unreadable" in run.output


PRESETS = ("retinaface_train1p", "retinaface_train8p")


@pytest.mark.parametrize("overlay", [None, "train_here.yaml"])
def test_the_presets_are_planned_where_their_labels_are(folder, tmp_path, overlay):
    for part in ("train", "val"):
        (tmp_path / f"data/widerface/{part}").mkdir(parents=True)
        shutil.copy(folder / "faces/val/label.txt", tmp_path / f"data/widerface/{part}")
    options = ("--configfile", ROOT / "config" / overlay) if overlay else ()
    targets = [f"results/{preset}/{file}" for preset in PRESETS for file in ("map.txt", "train/training.png")]
    run = run_snakemake(ROOT, tmp_path, *options, "-n", "-p", "--", *targets)
    assert run.status == 0, run.output
    assert {"train": 2, "require_device": 2, "index_training": 1, "index_validation": 1}.items() <= run.jobs.items()
    assert "--backbone data/weights/imagenet/resnet50-0676ba61.pth --backbone-hash sha256=0676ba61b679" in run.output
    device = "cuda --devices 0" if overlay else "npu --devices 0,1,2,3,4,5,6,7"
    assert f" --device {device} --workers " in run.output
    (tmp_path / "data/widerface/val/label.txt").unlink()
    run = run_snakemake(ROOT, tmp_path, *options, "-n", "--", targets[0])
    assert run.status != 0
    assert "label.txt can only be fetched by a person: get it from https://pan.baidu.com/s/1Laby0" in run.output


def test_all_that_a_training_needs_can_be_fetched_alone(folder, tmp_path):
    for part in ("train", "val"):
        (tmp_path / f"data/widerface/{part}").mkdir(parents=True)
        shutil.copy(folder / "faces/val/label.txt", tmp_path / f"data/widerface/{part}")
    fetch = ("-n", "--until", "fetch_file", "fetch_folder", "--")
    run = run_snakemake(ROOT, tmp_path, *fetch, "results/retinaface_train8p/train/weights.pth")
    assert run.status == 0, run.output
    assert run.jobs == {"fetch_file": 3, "fetch_folder": 2}
