"""Ground truth of WIDER FACE that is missing, broken, or of other images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat
from tests import synthetic_wider
from tests.bad_input.case import Area, Case, refused, works
from tests.bad_input.page import hold

from pth2map.datasets.index import DatasetIndex

AREA = Area("Ground truth")
FACES, EASY, HARD = "wider_face_val.mat", "wider_easy_val.mat", "wider_hard_val.mat"


def refuse(folder: Path, *more: str | Path) -> str:
    outputs = (folder / "index.json", folder / "ground_truth.npz")
    where = ("--root", folder / "wider", "--index", outputs[0], "--ground-truth", outputs[1])
    return refused("index_widerface", "--dataset", "widerface", *where, *more, outputs=outputs, folder=folder)


def without(folder: Path, name: str) -> str:
    (synthetic_wider.make(folder / "wider") / "ground_truth" / name).unlink()
    return refuse(folder)


def replaced(folder: Path, name: str, content: bytes) -> str:
    (synthetic_wider.make(folder / "wider") / "ground_truth" / name).write_bytes(content)
    return refuse(folder)


def changed(folder: Path, name: str, change: Callable[[dict], None]) -> str:
    """With a file whose variables are changed; cells are ``(events, 1)``, in each ``(images, 1)``."""
    path = synthetic_wider.make(folder / "wider") / "ground_truth" / name
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    change(content)
    savemat(path, content)
    return refuse(folder)


def listed(folder: Path, text: str | bytes) -> str:
    synthetic_wider.make(folder / "wider")
    (folder / "names.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return refuse(folder, "--list", folder / "names.txt")


@AREA.case("one of the four `.mat` is missing", "Take all four from `eval_tools.zip`; see [data.md](data.md).")
def missing(folder: Path) -> str:
    return without(folder, EASY)


@AREA.case("a file that is no `.mat`", "Fetch it again.")
def no_mat(folder: Path) -> str:
    return replaced(folder, FACES, b"not of MATLAB\n" * 20)


@AREA.case("an empty file", "Fetch it again.")
def empty(folder: Path) -> str:
    return replaced(folder, FACES, b"")


@AREA.case("a web page", "Fetch it in a browser.")
def web_page(folder: Path) -> str:
    return replaced(folder, FACES, b"<!DOCTYPE html><html><body>Sign in to go on to the file</body></html>" * 3)


@AREA.case("a Git LFS pointer", "Run `git lfs pull` where the file came from.")
def lfs_pointer(folder: Path) -> str:
    return replaced(folder, FACES, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 397768\n")


@AREA.case("a `.mat` of MATLAB 7.3, which is HDF5", "Save it in MATLAB with `-v7`.")
def hdf5(folder: Path) -> str:
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    return replaced(folder, FACES, head.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(100))


@AREA.case("a `.mat` that ends early", "Fetch it again.")
def truncated(folder: Path) -> str:
    path = synthetic_wider.make(folder / "wider") / "ground_truth" / FACES
    path.write_bytes(path.read_bytes()[:1000])
    return refuse(folder)


@AREA.case("a `.mat` of something else", "Put the published file there.")
def something_else(folder: Path) -> str:
    return changed(folder, EASY, lambda content: content.pop("gt_list"))


@AREA.case("lists of other lengths in one file", "Put the published file there, or write it again.")
def other_lengths(folder: Path) -> str:
    def shorten(content: dict) -> None:
        content["face_bbx_list"][1, 0] = content["face_bbx_list"][1, 0][:-1]

    return changed(folder, FACES, shorten)


@AREA.case("a `.mat` of other images", "Take all four of one set.")
def other_images(folder: Path) -> str:
    def rename(content: dict) -> None:
        content["file_list"][0, 0][0, 0] = np.array(["0_Parade_other_7"])

    return changed(folder, EASY, rename)


@AREA.case("faces at places that are not numbers", "Correct the boxes.")
def nan(folder: Path) -> str:
    def spoil(content: dict) -> None:
        boxes = content["face_bbx_list"][0, 0][0, 0].astype(np.float64)
        boxes[1, 2] = np.nan
        content["face_bbx_list"][0, 0][0, 0] = boxes

    return changed(folder, FACES, spoil)


@AREA.case("faces of three numbers", "Write x, y, width and height.")
def three_numbers(folder: Path) -> str:
    def cut(content: dict) -> None:
        content["face_bbx_list"][0, 0][0, 0] = content["face_bbx_list"][0, 0][0, 0][:, :3]

    return changed(folder, FACES, cut)


@AREA.case("the easy and the hard file in each other's place", "Swap them.")
def swapped(folder: Path) -> str:
    truth = synthetic_wider.make(folder / "wider") / "ground_truth"
    easy, hard = (truth / EASY).read_bytes(), (truth / HARD).read_bytes()
    (truth / EASY).write_bytes(hard)
    (truth / HARD).write_bytes(easy)
    return refuse(folder)


@AREA.case("a face counted that its image does not have", "Take all four of one set.")
def no_such_face(folder: Path) -> str:
    def add(content: dict) -> None:
        content["gt_list"][0, 0][0, 0] = np.array([[9]], dtype=np.uint8)

    return changed(folder, HARD, add)


@AREA.case("a list of a subset with unknown names", "Correct them; a name is `event/stem`, one a line.")
def unknown_names(folder: Path) -> str:
    return listed(folder, "0--Parade/0_Parade_b_1\n0_Parade_a_2\n")


@AREA.case("a list of a subset with a name twice", "Remove one.")
def repeated_names(folder: Path) -> str:
    return listed(folder, "0--Parade/0_Parade_b_1\n0--Parade/0_Parade_b_1.jpg\n")


@AREA.case("a list of a subset without names", "Name an image, or take `subset: null`.")
def no_names(folder: Path) -> str:
    return listed(folder, "# to be filled in\n\n")


@AREA.case("a list of a subset that is no text", "Save it as UTF-8 text.")
def binary_list(folder: Path) -> str:
    return listed(folder, b"\x89PNG\r\n\x1a\n\xff\xfe")


@AREA.case("a list with Windows line ends and a byte order mark", "Nothing.")
def windows_list(folder: Path) -> str:
    root = synthetic_wider.make(folder / "wider")
    (folder / "names.txt").write_bytes(b"\xef\xbb\xbf0--Parade/0_Parade_b_1.jpg\r\n# more\r\n1--Shop/1_Shop_a_1\r\n")
    where = ("--root", root, "--index", folder / "index.json", "--ground-truth", folder / "ground_truth.npz")
    works("index_widerface", "--dataset", "widerface", *where, "--list", folder / "names.txt")
    names = DatasetIndex.load(folder / "index.json").names
    assert names == ("0--Parade/0_Parade_b_1", "1--Shop/1_Shop_a_1")
    return "works"


@AREA.case("a subset of more images than there are", "Give a smaller number, or `subset: null`.")
def too_many(folder: Path) -> str:
    synthetic_wider.make(folder / "wider")
    return refuse(folder, "--first", "100")


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
