import shutil

import cv2
import pytest
from tests import synthetic_wider

from pth2map.datasets import widerface_index
from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.widerface_index import index_widerface
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file


@pytest.fixture
def root(tmp_path):
    return synthetic_wider.make(tmp_path / "wider")


def test_every_image_with_its_size_and_hash_in_the_order_of_the_names(root):
    index, truth = index_widerface("widerface", root)
    assert index.names == truth.names == tuple(sorted(synthetic_wider.NAMES))
    image = index.images[0]
    assert (image.name, image.width, image.height) == ("0--Parade/0_Parade_a_2", 150, 240)
    assert image.path == "WIDER_val/images/0--Parade/0_Parade_a_2.jpg"
    assert image.sha256 == hash_file(root / image.path)
    assert index.file(image).is_file()
    assert truth.counts.tolist() == [3] * 5
    assert (index.full, index.subset, index.extra) == (False, None, ())


def test_rendered_pictures_are_known_as_such(root, tmp_path):
    index, _ = index_widerface("demo", root, rendered="drawn here")
    index.save(tmp_path / "index.json")
    assert DatasetIndex.load(tmp_path / "index.json").rendered == "drawn here"
    assert index_widerface("widerface", root)[0].rendered is None


def test_a_subset_has_the_ground_truth_of_just_its_images(root):
    index, truth = index_widerface("widerface", root, first=2)
    assert index.names == truth.names == ("0--Parade/0_Parade_a_2", "0--Parade/0_Parade_b_1")
    assert index.subset == "the first 2 of 5 images"
    everything, _ = index_widerface("widerface", root)
    assert index.ground_truth != everything.ground_truth


def test_missing_images_are_all_named(root):
    for name in ("0--Parade/0_Parade_b_1", "1--Shop/1_Shop_a_1"):
        (root / "WIDER_val/images" / f"{name}.jpg").unlink()
    with pytest.raises(InputError, match=r"2 of 5 images .* missing: 0--Parade/0_Parade_b_1, 1--Shop/1_Shop_a_1"):
        index_widerface("widerface", root)


def test_broken_images_are_all_named(root):
    folder = root / "WIDER_val/images/1--Shop"
    (folder / "1_Shop_a_1.jpg").write_bytes(b"")
    whole = (folder / "1_Shop_b_2.jpg").read_bytes()
    (folder / "1_Shop_b_2.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"2 of 5 images cannot be used: .*1_Shop_a_1.*empty.*1_Shop_b_2.*truncated"):
        index_widerface("widerface", root)


def test_images_without_ground_truth_are_left_out_and_kept_in_mind(root):
    shutil.copy(root / "WIDER_val/images/1--Shop/1_Shop_a_1.jpg", root / "WIDER_val/images/1--Shop/1_Shop_z_9.jpg")
    index, _ = index_widerface("widerface", root)
    assert index.extra == ("1--Shop/1_Shop_z_9",)
    assert len(index.images) == 5


def test_two_files_of_one_name_are_refused(root):
    folder = root / "WIDER_val/images/1--Shop"
    shutil.copy(folder / "1_Shop_a_1.jpg", folder / "1_Shop_a_1.JPG")
    with pytest.raises(InputError, match="the same image by name"):
        index_widerface("widerface", root)


def test_images_of_a_list_may_be_all_there_are(root, tmp_path):
    (root / "WIDER_val/images/1--Shop/1_Shop_a_1.jpg").unlink()
    (tmp_path / "list.txt").write_text("0--Parade/0_Parade_b_1\n")
    index, _ = index_widerface("widerface", root, listed=tmp_path / "list.txt")
    assert index.names == ("0--Parade/0_Parade_b_1",)
    assert index.extra == ()


def test_only_the_published_ground_truth_is_full(root, mirror, tmp_path):
    """The published ground truth with a list of the images at hand is still a subset."""
    index, _ = index_widerface("widerface", root)
    assert not index.full
    full = tmp_path / "full"
    (full / "WIDER_val").mkdir(parents=True)
    (full / "WIDER_val/images").symlink_to(mirror / "widerface-mini/WIDER_val/images")
    (full / "ground_truth").symlink_to(mirror / "widerface-ground-truth")
    with pytest.raises(InputError, match=r"2860 of 3226 images of the ground truth are missing"):
        index_widerface("widerface", full)
    (tmp_path / "list.txt").write_text("0--Parade/0_Parade_Parade_0_275\n")
    assert not index_widerface("widerface", full, listed=tmp_path / "list.txt")[0].full


def test_resized_images_are_not_the_published_ones(root, monkeypatch):
    monkeypatch.setattr(widerface_index, "is_official", lambda folder: True)
    assert index_widerface("widerface", root)[0].full
    for path in root.rglob("*.jpg"):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), None, fx=0.2, fy=0.2))
    assert not index_widerface("widerface", root)[0].full
