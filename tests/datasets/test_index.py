import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.datasets.index import DatasetIndex, IndexedImage, choose_subset
from pth2map.files.errors import InputError


def index_of(count: int) -> DatasetIndex:
    images = tuple(IndexedImage(f"e/{i}", f"x/e/{i}.jpg", 10, 20, f"{i:064}") for i in range(count))
    return DatasetIndex("widerface", "/data", images, None, False, "0" * 64)


@given(st.integers(1, 60), st.integers(1, 12))
def test_shards_share_all_images_evenly(count, shards):
    index = index_of(count)
    parts = [index.shard(number, shards) for number in range(1, shards + 1)]
    assert sorted(image.name for part in parts for image in part) == sorted(index.names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(1, 60), st.integers(1, 70))
def test_spread_takes_different_images(count, wanted):
    chosen = index_of(count).spread(wanted)
    assert len({image.name for image in chosen}) == min(count, wanted)


@pytest.mark.parametrize("number", [0, 3])
def test_a_shard_that_does_not_exist_is_refused(number):
    with pytest.raises(InputError, match="expected a number from 1 to 2"):
        index_of(4).shard(number, 2)


def test_a_broken_index_is_named(tmp_path):
    for content in ("", "{}", '{"images": [1]}'):
        (tmp_path / "index.json").write_text(content)
        with pytest.raises(InputError, match=r"index\.json is not the index of a dataset"):
            DatasetIndex.load(tmp_path / "index.json")


def test_saved_and_loaded(tmp_path):
    index = index_of(3)
    index.save(tmp_path / "index.json")
    assert DatasetIndex.load(tmp_path / "index.json") == index


def test_the_hash_of_the_images_does_not_know_where_they_lie():
    index = index_of(3)
    moved = DatasetIndex(**{**vars(index), "root": "/elsewhere"})
    assert moved.images_hash == index.images_hash
    assert index_of(2).images_hash != index.images_hash


def test_first_and_list(tmp_path):
    names = ["a/1", "a/2", "b/1"]
    assert choose_subset(names, first=2) == (["a/1", "a/2"], "the first 2 of 3 images")
    (tmp_path / "few.txt").write_text("# two\nb/1.jpg\n\na/1  # this one\n")
    assert choose_subset(names, listed=tmp_path / "few.txt") == (["a/1", "b/1"], "2 of 3 images, listed in few.txt")
    assert choose_subset(names) == (names, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no image"),
        ("a/1\na/1.jpg\n", "names a/1 more than once"),
        ("a/1\nc/9\n", "names c/9, not in the ground truth of 3 images"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path, text, message):
    (tmp_path / "few.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        choose_subset(["a/1", "a/2", "b/1"], listed=tmp_path / "few.txt")


def test_more_than_there_are_is_refused():
    with pytest.raises(InputError, match="4 images asked for, the dataset has 3"):
        choose_subset(["a/1", "a/2", "b/1"], first=4)
