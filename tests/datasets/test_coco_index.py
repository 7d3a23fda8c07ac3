import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from pth2map.datasets import coco
from pth2map.datasets.coco_index import index_coco
from pth2map.datasets.coco_names import COCO_NAMES
from pth2map.datasets.index import choose_subset
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file

FILES = {"0003.jpg": (60, 40), "0001.png": (32, 24), "0002.jpg": (24, 32), "0010.jpg": (16, 16)}


@pytest.fixture
def root(tmp_path):
    """Four images, three of them with an object, in no order."""
    folder = tmp_path / "coco"
    (folder / "val2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    generator = np.random.default_rng(0)
    images, objects = [], []
    for number, (name, (width, height)) in enumerate(FILES.items(), start=50):
        pixels = generator.integers(0, 255, (height, width, 3), dtype=np.uint8)
        assert cv2.imwrite(str(folder / "val2017" / name), pixels)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        box = {"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
        objects += [box] if number > 50 else []
    categories = [{"id": number, "name": name} for number, name in enumerate(COCO_NAMES, start=1)]
    content = {"images": images, "annotations": objects, "categories": categories}
    (folder / "annotations/instances_val2017.json").write_text(json.dumps(content))
    return folder


def test_every_image_with_its_size_and_hash_in_the_order_of_the_names(root):
    index, truth = index_coco("coco", root)
    assert index.names == truth.names == ("val2017/0001", "val2017/0002", "val2017/0003", "val2017/0010")
    image = index.images[0]
    assert (image.name, image.path, image.width, image.height) == ("val2017/0001", "val2017/0001.png", 32, 24)
    assert image.sha256 == hash_file(root / image.path)
    assert all(index.file(each).is_file() for each in index.images)
    assert len(truth.annotations) == 3
    assert index.ground_truth == truth.content_hash()
    assert (index.dataset, index.full, index.subset, index.extra, index.damaged) == ("coco", False, None, (), ())


def test_another_split_of_nested_folders(root):
    (root / "val2017/street").mkdir()
    shutil.move(root / "val2017/0003.jpg", root / "val2017/street/0003.jpg")
    (root / "val2017").rename(root / "test")
    text = (root / "annotations/instances_val2017.json").read_text()
    (root / "annotations/instances_test.json").write_text(text.replace('"0003.jpg"', '"street/0003.jpg"'))
    index, _ = index_coco("coco", root, split="test")
    assert index.names == ("test/0001", "test/0002", "test/0010", "test/street--0003")
    assert index.images[3].path == "test/street/0003.jpg"
    assert index.extra == ()


def test_a_subset_has_the_ground_truth_of_just_its_images(root, tmp_path):
    index, truth = index_coco("coco", root, first=3)
    assert index.names == truth.names == ("val2017/0001", "val2017/0002", "val2017/0003")
    assert [each["image_id"] for each in truth.annotations] == [51, 52]
    assert index.subset == "the first 3 of 4 images"
    assert index.ground_truth != index_coco("coco", root)[0].ground_truth
    (tmp_path / "list.txt").write_text("val2017/0010.jpg\nval2017/0002\n")
    (root / "val2017/0001.png").unlink()
    index, _ = index_coco("coco", root, listed=tmp_path / "list.txt")
    assert index.names == ("val2017/0002", "val2017/0010")
    assert index.extra == ()


def test_missing_images_are_all_named(root):
    for name in ("0001.png", "0010.jpg"):
        (root / "val2017" / name).unlink()
    message = r"val2017: 2 of 4 images of the annotations are missing: val2017/0001, val2017/0010"
    with pytest.raises(InputError, match=message):
        index_coco("coco", root)


def test_broken_images_are_all_named(root):
    (root / "val2017/0001.png").write_bytes(b"")
    whole = (root / "val2017/0003.jpg").read_bytes()
    (root / "val2017/0003.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"2 of 4 images cannot be used: .*0001.*empty.*0003.*truncated"):
        index_coco("coco", root)


def test_images_of_another_size_are_all_named(root):
    Image.open(root / "val2017/0003.jpg").resize((30, 20)).save(root / "val2017/0003.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / "val2017/0002.jpg").save(root / "val2017/0002.jpg", exif=exif)
    message = (
        r"2 of 4 images are not of their annotated size: val2017/0002 is 32×24, annotated 24×32, "
        r"val2017/0003 is 30×20, annotated 60×40; 1 of them are turned, as the EXIF orientation in a file says"
    )
    with pytest.raises(InputError, match=message):
        index_coco("coco", root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda categories: [categories[1], categories[0], *categories[2:]],
            "80 categories, number 1 is bicycle, expected person; the labels of the networks are the places of COCO's",
        ),
        (lambda categories: categories[:3], "3 categories, number 4 is missing, expected motorcycle; "),
        (
            lambda categories: [*categories, {"id": 99, "name": "hat"}],
            "81 categories, number 81 is hat, expected no more",
        ),
    ],
)
def test_other_categories_than_those_of_the_networks_are_refused(root, change, message):
    path = root / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    content["categories"] = change(content["categories"])
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"instances_val2017\.json: {message}"):
        index_coco("coco", root)


def test_the_ids_of_categories_are_free(root):
    path = root / "annotations/instances_val2017.json"
    path.write_text(path.read_text().replace('"id": 80, "name": "toothbrush"', '"id": 900, "name": "toothbrush"'))
    assert index_coco("coco", root)[1].categories[79].id == 900


def test_images_without_annotations_are_left_out_and_kept_in_mind(root):
    shutil.copy(root / "val2017/0001.png", root / "val2017/0009.PNG")
    shutil.copy(root / "val2017/0003.jpg", root / "val2017/0001.jpg")
    (root / "val2017/list.txt").write_text("no image")
    index, _ = index_coco("coco", root)
    assert index.extra == ("val2017/0001.jpg", "val2017/0009.PNG")
    assert len(index.images) == 4


def test_only_the_published_annotations_as_a_whole_are_full(root, monkeypatch):
    path = root / "annotations/instances_val2017.json"
    monkeypatch.setattr(coco, "OFFICIAL_SHA256", hash_file(path))
    monkeypatch.setattr(coco, "OFFICIAL_BYTES", path.stat().st_size)
    assert index_coco("coco", root)[0].full
    assert not index_coco("coco", root, first=4)[0].full
    path.write_text(path.read_text() + " ")
    assert not index_coco("coco", root)[0].full


def test_annotations_that_are_not_there(root):
    with pytest.raises(InputError, match=r"instances_train2017\.json: No such file or directory, expected annotations"):
        index_coco("coco", root, split="train2017")
    with pytest.raises(InputError, match="folder 'a/b' of the images, expected the name of one folder"):
        (root / "annotations/instances_a").mkdir()
        shutil.copy(root / "annotations/instances_val2017.json", root / "annotations/instances_a/b.json")
        index_coco("coco", root, split="a/b")


def test_real_images(mirror):
    index, truth = index_coco("coco", mirror / "coco-mini", first=20)
    assert len(index.images) == 20
    assert (index.images[0].name, index.images[0].width, index.images[0].height) == ("val2017/000000000139", 640, 426)
    assert index.damaged == ()
    assert len(truth.annotations) > 100
    assert choose_subset(index.names)[0] == sorted(truth.names)
    assert not index.full
