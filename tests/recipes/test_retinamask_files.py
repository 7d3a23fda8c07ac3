import hashlib
import json

import numpy as np
import pytest

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.recipes.retinamask_decode import Decode
from pth2map.recipes.retinamask_files import INFO, Files
from pth2map.recipes.retinamask_preprocess import Preprocess
from pth2map.recipes.retinamask_settings import RetinaMaskDecode, RetinaMaskPreprocess
from pth2map.recipes.settings import Size

NAME = "val2017/000000000139"
IMAGE = np.arange(30 * 50 * 3, dtype=np.uint8).reshape(30, 50, 3)


def files_at(size: str) -> Files:
    return Files(Preprocess(RetinaMaskPreprocess(), Size.parse(size)), Decode(RetinaMaskDecode()))


FILES = files_at("64")


def outputs_of(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 50, (1000, 2))
    return [
        np.concatenate([corners, corners + random.uniform(0, 14, (1000, 2))], axis=1).astype(np.float32),
        random.integers(1, 81, 1000, dtype=np.int32),
        np.sort(random.random(1000, dtype=np.float32))[::-1],
        random.random((1000, 1, 28, 28), dtype=np.float32),
    ]


@pytest.fixture
def written(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    FILES.write_input(tmp_path / "in", NAME, IMAGE)
    FILES.write_outputs(tmp_path / "out", 0, NAME, outputs_of(0))
    return tmp_path


def test_input_equals_the_published_file_byte_for_byte(golden, mirror, tmp_path):
    entry = json.loads((golden / "retinamask_preprocess/case.json").read_text())["images"][0]
    files_at("1344").write_input(tmp_path / "bins", NAME, read_image(mirror / "coco-mini" / entry["image"]))
    content = (tmp_path / "bins/000000000139.bin").read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (21_676_032, entry["tensor"]["sha256"])


def test_the_network_gets_from_the_file_what_it_gets_without_one(written):
    tensor, placement = FILES.preprocess(IMAGE)
    np.testing.assert_array_equal(FILES.read_input(written / "in", NAME, placement), tensor, strict=True)


def test_the_list_of_inputs_is_that_of_the_published_script(tmp_path):
    names = ["val2017/000000000285", NAME]
    files = files_at("1344")
    files.list_inputs(tmp_path, names, tmp_path.relative_to("/"))
    place = tmp_path.relative_to("/").as_posix()
    assert (tmp_path / INFO).read_bytes().decode() == (
        f"0 {place}/000000000285.bin 1344 1344\n1 {place}/000000000139.bin 1344 1344\n"
    )
    assert INFO == "retinamask_coco2017.info"
    assert list(files.places(tmp_path, names)) == [0, 1]
    files.list_inputs(tmp_path, [], tmp_path)
    assert (tmp_path / INFO).read_bytes() == b""


@pytest.mark.parametrize("folder", ["my inputs", "inputs\nhere", "inputs "])
def test_a_path_that_the_list_cannot_hold_is_refused(tmp_path, folder):
    with pytest.raises(InputError, match=r"cannot list '.*000000000139\.bin', a blank ends a path there; move"):
        FILES.list_inputs(tmp_path, [NAME], tmp_path / folder)
    assert not (tmp_path / INFO).exists()


def test_layout_of_the_outputs(written):
    kinds = ("<f4", "<i4", "<f4", "<f4")
    for number, (output, kind) in enumerate(zip(outputs_of(0), kinds, strict=True)):
        found = np.fromfile(written / f"out/000000000139_{number}.bin", dtype=kind)
        np.testing.assert_array_equal(found, output.ravel())
    assert len(list((written / "out").iterdir())) == 4


def test_tensor_files_give_what_the_direct_route_gives(written):
    other, image = "val2017/000000000285", IMAGE.transpose(1, 0, 2)
    FILES.write_input(written / "in", other, image)
    FILES.write_outputs(written / "out", 1, other, outputs_of(1))
    places = {other: FILES.preprocess.placement(50, 30), NAME: FILES.preprocess.placement(30, 50)}
    read = list(FILES.read_outputs(written / "out", written / "in", places))
    assert [placement for placement, _ in read] == list(places.values())
    for (placement, outputs), direct in zip(read, (outputs_of(1), outputs_of(0)), strict=True):
        for found, expected in zip(outputs, direct, strict=True):
            np.testing.assert_array_equal(found, expected, strict=True)
        found, expected = FILES.decode(outputs, placement), FILES.decode(direct, placement)
        assert len(found["scores"]) == 100
        for key, values in expected.items():
            np.testing.assert_array_equal(found[key], values, strict=True)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "16000 for output bboxs"), (1, "4000 for output labels"), (2, "4000"), (3, "3136000")]
)
def test_an_output_of_other_length_is_named(written, number, expected):
    path = written / f"out/000000000139_{number}.bin"
    path.write_bytes(path.read_bytes()[:-4])
    places = {NAME: FILES.preprocess.placement(30, 50)}
    with pytest.raises(InputError, match=rf"_{number}\.bin: \d+ bytes, expected {expected}.* of {NAME}"):
        next(FILES.read_outputs(written / "out", written / "in", places))
    path.unlink()
    with pytest.raises(InputError, match=rf"_{number}\.bin: No such file .* wrote no output \w+ for {NAME}"):
        next(FILES.read_outputs(written / "out", written / "in", places))


def test_outputs_of_other_dtypes_are_not_written(tmp_path):
    outputs = outputs_of(0)
    outputs[1] = outputs[1].astype(np.int64)
    with pytest.raises(InputError, match=f"{NAME}: output 1 is int64, the raw files hold int32"):
        FILES.write_outputs(tmp_path, 0, NAME, outputs)


def test_a_damaged_input_is_named(written):
    placement = FILES.preprocess.placement(30, 50)
    (written / "in/000000000139.bin").write_bytes(b"1234")
    with pytest.raises(InputError, match=r"139\.bin: 4 bytes, expected 49152 for an input \(3, 64, 64\)"):
        FILES.read_input(written / "in", NAME, placement)
    (written / "in/000000000139.bin").unlink()
    with pytest.raises(InputError, match=r"139\.bin: No such file .*; run the prepare stage again"):
        FILES.read_input(written / "in", NAME, placement)
