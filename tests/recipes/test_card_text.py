import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.card_form import card_rows
from pth2map.recipes.card_text import as_printed, card_text
from pth2map.recipes.detections import Detections, read_texts, write_texts
from pth2map.recipes.letterbox_decode import Decode
from pth2map.recipes.letterbox_settings import LetterboxDecode

BOXES = np.array([[312, 377.48402948402946, 38, -0.04], [9.600000000000023, -3.25, 1e-7, 0.35]])
SCORES = np.array([0.9634, 0.5], np.float16)


def test_text_of_the_card_script():
    assert card_text("vsx", "3--Riot/a_1", BOXES, SCORES) == (
        "3--Riot/a_1\n2\n312.0 377.5 38.0 -0.0 0.963\n9.6 -3.2 0.0 0.3 0.500\n"
    )
    assert card_text("vsx", "e/a", np.empty((0, 4)), SCORES[:0]) == "e/a\n0\n"


def test_text_of_the_npz_decoder():
    assert card_text("npz", "3--Riot/a_1", BOXES, SCORES) == (
        "a_1.jpg\n2\n312.0 377.48402948402946 38.0 -0.04 0.9634 \n9.600000000000023 -3.25 1e-07 0.35 0.5 \n"
    )
    assert card_text("npz", "e/a", np.empty((0, 4)), SCORES[:0]) == "a.jpg\n0\n"


def test_every_float16_score_is_its_own_digits():
    """All 15,361 from 0 to 1: the digits read back to the same float16, and their value prints the same."""
    scores = np.arange(0x3C01, dtype=np.uint16).view(np.float16)
    boxes = np.zeros((len(scores), 4))
    text = card_text("npz", "e/a", boxes, scores)
    words = [line.split()[4] for line in text.splitlines()[2:]]
    np.testing.assert_array_equal(np.array([np.float16(word) for word in words]), scores, strict=True)
    _, values = as_printed("npz", boxes, scores)
    assert values.dtype == np.float64
    assert card_text("npz", "e/a", boxes, values) == text


rows = st.lists(st.tuples(*[st.floats(-5000, 5000)] * 4, st.floats(0, 1, width=16)), max_size=4)


@given(rows, st.sampled_from(["vsx", "npz"]))
def test_printed_values_are_those_that_an_evaluator_reads(tmp_path_factory, rows, form):
    folder = tmp_path_factory.mktemp("texts") / "texts"
    boxes = np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
    scores = np.array([row[4] for row in rows], dtype=np.float16)
    printed, values = as_printed(form, boxes, scores)
    text = card_text(form, "e--f/a_1", boxes, scores)
    assert card_text(form, "e--f/a_1", printed, values) == text
    detections = Detections(("e--f/a_1",), np.array([len(rows)]), printed, values)
    write_texts(folder, detections, Decode(LetterboxDecode(text=form)).text)
    assert (folder / "e--f/a_1.txt").read_text() == text
    assert read_texts(folder).content_hash() == detections.content_hash()
    np.testing.assert_allclose(printed, boxes, rtol=0, atol=0.05000001 if form == "vsx" else 0)


def test_lengths_that_differ():
    with pytest.raises(ValueError, match="zip"):
        card_text("vsx", "e/a", BOXES, SCORES[:1])


@pytest.mark.parametrize(("form", "folder"), [("vsx", "vsx"), ("npz", "npz_decode")])
def test_text_of_given_rows_equals_the_published_scripts_byte_for_byte(golden, form, folder):
    golden = golden / "vastai_postprocess"
    case, arrays = json.loads((golden / "case.json").read_text()), np.load(golden / "arrays.npz")
    sides = ("even_height", "even_width") if form == "vsx" else ("height", "width")
    found = []
    for entry in case["images"]:
        name = entry["image"].removeprefix("WIDER_val/images/").removesuffix(".jpg")
        outputs = [arrays[f"img{entry['index']}_output_{number}"] for number in range(3)]
        placement = Letterbox(640, 640, *(entry[side] for side in sides))
        assert len(card_rows(outputs).scores) == entry["rows"]
        decode = Decode(LetterboxDecode(form="card", text=form))
        found.append(decode(outputs, placement))
        text = decode.text(name, found[-1]["boxes"], found[-1]["scores"])
        assert text.encode() == (golden / folder / f"{name}.txt").read_bytes()
    read = read_texts(golden / folder)
    assert sorted(read.counts.tolist()) == [0, 37, 300]
    order = np.argsort([entry["image"] for entry in case["images"]])
    for key in ("boxes", "scores"):
        decoded = np.concatenate([found[i][key] for i in order])
        np.testing.assert_array_equal(decoded, getattr(read, key), strict=True)
