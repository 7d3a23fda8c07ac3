"""Detections in memory, in an .npz and as result text."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.files.errors import InputError
from pth2map.recipes.detections import (
    Detections,
    concatenate,
    load_detections,
    read_npz,
    read_texts,
    save_detections,
    write_texts,
)

TEXT = "a_1\n2\n10 20 30 40 0.9 \n1 2 3 4 0.5 \n"


def detections(images, **extra):
    """Of ``{name: [(x, y, w, h, score), ...]}``."""
    rows = np.array([row for each in images.values() for row in each], dtype=np.float64).reshape(-1, 5)
    counts = np.array([len(each) for each in images.values()], dtype=np.int64)
    return Detections(tuple(images), counts, rows[:, :4].copy(), rows[:, 4].copy(), extra)


def folder_of(tmp_path, texts):
    for name, text in texts.items():
        path = tmp_path / "texts" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path / "texts"


def assert_equal(one, other):
    assert one.names == other.names
    for key in ("counts", "boxes", "scores"):
        np.testing.assert_array_equal(getattr(one, key), getattr(other, key), strict=True)
    assert set(one.extra) == set(other.extra)
    for key, array in one.extra.items():
        np.testing.assert_array_equal(array, other.extra[key], strict=True)


# In memory


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("a/b",)}, r"counts is int64 \(2,\), expected int64 \(1,\)"),
        ({"names": ("a/b", "a/b")}, "a/b more than once"),
        ({"names": ("a/b", "c")}, "'c': an image's name must be event/stem"),
        ({"names": ("a/b", "../c")}, "must be event/stem"),
        ({"names": ("a/b", "c/..")}, "must be event/stem"),
        ({"names": ("a/b", "c/d/e")}, "must be event/stem"),
        ({"names": ("a/b", "c/d\n")}, "must be event/stem"),
        ({"counts": np.array([3, -1])}, "negative"),
        ({"counts": np.array([1, 0])}, r"boxes is float64 \(2, 4\), expected float64 \(1, 4\)"),
        ({"counts": np.array([1.0, 1.0])}, "counts is float64"),
        ({"boxes": np.zeros((2, 4), np.float32)}, "boxes is float32"),
        ({"scores": np.zeros((2, 1))}, "scores is"),
        ({"extra": {"landmarks": np.zeros((1, 5, 2))}}, r"landmarks is \(1, 5, 2\), expected 2 rows"),
        ({"extra": {"boxes": np.zeros((2, 4))}}, "a name of its own"),
    ],
)
def test_parts_that_do_not_fit(change, message):
    good = {
        "names": ("a/b", "c/d"),
        "counts": np.array([2, 0]),
        "boxes": np.zeros((2, 4)),
        "scores": np.zeros(2),
    }
    Detections(**good)
    with pytest.raises(InputError, match=message):
        Detections(**good | change)


def test_concatenate_puts_images_in_the_order_asked_for():
    one = detections({"e/1": [(1, 1, 1, 1, 0.1)], "e/2": []}, kind=np.array([7], dtype=np.int32))
    two = detections({"f/3": [(3, 3, 3, 3, 0.3), (4, 4, 4, 4, 0.4)]}, kind=np.array([8, 9], dtype=np.int32))
    expected = detections(
        {"f/3": [(3, 3, 3, 3, 0.3), (4, 4, 4, 4, 0.4)], "e/2": [], "e/1": [(1, 1, 1, 1, 0.1)]},
        kind=np.array([8, 9, 7], dtype=np.int32),
    )
    assert_equal(concatenate([one, two], ["f/3", "e/2", "e/1"]), expected)
    assert_equal(concatenate([], []), detections({}))


def test_concatenate_names_what_is_wrong():
    one, two = detections({"e/1": []}), detections({"e/2": []})
    with pytest.raises(InputError, match=r"none of part 1, part 2 holds detections of e/3 \(1 of 3 images\)"):
        concatenate([one, two], ["e/1", "e/2", "e/3"])
    with pytest.raises(InputError, match="part 2 holds detections of e/1, and so does part 1"):
        concatenate([one, one], ["e/1"])
    with pytest.raises(InputError, match="part 2 holds detections of e/2, not among the 1 images"):
        concatenate([one, two], ["e/1"])
    with pytest.raises(InputError, match="different arrays"):
        concatenate([one, detections({"e/2": []}, landmarks=np.zeros((0, 5, 2)))], ["e/1", "e/2"])


def test_hash_is_of_what_is_scored(tmp_path):
    plain = detections({"e/a_1": [(10, 20, 30, 40, 0.9), (1, 2, 3, 4, 0.5)]})
    with_landmarks = detections({"e/a_1": [(10, 20, 30, 40, 0.9), (1, 2, 3, 4, 0.5)]}, landmarks=np.ones((2, 5, 2)))
    other = detections({"e/a_1": [(10, 20, 30, 40, 0.9), (1, 2, 3, 4, 0.6)]})
    assert plain.content_hash() == with_landmarks.content_hash()
    assert plain.content_hash() == read_texts(folder_of(tmp_path, {"e/a_1": TEXT})).content_hash()
    assert plain.content_hash() != other.content_hash()


# .npz


def test_npz_gives_back_what_was_saved(tmp_path):
    saved = detections({"e/1": [(1.5, 2, 3, 4, 0.1)], "e/2": []}, landmarks=np.ones((1, 5, 2), np.float32))
    save_detections(tmp_path / "d.npz", saved)
    assert_equal(load_detections(tmp_path / "d.npz"), saved)
    with np.load(tmp_path / "d.npz") as file:
        assert sorted(file.files) == ["boxes", "counts", "landmarks", "names", "scores"]


def test_npz_that_cannot_be_read(tmp_path):
    path = tmp_path / "d.npz"
    with pytest.raises(InputError, match=r"d\.npz: cannot be read \(No such file"):
        load_detections(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"d\.npz: not a whole \.npz"):
        load_detections(path)
    path.write_text("no archive")
    with pytest.raises(InputError, match=r"d\.npz: not an \.npz"):
        load_detections(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="a single array"):
        load_detections(path)
    np.savez(path, names=np.array(["a/b"]), counts=np.array([0]))
    with pytest.raises(InputError, match="no array boxes, scores; it holds counts, names"):
        load_detections(path)
    np.savez(path, names=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="plain arrays"):
        load_detections(path)


def test_npz_cut_short_anywhere(tmp_path):
    path = tmp_path / "d.npz"
    save_detections(path, detections({"e/1": [(1, 2, 3, 4, 0.1)] * 50}))
    whole = path.read_bytes()
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"d\.npz: not an? "):
            read_npz(path, ())


# Result text


def test_text_is_the_official_one(tmp_path):
    images = {"e/a_1": [(10, 20, 30, 40, 0.9), (-1, 2.5, 3, 4, 1e-05)], "f/b_2": []}
    write_texts(tmp_path / "texts", detections(images))
    assert (tmp_path / "texts/e/a_1.txt").read_bytes() == b"a_1\n2\n10 20 30 40 0.9 \n-1 2.5 3 4 1e-05 \n"
    assert (tmp_path / "texts/f/b_2.txt").read_bytes() == b"b_2\n0\n"


def test_texts_replace_an_older_folder(tmp_path):
    write_texts(tmp_path / "texts", detections({"old/1": []}))
    write_texts(tmp_path / "texts", detections({"new/1": []}))
    assert [path.name for path in tmp_path.rglob("*")] == ["texts", "new", "1.txt"]


NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53).map(float)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=4))
def test_every_number_reads_back(tmp_path_factory, rows):
    written = detections({"e/a_1": rows, "e/a_2": []})
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder, written)
    assert_equal(read_texts(folder), written)


@given(st.floats(-1, 1, width=32))
def test_scores_keep_the_digits_of_a_float32(tmp_path_factory, value):
    digits = str(np.float32(value))
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder, detections({"e/a_1": [(0, 0, 0, 0, float(digits))]}))
    assert (folder / "e/a_1.txt").read_text().splitlines()[2] == f"0 0 0 0 {digits} "


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace(" \n", "\n"),
        TEXT.replace(" \n", "  \n"),
        TEXT.replace("\n", "\r\n"),
        TEXT + "\n \n\n",
        TEXT.rstrip(),
        TEXT.replace("a_1", "e/a_1.jpg"),
        TEXT.replace("a_1", "somewhere/else/a_1.jpg"),
        TEXT.replace("10 20", "1e1 20.0"),
    ],
)
def test_accepted_forms_of_text(tmp_path, text):
    read = read_texts(folder_of(tmp_path, {"e/a_1": text}))
    assert_equal(read, detections({"e/a_1": [(10, 20, 30, 40, 0.9), (1, 2, 3, 4, 0.5)]}))
    assert read.notes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty, expected at least line 1"),
        ("\r\n\n", "the file is empty"),
        (b"\xff\xfe\n", "not a text file"),
        ("b_1\n0\n", "line 1: found 'b_1', expected the file's own image, a_1"),
        ("a_1\n10 20 30 40 0.9\n", "line 2: found '10 20 30 40 0.9', expected the number of rows"),
        ("a_1\n2\n1 2 3 4 0.5\n1 2 3 4\n", "line 4: found '1 2 3 4', expected five numbers"),
        ("a_1\n2\n1 2 3 4\n1 2 3 4 5 6\n", "line 3: found '1 2 3 4', expected five numbers"),
        ("a_1\n1\n1 2 3 4 0.5 1\n", "line 3: .* expected five numbers"),
        ("a_1\n1\n1 2 3 4 high\n", "line 3: found '1 2 3 4 high'"),
        ("a_1\n1\n1,2,3,4,0.5\n", "line 3: found '1,2,3,4,0.5'"),
        ("a_1\n1\n1  2 3 4 0.5\n", "line 3: .* one blank between"),
        ("a_1\n1\n 1 2 3 4 0.5\n", "line 3: .* one blank between"),
        ("a_1\n2\n1 2 3 4 0.5\n\n1 2 3 4 0.4\n", "line 4: found ''"),
    ],
)
def test_texts_that_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"e/a_1\.txt.*{message}"):
        read_texts(folder_of(tmp_path, {"e/a_1": text}))


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(InputError, match="no result text"):
        read_texts(tmp_path / "nowhere")
    with pytest.raises(InputError, match="give the folder that holds the events"):
        read_texts(folder_of(tmp_path, {"e/a_1": TEXT}) / "e")


def test_counts_that_are_not_the_rows_are_told(tmp_path):
    row = "1 2 3 4 0.5 \n"
    texts = {
        "e/a_1": f"a_1\n3\n{row}",
        "e/a_2": f"a_2\n0\n{row}",
        "e/a_3": f"a_3\n1\n{row}",
        "e/a_4": "a_4\n",
    }
    read = read_texts(folder_of(tmp_path, texts))
    assert read.counts.tolist() == [1, 1, 1, 0]
    assert read.notes == (
        "1 of 4 result texts hold fewer rows than line 2 announces, truncated?: e/a_1",
        "1 of 4 result texts hold more rows than line 2 announces: e/a_2",
        "1 of 4 result texts end after line 1, truncated?: e/a_4",
    )


def test_lenient_reading_is_that_of_the_published_evaluators(tmp_path):
    texts = {"e/file_1": "f/image_1.jpg\nrows follow\n1 2 3 4 0.5\n", "e/file_2": "image_2\n0\n"}
    read = read_texts(folder_of(tmp_path, texts), strict=False)
    assert_equal(read, detections({"e/image_1": [(1, 2, 3, 4, 0.5)], "e/image_2": []}))
    assert read.notes == ("1 of 2 result texts do not say in line 2 how many rows follow: e/image_1",)
    with pytest.raises(InputError, match="e/image_1 more than once"):
        read_texts(folder_of(tmp_path, {"e/file_3": "image_1\n0\n"}), strict=False)


# Published result sets


def test_golden_texts_have_the_published_bytes_and_read_back(golden, tmp_path):
    folder = golden / "widerface_eval/thflgg133"
    case = json.loads((folder / "case.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        published = Detections(
            tuple(arrays["names"].tolist()),
            arrays["counts"].astype(np.int64),
            arrays["boxes"],
            arrays["scores"],
        )
    write_texts(tmp_path / "texts", published)
    content = b"".join(path.read_bytes() for path in sorted((tmp_path / "texts").glob("*/*.txt")))
    assert hashlib.sha256(content).hexdigest() == case["text_sha256"]
    read = read_texts(tmp_path / "texts")
    assert_equal(read, concatenate([published], read.names))
    assert len(read.scores) == case["boxes"]


@pytest.mark.parametrize("recipe", ["orig", "a1000"])
def test_golden_subset_texts_have_the_published_bytes(golden, tmp_path, recipe):
    folder = golden / "retinaface_wider_subset"
    case = json.loads((folder / "case.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        names = tuple(arrays["names"].tolist())
        counts, boxes = (
            arrays[f"{recipe}_counts"].astype(np.int64),
            arrays[f"{recipe}_boxes"].astype(np.float64),
        )
        write_texts(tmp_path / "texts", Detections(names, counts, boxes, arrays[f"{recipe}_scores"]))
    content = b"".join((tmp_path / "texts" / f"{name}.txt").read_bytes() for name in names)
    assert hashlib.sha256(content).hexdigest() == case["results"][recipe]["subset"]["text_sha256"]


def with_masks() -> Detections:
    masks = np.empty(3, dtype=object)
    masks[:] = [b"PPYo0", b"", b"0b1"]
    return Detections(
        ("a/1", "a/2"),
        np.array([2, 1]),
        np.arange(12, dtype=np.float64).reshape(3, 4),
        np.array([0.5, 0.25, 0.75]),
        {"labels": np.array([1, 80, 3]), "masks": masks},
    )


def test_masks_come_back(tmp_path):
    save_detections(tmp_path / "d.npz", with_masks())
    found = load_detections(tmp_path / "d.npz")
    assert sorted(found.extra) == ["labels", "masks"]
    assert found.extra["masks"].tolist() == [b"PPYo0", b"", b"0b1"]
    assert found.content_hash() == with_masks().content_hash()


def test_masks_follow_their_images():
    parts = with_masks()
    turned = concatenate([parts], ["a/2", "a/1"])
    assert turned.extra["masks"].tolist() == [b"0b1", b"PPYo0", b""]
    none = Detections((), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    assert none.extra == {}


@pytest.mark.parametrize("key", ["labels", "masks"])
def test_labels_and_masks_are_what_an_evaluator_sees(key):
    changed = with_masks()
    changed.extra[key][0] = changed.extra[key][1]
    assert changed.content_hash() != with_masks().content_hash()


@pytest.mark.parametrize(
    "damage", [{"masks.lengths": np.array([5, 0, 4])}, {"masks.bytes": np.zeros(8)}, {"masks.lengths": np.zeros(3)}]
)
def test_masks_that_do_not_belong_together_are_refused(tmp_path, damage):
    save_detections(tmp_path / "d.npz", with_masks())
    with np.load(tmp_path / "d.npz") as arrays:
        np.savez(tmp_path / "e.npz", **{**arrays, **damage})
    with pytest.raises(InputError, match=r"e\.npz: masks\.lengths and masks\.bytes do not belong together"):
        load_detections(tmp_path / "e.npz")
