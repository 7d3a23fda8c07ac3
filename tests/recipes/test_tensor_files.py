import numpy as np
import pytest

from pth2map.files.errors import InputError
from pth2map.geometry.placement import Placement
from pth2map.recipes.tensor_files import names_by_stem, read_input, read_outputs, read_scale, write_input, write_outputs

NAMES = ("loc", "conf", "landms")
SHAPES = {"loc": (6, 4), "conf": (6, 2), "landms": (6, 10)}


@pytest.fixture
def outputs():
    random = np.random.default_rng(0)
    return [random.random(shape, dtype=np.float32) for shape in SHAPES.values()]


def test_input_and_scale_come_back(tmp_path):
    tensor = np.random.default_rng(0).random((3, 8, 12), dtype=np.float32)
    write_input(tmp_path, "0--Parade/a", tensor, Placement(8, 12, np.float32(0.3)))
    np.testing.assert_array_equal(read_input(tmp_path, "0--Parade/a"), tensor[None])
    assert read_scale(tmp_path, "0--Parade/a") == np.float32(0.3)


def test_outputs_are_numbered_landmarks_scores_boxes(tmp_path, outputs):
    write_outputs(tmp_path, "0--Parade/a", NAMES, outputs)
    loc, conf, landms = outputs
    for number, output in enumerate((landms, conf, loc)):
        assert (tmp_path / f"a_{number}.bin").read_bytes() == output.tobytes()
    for read, written in zip(read_outputs(tmp_path, "0--Parade/a", SHAPES), outputs, strict=True):
        np.testing.assert_array_equal(read, written)


def test_a_short_or_missing_output_is_named(tmp_path, outputs):
    write_outputs(tmp_path, "0--Parade/a", NAMES, outputs)
    (tmp_path / "a_1.bin").write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match=r"a_1\.bin: 40 bytes, expected 48 for output conf .* of 0--Parade/a"):
        read_outputs(tmp_path, "0--Parade/a", SHAPES)
    (tmp_path / "a_1.bin").unlink()
    with pytest.raises(InputError, match=r"a_1\.bin: No such file.*no output conf for 0--Parade/a"):
        read_outputs(tmp_path, "0--Parade/a", SHAPES)


def test_a_damaged_input_is_named(tmp_path):
    (tmp_path / "prep").mkdir()
    (tmp_path / "prep/a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"a\.npy: not a readable"):
        read_input(tmp_path, "e/a")
    np.save(tmp_path / "prep/a.npy", np.zeros((1, 3, 4, 4)))
    with pytest.raises(InputError, match=r"float64 .*expected float32"):
        read_input(tmp_path, "e/a")
    with pytest.raises(InputError, match="prepare stage"):
        read_scale(tmp_path, "e/a")


def test_images_that_share_a_file_name_are_refused():
    names_by_stem(["a/1", "a/2", "b/3"])
    with pytest.raises(InputError, match="a/1 and b/1"):
        names_by_stem(["a/1", "a/2", "b/1"])
