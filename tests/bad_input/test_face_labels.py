"""Labels of a training that are missing, broken, of other images, or wrong face by face."""

from pathlib import Path

import numpy as np
from tests import synthetic_wider
from tests.bad_input.case import Area, Case, refused, works
from tests.bad_input.page import hold

from pth2map.datasets.training_set import TrainingSet

AREA = Area("Labels of a training")
IMAGE, OTHER = "0--Parade/0_Parade_b_1.jpg", "1--Shop/1_Shop_a_1.jpg"
FACE = "10 12 60 70 25.5 40 0.0 50 41.5 0.0 38 55 0.0 28 66 0.0 49 67 0.0 0.8"
BARE = "120 30 20 24" + 15 * " -1.0" + " 0.3"
GOOD = f"# {IMAGE}\n{FACE}\n{BARE}\n# {OTHER}\n{FACE}\n"


def arguments(folder: Path, labels: str | bytes, part: str) -> tuple[str | Path, ...]:
    root = synthetic_wider.make(folder / "wider")
    (folder / "label.txt").write_bytes(labels if isinstance(labels, bytes) else labels.encode())
    where = ("--labels", folder / "label.txt", "--images", root / "WIDER_val/images", "--set", folder / "set.npz")
    return ("--dataset", "widerface", "--part", part, *where)


def refuse(folder: Path, labels: str | bytes, part: str = "train", faults: str = "{}") -> str:
    given = arguments(folder, labels, part)
    return refused("index_training", *given, "--faults", faults, outputs=(folder / "set.npz",), folder=folder)


def take(folder: Path, labels: str | bytes, faults: str = "{}") -> TrainingSet:
    works("index_training", *arguments(folder, labels, "train"), "--faults", faults)
    return TrainingSet.load(folder / "set.npz")


@AREA.case("there is no label file", "Fetch it ([data.md](data.md)), or write one by `write_face_labels.py`.")
def no_labels(folder: Path) -> str:
    given = arguments(folder, GOOD, "train")
    (folder / "label.txt").unlink()
    return refused("index_training", *given, outputs=(folder / "set.npz",), folder=folder)


@AREA.case("a label file of no bytes", "Fetch it again.")
def empty(folder: Path) -> str:
    return refuse(folder, b"")


@AREA.case("a web page", "Fetch the file in a browser.")
def web_page(folder: Path) -> str:
    return refuse(folder, "<!DOCTYPE html><html><body>Sign in to go on to the file</body></html>\n")


@AREA.case("an archive", "Unpack it; the label file is one of its members.")
def archive(folder: Path) -> str:
    return refuse(folder, b"PK\x03\x04\x14\x00\x08\x00\x08\x00\xe2\x98")


@AREA.case("faces before the first image", "Begin with a line `# <event>/<file>.jpg`.")
def faces_first(folder: Path) -> str:
    return refuse(folder, f"{FACE}\n{GOOD}")


@AREA.case("no image", "Fetch it again.")
def no_image(folder: Path) -> str:
    return refuse(folder, "\n\n")


@AREA.case("an image that is named twice", "Put all of its faces under one of the two lines.")
def twice(folder: Path) -> str:
    return refuse(folder, f"{GOOD}# {IMAGE}\n{BARE}\n")


@AREA.case("a name that leads out of the folder of the images", "Name images below it.")
def elsewhere(folder: Path) -> str:
    return refuse(folder, f"{GOOD}# ../others/1.jpg\n{BARE}\n")


@AREA.case("a file in Windows' UTF-16", "Save it as UTF-8 text.")
def utf_16(folder: Path) -> str:
    return refuse(folder, GOOD.encode("utf-16"))


@AREA.case("Windows line ends, a byte order mark and empty lines", "Nothing.")
def windows(folder: Path) -> str:
    faces = take(folder, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n\r\n").encode())
    assert faces.counts.tolist() == [2, 1]
    return "works"


@AREA.case("four numbers a face, as the labels of WIDER FACE val have them", "Nothing; such faces teach no landmarks.")
def boxes_only(folder: Path) -> str:
    faces = take(folder, f"# {IMAGE}\n10 12 60 70\n# {OTHER}\n5 5 9 9\n")
    assert (faces.faces[:, 4:] == -1).all()
    return "works"


@AREA.case("boxes of no width or no height", "Correct them, or `empty_box: drop`.")
def no_area(folder: Path) -> str:
    return refuse(folder, GOOD.replace("120 30 20 24", "120 30 0 0"))


@AREA.case("boxes and landmarks beyond the image", "Correct them, or `outside: clip`; perhaps the images were resized.")
def beyond(folder: Path) -> str:
    return refuse(folder, GOOD.replace("120 30 20 24", "310 30 20 24").replace("25.5 40", "25.5 320.5"))


@AREA.case("images without a face", "Take their lines out, or `no_faces: drop`.")
def no_faces(folder: Path) -> str:
    return refuse(folder, f"{GOOD}# 1--Shop/1_Shop_b_2.jpg\n# 1--Shop/1_Shop_c_3.jpg\n")


@AREA.case("images that are missing or broken", "Fetch them again, or `unreadable: drop`.")
def unreadable(folder: Path) -> str:
    given = arguments(folder, f"{GOOD}# 2--Zoo/2_Zoo_1.jpg\n{BARE}\n", "train")
    path = folder / "wider/WIDER_val/images" / OTHER
    path.write_bytes(path.read_bytes()[:900])
    return refused("index_training", *given, outputs=(folder / "set.npz",), folder=folder)


@AREA.case("faces of another number of columns, or of words", "Correct the lines, or `short_line: drop`.")
def other_columns(folder: Path) -> str:
    return refuse(folder, GOOD.replace(BARE, "120 30 20 24").replace("# 1--", "120 30 20" + 17 * " nan" + "\n# 1--"))


@AREA.case("many faults of several kinds", "Correct them, or let the config deal with each kind in its way.")
def many(folder: Path) -> str:
    empty = "".join(f"{at} 30 0 24{15 * ' -1.0'} 0.3\n" for at in range(9))
    return refuse(folder, f"{GOOD}{empty}# 1--Shop/1_Shop_b_2.jpg\n", faults='{"outside": "clip"}')


@AREA.case("faults that the config deals with", "Nothing; the log and the record of the training tell of it.")
def mended(folder: Path) -> str:
    faces = take(
        folder,
        GOOD.replace("120 30 20 24", "120 30 0 24") + "# 1--Shop/1_Shop_b_2.jpg\n",
        '{"empty_box": "drop", "no_faces": "drop"}',
    )
    assert faces.mended == {"empty_box: drop": 1, "no_faces: drop": 1}
    np.testing.assert_array_equal(faces.counts, [1, 1])
    return "works"


@AREA.case("nothing is left once faults are dropped", "Mend the labels or the images.")
def nothing_left(folder: Path) -> str:
    return refuse(folder, f"# {IMAGE}\n", faults='{"no_faces": "drop"}')


@AREA.case("the folder of the images is not there", "Fetch the images, or give `training.<part>.images`.")
def no_folder(folder: Path) -> str:
    given = arguments(folder, GOOD, "train")
    (folder / "wider/WIDER_val/images").rename(folder / "wider/WIDER_val/pictures")
    return refused("index_training", *given, outputs=(folder / "set.npz",), folder=folder)


@AREA.case("`wider_val.txt` beside the labels names other images", "Take both of one set, or remove the list.")
def other_list(folder: Path) -> str:
    (folder / "wider_val.txt").write_text(f"./{IMAGE}\n./1--Shop/1_Shop_b_2.jpg\n")
    return refuse(folder, GOOD, part="validation")


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
