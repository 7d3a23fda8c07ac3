"""Detections that a person brings: folders of result texts, .npz, and their ground truth."""

import json
from pathlib import Path

import numpy as np
from tests.bad_input.case import Area, Case, refused, works
from tests.bad_input.page import hold

from pth2map.datasets.widerface import SUBSETS, GroundTruth
from pth2map.recipes.detections import Detections, load_detections, read_texts, save_detections, write_texts

AREA = Area("Detections and result texts (`score_widerface.py`)")
NAMES = ("0--Parade/a_1", "1--Shop/b_2")
DETECTIONS = Detections(
    names=NAMES,
    counts=np.array([2, 1]),
    boxes=np.array([[10, 10, 9, 9], [200, 200, 9, 9], [50, 50, 9, 9]], dtype=np.float64),
    scores=np.array([1.0, 0.5, 0.25]),
)
TEXT = "0--Parade/a_1.txt"


def write_truth(folder: Path) -> Path:
    counted = dict.fromkeys(SUBSETS, np.ones(2, dtype=np.bool_))
    GroundTruth(NAMES, np.array([1, 1]), DETECTIONS.boxes[[0, 2]], counted).save(folder / "truth.npz")
    return folder / "truth.npz"


def score(folder: Path, detections: Path, *more: str) -> str:
    outputs = ("--json", folder / "ap.json", "--curves", folder / "curves.npz")
    truth = write_truth(folder)
    return refused(
        "score_widerface",
        *("--detections", detections, "--ground-truth", truth, *outputs, *more),
        outputs=[folder / "ap.json", folder / "curves.npz"],
        folder=folder,
    )


def text(folder: Path, content: str | bytes, name: str = TEXT) -> str:
    """What is said when one result text holds ``content``."""
    write_texts(folder / "texts", DETECTIONS)
    (folder / "texts" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return score(folder, folder / "texts")


def binary(folder: Path, **arrays: np.ndarray) -> str:
    """What is said of an .npz with some of its arrays replaced."""
    np.savez(folder / "detections.npz", **{**DETECTIONS._arrays(), **arrays})
    return score(folder, folder / "detections.npz")


def scored(folder: Path, detections: Path) -> tuple[str, dict]:
    """What is said, and the result, when it must work."""
    said = works(
        "score_widerface",
        *("--detections", detections, "--ground-truth", write_truth(folder), "--json", folder / "ap.json"),
    )
    return said, json.loads((folder / "ap.json").read_text(encoding="utf-8"))


@AREA.case("a line that is too short", "Write `x y w h score`.")
def short_line(folder: Path) -> str:
    return text(folder, "a_1\n2\n10 10 9 9 1.0 \n200 200 9 0.5 \n")


@AREA.case("two blanks, or a tab, between numbers", "Write one blank, as the published evaluators want it.")
def two_blanks(folder: Path) -> str:
    return text(folder, "a_1\n1\n10  10 9 9 1.0 \n")


@AREA.case("words for numbers", "Write numbers, with a point.")
def words(folder: Path) -> str:
    return text(folder, "a_1\n1\n10 10 9 9 high\n")


@AREA.case("a decimal comma", "Write numbers with a point.")
def comma(folder: Path) -> str:
    return text(folder, "a_1\n1\n10 10 9 9 0,9\n")


@AREA.case("line 2 is no number", "Write there how many rows follow.")
def no_count(folder: Path) -> str:
    return text(folder, "a_1\n10 10 9 9 1.0\n")


@AREA.case("a score that is not a number", "Look for the overflow in the network; `--mode reference` computes with it.")
def nan_score(folder: Path) -> str:
    return text(folder, "a_1\n1\n10 10 9 9 nan\n")


@AREA.case("a box of negative width", "Write x, y, width, height, not two corners.")
def negative_width(folder: Path) -> str:
    return text(folder, "a_1\n1\n10 10 -9 9 1.0\n")


@AREA.case("an image without a result text", "Write one, with 0 in line 2 if nothing was found.")
def missing_image(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    (folder / "texts" / TEXT).unlink()
    return score(folder, folder / "texts")


@AREA.case("a result text under a wrong name", "Name it as its image; `--mode reference` goes by line 1.")
def other_name(folder: Path) -> str:
    return text(folder, "c_3\n1\n10 10 9 9 1.0\n")


@AREA.case("the same image twice", "Remove one.")
def twice(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    (folder / "texts/0--Parade/again.txt").write_text("a_1\n0\n", encoding="utf-8")
    return score(folder, folder / "texts", "--mode", "reference")


@AREA.case("a binary file among the texts", "Remove it.")
def not_a_text(folder: Path) -> str:
    return text(folder, b"\x89PNG\r\n\x1a\n\xff\xfe")


@AREA.case("an empty text", "Write its image into line 1 and 0 into line 2.")
def empty_text(folder: Path) -> str:
    return text(folder, "")


@AREA.case("a wrong folder of an event", "Name the folder as the event.")
def wrong_event(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    (folder / "texts/0--Parade").rename(folder / "texts/Parade")
    return score(folder, folder / "texts")


@AREA.case("an empty folder", "Give the folder that holds the folders of the events.")
def empty_folder(folder: Path) -> str:
    (folder / "texts").mkdir()
    return score(folder, folder / "texts")


@AREA.case("texts without folders of events", "Put them into folders of their events.")
def no_events(folder: Path) -> str:
    (folder / "texts").mkdir()
    (folder / "texts/a_1.txt").write_text("a_1\n0\n", encoding="utf-8")
    return score(folder, folder / "texts")


@AREA.case("no such folder or file", "Correct the path.")
def missing(folder: Path) -> str:
    return score(folder, folder / "texts")


@AREA.case("a text in place of the `.npz`", "Give the folder of the texts, or the `.npz`.")
def no_npz(folder: Path) -> str:
    (folder / "detections.npz").write_text("a_1\n0\n", encoding="utf-8")
    return score(folder, folder / "detections.npz")


@AREA.case("an `.npz` that ends early", "Make it again.")
def truncated_npz(folder: Path) -> str:
    save_detections(folder / "detections.npz", DETECTIONS)
    content = (folder / "detections.npz").read_bytes()
    (folder / "detections.npz").write_bytes(content[:700])
    return score(folder, folder / "detections.npz")


@AREA.case("an `.npz` with Python objects in it, which could run code", "Write plain arrays. Nothing was run.")
def pickles(folder: Path) -> str:
    return binary(folder, scores=np.array([1.0, None, 0.25], dtype=object))


@AREA.case("an `.npz` that lacks an array", "Write names, counts, boxes and scores.")
def lacking(folder: Path) -> str:
    np.savez(folder / "detections.npz", names=np.array(NAMES), boxes=DETECTIONS.boxes)
    return score(folder, folder / "detections.npz")


@AREA.case(
    "an `.npz` with more boxes than its counts say", "Write one count an image; their sum is the number of rows."
)
def counts(folder: Path) -> str:
    return binary(folder, counts=np.array([1, 1]))


@AREA.case("an `.npz` of other images", "Score it with the ground truth of its own set.")
def other_images(folder: Path) -> str:
    return binary(folder, names=np.array(["0--Parade/a_1", "2--Street/c_3"]))


@AREA.case("ground truth that is not there", "Correct the path.")
def no_truth(folder: Path) -> str:
    save_detections(folder / "detections.npz", DETECTIONS)
    return refused(
        "score_widerface",
        *("--detections", folder / "detections.npz", "--ground-truth", folder / "truth", "--json", folder / "ap.json"),
        outputs=[folder / "ap.json"],
        folder=folder,
    )


@AREA.case("an IoU that is no fraction", "Give a number above 0, up to 1.")
def iou(folder: Path) -> str:
    save_detections(folder / "detections.npz", DETECTIONS)
    return score(folder, folder / "detections.npz", "--iou", "50")


@AREA.case("Windows line ends, blanks behind the numbers, no last line end", "Nothing.")
def windows(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    whole = read_texts(folder / "texts")
    path = folder / "texts" / TEXT
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").rstrip())
    assert read_texts(folder / "texts").content_hash() == whole.content_hash()
    said, result = scored(folder, folder / "texts")
    assert (said, result["notes"]) == ("", [])
    return "works"


@AREA.case("a byte order mark at the start of a text", "Nothing.")
def byte_order_mark(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    whole = read_texts(folder / "texts")
    path = folder / "texts" / TEXT
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_texts(folder / "texts").content_hash() == whole.content_hash()
    return "works"


@AREA.case("rows that are not by falling score", "Nothing; they are sorted, and a note says so.")
def unsorted(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    (folder / "texts" / TEXT).write_text("a_1\n2\n200 200 9 9 0.5\n10 10 9 9 1.0\n", encoding="utf-8")
    said, result = scored(folder, folder / "texts")
    save_detections(folder / "sorted.npz", DETECTIONS)
    assert scored(folder, folder / "sorted.npz")[1]["metrics"] == result["metrics"]
    return f"works, and says: {said.strip()}"


@AREA.case("fewer rows than line 2 announces", "Make it again, if it ends early; a note names it.")
def fewer_rows(folder: Path) -> str:
    write_texts(folder / "texts", DETECTIONS)
    (folder / "texts" / TEXT).write_text("a_1\n3\n10 10 9 9 1.0\n", encoding="utf-8")
    return f"works, and says: {scored(folder, folder / 'texts')[0].strip()}"


@AREA.case("whole numbers and float32 in an `.npz`", "Nothing.")
def other_dtypes(folder: Path) -> str:
    arrays = DETECTIONS._arrays()
    boxes, numbers = arrays["boxes"].astype(np.int32), arrays["counts"].astype(np.uint8)
    scores = arrays["scores"].astype(np.float32)
    np.savez(folder / "detections.npz", names=arrays["names"], counts=numbers, boxes=boxes, scores=scores)
    assert load_detections(folder / "detections.npz").content_hash() == DETECTIONS.content_hash()
    return "works"


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
