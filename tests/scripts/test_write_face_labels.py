"""The command that writes a label file out of the ground truth of WIDER FACE."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from tests import synthetic_wider

from pth2map.datasets.face_labels import read_labels
from pth2map.datasets.label_faults import Faults
from pth2map.datasets.training_set import index_training_set
from pth2map.datasets.widerface import read_ground_truth

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/write_face_labels.py"
FACES = ["5 5 20 20", "30 10 25 30", "10 30 15 15"]


def write(folder, root, *more):
    command = [sys.executable, str(SCRIPT), "--root", root, "--labels", folder / "label.txt", *more]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path):
    """A synthetic set; in its first image the second face is empty, the third marked invalid and empty."""
    root = synthetic_wider.make(tmp_path / "wider")
    path = root / "ground_truth/wider_face_val.mat"
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    boxes = content["face_bbx_list"]
    marked = np.empty_like(boxes)
    for event, images in enumerate(boxes[:, 0]):
        marked[event, 0] = np.empty_like(images)
        for image, rows in enumerate(images[:, 0]):
            marked[event, 0][image, 0] = np.zeros((len(rows), 1), dtype=np.uint8)
    boxes[0, 0][0, 0][1:, 3] = 0
    marked[0, 0][0, 0][2] = 1
    savemat(path, {**content, "invalid_label_list": marked})
    return root


def test_faces_that_cannot_be_learnt_are_left_out_and_counted(root, tmp_path):
    run = write(tmp_path, root)
    assert run.returncode == 0
    assert run.stderr == (
        "5 images, 13 faces; left out: 1 faces that are marked invalid, 1 more of no width or "
        "height, 0 images without a face\n"
    )
    names = [f"# {name}.jpg" for name in synthetic_wider.NAMES]
    expected = [names[0], FACES[0], *(line for name in names[1:] for line in (name, *FACES))]
    assert (tmp_path / "label.txt").read_text().splitlines() == expected


def test_only_some_images(root, tmp_path):
    chosen = ["0--Parade/0_Parade_b_1", "1--Shop/1_Shop_c_3"]
    (tmp_path / "names.txt").write_text(f"{chosen[1]}.jpg\n{chosen[0]}\n")
    run = write(tmp_path, root, "--list", tmp_path / "names.txt")
    assert run.stderr.startswith("2 images, 4 faces; left out: 1 faces that are marked invalid, 1 ")
    assert [image.name for image in read_labels(tmp_path / "label.txt")] == [f"{name}.jpg" for name in chosen]
    run = write(tmp_path, root, "--except", tmp_path / "names.txt")
    assert run.stderr.startswith("3 images, 9 faces; left out: 0 faces that are marked invalid, 0 ")
    others = [f"{name}.jpg" for name in synthetic_wider.NAMES if name not in chosen]
    assert [image.name for image in read_labels(tmp_path / "label.txt")] == others


def test_a_ground_truth_that_marks_nothing(tmp_path):
    root = synthetic_wider.make(tmp_path / "wider")
    run = write(tmp_path, root)
    warning, told = run.stderr.splitlines()
    assert warning == "warning: this ground truth does not say which faces are invalid; all are taken"
    assert told.startswith("5 images, 15 faces; left out: 0 faces that are marked invalid, 0 more")


@pytest.mark.parametrize("spoil", ["numbers", "lengths", "values"])
def test_marks_that_do_not_fit(root, tmp_path, spoil):
    path = root / "ground_truth/wider_face_val.mat"
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    if spoil == "numbers":
        content["invalid_label_list"] = np.zeros((2, 1))
    else:
        cell = content["invalid_label_list"][1, 0]
        cell[0, 0] = cell[0, 0][1:] if spoil == "lengths" else cell[0, 0] + 2
    savemat(path, content)
    run = write(tmp_path, root)
    assert run.returncode == 2
    assert run.stderr == f"error: {path}: invalid_label_list is not a 0 or 1 for each face of each image\n"
    assert not (tmp_path / "label.txt").exists()


def test_lists_that_leave_nothing(root, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(synthetic_wider.NAMES))
    run = write(tmp_path, root, "--except", tmp_path / "names.txt")
    assert run.returncode == 2
    assert run.stderr == (
        f"error: {tmp_path}/names.txt names all images of the ground truth in {root}/ground_truth; leave some\n"
    )
    (tmp_path / "names.txt").write_text("0--Parade/none\n")
    for option in ("--list", "--except"):
        run = write(tmp_path, root, option, tmp_path / "names.txt")
        assert run.returncode == 2
        assert "0--Parade/none, not in the ground truth" in run.stderr


def test_real_images_and_their_ground_truth(mirror, tmp_path):
    """Every face of the sample lies in its image once those are left out that the ground truth says are wrong."""
    root = mirror / "widerface-mini"
    run = write(tmp_path, root)
    assert run.stderr == (
        "365 images, 4144 faces; left out: 41 faces that are marked invalid, 2 more of no width or "
        "height, 1 images without a face\n"
    )
    images = root / "WIDER_val/images"
    faces = index_training_set("widerface", "validation", tmp_path / "label.txt", images, Faults())
    assert (len(faces), len(faces.faces), faces.mended) == (365, 4144, {})
    truth = read_ground_truth(root / "ground_truth")
    corners = {(*box[:2], *(box[:2] + box[2:])) for box in truth.boxes}
    assert {tuple(face[:4]) for face in faces.faces} <= corners
    assert (faces.faces[:, 4:] == -1).all()
