"""Ground truth of WIDER FACE: read from .mat, kept in .npz, cut to images."""

import shutil

import numpy as np
import pytest
from scipy.io import savemat

from pth2map.datasets.widerface import (
    OFFICIAL_IMAGES,
    OFFICIAL_SHA256,
    SUBSETS,
    GroundTruth,
    is_official,
    read_ground_truth,
)
from pth2map.files.errors import InputError

EVENTS = {
    "0--Parade": {"0_b": [(1, 2, 3, 4), (5, 6, 7, 8)], "0_a": [(9, 9, 0, -1)]},
    "1--Shop": {"1_a": []},
}
COUNTED = {
    "easy": {"0--Parade": [[], []], "1--Shop": [[]]},
    "medium": {"0--Parade": [[2], []], "1--Shop": [[]]},
    "hard": {"0--Parade": [[2, 1], [1]], "1--Shop": [[]]},
}


def column(cells):
    array = np.empty((len(cells), 1), dtype=object)
    array[:, 0] = cells
    return array


def mat_content(subset):
    content = {
        "event_list": column(list(EVENTS)),
        "file_list": column([column(list(files)) for files in EVENTS.values()]),
    }
    if subset == "face":
        boxes = [[np.array(b, dtype=np.int32).reshape(-1, 4) for b in files.values()] for files in EVENTS.values()]
        content["face_bbx_list"] = column([column(each) for each in boxes])
    else:
        numbers = [[np.array([n], dtype=np.uint8).T for n in each] for each in COUNTED[subset].values()]
        content["gt_list"] = column([column(each) for each in numbers])
    return content


@pytest.fixture
def folder(tmp_path):
    for subset in ("face", *SUBSETS):
        savemat(tmp_path / f"wider_{subset}_val.mat", mat_content(subset))
    return tmp_path


def assert_equal(one, other):
    assert one.names == other.names
    np.testing.assert_array_equal(one.counts, other.counts, strict=True)
    np.testing.assert_array_equal(one.boxes, other.boxes, strict=True)
    for subset in SUBSETS:
        np.testing.assert_array_equal(one.counted[subset], other.counted[subset], strict=True)


def test_mat_files_are_read_in_their_order(folder):
    truth = read_ground_truth(folder)
    assert truth.names == ("0--Parade/0_b", "0--Parade/0_a", "1--Shop/1_a")
    assert truth.counts.tolist() == [2, 1, 0]
    assert truth.offsets.tolist() == [0, 2, 3, 3]
    assert truth.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 0, -1]]
    assert {subset: flags.tolist() for subset, flags in truth.counted.items()} == {
        "easy": [False, False, False],
        "medium": [False, True, False],
        "hard": [True, True, True],
    }
    assert not is_official(folder)


def test_subset_takes_images_in_the_order_asked_for(folder):
    truth = read_ground_truth(folder)
    chosen = truth.subset(["1--Shop/1_a", "0--Parade/0_a", "0--Parade/0_b"])
    assert chosen.names == ("1--Shop/1_a", "0--Parade/0_a", "0--Parade/0_b")
    assert chosen.counts.tolist() == [0, 1, 2]
    assert chosen.boxes.tolist() == [[9, 9, 0, -1], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert chosen.counted["medium"].tolist() == [False, False, True]
    assert_equal(chosen.subset(truth.names), truth)
    assert truth.subset([]).boxes.shape == (0, 4)
    with pytest.raises(InputError, match="2--Zoo/1 not in the ground truth of 3 images"):
        truth.subset(["2--Zoo/1"])


def test_npz_gives_back_what_was_saved(folder):
    truth = read_ground_truth(folder)
    truth.save(folder / "truth.npz")
    assert_equal(GroundTruth.load(folder / "truth.npz"), truth)
    assert GroundTruth.load(folder / "truth.npz").content_hash() == truth.content_hash()
    assert truth.content_hash() != truth.subset(truth.names[::-1]).content_hash()
    np.savez(folder / "other.npz", names=np.array(["a/b"]))
    with pytest.raises(InputError, match="no array counts, boxes, easy, medium, hard"):
        GroundTruth.load(folder / "other.npz")


@pytest.mark.parametrize(
    ("subset", "key", "value", "message"),
    [
        (
            "face",
            "face_bbx_list",
            np.zeros((2, 1)),
            r"face_bbx_list holds float64 \(2, 1\), expected a column",
        ),
        ("face", "face_bbx_list", column([column([])]), "face_bbx_list has 1 events, event_list 2"),
        ("face", "face_bbx_list", column([column([]), column([])]), "not have the same number of images"),
        ("face", "event_list", column(["0--Parade", 7]), "expected a name"),
        ("face", "file_list", column([column(["0_b", "0_b"]), column(["1_a"])]), "wider_easy.* do not list"),
        ("medium", "event_list", column(["0--Parade", "2--Zoo"]), "medium.*: 1--Shop/1_a, 2--Zoo/1_a"),
        ("hard", "file_list", column([column(["0_a", "0_b"]), column(["1_a"])]), "same images: their order"),
        ("hard", "gt_list", "numbers:0", "faces that their image does not have: 0--Parade/0_b"),
        ("hard", "gt_list", "numbers:3", "faces that their image does not have: 0--Parade/0_b"),
        ("hard", "gt_list", "numbers:1.5", "faces that their image does not have: 0--Parade/0_b"),
        ("hard", "gt_list", "numbers:1,1", "counts a face twice"),
    ],
)
def test_mat_files_that_are_refused(folder, subset, key, value, message):
    if isinstance(value, str):
        numbers = np.array([[float(number)] for number in value.split(":")[1].split(",")])
        value = column([column([numbers, np.zeros((0, 0))]), column([np.zeros((0, 0))])])
    savemat(folder / f"wider_{subset}_val.mat", mat_content(subset) | {key: value})
    with pytest.raises(InputError, match=message):
        read_ground_truth(folder)


def test_boxes_that_are_refused(folder):
    for boxes, message in [
        (np.zeros((2, 3)), "boxes of 0--Parade/0_b are not rows of four"),
        (np.full((1, 4), np.nan), "boxes of 0--Parade/0_b are not rows of four"),
        (np.array([["a", "b", "c", "d"]], dtype=object), "boxes of 0--Parade/0_b are not rows of four"),
    ]:
        value = column([column([boxes, np.zeros((0, 4))]), column([np.zeros((0, 4))])])
        savemat(folder / "wider_face_val.mat", mat_content("face") | {"face_bbx_list": value})
        for subset in SUBSETS:
            none = column([column([np.zeros((0, 0))] * 2), column([np.zeros((0, 0))])])
            savemat(folder / f"wider_{subset}_val.mat", mat_content(subset) | {"gt_list": none})
        with pytest.raises(InputError, match=message):
            read_ground_truth(folder)


def test_files_that_are_refused(folder):
    path = folder / "wider_hard_val.mat"
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 61):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"wider_hard_val\.mat"):
            read_ground_truth(folder)
    savemat(path, {"x": 1})
    with pytest.raises(InputError, match=r"no variable event_list, file_list, gt_list"):
        read_ground_truth(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"wider_hard_val\.mat: not found"):
        read_ground_truth(folder)


def test_parts_that_do_not_fit():
    good = {
        "names": ("a/b",),
        "counts": np.array([1]),
        "boxes": np.zeros((1, 4)),
        "counted": dict.fromkeys(SUBSETS, np.array([True])),
    }
    GroundTruth(**good)
    for change, message in [
        ({"names": ("a/b", "a/b")}, "a/b more than once"),
        ({"counts": np.array([2])}, r"boxes is float64 \(1, 4\), expected float64 \(2, 4\)"),
        ({"boxes": np.full((1, 4), np.inf)}, "no pixel position"),
        ({"counted": {"easy": np.array([True])}}, "expected easy, medium, hard"),
        ({"counted": dict.fromkeys(SUBSETS, np.array([1]))}, "easy is int64"),
    ]:
        with pytest.raises(InputError, match=message):
            GroundTruth(**good | change)


def test_official_ground_truth(mirror, tmp_path):
    folder = mirror / "widerface-ground-truth"
    truth = read_ground_truth(folder)
    assert len(truth.names) == OFFICIAL_IMAGES
    assert len(truth.boxes) == 39_708
    totals = {subset: int(flags.sum()) for subset, flags in truth.counted.items()}
    assert totals == {"easy": 7_211, "medium": 13_319, "hard": 31_958}
    image = np.repeat(np.arange(OFFICIAL_IMAGES), truth.counts)
    assert len(np.unique(image[(truth.boxes[:, 2:] <= 0).any(axis=1)])) == 9
    assert is_official(folder)

    for name in OFFICIAL_SHA256:
        shutil.copyfile(folder / name, tmp_path / name)
    (tmp_path / "wider_easy_val.mat").write_bytes((folder / "wider_hard_val.mat").read_bytes())
    assert not is_official(tmp_path)


def test_mini_set_is_part_of_the_official_one(mirror):
    mini = read_ground_truth(mirror / "widerface-mini/ground_truth")
    assert_equal(read_ground_truth(mirror / "widerface-ground-truth").subset(mini.names), mini)


def test_swapped_subsets_are_refused(folder):
    easy, hard = (folder / f"wider_{subset}_val.mat" for subset in ("easy", "hard"))
    content = easy.read_bytes()
    easy.write_bytes(hard.read_bytes())
    hard.write_bytes(content)
    with pytest.raises(
        InputError, match=r"wider_easy_val\.mat counts faces that wider_medium_val\.mat does not; are they swapped"
    ):
        read_ground_truth(folder)
