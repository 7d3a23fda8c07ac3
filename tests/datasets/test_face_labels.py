"""Label files of faces: read, refused, written."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.datasets.face_labels import (
    BadLine,
    check_names,
    read_labels,
    read_names,
    write_labels,
    write_names,
)
from pth2map.files.errors import InputError

FACE = "120 80 64 72 135.5 104.25 0.0 165.75 103.5 0.0 150.125 121.0 0.0 139.0 138.5 0.0 161.25 137.75 1.0 0.77"
NO_LANDMARKS = "300 40 12 15" + 15 * " -1.0" + " 0.2"
numbers = st.floats(-1e6, 1e6) | st.integers(-2000, 2000).map(float)


@pytest.fixture
def labels(tmp_path):
    """Write a label file; its path."""

    def write(text):
        path = tmp_path / "label.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_golden_targets(golden):
    images = read_labels(golden / "retinaface_train/label.txt")
    assert [image.name for image in images] == [
        "0--Parade/0_Parade_invented_0_1.jpg",
        "1--Handshaking/1_Handshaking_invented_1_2.jpg",
        "2--Demonstration/2_Demonstration_invented_2_3.jpg",
    ]
    with np.load(golden / "retinaface_train/arrays.npz") as arrays:
        for number, image in enumerate(images):
            np.testing.assert_array_equal(image.faces, arrays[f"label_target{number}"], strict=True)
    assert [(image.line, image.lines, image.bad) for image in images] == [
        (1, (2, 3), ()),
        (4, (), ()),
        (5, (6, 7, 8), ()),
    ]


@given(st.lists(st.lists(st.lists(numbers, min_size=20, max_size=20), max_size=3), min_size=1, max_size=3))
def test_columns_of_a_face(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("labels") / "label.txt"
    lines = []
    for number, faces in enumerate(images):
        lines += [f"# e/{number}.jpg", *(" ".join(map(str, face)) for face in faces)]
    path.write_text("\n".join(lines))
    for image, faces in zip(read_labels(path), images, strict=True):
        assert image.faces.shape == (len(faces), 15)
        for row, (x, y, w, h, *rest) in zip(image.faces, faces, strict=True):
            points = [rest[3 * k + axis] for k in range(5) for axis in (0, 1)]
            assert row.tolist() == [
                x,
                y,
                x + w,
                y + h,
                *(points if rest[0] >= 0 else [-1] * 10),
                1 if rest[0] >= 0 else -1,
            ]


@given(st.lists(st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=4), min_size=1, max_size=4))
def test_boxes_come_back_as_they_were_written(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("labels") / "label.txt"
    boxes = {f"0--A b/{number}.jpg": np.array(faces).reshape(-1, 4) for number, faces in enumerate(images)}
    write_labels(path, boxes)
    for image, (name, faces) in zip(read_labels(path), boxes.items(), strict=True):
        assert (image.name, image.bad) == (name, ())
        np.testing.assert_array_equal(image.faces[:, :2], faces[:, :2])
        np.testing.assert_array_equal(image.faces[:, 2:4], faces[:, :2] + faces[:, 2:])
        assert (image.faces[:, 4:] == -1).all()


def test_what_is_written(tmp_path):
    write_labels(tmp_path / "label.txt", {"e/1.jpg": np.array([[345, 211, 4, 4.5]]), "e/2.jpg": np.zeros((0, 4))})
    assert (tmp_path / "label.txt").read_text() == "# e/1.jpg\n345 211 4 4.5\n# e/2.jpg\n"
    write_names(tmp_path / "wider_val.txt", ["e/1.jpg", "e/2.jpg"])
    assert (tmp_path / "wider_val.txt").read_text() == "e/1.jpg\ne/2.jpg\n"


def test_windows_line_ends_byte_order_mark_and_empty_lines(labels):
    (image,) = read_labels(labels(f"\ufeff#  e/with blanks 1.jpg \r\n\r\n{FACE}\t\r\n \r\n{NO_LANDMARKS}".encode()))
    assert (image.name, image.line, image.lines) == ("e/with blanks 1.jpg", 1, (3, 5))
    assert image.faces[:, 14].tolist() == [1, -1]


def test_most_faces_decide_on_the_columns(labels):
    box = "1 2 3 4"
    (first, second) = read_labels(labels(f"# e/1.jpg\n1 2 3\n{box}\n{FACE}\n# e/2.jpg\n{NO_LANDMARKS}\n{box}\n{box}\n"))
    assert first.faces.tolist() == [[1, 2, 4, 6] + 11 * [-1]]
    assert first.bad == (
        BadLine(2, "3 columns (1 2 3), expected 4"),
        BadLine(4, "20 columns (120 80 64 72 135.5 104.25 0.0 165.75 103.5 0.0 150.125 12...), expected 4"),
    )
    assert [line.line for line in second.bad] == [6]
    (first, second) = read_labels(labels(f"# e/1.jpg\n{box}\n{FACE}\n# e/2.jpg\n{NO_LANDMARKS}\n"))
    assert first.bad == (BadLine(2, "4 columns (1 2 3 4), expected 20"),)
    assert (len(first.faces), len(second.faces)) == (1, 1)


@pytest.mark.parametrize("word", ["x", "nan", "inf", "-inf", "1e99", "2147483648", "3,5", "--1", "½"])
def test_words_that_are_no_pixel_positions(labels, word):
    (image,) = read_labels(labels(f"# e/1.jpg\n1 2 3 4\n1 {word} 3 4\n"))
    assert image.lines == (2,)
    assert image.bad == (BadLine(3, f"'1 {word} 3 4' is not 4 numbers"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"label\.txt: the file is empty$"),
        (b"\n \n", r"label\.txt: names no image, expected lines '# <event>/<file>\.jpg' with faces under them$"),
        (b"1 2 3 4\n# e/1.jpg\n", r"label\.txt, line 1: '1 2 3 4' before any image, expected a label file"),
        (b"<!DOCTYPE html>" + 80 * b"x", r"line 1: '<!DOCTYPE html>x{42}\.\.\.' before any image"),
        (b"# e/1.jpg\n1 2 3 4\n# e/1.jpg\n", r"line 3: e/1\.jpg is on line 1 already; merge the two$"),
        (b"# e/1.jpg\n# ../e/2.jpg\n", r"line 2: '\.\./e/2\.jpg' is no place in the folder of the images, expected <"),
        (b"# e/../../2.jpg\n", r"line 1: 'e/\.\./\.\./2\.jpg' is no place"),
        (b"# /etc/passwd\n", r"line 1: '/etc/passwd' is no place"),
        (b"# e//1.jpg\n", "is no place"),
        (b"# ./1.jpg\n", "is no place"),
        (b"# \n", "'' is no place"),
        (b"# e/1\x00.jpg\n", r"'e/1\\x00\.jpg' is no place"),
        (b"# e/1.jpg\n\xff\xfe\n", r"label\.txt: not UTF-8 text \(its first bytes are 23 20 65 2f\)$"),
        ("# e/1.jpg\n".encode("utf-16"), r"label\.txt: not UTF-8 text"),
        (b"PK\x03\x04\xff\xff\xff", r"not UTF-8 text \(it looks like an archive; unpack it\)"),
    ],
)
def test_files_that_are_refused(labels, text, message):
    with pytest.raises(InputError, match=message):
        read_labels(labels(text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}/label\.txt: No such file or directory$"):
        read_labels(tmp_path / "label.txt")
    with pytest.raises(InputError, match=r": Is a directory$"):
        read_labels(tmp_path)


def test_a_list_names_the_images_in_any_order(labels, tmp_path):
    images = read_labels(labels("# e/1.jpg\n# e/2.jpg\n# e/3.jpg\n"))
    path = tmp_path / "wider_val.txt"
    path.write_text("./e/3.jpg\r\n./e/1.jpg\n\ne/2.jpg")  # as published: `find` writes the ./
    assert read_names(path) == ["e/3.jpg", "e/1.jpg", "e/2.jpg"]
    check_names(path, images)
    path.write_text("e/1.jpg\ne/2.jpg\ne/5.jpg\n")
    message = (
        f"{path} does not name the images of the label file beside it (1 only in the list: e/5.jpg; 1 only in the "
        "label file: e/3.jpg); take both of one set, or remove the list"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_names(path, images)
    path.write_text("e/1.jpg\ne/2.jpg\n../3.jpg\n")
    with pytest.raises(InputError, match=r"wider_val\.txt, line 3: '\.\./3\.jpg' is no place"):
        check_names(path, images)
