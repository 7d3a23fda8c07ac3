import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pth2map.datasets.calibration import CalibrationImage, CalibrationList, draw, place, placed_name
from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.files.errors import InputError

DOOR = Path(__file__).parents[2] / "workflow/scripts/draw_calibration.py"
NAMES = [f"{event}/{stem}.jpg" for event in ("0--Parade", "1--Riot") for stem in ("a_1", "b.2", "c_3", "d_4")]


def picture(path: Path, number: int) -> str:
    """Write a JPEG that differs by number; its hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def source(tmp_path):
    for number, name in enumerate(NAMES):
        picture(tmp_path / "source" / name, number)
    (tmp_path / "source/notes.txt").write_text("no image")
    return tmp_path / "source"


def index_of(*sha256: str) -> DatasetIndex:
    images = tuple(IndexedImage(f"e/{at}", f"e/{at}.jpg", 12, 9, each) for at, each in enumerate(sha256))
    return DatasetIndex("widerface", "data/widerface", images, None, False, "truth")


def paths(calibration: CalibrationList) -> list[str]:
    return [image.path for image in calibration.images]


def test_the_draw_is_by_the_hash_of_seed_and_path(source):
    """Written down once: another machine, another version of anything draws the same."""
    assert paths(draw(source, index_of(), 3, 0)) == ["1--Riot/d_4.jpg", "1--Riot/a_1.jpg", "0--Parade/c_3.jpg"]
    for seed in range(5):
        expected = sorted(NAMES, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
        assert paths(draw(source, index_of(), 8, seed)) == expected
        assert paths(draw(source, index_of(), 3, seed)) == expected[:3]


def test_every_image_is_drawn_as_often(source):
    drawn = [path for seed in range(200) for path in paths(draw(source, index_of(), 2, seed))]
    assert all(25 < drawn.count(name) < 75 for name in NAMES)  # 50 each; five standard deviations


def test_what_is_written_down(source, tmp_path):
    calibration = draw(source, index_of(), 2, 7)
    calibration.save(tmp_path / "list.json")
    content = json.loads((tmp_path / "list.json").read_text())
    assert content == {
        "source": str(source),
        "seed": 7,
        "dataset": "widerface",
        "of_evaluation": False,
        "count": 2,
        "images": [
            {"path": path, "sha256": hashlib.sha256((source / path).read_bytes()).hexdigest()}
            for path in paths(calibration)
        ],
    }
    assert CalibrationList.load(tmp_path / "list.json") == calibration


def test_images_of_the_evaluation_are_known_by_content(source):
    whole = draw(source, index_of(), 8, 0)
    evaluated = whole.images[0]
    index = index_of(evaluated.sha256)
    assert draw(source, index, 7, 0) == CalibrationList(str(source), 0, "widerface", False, whole.images[1:])
    (source / evaluated.path).rename(source / "called otherwise")
    assert {image.sha256 for image in draw(source, index, 7, 0).images} == {image.sha256 for image in whole.images[1:]}


def test_images_of_the_evaluation_are_stamped(source):
    whole = draw(source, index_of(), 8, 0)
    index = index_of(whole.images[1].sha256)
    assert draw(source, index, 8, 0, allow_evaluation=True) == CalibrationList(
        str(source), 0, "widerface", True, whole.images
    )
    assert not draw(source, index, 1, 0, allow_evaluation=True).of_evaluation


def test_too_few_images(source):
    evaluated = draw(source, index_of(), 8, 0).images[0].sha256
    sentence = (
        f"{source}: 7 different JPEG images that widerface has not (of 8 in all), expected 50 for the calibration; "
        "draw fewer, name another folder, or allow images of the evaluation, which every result then says"
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        draw(source, index_of(evaluated), 50, 0)
    sentence = (
        f"{source}: 8 different JPEG images (of 8 in all), expected 9 for the calibration; draw fewer, name another "
        "folder"
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        draw(source, index_of(evaluated), 9, 0, allow_evaluation=True)
    with pytest.raises(InputError, match=r"nowhere: no such folder, expected one with images for the calibration$"):
        draw(source / "nowhere", index_of(), 1, 0)


def test_a_content_is_drawn_once(source):
    (source / "2--Copies").mkdir()
    for number, name in enumerate(NAMES):
        (source / f"2--Copies/{number}.JPEG").write_bytes((source / name).read_bytes())
    drawn = draw(source, index_of(), 8, 0)
    assert len({image.sha256 for image in drawn.images}) == 8
    with pytest.raises(InputError, match=r"8 different JPEG images that widerface has not \(of 16 in all\)"):
        draw(source, index_of(), 9, 0)


def test_files_count_by_content_and_hidden_ones_not_at_all(source, tmp_path):
    picture(source / "no ending", 20)
    picture(source / ".hidden/x.jpg", 21)
    picture(source / "0--Parade/._a_1.jpg", 22)
    picture(tmp_path / "elsewhere/linked.jpg", 23)
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "dead").symlink_to(tmp_path / "nowhere")
    assert sorted(paths(draw(source, index_of(), 10, 0))) == sorted([*NAMES, "no ending", "link/linked.jpg"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<html>", "not an image (it looks like a web page"),
        (b"\xff\xd8\xff\xe0\x00\x04abcd", "truncated JPEG"),
    ],
)
def test_an_image_that_cannot_be_read_is_refused(source, content, message):
    (source / "1--Riot/d_4.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"d_4\.jpg: {re.escape(message)}"):
        draw(source, index_of(), 8, 0)


def test_a_name_that_is_not_utf_8(source):
    name = os.fsencode(source) + b"/\xc4\xe3.jpg"
    Path(os.fsdecode(name)).write_bytes((source / NAMES[0]).read_bytes())
    with pytest.raises(InputError, match=r"the name is not UTF-8, which a list needs; rename it$"):
        draw(source, index_of(), 1, 0)


def test_the_folder_is_flat_and_holds_the_images(source, tmp_path):
    picture(source / "deep/1--Riot/a_1.jpg", 30)
    picture(source / "at the top.jpeg", 31)
    calibration = draw(source, index_of(), 10, 0)
    place(calibration, tmp_path / "flat")
    for number, image in enumerate(calibration.images):
        path = tmp_path / "flat" / placed_name(number, image)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == image.sha256
        assert path.stat().st_nlink == 1
    assert len(list((tmp_path / "flat").iterdir())) == 10
    place(draw(source, index_of(), 2, 0), tmp_path / "flat")
    assert len(list((tmp_path / "flat").iterdir())) == 2


@pytest.mark.parametrize(
    ("number", "path", "name"),
    [
        (7, "12--Group/12_Group_Group_1.jpg", "0007_12--Group_12_Group_Group_1.jpg"),
        (0, "images/1--Riot/b.2.JPEG", "0000_1--Riot_b.2.jpg"),
        (12345, "a.jpg", "12345_a.jpg"),
    ],
)
def test_names_in_the_folder(number, path, name):
    assert placed_name(number, CalibrationImage(path, "")) == name


def test_an_image_that_changed_since_the_draw(source, tmp_path):
    calibration = draw(source, index_of(), 8, 0)
    picture(source / NAMES[3], 99)
    sentence = f"{source / NAMES[3]}: not the image that was drawn; draw the calibration images again"
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        place(calibration, tmp_path / "flat")
    (source / NAMES[3]).unlink()
    with pytest.raises(InputError, match=r"d_4\.jpg: No such file or directory; draw the calibration images again$"):
        place(calibration, tmp_path / "flat")
    assert not (tmp_path / "flat").exists()


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        "{}",
        '{"count": 0, "images": [], "seed": 0}',
        '{"count": 1, "images": [3], "seed": 0}',
        '{"count": 0, "images": [], "source": "s", "seed": 0, "dataset": "d", "of_evaluation": false, "more": 1}',
    ],
)
def test_another_file_is_no_list(tmp_path, content):
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(InputError, match=r"list\.json is no list of calibration images; remove it and run again$"):
        CalibrationList.load(tmp_path / "list.json")


def test_a_list_that_lost_an_image(source, tmp_path):
    draw(source, index_of(), 2, 0).save(tmp_path / "list.json")
    content = json.loads((tmp_path / "list.json").read_text())
    (tmp_path / "list.json").write_text(json.dumps({**content, "images": content["images"][:1]}))
    with pytest.raises(InputError, match=r"list\.json: lists 1 images, but counts 2; remove it and run again$"):
        CalibrationList.load(tmp_path / "list.json")


def test_the_command_writes_list_and_folder(source, tmp_path):
    index_of().save(tmp_path / "index.json")
    arguments = ["--source", "source", "--images", "3", "--seed", "5", "--list", "list.json", "--folder", "flat"]
    command = [sys.executable, DOOR, "--index", "index.json", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    calibration = CalibrationList.load(tmp_path / "list.json")
    assert calibration.source == "source"
    assert calibration.images == draw(source, index_of(), 3, 5).images
    assert sorted(path.name for path in (tmp_path / "flat").iterdir()) == [
        placed_name(number, image) for number, image in enumerate(calibration.images)
    ]
