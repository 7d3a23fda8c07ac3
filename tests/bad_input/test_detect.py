"""A person's own pictures: broken, none, or in the way of what is written."""

import os
from contextlib import chdir
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from tests.bad_input.case import Area, Case, Said, in_process, refused
from tests.bad_input.page import hold

AREA = Area("One's own pictures (`detect.py`)")
PICTURE = cv2.imencode(".png", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
MANUAL = """
files: {mine: {path: weights/mine.pth, manual: {page: "https://example.org/share", code: abcd}}}
models: {retinaface: {weights: mine}}
"""
APART = "Give a folder that is neither theirs nor in or around it."


def detect(folder: Path, *more: str | Path, image: str = "mine", model: str = "retinaface") -> str:
    """What is said of the pictures ``mine``, of which there are two, in a working directory without anything else."""
    for name in ("mine/a.png", "mine/below/b.png"):
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(PICTURE)
    with chdir(folder), mock.patch.dict(os.environ, {"PTH2MAP_MIRROR": ""}):
        return refused("detect", "--model", model, "--image", image, *more, folder=folder, call=without_progress)


def without_progress(command: str, *arguments: str | Path) -> Said:
    """Call a command; of what it says, the error alone, not how many images it has read before."""
    said = in_process(command, *arguments)
    return Said(said.status, said.text[max(said.text.find("error: "), 0) :])


@AREA.case("no such picture", "Correct the path.")
def missing(folder: Path) -> str:
    return detect(folder, image="mine/c.png")


@AREA.case("a file that is no picture", "Give a picture, or a folder of them.")
def no_picture(folder: Path) -> str:
    (folder / "notes.txt").write_text("of mine", encoding="utf-8")
    return detect(folder, image="notes.txt")


@AREA.case("a folder without pictures", "Give the folder that holds them.")
def empty_folder(folder: Path) -> str:
    (folder / "empty").mkdir()
    (folder / "empty/notes.txt").touch()
    return detect(folder, image="empty")


@AREA.case(
    "a folder with broken pictures among the others",
    "All are named; move them away or fetch them again. Nothing is written before.",
)
def broken_among_others(folder: Path) -> str:
    (folder / "mine").mkdir()
    (folder / "mine/0.jpg").write_bytes(b"<!DOCTYPE html><html><body>Sign in</body></html>")
    (folder / "mine/c.png").write_bytes(PICTURE[:60])
    return detect(folder, "--draw", "drawn", "--json", "found.json")


@AREA.case("a name that is not UTF-8", "Rename the file; `convmv` mends many at once.")
def name_in_another_encoding(folder: Path) -> str:
    (folder / "mine").mkdir()
    (folder / os.fsdecode(b"mine/gr\xfc\xdfe.png")).write_bytes(PICTURE)
    return detect(folder, "--json", "found.json", image=os.fsdecode(b"mine/gr\xfc\xdfe.png"))


@AREA.case("a model that the config does not have", "Take one that is allowed; each is a block of `models:`.")
def unknown_model(folder: Path) -> str:
    return detect(folder, model="retinafce")


@AREA.case(
    "an engine that the model is not offered on", "Take one that is allowed, or add it to the block's `engines:`."
)
def unknown_engine(folder: Path) -> str:
    return detect(folder, "--engine", "onnxrutime")


@AREA.case("a variant that the model does not have", "Take one that is allowed, or add its size to the block.")
def unknown_variant(folder: Path) -> str:
    return detect(folder, "--engine", "torchscript", "--variant", "600-fp32-b1", model="retinaface_mnet")


@AREA.case("an overlay that is not there", "Correct its name.")
def no_overlay(folder: Path) -> str:
    return detect(folder, "--configfile", "mine.yaml")


@AREA.case(
    "a model whose weights only a person can get",
    "Get them from the page and put them there; `formula:` in an overlay lets you try the way without them.",
)
def weights_not_at_hand(folder: Path) -> str:
    (folder / "overlay.yaml").write_text(MANUAL, encoding="utf-8")
    return detect(folder, "--configfile", "overlay.yaml")


@AREA.case("a limit below 0", "Give a number from 0 to 1; with 0 all is told that the recipe keeps.")
def negative_score(folder: Path) -> str:
    return detect(folder, "--score-above", "-0.5")


@AREA.case("drawings into the folder of the pictures", APART)
def draw_over(folder: Path) -> str:
    return detect(folder, "--draw", "mine")


@AREA.case("drawings into a folder below that of the pictures, where the next call would find them", APART)
def draw_below(folder: Path) -> str:
    return detect(folder, "--draw", "mine/drawn")


@AREA.case("drawings into the folder of a single picture", APART)
def draw_over_one(folder: Path) -> str:
    return detect(folder, "--draw", "mine", image="mine/a.png")


@AREA.case("drawings into a file", "Give a folder; it is made where there is none.")
def draw_into_a_file(folder: Path) -> str:
    (folder / "drawn").touch()
    return detect(folder, "--draw", "drawn")


@AREA.case("a report onto a folder", "Give a file; the folders above it are made where there are none.")
def report_onto_a_folder(folder: Path) -> str:
    (folder / "found").mkdir()
    return detect(folder, "--json", "found")


@AREA.case("a report onto one of the pictures", "Give another file.")
def report_onto_a_picture(folder: Path) -> str:
    return detect(folder, "--json", "mine/a.png")


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
