"""AP on WIDER FACE: published values, a step-by-step reference on random sets, and every refusal."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pth2map.datasets.widerface import SUBSETS, GroundTruth, read_ground_truth
from pth2map.evaluation import widerface
from pth2map.evaluation.widerface import THRESHOLDS, evaluate, outcomes
from pth2map.files.errors import InputError
from pth2map.recipes.detections import Detections, read_texts

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from reference_widerface import overlaps, reference_evaluate


def detections_of(images):
    """Of ``{name: [(x, y, w, h, score), ...]}``."""
    rows = np.array([row for each in images.values() for row in each], dtype=np.float64).reshape(-1, 5)
    counts = np.array([len(each) for each in images.values()], dtype=np.int64)
    return Detections(tuple(images), counts, rows[:, :4].copy(), rows[:, 4].copy())


def ground_truth_of(images):
    """Of ``{name: [(x, y, w, h, "subsets it counts in"), ...]}``."""
    faces = [face for each in images.values() for face in each]
    boxes = np.array([face[:4] for face in faces], dtype=np.float64).reshape(-1, 4)
    counts = np.array([len(each) for each in images.values()], dtype=np.int64)
    counted = {subset: np.array([subset in face[4] for face in faces], dtype=np.bool_) for subset in SUBSETS}
    return GroundTruth(tuple(images), counts, boxes, counted)


def by_score(detections):
    image = np.repeat(np.arange(len(detections.names)), detections.counts)
    order = np.lexsort((-detections.scores, image))
    return Detections(detections.names, detections.counts, detections.boxes[order], detections.scores[order])


def assert_agrees(result, reference):
    for subset, curve in zip(SUBSETS, result.curves, strict=True):
        ap, reference_curve = reference[subset]
        np.testing.assert_array_equal(curve, reference_curve)
        assert result.ap[subset] == pytest.approx(ap, abs=1e-12, nan_ok=True)


# By hand

FACES = {
    "a/1": [(10, 10, 9, 9, "easy medium hard"), (50, 50, 9, 9, "medium hard"), (90, 90, 9, 9, "hard")],
    "b/2": [],
}
FOUND = {
    "a/1": [(10, 10, 9, 9, 1.0), (200, 200, 9, 9, 0.5), (50, 50, 9, 9, 0.2), (50, 50, 9, 9, 0.0)],
    "b/2": [],
}


def test_curve_and_ap_worked_out_by_hand():
    result = evaluate(detections_of(FOUND), ground_truth_of(FACES))
    # easy: hit, miss, two rows on a face that does not count.
    assert result.ap["easy"] == 1
    # medium: hit at recall 1/2, miss, hit at recall 1 with precision 2/3, the same face again.
    assert result.ap["medium"] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3, abs=1e-15)
    # hard: as medium, and a third face that is not found.
    assert result.ap["hard"] == pytest.approx(1 / 3 + 1 / 3 * 2 / 3, abs=1e-15)
    assert result.curves.shape == (3, 1000, 2)
    precision, recall = result.curves[1].T
    assert THRESHOLDS[[499, 799, 999]].tolist() == [0.5, 1 - 800 / 1000, 0]
    assert precision[[0, 498, 499, 798, 799, 998, 999]].tolist() == [1, 1, 0.5, 0.5, 2 / 3, 2 / 3, 0.5]
    assert recall[[0, 498, 499, 798, 799, 998, 999]].tolist() == [0.5, 0.5, 0.5, 0.5, 1, 1, 1]
    assert result.counted_faces == {"easy": 1, "medium": 2, "hard": 3}
    assert (result.images, result.iou_threshold, result.mode, result.notes) == (2, 0.5, "strict", [])


def test_all_counts_a_face_once_for_every_subset():
    result = evaluate(detections_of(FOUND), ground_truth_of(FACES), subsets=("hard", "all"))
    assert list(result.ap) == ["hard", "all"]
    assert result.counted_faces == {"hard": 3, "all": 6}
    assert result.ap["all"] == pytest.approx(result.ap["hard"] / 2, abs=1e-15)
    assert "all: a face is counted once for every subset" in result.notes[0]


def test_iou_counts_pixels_and_reaches_at_equality():
    faces = ground_truth_of({"a/1": [(0, 0, 9, 9, "easy medium hard")]})
    half = detections_of({"a/1": [(0, 0, 9, 4, 1.0)]})  # 10 × 5 of 10 × 10 pixels
    assert evaluate(half, faces, 0.5).ap["easy"] == 1
    assert evaluate(half, faces, np.nextafter(0.5, 1)).ap["easy"] == 0
    point = detections_of({"a/1": [(0, 0, 0, 0, 1.0)]})  # a pixel
    assert evaluate(point, faces, 0.01).ap["easy"] == 1


def test_equal_iou_goes_to_the_first_face():
    for order, ap in ((("", "hard"), 0), (("hard", ""), 1)):
        faces = [(0, 0, 9, 9, order[0]), (0, 0, 9, 9, order[1])]
        result = evaluate(detections_of({"a/1": [(0, 0, 9, 9, 1.0)]}), ground_truth_of({"a/1": faces}))
        assert result.ap["hard"] == ap


def test_a_subset_without_faces_has_no_ap():
    faces = ground_truth_of({"a/1": [(0, 0, 9, 9, "hard")]})
    result = evaluate(detections_of({"a/1": [(0, 0, 9, 9, 1.0)]}), faces)
    assert math.isnan(result.ap["easy"])
    assert result.metrics == {"easy": None, "medium": None, "hard": 1.0}
    assert result.notes[-1] == "easy, medium: no face counts, so there is no AP"


def test_rows_of_an_image_without_faces_are_left_out():
    faces = ground_truth_of({"a/1": [(0, 0, 9, 9, "easy medium hard")], "a/2": []})
    found = detections_of({"a/1": [(0, 0, 9, 9, 0.5)], "a/2": [(0, 0, 9, 9, 1.0), (5, 5, 5, 5, 0.0)]})
    assert evaluate(found, faces).ap["hard"] == 1


# Strict mode


def test_unsorted_rows_are_sorted_and_noted():
    unsorted = {"a/1": FOUND["a/1"][::-1], "b/2": []}
    result = evaluate(detections_of(unsorted), ground_truth_of(FACES))
    assert result.ap == evaluate(detections_of(FOUND), ground_truth_of(FACES)).ap
    assert result.notes == ["rows of 1 images were not by falling score and have been sorted: a/1"]
    assert evaluate(detections_of(unsorted), ground_truth_of(FACES), mode="reference").ap != result.ap


def test_equal_scores_count_at_every_threshold():
    same = {name: [(*row[:4], 0.3) for row in rows] for name, rows in FOUND.items()}
    result = evaluate(detections_of(same), ground_truth_of(FACES))
    assert result.curves[1].tolist() == [[0.5, 1.0]] * 1000
    assert result.ap["medium"] == 0.5
    assert result.notes == ["all scores are 0.3: every detection counts at every threshold"]
    assert evaluate(detections_of(same), ground_truth_of(FACES), mode="reference").ap["medium"] == 0


def test_no_detections_are_ap_0():
    result = evaluate(detections_of({"a/1": [], "b/2": []}), ground_truth_of(FACES))
    assert result.ap == {"easy": 0, "medium": 0, "hard": 0}
    assert result.notes == ["no detections at all: AP is 0"]


def test_notes_of_the_texts_are_passed_on():
    found = detections_of(FOUND)
    told = Detections(found.names, found.counts, found.boxes, found.scores, notes=("truncated?",))
    assert evaluate(told, ground_truth_of(FACES)).notes == ["truncated?"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            {"a/1": [(0, 0, 1, 1, 0.5), (0, 0, 1, 1, math.nan)], "b/2": []},
            "a/1, row 2: .* 0 0 1 1 nan is not finite",
        ),
        ({"a/1": [(0, 0, 1, 1, 0.5)], "b/2": [(0, 0, 1, 1, math.inf)]}, "b/2, row 1: .* is not finite"),
        ({"a/1": [(math.nan, 0, 1, 1, 0.5)], "b/2": []}, "a/1, row 1: .* nan 0 1 1 0.5 is not finite"),
        (
            {"a/1": [], "b/2": [(0, 0, 1, -1, 0.5)] * 3},
            r"b/2, row 1: .* negative width or height \(3 such rows",
        ),
        ({"a/1": []}, r"no detections for 1 of 2 images of the ground truth: b/2"),
        ({"a/1": [], "b/2": [], "c/3": []}, "1 images that the ground truth does not have: c/3"),
    ],
)
def test_strict_refuses(images, message):
    with pytest.raises(InputError, match=message):
        evaluate(detections_of(images), ground_truth_of(FACES))


def test_options_are_checked():
    found, faces = detections_of(FOUND), ground_truth_of(FACES)
    with pytest.raises(InputError, match="mode 'stric'; did you mean strict"):
        evaluate(found, faces, mode="stric")
    with pytest.raises(InputError, match="subset 'head'"):
        evaluate(found, faces, subsets=("head",))
    for threshold in (0, -1, 1.1, math.nan):
        with pytest.raises(InputError, match="IoU threshold"):
            evaluate(found, faces, threshold)


# The published modes


def test_centerface_leaves_missing_images_out():
    faces = ground_truth_of(FACES | {"a/3": [(0, 0, 9, 9, "easy medium hard")]})
    result = evaluate(detections_of(FOUND), faces, mode="centerface")
    assert result.ap == evaluate(detections_of(FOUND), ground_truth_of(FACES)).ap
    assert (result.iou_threshold, result.images, result.counted_faces["easy"]) == (0.4, 2, 1)
    assert result.notes == ["1 images without detections are left out with their faces: a/3"]
    with pytest.raises(InputError, match="no detections for any image of 1 events: b"):
        evaluate(detections_of({"a/1": FOUND["a/1"]}), faces, mode="centerface")
    with pytest.raises(InputError, match="no detections for 1 of 3 images"):
        evaluate(detections_of(FOUND), faces, mode="reference")


def test_unknown_images_only_normalise():
    found = detections_of(FOUND | {"c/3": [(10, 10, 9, 9, 2.0)]})
    result = evaluate(found, ground_truth_of(FACES), mode="reference")
    assert result.ap == evaluate(detections_of(FOUND), ground_truth_of(FACES)).ap
    assert np.isnan(result.curves[1, 498, 0])
    assert result.curves[1, 499].tolist() == [1, 0.5]
    assert result.notes == ["1 images unknown to the ground truth only take part in normalising scores"]


# What became of each image


def test_what_became_of_each_image_worked_out_by_hand():
    first, second = outcomes(detections_of(FOUND), ground_truth_of(FACES), 0.5, score_above=0.1)
    assert (first.name, second.name) == ("a/1", "b/2")
    assert first.found.tolist() == [[10, 10, 9, 9], [50, 50, 9, 9]]
    assert first.missed.tolist() == [[90, 90, 9, 9]]
    assert first.false.tolist() == [[200, 200, 9, 9]]
    assert [len(boxes) for boxes in (second.found, second.missed, second.false)] == [0, 0, 0]
    (again, _) = outcomes(detections_of(FOUND), ground_truth_of(FACES), 0.5, score_above=-1)
    assert again.false.tolist() == [[200, 200, 9, 9], [50, 50, 9, 9]], "a face that was found is not found again"
    (easy, _) = outcomes(detections_of(FOUND), ground_truth_of(FACES), 0.5, score_above=0.1, subset="easy")
    assert (easy.found.tolist(), easy.missed.tolist()) == ([[10, 10, 9, 9]], [])
    assert easy.false.tolist() == [[200, 200, 9, 9]], "a face that does not count takes its row out"


# Against the step-by-step reference

SIDES = st.integers(0, 12) | st.sampled_from([0.5, 3.25, 7.75])
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.999, 1.0]) | st.floats(-0.5, 1.5)
WILD = st.sampled_from([math.nan, math.inf, -math.inf, -3.0, 1e300])


@st.composite
def sets(draw, sides=SIDES, scores=SCORES):
    faces, found = {}, {}
    for name in draw(st.permutations(["a/1", "a-b/2", "a/1-1", "b/2"]).map(lambda names: names[:3])):
        box = st.tuples(SIDES, SIDES, SIDES, SIDES)
        boxes = draw(st.lists(box, max_size=4))
        flags = st.lists(st.sampled_from(SUBSETS), unique=True)
        faces[name] = [(*each, draw(flags)) for each in boxes]
        near = st.sampled_from(boxes) if boxes else box
        row = st.tuples(st.tuples(sides, sides, sides, sides) | near, scores)
        found[name] = [(*where, score) for where, score in draw(st.lists(row, max_size=6))]
    shuffled = {name: found[name] for name in draw(st.permutations(list(found)))}
    return detections_of(shuffled), ground_truth_of(faces)


IOU = st.sampled_from([0.01, 0.3, 0.5, 0.75, 1.0])


@settings(deadline=None, max_examples=60)
@given(sets(), IOU)
def test_strict_agrees_with_the_reference_on_sorted_rows(case, iou):
    found, faces = case
    assume(len(set(found.scores)) != 1)
    assert_agrees(evaluate(found, faces, iou), reference_evaluate(by_score(found), faces, iou))


@settings(deadline=None, max_examples=60)
@given(sets(), IOU)
def test_reference_mode_agrees_in_any_order(case, iou):
    found, faces = case
    assert_agrees(evaluate(found, faces, iou, "reference"), reference_evaluate(found, faces, iou))


@settings(deadline=None, max_examples=60)
@given(sets(SIDES | WILD, SCORES | WILD), IOU)
def test_reference_mode_agrees_on_broken_rows(case, iou):
    found, faces = case
    assert_agrees(evaluate(found, faces, iou, "reference"), reference_evaluate(found, faces, iou))


@settings(deadline=None, max_examples=60)
@given(sets(), IOU, st.sampled_from(SUBSETS), SCORES)
def test_outcomes_are_those_of_the_curve_where_every_row_counts(case, iou, subset, limit):
    """The curve's last point is of all rows: here of those above the limit."""
    found, faces = case
    above = found.scores > limit
    counts = np.array([int(part.sum()) for part in np.split(above, found.offsets[1:-1])])
    kept = Detections(found.names, counts, found.boxes[above], found.scores[above])
    each = outcomes(found, faces, iou, limit, subset)
    assert [outcome.name for outcome in each] == list(faces.names)
    kinds = ("found", "missed", "false")
    hits, missed, false = (sum(len(getattr(outcome, kind)) for outcome in each) for kind in kinds)
    evaluation = evaluate(kept, faces, iou, subsets=[subset])
    assert hits + missed == evaluation.counted_faces[subset]
    precision, recall = evaluation.curves[0, -1]
    if hits + missed:
        assert recall == hits / (hits + missed)
    if hits + false:
        assert precision == hits / (hits + false)
    else:
        assert math.isnan(precision)


def test_many_pairs_are_worked_through_in_portions(monkeypatch):
    generator = np.random.default_rng(0)
    names = [f"e/{i}" for i in range(20)]
    boxes = {name: generator.integers(0, 60, (12, 4)).tolist() for name in names}
    faces = ground_truth_of({name: [(*box, "easy hard") for box in each] for name, each in boxes.items()})
    rows = {name: (each + generator.integers(-3, 4, (12, 4))).clip(0).tolist() for name, each in boxes.items()}
    found = detections_of({name: [(*row, generator.random()) for row in each] for name, each in rows.items()})
    whole = evaluate(found, faces)
    assert whole.ap["hard"] > 0.1
    for portion in (1, 7, 100):
        monkeypatch.setattr(widerface, "_PAIRS_AT_ONCE", portion)
        assert evaluate(found, faces).ap == whole.ap


# Published values


@pytest.fixture(scope="session")
def published(golden):
    """Detections on all of WIDER FACE val, and what the published evaluator made of them."""
    folder = golden / "widerface_eval/thflgg133"
    case = json.loads((folder / "case.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        names, counts = tuple(arrays["names"].tolist()), arrays["counts"].astype(np.int64)
        return Detections(names, counts, arrays["boxes"], arrays["scores"]), case, arrays["pr_curves"]


def test_full_set(published, mirror):
    found, case, curves = published
    faces = read_ground_truth(mirror / "widerface-ground-truth")
    result = evaluate(found, faces)
    assert result.ap == pytest.approx(case["ap_iou_0.5"], abs=1e-12)
    np.testing.assert_array_equal(result.curves, curves)
    assert (result.images, result.notes) == (3226, [])
    assert evaluate(found, faces, 0.4).ap == pytest.approx(case["ap_iou_0.4"], abs=1e-12)
    assert evaluate(found, faces, 0.5, "reference").ap == result.ap
    assert evaluate(found, faces, mode="centerface").ap == pytest.approx(case["ap_iou_0.4"], abs=1e-12)


@pytest.mark.parametrize("recipe", ["orig", "a1000"])
def test_subset(golden, mirror, recipe):
    folder = golden / "retinaface_wider_subset"
    expected = json.loads((folder / "case.json").read_text())["results"][recipe]["subset"]
    with np.load(folder / "arrays.npz") as arrays:
        names, counts = tuple(arrays["names"].tolist()), arrays[f"{recipe}_counts"].astype(np.int64)
        boxes, scores = arrays[f"{recipe}_boxes"].astype(np.float64), arrays[f"{recipe}_scores"]
    faces = read_ground_truth(mirror / "widerface-ground-truth").subset(names)
    for iou in (0.5, 0.4):
        result = evaluate(Detections(names, counts, boxes, scores), faces, iou)
        assert result.ap == pytest.approx(expected[f"ap_iou_{iou}"], abs=1e-12)


def test_iou_is_the_published_to_the_last_bit(golden):
    with np.load(golden / "widerface_eval/edge_cases/arrays.npz") as arrays:
        rows, faces, expected = arrays["ov_boxes"], arrays["ov_query"], arrays["ov"]
    np.testing.assert_array_equal(overlaps(rows, faces), expected)
    row, face = np.nonzero(np.ones_like(expected))
    row, face, iou = widerface._overlapping(rows.T, faces.T, row, face, iou_threshold=1e-300)
    ours = np.zeros_like(expected)
    ours[row, face] = iou
    np.testing.assert_array_equal(ours, expected)


# Blank lines at the end: CenterFace's evaluator fails on the blank itself, ours reads on.
READS_ON = {("blank_lines_at_end", "centerface"): "base"}
STRICT = {
    "base": None,
    "no_trailing_blank": None,
    "header_event_jpg": None,
    "unsorted_scores": "base",
    "one_image_without_detections": None,
    "all_images_without_detections": None,
    "missing_image": r"no detections for 1 of 12 images .*2_Demonstration_Demonstrators_2_499",
    "missing_event": "no detections for 3 of 12 images",
    "all_scores_equal": {"note": "all scores are 0.5"},
    "scores_over_1": None,
    "scores_all_over_1": None,
    "negative_scores": None,
    "all_scores_negative": None,
    "tied_scores": None,
    "zero_and_negative_sizes": "negative width or height",
    "nan_score_early": r"0_Parade_marchingband_1_404, row 2: .* 470 149 29 43 nan is not finite",
    "nan_score_last_image": r"44_Aerobics_Aerobics_44_379, row 2: .* is not finite",
    "nan_coordinate": r"0_Parade_Parade_0_275, row 2: .* nan 385 11 14 0.844057 is not finite",
    "inf_score": "row 2: .* inf is not finite",
    "row_with_four_numbers": r"0_Parade_Parade_0_275\.txt, line 4: found '12 14 9 9 ', expected five numbers",
    "empty_file": r"0_Parade_Parade_0_275\.txt: the file is empty",
    "header_line_only": None,
    "blank_lines_at_end": None,
    "crlf": None,
}


@pytest.fixture(scope="session")
def edge_cases(golden):
    folder = golden / "widerface_eval/edge_cases"
    results = json.loads((folder / "case.json").read_text())["results"]
    assert set(results) == set(STRICT)
    return (
        results,
        json.loads((folder / "edge_files.json").read_text()),
        read_ground_truth(folder / "ground_truth"),
    )


def edge_folder(edge_cases, variant, tmp_path):
    results, files, _ = edge_cases
    for name, text in {**files["base"], **files[variant]}.items():
        if name not in results[variant]["absent_files"]:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
    return tmp_path


@pytest.mark.parametrize(
    "published_as",
    [
        ("biubug6_iou_0.5", "reference", {}),
        ("biubug6_iou_0.4", "reference", {"iou_threshold": 0.4}),
        ("centerface_default_iou_0.4", "centerface", {}),
        ("centerface_all_iou_0.4", "centerface", {"subsets": ("all",)}),
    ],
)
@pytest.mark.parametrize("variant", list(STRICT))
def test_edge_cases_as_published(edge_cases, tmp_path, variant, published_as):
    column, mode, options = published_as
    results, _, faces = edge_cases
    expected = results[READS_ON.get((variant, mode), variant)][column]
    folder = edge_folder(edge_cases, variant, tmp_path)
    if "error" in expected:
        with pytest.raises(InputError):
            evaluate(read_texts(folder, strict=False), faces, mode=mode, **options)
    else:
        result = evaluate(read_texts(folder, strict=False), faces, mode=mode, **options)
        assert result.ap == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("variant", list(STRICT))
def test_edge_cases_in_strict_mode(edge_cases, tmp_path, variant):
    results, _, faces = edge_cases
    folder, verdict = edge_folder(edge_cases, variant, tmp_path), STRICT[variant]
    if isinstance(verdict, str) and verdict not in results:
        with pytest.raises(InputError, match=verdict):
            evaluate(read_texts(folder), faces)
        return
    result = evaluate(read_texts(folder), faces)
    if isinstance(verdict, dict):
        assert verdict["note"] in result.notes[0]
        assert all(ap > 0 for ap in result.ap.values())
    else:
        expected = results[verdict or variant]["biubug6_iou_0.5"]
        assert result.ap == pytest.approx(expected, abs=1e-12)
