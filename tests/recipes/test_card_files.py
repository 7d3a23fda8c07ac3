import hashlib
import io
import zipfile

import numpy as np
import pytest

from pth2map.files.errors import InputError
from pth2map.recipes.card_files import (
    input_file,
    output_file,
    read_card_input,
    read_card_outputs,
    write_card_input,
    write_datalist,
)
from pth2map.recipes.card_form import OUTPUTS

KEYS = tuple(OUTPUTS)
NAMES = ("0--Parade/b_1", "1--Riot/a.2", "0--Parade/c_3")
IMAGE = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)


def test_input_is_the_image_as_rgb_planes(tmp_path):
    write_card_input(tmp_path / "inputs", "1--Riot/a.2", IMAGE)
    with np.load(tmp_path / "inputs/a.2.npz") as file:
        assert file.files == ["input_0"]
        planes = file["input_0"]
    assert planes.flags.c_contiguous
    np.testing.assert_array_equal(planes, np.stack([IMAGE[..., 2], IMAGE[..., 1], IMAGE[..., 0]]), strict=True)


@pytest.mark.parametrize("image", [IMAGE, np.full((1, 1, 3), 7, np.uint8), IMAGE[:, ::2], np.asfortranarray(IMAGE)])
def test_input_has_the_bytes_of_numpy_savez(tmp_path, image):
    write_card_input(tmp_path, "e/a", image)
    planes = np.array([image[..., channel].tolist() for channel in (2, 1, 0)], dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, input_0=planes)
    assert (tmp_path / "a.npz").read_bytes() == buffer.getvalue()


def test_input_has_the_same_bytes_on_every_day(tmp_path):
    write_card_input(tmp_path, "e/a", IMAGE)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        (member,) = archive.infolist()
    assert (member.filename, member.date_time[0], member.compress_type) == ("input_0.npy", 1980, zipfile.ZIP_STORED)
    content = (tmp_path / "a.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest()[:12] == "8470785c5d74"


def test_the_image_comes_back_out_of_its_input(tmp_path):
    write_card_input(tmp_path, "e/a", IMAGE)
    np.testing.assert_array_equal(read_card_input(tmp_path, "e/a"), IMAGE, strict=True)
    np.savez(tmp_path / "a.npz", input_0=IMAGE.astype(np.float32))
    with pytest.raises(InputError, match=r"a\.npz: holds float32 \(2, 5, 3\), expected uint8 \(3, h, w\)"):
        read_card_input(tmp_path, "e/a")


@pytest.mark.parametrize("image", [IMAGE[..., 0], IMAGE[..., :2], IMAGE.astype(np.float32)])
def test_pixels_of_another_kind_are_refused(tmp_path, image):
    with pytest.raises(InputError, match=r"e/a: pixels are .* expected uint8 \(h, w, 3\)"):
        write_card_input(tmp_path, "e/a", image)


def test_datalist_is_absolute_and_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_datalist(tmp_path / "list.txt", input_file(tmp_path, "e/a").parent / "in puts", NAMES)
    assert (tmp_path / "list.txt").read_text() == "".join(
        f"{tmp_path}/in puts/{s}.npz\n" for s in ("b_1", "a.2", "c_3")
    )
    write_datalist(tmp_path / "list.txt", input_file(tmp_path, "e/a").parent.relative_to(tmp_path), NAMES[:1])
    assert (tmp_path / "list.txt").read_text() == f"{tmp_path}/b_1.npz\n"


def test_images_that_share_a_stem_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"share a file name.*: a/1 and b/1"):
        write_datalist(tmp_path / "list.txt", tmp_path, ["a/1", "a/2", "b/1"])
    with pytest.raises(InputError, match="a/1 and a/1"):
        write_datalist(tmp_path / "list.txt", tmp_path, ["a/1"] * 2)
    with pytest.raises(InputError, match="line end"):
        write_datalist(tmp_path / "list.txt", tmp_path / "in\nputs", ["a/1"])
    assert not list(tmp_path.iterdir())


@pytest.fixture
def run(tmp_path):
    """What a run leaves: the datalist and the folder of outputs, the score of the first row being the line's number."""
    write_datalist(tmp_path / "list.txt", tmp_path / "inputs", NAMES)
    (tmp_path / "result").mkdir()
    for line, _ in enumerate(NAMES):
        outputs = {key: np.full((1, *shape), -1, np.float16) for key, shape in OUTPUTS.items()}
        outputs["output_0"][0, 0] = line
        np.savez(output_file(tmp_path / "result", line), **outputs)
    return tmp_path / "result", tmp_path / "list.txt"


def test_outputs_come_by_name_whatever_order_is_asked_for(run):
    folder, datalist = run
    assert sorted(path.name for path in folder.iterdir()) == [f"output_00000{line}.npz" for line in range(3)]
    (folder / "vamp.log").write_text("other files do not matter")
    for order in ((0, 1, 2), (2, 0, 1)):
        found = read_card_outputs(folder, datalist, [NAMES[line] for line in order], KEYS)
        for line, outputs in zip(order, found, strict=True):
            assert int(outputs[0][0, 0, 0]) == line
            assert [output.shape for output in outputs] == [(1, *shape) for shape in OUTPUTS.values()]


def test_a_datalist_from_elsewhere(run):
    """Of another folder, with other line ends, in another order: the line decides."""
    folder, datalist = run
    datalist.write_bytes(b"/mnt/card/c_3.npz\r\nrelative/a.2.npz\r\nb_1.npz")
    found = read_card_outputs(folder, datalist, NAMES, KEYS)
    assert [int(outputs[0][0, 0, 0]) for outputs in found] == [2, 1, 0]


def test_missing_and_superfluous_outputs_are_named(run):
    folder, datalist = run
    output_file(folder, 1).rename(output_file(folder, 3))
    with pytest.raises(
        InputError,
        match=r"lacks output_000001\.npz \(1--Riot/a\.2\) and holds output_000003\.npz of no line; .* the 3 lines",
    ):
        read_card_outputs(folder, datalist, NAMES, KEYS)
    output_file(folder, 3).rename(output_file(folder, 1))
    (folder / "b_1.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"result: holds b_1\.npz of no line"):
        read_card_outputs(folder, datalist, NAMES, KEYS)
    with pytest.raises(InputError, match=r"lacks output_000000\.npz \(0--Parade/b_1\), .* \(0--Parade/c_3\);"):
        read_card_outputs(folder / "nowhere", datalist, NAMES, KEYS)


def test_a_datalist_of_other_images_is_refused(run):
    folder, datalist = run
    with pytest.raises(InputError, match=r"list\.txt: lists c_3, not among the images asked for; make"):
        read_card_outputs(folder, datalist, NAMES[:2], KEYS)
    with pytest.raises(InputError, match=r"list\.txt: does not list e/d, e/f; make"):
        read_card_outputs(folder, datalist, [*NAMES, "e/f", "e/d"], KEYS)
    with pytest.raises(InputError, match=r"lists c_3, not among the images asked for and does not list e/d"):
        read_card_outputs(folder, datalist, [*NAMES[:2], "e/d"], KEYS)
    with pytest.raises(InputError, match="0--Parade/b_1 and e/b_1"):
        read_card_outputs(folder, datalist, [*NAMES, "e/b_1"], KEYS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"/i/b_1.npz\n/i/a.2.npz\n/j/b_1.npz\n", "lists b_1 more than once"),
        (b"/i/b_1.npz\n\n/i/a.2.npz\n", "line 2: found '', expected the path of an .npz file"),
        (b"/i/b_1.jpg\n", "line 1: found '/i/b_1.jpg'"),
        (b"\xff\xfe\n", "not a text file"),
        (b"", "does not list 0--Parade/b_1, 0--Parade/c_3, 1--Riot/a.2"),
    ],
)
def test_a_damaged_datalist_is_named(run, content, message):
    folder, datalist = run
    datalist.write_bytes(content)
    with pytest.raises(InputError, match=rf"list\.txt.*{message}"):
        read_card_outputs(folder, datalist, NAMES, KEYS)


def test_files_that_cannot_be_read_are_named(run):
    folder, datalist = run
    np.savez(output_file(folder, 1), output_0=np.zeros(3), output_2=np.zeros(3))
    with pytest.raises(InputError, match=r"output_000001\.npz: no array output_1; it holds output_0, output_2"):
        list(read_card_outputs(folder, datalist, NAMES, KEYS))
    output_file(folder, 1).write_bytes(output_file(folder, 0).read_bytes()[:5000])
    with pytest.raises(InputError, match=r"output_000001\.npz: not an?"):
        list(read_card_outputs(folder, datalist, NAMES, KEYS))
    datalist.unlink()
    with pytest.raises(InputError, match=r"list\.txt: No such file"):
        read_card_outputs(folder, datalist, NAMES, KEYS)


def test_numbers_of_more_than_six_digits(tmp_path):
    assert output_file(tmp_path, 3225).name == "output_003225.npz"
    assert output_file(tmp_path, 1_234_567).name == "output_1234567.npz"
