"""The page of a scored point: whole, by itself, and with everything that a reader must know."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.html_page import Page

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.evaluation.widerface import Outcome
from pth2map.plots.outcomes import LINES, jpeg
from pth2map.tables.report import KINDS, Picture, Report, TrainingReport, choose_pictures, count_boxes
from pth2map.training.epochs import Epoch

JPEG = jpeg(np.full((30, 40, 3), 90, np.uint8))
PNG = cv2.imencode(".png", np.full((20, 30, 3), 200, np.uint8))[1].tobytes()
RUN = {
    "time": "2030-01-02T03:04:05+00:00",
    "host": {"name": "bench", "system": "Linux-6.1", "machine": "x86_64", "cpu": "A <fast> one", "cores": 8},
    "python": "3.11.9",
    "pth2map": {"version": "0.1", "commit": "0123456789abcdef", "changed": True},
    "packages": {"numpy": "2.4", "onnxslim": None, "torch": "2.13"},
}
RESULT = {
    "model": "mine",
    "engine": "onnxruntime",
    "variant": "640-fp32-b1",
    "dataset": "demo",
    "images": 1234,
    "subset": None,
    "full_dataset": False,
    "rendered": None,
    "synthetic": False,
    "rehearsal": False,
    "trained_on_evaluation": False,
    "calibrated_on_evaluation": False,
    "metrics": {"easy": 0.912345, "hard": None, "medium": 0.5},
    "iou_threshold": 0.5,
    "metrics_at_iou": {
        "0.4": {"easy": 0.9234, "hard": None, "medium": 0.75},
        "0.5": {"easy": 0.912345, "hard": None, "medium": 0.5},
    },
    "protocol": "network: n; images: a folder; not the published one; evaluator: WIDER FACE",
    "notes": ["rows were sorted & kept"],
    "hashes": {"weights": "ab12", "config": "cd34"},
    "pth2map": "0.1",
}
REPORT = Report(
    result=RESULT,
    provenance={"export": {"run": RUN}, "infer": [{**RUN, "last": RUN["time"]}], "score": RUN},
    faces={"easy": 10, "medium": 200, "hard": 3000},
    score_above=0.25,
    totals={"found": 1500, "missed": 500, "false": 100},
    pictures={
        "missed": [Picture("0--E/a&b", {"found": 1, "missed": 2, "false": 0}, JPEG)],
        "false": [],
        "spread": [Picture("0--E/c", {"found": 3, "missed": 0, "false": 0}, JPEG)],
    },
    curves=PNG,
    sheet=None,
    training=None,
    command="snakemake --cores 2 -- 'results/mine/report.html'",
)
EPOCH = Epoch(1, 37, 0.01, 9.5, 2.0, 3.0, 2.5, 8.0, 0, 40.0, 61.6)
TRAINED = TrainingReport([EPOCH, replace(EPOCH, epoch=2, seconds=10.2)], PNG)


def page(**changes) -> Page:
    return Page(replace(REPORT, **changes).to_html())


def result(**changes) -> dict[str, object]:
    return {**RESULT, **changes}


def test_the_figures_stand_in_the_order_of_the_subsets():
    text = page().text
    assert "easy medium hard AP at IoU 0.5, % 91.23 50.00 - as a fraction 0.912345 0.500000 -" in text
    assert "AP at IoU 0.4, % 92.34 75.00 - faces that count 10 200 3,000" in text
    assert "onnxruntime, 640-fp32-b1: 1,234 images of demo" in text


def test_what_was_found_is_counted():
    text = page().text
    assert "1,500 found 500 missed 100 false" in text
    assert "of what has a score above 0.25, by the evaluator’s own rule at IoU 0.5" in text
    assert "precision 93.8 %, recall 75.0 %" in text.replace("\xa0", " ")
    assert "precision - %, recall - %" in page(totals=dict.fromkeys(LINES, 0)).text.replace("\xa0", " ")


def test_every_picture_has_its_counts_and_its_name():
    shown = page()
    assert [picture.shape for picture in shown.pictures] == [(30, 40, 3), (30, 40, 3), (20, 30, 3)]
    alternatives = [attributes["alt"] for tag, attributes in shown.tags if tag == "img"]
    assert alternatives[0] == "0--E/a&b: 1 found, 2 missed, 0 false"
    assert "1 found 2 missed 0--E/a&b" in shown.text, "what there is none of is not listed"
    assert KINDS["missed"][0] in shown.text
    assert KINDS["false"][0] not in shown.text, "a heading without pictures"


def test_the_legend_shows_the_lines_of_the_pictures():
    strokes = [attributes for tag, attributes in page().tags if tag == "path"][:3]
    assert [stroke["stroke"] for stroke in strokes] == [line.colour for line in LINES.values()]
    assert [stroke.get("stroke-dasharray") for stroke in strokes] == [None, "12 8", "3 6"]


def test_it_asks_for_nothing_from_elsewhere():
    shown = page(sheet=JPEG, training=TRAINED, result=result(rendered="demo"))
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in shown.tags}
    addresses = [value for _, attributes in shown.tags for key, value in attributes.items() if key in {"src", "href"}]
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    (style,) = re.findall(r"<style>(.*?)</style>", REPORT.to_html(), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    for at in ("prefers-color-scheme: dark", "max-width", "print"):
        assert f"@media ({at}" in style or f"@media {at}" in style


@pytest.mark.parametrize(
    ("changes", "stamps"),
    [
        ({"full_dataset": True}, []),
        ({}, ["NOT THE PUBLISHED SET"]),
        ({"subset": "the first 3 of 9 images"}, ["SUBSET, the first 3 of 9 images"]),
        ({"rendered": "demo", "rehearsal": True}, ["REHEARSAL, computed by stand-ins on a CPU", "RENDERED PICTURES"]),
        ({"full_dataset": True, "synthetic": True}, ["SYNTHETIC WEIGHTS, made of a formula"]),
    ],
)
def test_what_a_reader_must_know_comes_before_any_figure(changes, stamps):
    text = replace(REPORT, result=result(**changes)).to_html()
    found = re.findall(r'<p class="stamp"><strong>(.*?)</strong>', text)
    assert len(found) == len(stamps)
    assert all(each.startswith(stamp) for each, stamp in zip(found, stamps, strict=True))
    assert all(text.index(stamp) < text.index("<table") for stamp in stamps)


def test_of_a_rendered_set_there_is_the_sheet():
    words = "rendered demo of 9 pictures"
    shown = page(sheet=PNG, result=result(rendered=words))
    assert f"This is a {words}. They are drawn by this project, no photographs" in shown.text
    assert shown.pictures[0].shape == (20, 30, 3)
    assert "drawn by this project" not in page().text


def test_of_a_training_there_are_the_curves():
    shown = page(training=TRAINED)
    assert "Training: 74 steps in 2 epochs, which took 1 min 12 s" in shown.text
    assert len(shown.pictures) == len(page().pictures) + 1
    assert "37 steps in 1 epoch," in page(training=TrainingReport([EPOCH], PNG)).text


def test_protocol_hashes_and_provenance():
    session = {**RUN, "time": "2029-12-31T00:00:00+00:00"}
    shown = page(provenance={**REPORT.provenance, "train": {"runs": [session]}})
    assert "network n images a folder; not the published one evaluator WIDER FACE" in shown.text
    assert "rows were sorted & kept" in shown.text
    assert "weights ab12 config cd34" in shown.text
    assert "train 2029-12-31 00:00:00 UTC, bench: A <fast> one, 8 cores; Python 3.11.9, pth2map 0.1 (" in shown.text
    assert "(0123456789ab, changed since)" in shown.text
    assert "numpy 2.4, torch 2.13 system Linux-6.1" in shown.text, "what was not there is left out"
    assert shown.text.rstrip().endswith("snakemake --cores 2 -- 'results/mine/report.html' pth2map 0.1")


def test_what_comes_from_elsewhere_cannot_break_the_page():
    nasty = "</section><script>alert('$title')</script>"
    notes, hashes = [nasty], {nasty: nasty}
    shown = page(
        command=nasty,
        sheet=PNG,
        result=result(rendered=nasty, notes=notes, hashes=hashes, dataset=nasty, model=nasty, protocol=nasty),
        pictures={**REPORT.pictures, "false": [Picture(nasty, {"found": 1}, JPEG)]},
    )
    assert "script" not in {tag for tag, _ in shown.tags}
    assert shown.text.count("alert('$title')") == 10


def test_equal_inputs_give_equal_bytes():
    assert REPORT.to_html() == replace(REPORT).to_html()


def test_pictures_are_chosen_and_drawn(tmp_path):
    images = []
    for number in range(3):
        (tmp_path / "e").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"e/{number}.png"), np.full((60, 80, 3), 60 * number + 40, np.uint8))
        images.append(IndexedImage(f"e/{number}", f"e/{number}.png", 80, 60, ""))
    index = DatasetIndex("mine", str(tmp_path), tuple(images), None, False, "")
    box, none = np.array([[10.0, 10, 30, 30]]), np.zeros((0, 4))
    outcomes = [Outcome("e/0", box, none, none), Outcome("e/1", none, box, none), Outcome("e/2", none, none, box)]
    assert count_boxes(outcomes) == {"found": 1, "missed": 1, "false": 1}
    chosen = choose_pictures(index, outcomes)
    assert {kind: [p.name for p in pictures] for kind, pictures in chosen.items()} == {
        "missed": ["e/1"],
        "false": ["e/2"],
        "spread": ["e/0"],
    }
    (shown,) = chosen["false"]
    assert shown.counts == {"found": 0, "missed": 0, "false": 1}
    (tmp_path / "shown.jpg").write_bytes(shown.jpeg)
    picture = read_image(tmp_path / "shown.jpg")
    assert abs(int(picture[50, 60, 0]) - 160) < 3
    assert np.abs(picture[10, 10:40].astype(int) - 160).max() > 60, "its frame"
