"""The command that scores a folder of result texts or an .npz."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pth2map.datasets.widerface import SUBSETS, GroundTruth
from pth2map.recipes.detections import Detections, save_detections, write_texts

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/score_widerface.py"
DETECTIONS = Detections(
    names=("a/1", "b/2"),
    counts=np.array([3, 0]),
    boxes=np.array([[10, 10, 9, 9], [200, 200, 9, 9], [50, 50, 9, 9]], dtype=np.float64),
    scores=np.array([1.0, 0.5, 0.0]),
)
GROUND_TRUTH = GroundTruth(
    names=("a/1", "b/2"),
    counts=np.array([2, 0]),
    boxes=np.array([[10, 10, 9, 9], [50, 50, 9, 9]], dtype=np.float64),
    counted=dict(zip(SUBSETS, np.array([[1, 0], [1, 1], [1, 1]], dtype=np.bool_), strict=True)),
)


def score(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def inputs(tmp_path):
    save_detections(tmp_path / "detections.npz", DETECTIONS)
    write_texts(tmp_path / "texts", DETECTIONS)
    GROUND_TRUTH.save(tmp_path / "truth.npz")
    return tmp_path


def test_texts_and_npz_give_the_same_result(inputs):
    common = ("--ground-truth", inputs / "truth.npz")
    run = score("--detections", inputs / "texts", *common, "--json", inputs / "texts.json")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "easy    100.00%  1.0",
        "medium   83.33%  0.8333333333333333",
        "hard     83.33%  0.8333333333333333",
    ]
    assert score("--detections", inputs / "detections.npz", *common, "--json", inputs / "npz.json").returncode == 0
    assert (inputs / "texts.json").read_bytes() == (inputs / "npz.json").read_bytes()
    assert json.loads((inputs / "npz.json").read_text()) == {
        "evaluator": "widerface",
        "metrics": {"easy": 1.0, "medium": 0.8333333333333333, "hard": 0.8333333333333333},
        "iou": 0.5,
        "mode": "strict",
        "images": 2,
        "counted_faces": {"easy": 1, "medium": 2, "hard": 2},
        "notes": [],
        "detections": DETECTIONS.content_hash(),
        "ground_truth": GROUND_TRUTH.content_hash(),
    }


def test_options_reach_the_evaluator(inputs):
    save_detections(
        inputs / "detections.npz",
        Detections(("b/2", "a/1"), np.array([0, 3]), DETECTIONS.boxes[::-1], DETECTIONS.scores[::-1].copy()),
    )
    common = ("--detections", inputs / "detections.npz", "--ground-truth", inputs / "truth.npz", "--json")
    run = score(*common, inputs / "strict.json", "--iou", 0.7)
    assert run.stderr == "warning: rows of 1 images were not by falling score and have been sorted: a/1\n"
    assert json.loads((inputs / "strict.json").read_text())["iou"] == 0.7
    run = score(*common, inputs / "all.json", "--mode", "centerface", "--all")
    result = json.loads((inputs / "all.json").read_text())
    assert (result["mode"], result["iou"], list(result["metrics"])) == ("centerface", 0.4, ["all", *sorted(SUBSETS)])
    assert run.stdout.splitlines()[3].startswith("all ")


def test_curves_and_picture_are_the_same_twice(inputs):
    common = ("--detections", inputs / "texts", "--ground-truth", inputs / "truth.npz", "--json", inputs / "r.json")
    for number in (1, 2):
        outputs = ("--curves", inputs / f"{number}.npz", "--picture", inputs / f"{number}.png")
        assert score(*common, *outputs).returncode == 0
    with np.load(inputs / "1.npz") as curves:
        assert curves["subsets"].tolist() == list(SUBSETS)
        assert curves["thresholds"][[0, 999]].tolist() == [0.999, 0]
        assert curves["curves"][1, 999].tolist() == [2 / 3, 1]
    assert (inputs / "1.npz").read_bytes() == (inputs / "2.npz").read_bytes()
    picture = (inputs / "1.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture == (inputs / "2.png").read_bytes()


def test_wrong_input_is_a_sentence_and_writes_nothing(inputs):
    (inputs / "texts/a/1.txt").write_text("1\n1\n1 2 3 4\n")
    outputs = ("--json", inputs / "r.json", "--curves", inputs / "c.npz", "--picture", inputs / "p.png")
    run = score("--detections", inputs / "texts", "--ground-truth", inputs / "truth.npz", *outputs)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {inputs}/texts/a/1.txt, line 3: found '1 2 3 4', expected five numbers")
    assert run.stderr.count("\n") == 1
    assert not [path for path in outputs[1::2] if path.exists()]


def test_a_subset_without_faces_is_null(inputs):
    GROUND_TRUTH.subset(["b/2"]).save(inputs / "truth.npz")
    save_detections(inputs / "detections.npz", Detections(("b/2",), np.array([0]), np.zeros((0, 4)), np.zeros(0)))
    run = score(
        *("--detections", inputs / "detections.npz", "--ground-truth", inputs / "truth.npz"),
        *("--json", inputs / "r.json", "--picture", inputs / "p.png"),
    )
    assert run.returncode == 0
    assert json.loads((inputs / "r.json").read_text())["metrics"] == dict.fromkeys(SUBSETS)


def test_golden_edge_case_from_the_published_files(golden, tmp_path):
    folder = golden / "widerface_eval/edge_cases"
    for name, text in json.loads((folder / "edge_files.json").read_text())["base"].items():
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text)
    common = ("--detections", tmp_path / "texts", "--ground-truth", folder / "ground_truth")
    expected = json.loads((folder / "case.json").read_text())["results"]["base"]
    for options, column in [((), "biubug6_iou_0.5"), (("--mode", "centerface"), "centerface_default_iou_0.4")]:
        assert score(*common, "--json", tmp_path / "r.json", *options).returncode == 0
        metrics = json.loads((tmp_path / "r.json").read_text())["metrics"]
        assert metrics == pytest.approx(expected[column], abs=1e-12)


def test_an_npz_of_the_golden_layout_is_taken_as_it_is(golden, mirror, tmp_path):
    """Its counts are int32, and it holds curves beside the rows."""
    case = golden / "widerface_eval/thflgg133"
    truth = ("--ground-truth", mirror / "widerface-ground-truth")
    run = score("--detections", case / "arrays.npz", *truth, "--json", tmp_path / "ap.json")
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / "ap.json").read_text())["metrics"]
    expected = json.loads((case / "case.json").read_text())["ap_iou_0.5"]
    assert metrics == pytest.approx(expected, abs=1e-12)
