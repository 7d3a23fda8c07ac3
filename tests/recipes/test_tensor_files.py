import hashlib
import json

import numpy as np
import pytest

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.recipe import Recipe
from pth2map.recipes.tensor_files import names_by_stem, read_raw_outputs, whole_stem_of, write_raw_outputs

NAME = "0--Parade/a"
SHAPES = {"loc": (6, 4), "conf": (6, 2), "landms": (6, 10)}
SQUARE = Recipe.parse(json.dumps({"kind": "retinaface", "preprocess": {"resize": "long_side"}}), "8").files()
CENTERFACE = Recipe.parse(json.dumps({"kind": "centerface"}), "64x32").files()
CARD = Recipe.parse(json.dumps({"kind": "retinaface_letterbox"}), "32").files()
PLACEMENT = Placement(8, 8, np.float32(1))
IMAGE = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)


@pytest.fixture
def outputs():
    random = np.random.default_rng(0)
    return [random.random(shape, dtype=np.float32) for shape in SHAPES.values()]


@pytest.mark.parametrize("files", [SQUARE, CENTERFACE, CARD], ids=["retinaface", "centerface", "card"])
def test_the_network_gets_from_the_file_what_it_gets_without_one(files, tmp_path):
    files.write_input(tmp_path, NAME, IMAGE)
    tensor, placement = files.preprocess(IMAGE)
    np.testing.assert_array_equal(files.read_input(tmp_path, NAME, placement), tensor, strict=True)


def test_layout_of_retinaface(tmp_path):
    SQUARE.write_input(tmp_path, NAME, IMAGE)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "prep/a.npy",
        "prep_info/0--Parade/a.bin",
    ]
    assert np.load(tmp_path / "prep/a.npy").shape == (1, 3, 8, 8)
    assert np.fromfile(tmp_path / "prep_info/0--Parade/a.bin", dtype="<f4").tolist() == [np.float32(8 / 5)]


def test_outputs_of_retinaface_are_numbered_landmarks_scores_boxes(tmp_path):
    placement = SQUARE.preprocess.placement(3, 5)
    shapes = SQUARE.decode.output_shapes(placement)
    outputs = [np.full(shape, shape[1], np.float32) for shape in shapes.values()]
    (tmp_path / "out").mkdir()
    SQUARE.write_input(tmp_path / "in", NAME, IMAGE)
    SQUARE.write_outputs(tmp_path / "out", 0, NAME, outputs)
    loc, conf, landms = outputs
    for number, output in enumerate((landms, conf, loc)):
        assert (tmp_path / f"out/a_{number}.bin").read_bytes() == output.tobytes()
    ((placed, read),) = SQUARE.read_outputs(tmp_path / "out", tmp_path / "in", {NAME: placement})
    assert placed == placement
    for found, written in zip(read, outputs, strict=True):
        np.testing.assert_array_equal(found, written, strict=True)


def test_layout_of_centerface(tmp_path):
    CENTERFACE.write_input(tmp_path, NAME, IMAGE)
    assert (tmp_path / "a.bin").read_bytes() == CENTERFACE.preprocess(IMAGE)[0].astype("<f4").tobytes()
    placement = CENTERFACE.preprocess.placement(3, 5)
    outputs = [np.full(shape, 1, np.float32) for shape in CENTERFACE.decode.output_shapes(placement).values()]
    CENTERFACE.write_outputs(tmp_path, 0, NAME, outputs)
    assert [(tmp_path / f"a_{n}.bin").stat().st_size for n in range(4)] == [4 * 128, 8 * 128, 8 * 128, 40 * 128]
    ((placed, read),) = CENTERFACE.read_outputs(tmp_path, tmp_path, {NAME: placement})
    assert placed == placement
    assert [output.shape for output in read] == [output.shape for output in outputs]
    (tmp_path / "a.bin").write_bytes(b"1234")
    with pytest.raises(InputError, match=r"a\.bin: 4 bytes, expected 24576 for an input \(3, 32, 64\)"):
        CENTERFACE.read_input(tmp_path, NAME, placement)
    (tmp_path / "a.bin").unlink()
    with pytest.raises(InputError, match=r"a\.bin: No such file .*; run the prepare stage again"):
        CENTERFACE.read_input(tmp_path, NAME, placement)


def test_centerface_input_equals_the_published_file_byte_for_byte(golden, mirror, tmp_path):
    files = Recipe.parse(json.dumps({"kind": "centerface"}), "800").files()
    case = json.loads((golden / "centerface/case.json").read_text())
    for entry in case["images"]:
        root = golden if entry["image"].startswith("inputs/") else mirror / "widerface-mini"
        files.write_input(tmp_path, "event/stem", read_image(root / entry["image"]))
        content = (tmp_path / "stem.bin").read_bytes()
        assert len(content) == 7_680_000
        assert hashlib.sha256(content).hexdigest() in json.dumps(entry)


def test_a_short_or_missing_output_is_named(tmp_path, outputs):
    write_raw_outputs(tmp_path, NAME, (2, 1, 0), outputs)
    (tmp_path / "a_1.bin").write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match=r"a_1\.bin: 40 bytes, expected 48 for output conf .* of 0--Parade/a"):
        read_raw_outputs(tmp_path, NAME, (2, 1, 0), SHAPES)
    (tmp_path / "a_1.bin").unlink()
    with pytest.raises(InputError, match=r"a_1\.bin: No such file.*no output conf for 0--Parade/a"):
        read_raw_outputs(tmp_path, NAME, (2, 1, 0), SHAPES)
    with pytest.raises(InputError, match=r"a: output 0 is float64"):
        write_raw_outputs(tmp_path, NAME, (0,), [np.zeros(3)])


def test_a_damaged_input_is_named(tmp_path):
    (tmp_path / "prep").mkdir()
    (tmp_path / "prep/a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"a\.npy: not a readable"):
        SQUARE.read_input(tmp_path, "e/a", PLACEMENT)
    np.save(tmp_path / "prep/a.npy", np.zeros((1, 3, 4, 4)))
    with pytest.raises(InputError, match=r"float64 .*expected float32"):
        SQUARE.read_input(tmp_path, "e/a", PLACEMENT)
    with pytest.raises(InputError, match="prepare stage"):
        next(SQUARE.read_outputs(tmp_path, tmp_path, {"e/a": PLACEMENT}))
    (tmp_path / "prep_info/e").mkdir(parents=True)
    (tmp_path / "prep_info/e/a.bin").write_bytes(np.float32(0.75).tobytes())
    with pytest.raises(InputError, match=r"a\.bin: holds 0\.75, expected 1\.0; run the prepare stage again"):
        next(SQUARE.read_outputs(tmp_path, tmp_path, {"e/a": PLACEMENT}))
    CARD.write_input(tmp_path, "e/a", IMAGE)
    with pytest.raises(InputError, match=r"a\.npz: holds an image of 5×3 px, expected 3×5; run the prepare"):
        CARD.read_input(tmp_path, "e/a", CARD.preprocess.placement(5, 3))


def test_outputs_are_numbered_by_the_line_that_a_runner_reads(tmp_path):
    names = [NAME, "0--Parade/b"]
    CARD.list_inputs(tmp_path, names, tmp_path)
    assert list(CARD.places(tmp_path, names)) == [0, 1]
    lines = (tmp_path / "datalist.txt").read_text().splitlines()
    (tmp_path / "datalist.txt").write_text("\n".join(reversed(lines)))
    assert list(CARD.places(tmp_path, names)) == [1, 0]
    assert list(SQUARE.places(tmp_path, names)) == [0, 1]


def test_images_that_share_a_file_name_are_refused():
    assert names_by_stem(["a/1", "a/2", "b/3"]) == {"1": "a/1", "2": "a/2", "3": "b/3"}
    with pytest.raises(InputError, match="a/1 and b/1"):
        names_by_stem(["a/1", "a/2", "b/1"])


def test_runners_cut_names_at_the_first_dot():
    assert names_by_stem(["a/1.x", "a/2"]) == {"1": "a/1.x", "2": "a/2"}
    with pytest.raises(InputError, match=r"a/1\.x and a/1\.y"):
        names_by_stem(["a/1.x", "a/1.y"])
    assert names_by_stem(["a/1.x", "a/1.y"], whole_stem_of) == {"1.x": "a/1.x", "1.y": "a/1.y"}
