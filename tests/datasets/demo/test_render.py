"""A demo dataset: its layout, its rules, and that it is the same each time."""

import hashlib
import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pth2map.datasets.demo import scenes
from pth2map.datasets.demo.render import COUNTED, RECORD, Demo, counts_in, render
from pth2map.datasets.demo.scenes import EVENTS, draw_picture, event_of
from pth2map.datasets.demo.sheet import contact_sheet
from pth2map.datasets.face_labels import read_labels
from pth2map.datasets.images import read_image
from pth2map.datasets.label_faults import Faults
from pth2map.datasets.training_set import index_training_set
from pth2map.datasets.widerface_index import index_widerface
from pth2map.engines.passes import stream
from pth2map.evaluation.widerface import evaluate
from pth2map.files.errors import InputError
from pth2map.networks.catalogue import build
from pth2map.networks.checkpoints import load_weights
from pth2map.recipes.recipe import Recipe

DEMO = Demo(train=24, val=24, seed=3)
PAGE = Path(__file__).parents[3] / "docs/demo.md"
RECIPE = {
    "kind": "retinaface",
    "preprocess": {"resize": "long_side", "interpolation": "linear", "pad_value": 0, "mean_bgr": [104, 117, 123]},
    "decode": {"confidence_threshold": 0.02},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "set"
    render(DEMO, root)
    return root


def hashes(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def record_of(root: Path) -> dict:
    return json.loads((root / RECORD).read_text())


def labelled(root: Path, part: str) -> dict[str, np.ndarray]:
    return {image.name: image.faces for image in read_labels(root / part / "label.txt")}


def test_equal_calls_give_equal_bytes_whatever_the_processes(tmp_path):
    small = Demo(train=3, val=3, seed=1, width=200, height=160)
    render(small, tmp_path / "one")
    render(small, tmp_path / "two", processes=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    render(Demo(train=3, val=3, seed=2, width=200, height=160), tmp_path / "two")
    changed = hashes(tmp_path / "two")
    assert not set(changed.values()) & set(hashes(tmp_path / "one").values())


def test_a_picture_is_the_same_in_a_larger_set(root, tmp_path):
    render(Demo(train=1, val=2, seed=3), tmp_path / "set")
    part = {name: value for name, value in hashes(tmp_path / "set").items() if name.endswith(".jpg")}
    assert len(part) == 3
    assert part.items() <= hashes(root).items()


def test_train_and_val_share_no_picture(root):
    pictures = [value for name, value in hashes(root).items() if name.endswith(".jpg")]
    assert len(set(pictures)) == len(pictures) == 48


def test_the_layout_is_that_of_wider_face(root):
    index, truth = index_widerface("demo", root)
    assert (len(index.images), index.extra, index.damaged) == (24, (), ())
    assert {(image.width, image.height) for image in index.images} == {(640, 480)}
    assert {name.split("/")[0] for name in truth.names} == set(EVENTS)
    for name in truth.names:
        event, stem = name.split("/")
        number, words = event.split("--")
        assert stem.startswith(f"{number}_{words}_")
    assert (truth.counts >= 1).all()


@pytest.mark.parametrize(("part", "images"), [("train", "train/images"), ("val", "WIDER_val/images")])
def test_the_labels_have_no_fault(root, part, images):
    refusing = Faults()
    assert set(refusing.model_dump().values()) == {"refuse"}
    faces = index_training_set("demo", "train", root / part / "label.txt", root / images, refusing)
    found = record_of(root)["parts"][part]
    assert len(faces) == found["pictures"] == 24
    assert len(faces.faces) == found["faces"]
    assert (faces.faces[:, 14] == 1).sum() == found["with_landmarks"] > 0
    assert (faces.faces[:, 14] == -1).any()


@pytest.mark.parametrize("part", ["train", "val"])
def test_boxes_are_whole_pixels_inside_the_picture_with_landmarks_in_them(root, part):
    faces = np.concatenate(list(labelled(root, part).values()))
    boxes = faces[:, :4]
    assert (boxes == np.round(boxes)).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (640, 480)).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides[:, 1] >= 8).all()
    assert (sides[:, 0] >= 1).all()
    with_marks = faces[:, 14] == 1
    assert (sides[with_marks, 1] >= 20).all()
    marks = faces[with_marks, 4:14].reshape(-1, 5, 2)
    assert (marks >= boxes[with_marks, None, :2] - 1).all()
    assert (marks <= boxes[with_marks, None, 2:] + 1).all()
    upper, lower = marks[:, :2, 1].mean(axis=1), marks[:, 3:, 1].mean(axis=1)
    assert (upper < lower).all(), "eyes are above mouths"


def test_landmarks_are_written_as_eyes_nose_and_mouth_from_left_to_right(root):
    lines = [line.split() for line in (root / "train/label.txt").read_text().splitlines() if line[0] != "#"]
    marks = np.array([line[4:19] for line in lines if float(line[4]) >= 0], float).reshape(-1, 5, 3)[:, :, :2]
    (left, right, nose, left_corner, right_corner), down = marks.transpose(1, 2, 0), 1
    assert len(marks) > 20
    assert (left[0] < right[0]).all()
    assert (left_corner[0] < right_corner[0]).all()
    assert ((left + right)[down] / 2 < nose[down]).all()
    assert (nose[down] < (left_corner + right_corner)[down] / 2).all()


def test_ground_truth_and_labels_say_the_same(root):
    _, truth = index_widerface("demo", root)
    faces = labelled(root, "val")
    for number, name in enumerate(truth.names):
        boxes = truth.boxes[truth.offsets[number] : truth.offsets[number + 1]]
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        assert (corners == faces[f"{name}.jpg"][:, :4]).all()


def test_subsets_follow_their_rule_and_contain_each_other(root):
    _, truth = index_widerface("demo", root)
    hidden = {}
    for number in range(DEMO.val):
        event = event_of(number)
        picture = draw_picture(event, 640, 480, (20, 3, 1, number))
        hidden[f"{event}/{event.replace('--', '_')}_{number}"] = [(face.box[3], face.hidden) for face in picture.faces]
    height, covered = np.array([face for name in truth.names for face in hidden[name]]).T
    assert (height == truth.boxes[:, 3]).all()
    assert (covered <= scenes.MOST_HIDDEN).all()
    for subset, (least, most) in COUNTED.items():
        assert (truth.counted[subset] == ((height >= least) & (covered <= most))).all()
    easy, medium, hard = (truth.counted[subset] for subset in COUNTED)
    assert 0 < easy.sum() < medium.sum() < hard.sum()
    assert (easy <= medium).all()
    assert (medium <= hard).all()
    assert record_of(root)["parts"]["val"]["counted"] == {key: int(truth.counted[key].sum()) for key in COUNTED}


def test_the_page_counts_the_faces_of_the_set_as_it_is(monkeypatch):
    """Those of val; what is behind them, and the camera, decide nothing of it."""
    monkeypatch.setattr(scenes, "_backdrop", lambda stage, *_: np.zeros((stage.height, stage.width, 3), np.uint8))
    monkeypatch.setattr(scenes, "_taken", lambda image, *_: image)
    pictures = [draw_picture(event_of(number), 640, 480, (20, 0, 1, number)) for number in range(150)]
    faces = [face for picture in pictures for face in picture.faces]
    found = {subset: sum(counts_in(face, subset) for face in faces) for subset in COUNTED}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines()]
    said = {row[0]: row[1:] for row in rows if row and row[0] in {*COUNTED, "all"}}
    assert {subset: int(row[-1].replace(",", "")) for subset, row in said.items()} == {**found, "all": len(faces)}
    rules = {**COUNTED, "all": (scenes.LEAST, scenes.MOST_HIDDEN)}
    assert {subset: row[:2] for subset, row in said.items()} == {
        subset: [f"{height} px", f"{hidden:.0%}".replace("%", " %")] for subset, (height, hidden) in rules.items()
    }


def test_sizes_go_from_tiny_to_large_and_most_are_not_tiny():
    """Of 50 pictures of half the size."""
    faces = [face for number in range(50) for face in draw_picture(event_of(number), 320, 240, (9, number)).faces]
    heights = np.array([face.box[3] for face in faces])
    assert heights.min() < 12
    assert heights.max() > 100
    assert np.mean(heights >= 20) > 0.5
    assert 0.05 < np.mean([face.hidden > 0.3 for face in faces]) < 0.4


@pytest.mark.parametrize("first", [16, 100, 1000])
def test_each_event_has_its_part_of_any_set(first):
    events = [event_of(number) for number in range(first)]
    for event, (_, part) in EVENTS.items():
        assert abs(events.count(event) - part * first) < 3


def test_a_detector_of_photographs_knows_the_faces(root, mirror):
    """The published mobilenet0.25, trained on WIDER FACE: it finds them where the labels are, landmarks too."""
    network = build("retinaface_mobilenet025")
    load_weights(network, mirror / "weights/retinaface/mobilenet0.25_Final.pth")
    network.eval()

    class Session:
        def run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
            with torch.inference_mode():
                return tuple(output.numpy() for output in network(torch.from_numpy(images)))

    index, truth = index_widerface("demo", root)
    found = stream(index, index.images, Recipe.parse(json.dumps(RECIPE), "640"), Session(), 1)
    ap = evaluate(found, truth).ap
    assert ap["easy"] > 0.95
    assert ap["medium"] > 0.9
    assert ap["hard"] > 0.8
    marks = found.extra["landmarks"].reshape(-1, 5, 2)
    faces, distances = labelled(root, "val"), []
    for number, name in enumerate(found.names):
        rows = slice(found.offsets[number], found.offsets[number + 1])
        sure = found.scores[rows] > 0.9
        for face in faces[f"{name}.jpg"]:
            gaps = np.abs(marks[rows][sure] - face[4:14].reshape(5, 2)).max(axis=(1, 2))
            if face[14] == 1 and len(gaps) and face[3] - face[1] > 30:
                distances.append(gaps.min() / (face[3] - face[1]))
    assert np.median(distances) < 0.1, "of the height of a face, the farthest of the five"


def test_the_sheet_shows_frames_of_all_colours_over_a_caption(root):
    sheet = contact_sheet(root, columns=4, rows=2, width=120)
    assert sheet.shape == (2 * (90 + 4) + 4 + 28, 4 * (120 + 4) + 4, 3)
    easy = (sheet == (115, 158, 0)).all(axis=2)
    assert easy[: 2 * 94].sum() > 20, "frames"
    first = read_image(root / "WIDER_val/images" / f"{index_widerface('demo', root)[1].names[0]}.jpg")
    assert float(sheet[4:94, 4:124].mean()) == pytest.approx(float(first.mean()), abs=4), "beside its frames"


def test_a_sheet_of_few_pictures_is_small(tmp_path):
    render(Demo(train=1, val=2, seed=0, width=160, height=160), tmp_path / "set")
    assert contact_sheet(tmp_path / "set").shape == (200 + 8 + 28, 2 * 204 + 4, 3)


def test_a_demo_takes_the_place_of_a_demo_and_of_nothing_else(tmp_path):
    small = Demo(train=1, val=1, seed=0, width=160, height=160)
    empty = tmp_path / "empty"
    empty.mkdir()
    render(small, empty)
    render(Demo(train=2, val=1, seed=0, width=160, height=160), empty)
    assert record_of(empty)["train"] == 2
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something else than a demo dataset is there"):
        render(small, own)
    assert (own / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"train": 0}, "0 pictures for train, expected at least 1"),
        ({"val": -1}, "-1 pictures for val, expected at least 1"),
        ({"seed": -1}, "seed -1: expected 0 or more"),
        ({"width": 100}, "pictures of 100×480 pixels, expected sides from 160 to 4096"),
        ({"height": 5000}, "pictures of 640×5000 pixels, expected sides from 160 to 4096"),
    ],
)
def test_numbers_that_cannot_be(change, sentence):
    with pytest.raises(InputError) as caught:
        Demo(**{"train": 1, "val": 1, "seed": 0, **change})
    assert str(caught.value) == sentence


@pytest.mark.parametrize("processes", [1, 2])
def test_rendering_leaves_threads_and_interruptions_as_they_are(processes, tmp_path):
    before = signal.getsignal(signal.SIGINT), cv2.getNumThreads()
    render(Demo(train=1, val=1, seed=0, width=160, height=160), tmp_path / "set", processes)
    assert (signal.getsignal(signal.SIGINT), cv2.getNumThreads()) == before


def test_no_processes(tmp_path):
    with pytest.raises(InputError, match="0 processes, expected at least 1"):
        render(DEMO, tmp_path / "set", processes=0)
    assert not (tmp_path / "set").exists()
