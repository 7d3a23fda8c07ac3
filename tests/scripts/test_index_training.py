"""The command that indexes labelled faces for a training."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests import synthetic_wider

from pth2map.datasets.face_labels import write_labels
from pth2map.datasets.training_set import TrainingSet

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/index_training.py"
NAMES = tuple(f"{name}.jpg" for name in synthetic_wider.NAMES)
BOXES = {name: np.array([[5, 5, 20, 20], [30, 10, 25, 30]]) for name in NAMES}


@pytest.fixture
def folder(tmp_path):
    synthetic_wider.make(tmp_path / "wider")
    write_labels(tmp_path / "label.txt", BOXES)
    return tmp_path


def index(folder, *more, part="train"):
    where = ("--labels", folder / "label.txt", "--images", folder / "wider/WIDER_val/images")
    outputs = ("--set", folder / "set.npz", "--list", folder / "out/wider_val.txt")
    command = [sys.executable, str(SCRIPT), "--dataset", "widerface", "--part", part, *where, *outputs, *more]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def test_set_and_list_of_good_labels(folder):
    run = index(folder, part="validation")
    assert (run.returncode, run.stderr) == (0, "5 images, 10 faces\n")
    faces = TrainingSet.load(folder / "set.npz")
    assert (faces.dataset, faces.part, faces.names) == ("widerface", "validation", NAMES)
    assert faces.faces_of(3)[:, :4].tolist() == [[5, 5, 25, 25], [30, 10, 55, 40]]
    assert (folder / "out/wider_val.txt").read_text().splitlines() == list(NAMES)
    first = (folder / "set.npz").read_bytes()
    assert index(folder, part="validation").returncode == 0
    assert (folder / "set.npz").read_bytes() == first


def test_what_is_mended_is_told(folder):
    boxes = {**BOXES, NAMES[1]: np.zeros((0, 4)), NAMES[3]: np.array([[5, 5, 20, 20], [90, 5, 20, 20], [1, 1, 0, 3]])}
    write_labels(folder / "label.txt", boxes)
    faults = {"empty_box": "drop", "outside": "clip", "no_faces": "drop"}
    run = index(folder, "--faults", json.dumps(faults))
    assert run.returncode == 0
    assert run.stderr.splitlines() == [
        f"warning: {folder}/label.txt has faults, with which the config deals: empty_box: drop (1); no_faces: drop (1);"
        " outside: clip (1)",
        "4 images, 8 faces",
    ]
    assert TrainingSet.load(folder / "set.npz").names == (NAMES[0], *NAMES[2:])
    assert (folder / "out/wider_val.txt").read_text().splitlines() == list(NAMES)


def test_faults_are_refused_in_one_sentence_and_nothing_is_written(folder):
    (folder / "wider/WIDER_val/images" / NAMES[0]).unlink()
    run = index(folder)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {folder}/label.txt has faults; mend them, or say in the config what becomes")
    assert f"\n    {folder}/label.txt, line 1: {folder}/wider/WIDER_val/images/{NAMES[0]}: No such file" in run.stderr
    assert not (folder / "set.npz").exists()
    assert not (folder / "out").exists()
