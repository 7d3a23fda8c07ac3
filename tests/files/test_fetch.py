import hashlib

import pytest

from pth2map.files.declaration import Declaration
from pth2map.files.errors import InputError
from pth2map.files.fetch import find_in_mirror, locate, provide

RIGHT = b"the right bytes"
SHA = hashlib.sha256(RIGHT).hexdigest()


@pytest.fixture
def declaration():
    return Declaration("weights/net/a.pth", len(RIGHT), {"sha256": SHA}, ["https://example.org/a.pth"])


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("PTH2MAP_MIRROR", str(folder))
    return folder


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_the_declared_place_comes_first_then_any_file_of_that_name(declaration, mirror, tmp_path):
    put(mirror / "z" / "a.pth", RIGHT)
    assert find_in_mirror(declaration, mirror)[0] == mirror / "z" / "a.pth"
    put(mirror / "weights/net/a.pth", RIGHT)
    assert find_in_mirror(declaration, mirror)[0] == mirror / "weights/net/a.pth"
    target = tmp_path / "data/weights/net/a.pth"
    assert "copied" in provide(declaration, target)
    assert target.read_bytes() == RIGHT
    assert "in place" in provide(declaration, target)


def test_a_namesake_with_other_content_is_passed_over_and_named(declaration, mirror):
    put(mirror / "a" / "a.pth", b"other bytes....")
    put(mirror / "b" / "a.pth", RIGHT)
    found, wrong = find_in_mirror(declaration, mirror)
    assert found == mirror / "b" / "a.pth"
    assert len(wrong) == 1
    assert "its sha256 begins" in wrong[0]


def test_nothing_right_ends_in_one_sentence(declaration, mirror, tmp_path):
    put(mirror / "a" / "a.pth", b"short")
    with pytest.raises(InputError) as error:
        provide(declaration, tmp_path / "data/a.pth")
    sentence = str(error.value)
    for part in ("a.pth: not in the mirror", "5 bytes instead of 15", "put it at", "https://example.org/a.pth"):
        assert part in sentence
    assert not (tmp_path / "data").exists()


def test_without_a_mirror_the_sentence_says_so(declaration, tmp_path, monkeypatch):
    monkeypatch.delenv("PTH2MAP_MIRROR", raising=False)
    with pytest.raises(InputError, match="PTH2MAP_MIRROR names no mirror folder; put it at"):
        locate(declaration, tmp_path / "a.pth")


def test_a_wrong_file_in_place_is_not_used_and_not_overwritten(declaration, mirror, tmp_path):
    put(mirror / "a.pth", RIGHT)
    target = tmp_path / "data/a.pth"
    put(target, b"other bytes....")
    with pytest.raises(InputError, match="not the declared file"):
        provide(declaration, target)
    assert target.read_bytes() == b"other bytes...."
