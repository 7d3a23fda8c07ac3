"""Labelled faces with their images: what is taken, what is refused, what becomes of faults."""

import re
from hashlib import sha256

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.datasets.label_faults import Faults
from pth2map.datasets.training_set import TrainingSet, index_training_set
from pth2map.files.errors import InputError

DROP = Faults(empty_box="drop", outside="clip", no_faces="drop", unreadable="drop", short_line="drop")
SIZES = {"0--A/1.jpg": (60, 40), "0--A/2.jpg": (50, 50), "1--B/3.jpg": (33, 80)}


def landmarks(*points):
    return " ".join(f"{value} 0.0" if at % 2 else f"{value}" for at, value in enumerate(points)) + " 0.5"


EYES = (12.5, 12, 20, 12, 16, 16, 13, 20, 19, 20)
WHOLE = f"10 10 12 14 {landmarks(*EYES)}"
BARE = "30 20 5 6" + 15 * " -1.0" + " 0.5"


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / name), noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return tmp_path


@pytest.fixture
def index(folder):
    """Index labels, ``{name: lines of its faces}``; images that are not named have one good face."""

    def call(labels, faults=DROP, part="train"):
        lines = [line for name in SIZES for line in (f"# {name}", *labels.get(name, [WHOLE]))]
        (folder / "label.txt").write_text("\n".join(lines) + "\n")
        return index_training_set("widerface", part, folder / "label.txt", folder / "images", faults)

    return call


def test_a_good_set(index, folder):
    faces = index({"0--A/1.jpg": [WHOLE, BARE], "1--B/3.jpg": ["0 0 33 80" + BARE[9:]]}, Faults())
    assert (faces.dataset, faces.part, faces.images) == ("widerface", "train", str(folder / "images"))
    assert faces.names == tuple(SIZES)
    assert faces.hashes == tuple(sha256((folder / "images" / name).read_bytes()).hexdigest() for name in SIZES)
    np.testing.assert_array_equal(faces.sizes, np.array([*SIZES.values()], dtype=np.int32), strict=True)
    np.testing.assert_array_equal(faces.counts, np.array([2, 1, 1], dtype=np.int32), strict=True)
    whole, bare = [10, 10, 22, 24, *EYES, 1], [30, 20, 35, 26] + 11 * [-1]
    assert faces.faces.tolist() == [whole, bare, whole, [0, 0, 33, 80] + 11 * [-1]]
    assert [faces.faces_of(number).tolist() for number in range(len(faces))] == [
        [whole, bare],
        [whole],
        [[0, 0, 33, 80] + 11 * [-1]],
    ]
    assert faces.path(2) == folder / "images/1--B/3.jpg"
    assert (faces.mended, faces.damaged) == ({}, ())


def test_the_default_refuses_everything():
    assert set(Faults().model_dump().values()) == {"refuse"}


@pytest.mark.parametrize(
    ("lines", "kind", "policy", "count", "boxes"),
    [
        ([WHOLE, "0 0 0 0" + BARE[9:]], "empty_box", "drop", 1, [[10, 10, 22, 24]]),
        ([WHOLE, "5 5 -2 9" + BARE[9:], "5 5 2 0" + BARE[9:]], "empty_box", "drop", 2, [[10, 10, 22, 24]]),
        (["-3 5 10 40" + BARE[9:]], "outside", "clip", 1, [[0, 5, 7, 40]]),
        (["-3 5 10 40" + BARE[9:], BARE], "outside", "keep", 1, [[-3, 5, 7, 45], [30, 20, 35, 26]]),
        ([WHOLE, "1 2 3 4 5"], "short_line", "drop", 1, [[10, 10, 22, 24]]),
        ([WHOLE, WHOLE.replace("10", "ten")], "short_line", "drop", 1, [[10, 10, 22, 24]]),
    ],
)
def test_each_fault_of_a_face_is_mended_or_refused(index, lines, kind, policy, count, boxes):
    faces = index({"0--A/1.jpg": lines}, Faults(**{kind: policy}))
    assert faces.mended == {f"{kind}: {policy}": count}
    assert faces.faces_of(0)[:, :4].tolist() == boxes
    assert len(faces) == 3
    with pytest.raises(InputError, match=rf"\n  {count} of {kind}; datasets\.widerface\.training\.faults\.{kind}: "):
        index({"0--A/1.jpg": lines}, DROP.model_copy(update={kind: "refuse"}))


@pytest.mark.parametrize("beyond", [(60.5, 12), (12, 40.5), (3, -0.5)])
def test_landmarks_beyond_the_image(index, beyond):
    points = (12.5, 12, *beyond, 16, 16, 13, 20, 19, 20)
    lines = [f"10 10 12 14 {landmarks(*points)}"]
    with pytest.raises(InputError, match=r"line 2: a landmark of the face lies beyond its image of 60×40 pixels"):
        index({"0--A/1.jpg": lines}, Faults())
    clipped = (12.5, 12, min(beyond[0], 60), min(max(beyond[1], 0), 40), 16, 16, 13, 20, 19, 20)
    for policy, expected in (("clip", clipped), ("keep", points)):
        faces = index({"0--A/1.jpg": lines}, Faults(outside=policy))
        assert faces.faces_of(0)[0, 4:14].tolist() == list(expected)
        assert faces.mended == {f"outside: {policy}": 1}


def test_edges_of_the_image_are_inside(index):
    points = (0, 0, 60, 40, 0, 40, 60, 0, 1, 1)
    faces = index({"0--A/1.jpg": [f"0 0 60 40 {landmarks(*points)}"]}, Faults())
    assert faces.faces_of(0).tolist() == [[0, 0, 60, 40, *points, 1]]


def test_a_box_that_clipping_leaves_without_area(index):
    lines = [WHOLE, "60 5 10 10" + BARE[9:]]
    faces = index({"0--A/1.jpg": lines})
    assert faces.mended == {"outside: clip": 1, "empty_box: drop": 1}
    assert faces.counts.tolist() == [1, 1, 1]
    message = r"line 3: the box from \(60, 5\) to \(70, 15\) has no area in its image of 60×40 pixels"
    with pytest.raises(InputError, match=message):
        index({"0--A/1.jpg": lines}, Faults(outside="clip"))


@pytest.mark.parametrize(
    ("lines", "why"),
    [([], {}), (["0 0 0 0" + BARE[9:]], {"empty_box: drop": 1}), (["1 2 3"], {"short_line: drop": 1})],
)
def test_an_image_without_faces(index, lines, why):
    faces = index({"0--A/2.jpg": lines})
    assert faces.names == ("0--A/1.jpg", "1--B/3.jpg")
    assert faces.mended == {**why, "no_faces: drop": 1}
    with pytest.raises(InputError, match=r"1 of no_faces; .*\n .*label\.txt, line 3: 0--A/2\.jpg has no face$"):
        index({"0--A/2.jpg": lines}, DROP.model_copy(update={"no_faces": "refuse"}))


def test_a_face_that_is_refused_is_not_told_of_as_missing_too(index):
    for lines in (["1 2 3"], ["0 0 0 0" + BARE[9:]]):
        with pytest.raises(InputError) as refusal:
            index({"0--A/2.jpg": lines}, Faults())
        assert "no_faces" not in str(refusal.value)


@pytest.mark.parametrize("content", [None, b"", b"<html>", b"half"])
def test_an_image_that_cannot_be_read(index, folder, content):
    path = folder / "images/0--A/2.jpg"
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    faces = index({})
    assert faces.names == ("0--A/1.jpg", "1--B/3.jpg")
    assert faces.sizes.tolist() == [[60, 40], [33, 80]]
    assert faces.mended == {"unreadable: drop": 1}
    with pytest.raises(InputError, match=rf"1 of unreadable; .*\n .*label\.txt, line 3: {re.escape(str(path))}: "):
        index({}, Faults())


def test_a_damaged_image_is_taken_and_named(index, folder):
    path = folder / "images/0--A/2.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[:-300] + bytes(200) + b"\xff\xd9")
    (damaged,) = index({}, Faults()).damaged
    assert damaged.startswith("0--A/2.jpg (Corrupt JPEG data")


def test_one_refusal_names_the_first_faults_of_every_kind(index, folder):
    (folder / "images/1--B/3.jpg").unlink()
    labels = {
        "0--A/1.jpg": ["0 0 0 0" + BARE[9:]] * 5 + ["1 2 3", "50 5 20 10" + BARE[9:]],
        "0--A/2.jpg": [],
    }
    with pytest.raises(InputError) as refusal:
        index(labels, Faults())
    path, empty = folder / "label.txt", "the box from (0, 0) to (0, 0) has no area in its image of 60×40 pixels"
    key = "datasets.widerface.training.faults"
    assert str(refusal.value).splitlines() == [
        f"{path} has faults; mend them, or say in the config what becomes of them",
        f"  5 of empty_box; {key}.empty_box: drop leaves such a face out",
        *(f"    {path}, line {line}: {empty}" for line in (2, 3, 4)),
        "    and 2 more",
        f"  1 of outside; {key}.outside: clip moves what is outside to the edge, keep takes it as it is",
        f"    {path}, line 8: the box from (50, 5) to (70, 15) lies beyond its image of 60×40 pixels",
        f"  1 of no_faces; {key}.no_faces: drop leaves such an image out",
        f"    {path}, line 9: 0--A/2.jpg has no face",
        f"  1 of unreadable; {key}.unreadable: drop leaves such an image out",
        f"    {path}, line 10: {folder}/images/1--B/3.jpg: No such file or directory",
        f"  1 of short_line; {key}.short_line: drop leaves such a face out",
        f"    {path}, line 7: 3 columns (1 2 3), expected 20",
    ]


def test_nothing_that_is_left(index, folder):
    with pytest.raises(InputError, match=r"no image is left for widerface train \(3 by no_faces: drop\); mend"):
        index({name: [] for name in SIZES})
    (folder / "images").rename(folder / "elsewhere")
    with pytest.raises(
        InputError, match=rf"images: no such folder, expected the images that {folder}/label\.txt names$"
    ):
        index({})


def test_a_list_beside_the_labels_of_the_validation_names_the_same_images(index, folder):
    (folder / "wider_val.txt").write_text("".join(f"{name}\n" for name in reversed(SIZES)))
    assert len(index({"0--A/2.jpg": []}, part="validation")) == 2
    (folder / "wider_val.txt").write_text("0--A/1.jpg\n1--B/4.jpg\n")
    with pytest.raises(InputError, match=r"1 only in the list: 1--B/4\.jpg; 2 only in the label file: 0--A/2\.jpg, 1"):
        index({}, part="validation")
    assert len(index({}, part="train")) == 3


boxes = st.tuples(*(st.integers(-30, 90) for _ in range(4)))


@given(
    st.lists(st.tuples(boxes, st.one_of(st.none(), st.tuples(*(st.integers(0, 90) for _ in range(10))))), min_size=1)
)
def test_clipping_as_a_loop_over_faces_does_it(tmp_path_factory, faces):
    folder = tmp_path_factory.mktemp("set")
    width, height = 60, 40
    cv2.imwrite(str(folder / "1.jpg"), np.zeros((height, width, 3), np.uint8))
    expected, mended, lines = [], {"outside: clip": 0, "empty_box: drop": 0}, ["# 1.jpg"]
    for (x, y, w, h), points in faces:
        lines.append(f"{x} {y} {w} {h} {landmarks(*points) if points else BARE[10:]}")
        corners = [x, y, x + w, y + h]
        clipped = [min(max(value, 0), (width, height)[at % 2]) for at, value in enumerate([*corners, *(points or [])])]
        mended["outside: clip"] += clipped != [*corners, *(points or [])]
        if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
            mended["empty_box: drop"] += 1
        else:
            expected.append([*clipped, 1] if points else clipped + 11 * [-1])
    (folder / "label.txt").write_text("\n".join(lines))
    if not expected:
        with pytest.raises(InputError, match="no image is left"):
            index_training_set("d", "train", folder / "label.txt", folder, DROP)
        return
    found = index_training_set("d", "train", folder / "label.txt", folder, DROP)
    assert found.faces.tolist() == expected
    assert found.mended == {kind: count for kind, count in mended.items() if count}


def test_npz_gives_back_what_was_saved(index, folder):
    labels = {"0--A/1.jpg": [WHOLE, BARE, "1 2 3"], "0--A/2.jpg": []}
    faces = index(labels)
    faces.save(folder / "set.npz")
    loaded = TrainingSet.load(folder / "set.npz")
    for key in ("dataset", "part", "images", "names", "hashes", "mended", "damaged"):
        assert getattr(loaded, key) == getattr(faces, key)
    for key in ("sizes", "counts", "faces"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(faces, key), strict=True)
    assert loaded.content_hash() == faces.content_hash()
    index(labels).save(folder / "again.npz")
    assert (folder / "again.npz").read_bytes() == (folder / "set.npz").read_bytes()


def test_the_hash_is_of_images_and_faces_wherever_they_lie(index, folder):
    one = index({}).content_hash()
    assert index({"0--A/2.jpg": [BARE]}).content_hash() != one
    assert index({"0--A/2.jpg": []}).content_hash() != one
    (folder / "images").rename(folder / "moved")
    (folder / "images").symlink_to(folder / "moved")
    moved = index_training_set("other", "validation", folder / "label.txt", folder / "moved", DROP)
    assert moved.content_hash() == index({"0--A/2.jpg": []}).content_hash()
    cv2.imwrite(str(folder / "moved/0--A/1.jpg"), np.zeros((40, 60, 3), np.uint8))
    assert index({}).content_hash() != one


GOOD = {
    "dataset": "d",
    "part": "train",
    "images": "f",
    "names": ("a", "b"),
    "hashes": ("0", "1"),
    "sizes": np.ones((2, 2), np.int32),
    "counts": np.ones(2, np.int32),
    "faces": np.ones((2, 15)),
    "mended": {},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": "test"}, "part 'test'"),
        ({"hashes": ("0",)}, "1 hashes for 2 images"),
        ({"sizes": np.ones((2, 2))}, "sizes is float64"),
        ({"counts": np.array([2, 1], np.int32)}, r"faces is float64 \(2, 15\), expected float64 \(3, 15\)"),
        ({"counts": np.array([0, 2], np.int32)}, "an image without a face"),
        ({"faces": np.full((2, 15), np.nan)}, "a coordinate that is no number"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, change, message):
    TrainingSet(**GOOD).save(tmp_path / "set.npz")
    with pytest.raises(InputError, match=message):
        TrainingSet(**GOOD | change)
    with np.load(tmp_path / "set.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **{**arrays, **{key: np.array(value) for key, value in change.items()}})
    with pytest.raises(InputError, match=rf"bad\.npz: no training set \(.*{message}.*\); remove it and run again$"):
        TrainingSet.load(tmp_path / "bad.npz")


def test_files_that_are_no_set(tmp_path):
    (tmp_path / "set.npz").write_bytes(b"")
    np.savez(tmp_path / "other.npz", names=np.array(["a"]))
    for name in ("set.npz", "other.npz", "none.npz"):
        with pytest.raises(InputError, match=name):
            TrainingSet.load(tmp_path / name)


def test_faults_are_parsed_from_json():
    assert Faults.parse('{"outside": "clip"}') == Faults(outside="clip")
    for text, message in (
        ('{"outsid": "clip"}', "unknown key outsid; did you mean outside"),
        ('{"outside": "drop"}', "outside: Input should be 'refuse', 'clip' or 'keep'"),
        ("{", "Invalid JSON"),
    ):
        with pytest.raises(InputError, match=f"^--faults is not the JSON of such a block: .*{message}"):
            Faults.parse(text)
