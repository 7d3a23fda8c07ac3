import hashlib
import json
import os
import shutil
import zipfile
from dataclasses import asdict, replace

import pytest

from pth2map.files.declaration import Declaration, Manual
from pth2map.files.download import Patience
from pth2map.files.errors import InputError
from pth2map.files.fetch import (
    RECORD,
    FolderDeclaration,
    check_obtainable,
    fetch_file,
    fetch_folder,
    find_in_mirror,
    is_as_declared,
    was_put_by_hand,
)

RIGHT = b"the right bytes"
SHA = hashlib.sha256(RIGHT).hexdigest()
HURRY = Patience(connect_s=1, read_s=1, attempts=2, first_wait_s=0.01, longest_wait_s=0.02)
CLOSED = "http://127.0.0.1:9/a.pth"  # the discard port: nobody listens


@pytest.fixture
def declaration():
    return Declaration("weights/net/a.pth", len(RIGHT), {"sha256": SHA})


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("PTH2MAP_MIRROR", str(folder))
    return folder


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def put_zip(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_declared_place_comes_first_then_any_file_of_that_name(declaration, mirror, data):
    put(mirror / "z" / "a.pth", RIGHT)
    assert find_in_mirror(declaration, mirror)[0] == mirror / "z" / "a.pth"
    put(mirror / "weights/net/a.pth", RIGHT)
    assert find_in_mirror(declaration, mirror)[0] == mirror / "weights/net/a.pth"
    assert "copied" in fetch_file(declaration, data)
    assert (data / "weights/net/a.pth").read_bytes() == RIGHT
    assert "in place" in fetch_file(declaration, data)


def test_a_namesake_with_other_content_is_passed_over(declaration, mirror):
    put(mirror / "a" / "a.pth", b"other bytes....")
    put(mirror / "b" / "a.pth", RIGHT)
    assert find_in_mirror(declaration, mirror) == (mirror / "b" / "a.pth", [])


def test_nothing_right_ends_in_one_sentence_with_every_answer(declaration, mirror, data):
    put(mirror / "a" / "a.pth", b"short")
    declaration = replace(declaration, urls=[CLOSED, CLOSED.replace("a.pth", "b/a.pth")])
    with pytest.raises(InputError) as error:
        fetch_file(declaration, data, HURRY)
    sentence = str(error.value)
    assert sentence.startswith(f"a.pth could not be fetched: not in the mirror {mirror}, where these are others: ")
    for part in ("5 bytes instead of 15", f"; {CLOSED} ", f"; {CLOSED.replace('a.pth', 'b/a.pth')} "):
        assert part in sentence
    assert sentence.endswith(
        f"; put it at {data / 'weights/net/a.pth'} (15 bytes, sha256 {SHA}) by hand, or into the mirror folder"
    )
    assert "\n" not in sentence
    assert not (data / "weights/net/a.pth").exists()


@pytest.mark.parametrize(("setting", "said"), [("", "PTH2MAP_MIRROR is not set"), ("nowhere", "is no folder")])
def test_without_a_mirror_the_sentence_says_so(declaration, data, monkeypatch, setting, said):
    monkeypatch.setenv("PTH2MAP_MIRROR", setting)
    with pytest.raises(InputError, match=said):
        fetch_file(declaration, data)


def test_a_wrong_file_in_place_is_not_used_and_not_overwritten(declaration, mirror, data):
    put(mirror / "a.pth", RIGHT)
    put(data / declaration.path, b"other bytes....")
    with pytest.raises(InputError, match="not the declared file"):
        fetch_file(declaration, data)
    assert (data / declaration.path).read_bytes() == b"other bytes...."


def test_a_file_is_taken_out_of_an_archive_that_is_fetched_for_it(declaration, mirror, data):
    sha = put_zip(mirror / "some/tools.zip", {"tools/a.pth": RIGHT, "tools/b.pth": b"another"})
    archive = Declaration("archives/tools.zip", hashes={"sha256": sha})
    declaration = replace(declaration, archive=archive, member="tools/a.pth")
    assert "taken out of" in fetch_file(declaration, data)
    assert (data / declaration.path).read_bytes() == RIGHT
    (data / declaration.path).unlink()
    shutil.rmtree(mirror)
    mirror.mkdir()
    fetch_file(declaration, data)  # out of the archive that is in place by now
    assert (data / declaration.path).read_bytes() == RIGHT


@pytest.mark.parametrize(
    ("member", "said"),
    [("tools/b.pth", "is not the declared file: 7 bytes instead of 15"), ("tools/c.pth", "tools/c.pth")],
)
def test_a_wrong_or_missing_member_is_named(declaration, mirror, data, member, said):
    put_zip(mirror / "tools.zip", {"tools/a.pth": RIGHT, "tools/b.pth": b"another"})
    declaration = replace(declaration, archive=Declaration("archives/tools.zip"), member=member)
    with pytest.raises(InputError, match=said):
        fetch_file(declaration, data)
    assert not (data / declaration.path).exists()


def test_an_address_is_tried_when_the_archive_cannot_be_had(declaration, mirror, data):
    archive = Declaration("archives/tools.zip", urls=[CLOSED])
    declaration = replace(declaration, archive=archive, member="a", urls=[CLOSED])
    with pytest.raises(InputError) as error:
        fetch_file(declaration, data, HURRY)
    assert "tools.zip could not be fetched" in str(error.value)
    assert str(error.value).count(CLOSED) == 2


def test_what_only_a_person_can_get_is_asked_for(declaration, mirror, data):
    declaration = replace(declaration, manual=Manual("https://example.org/page", "abcd", "after a login"))
    expected = (
        f"a.pth can only be fetched by a person: get it from https://example.org/page (extraction code abcd); after "
        f"a login; put it at {data / declaration.path} (15 bytes, sha256 {SHA}) (not in the mirror {mirror})"
    )
    for ask in (fetch_file, check_obtainable):
        with pytest.raises(InputError) as error:
            ask(declaration, data)
        assert str(error.value) == expected
    put(mirror / "a.pth", RIGHT)
    check_obtainable(declaration, data)
    fetch_file(declaration, data)
    check_obtainable(declaration, data)


def test_a_declaration_goes_through_json():
    archive = Declaration("archives/tools.zip", 12, {"md5": "0" * 32}, ["https://example.org/tools.zip"])
    manual = Manual("https://example.org/page")
    declaration = Declaration("a.pth", None, {"sha256": SHA}, [], archive, "tools/a.pth", manual)
    folder = FolderDeclaration("images", archive, "tools/images", 3)
    assert Declaration.from_json(json.loads(json.dumps(asdict(declaration)))) == declaration
    assert FolderDeclaration.from_json(json.loads(json.dumps(asdict(folder)))) == folder


@pytest.fixture
def folder(mirror):
    members = {"val/images/b/2.jpg": b"two", "val/images/a/1.jpg": b"one", "val/readme.txt": b"no"}
    sha = put_zip(mirror / "val.zip", members)
    return FolderDeclaration("set/images", Declaration("archives/val.zip", hashes={"sha256": sha}), "val/images", 2)


def test_a_folder_is_fetched_with_a_record_that_tells_it_from_any_other(folder, data):
    assert is_as_declared(folder, data)
    (data / folder.path).mkdir(parents=True)
    assert is_as_declared(folder, data), "an empty folder is none"
    fetch_folder(folder, data)
    assert sorted(path.name for path in (data / folder.path).rglob("*.*")) == [RECORD, "1.jpg", "2.jpg"]
    assert (data / folder.path / "a/1.jpg").read_bytes() == b"one"
    assert is_as_declared(folder, data)
    assert not was_put_by_hand(data / folder.path)
    assert not is_as_declared(replace(folder, member="val/other"), data)
    os.utime(data / folder.path / "a/1.jpg", (1, 1))
    assert not is_as_declared(folder, data)
    fetch_folder(folder, data)
    assert is_as_declared(folder, data)


def test_a_folder_put_there_by_hand_is_kept(folder, data):
    put(data / folder.path / "a/1.jpg", b"mine")
    assert was_put_by_hand(data / folder.path)
    with pytest.raises(InputError, match="was put there by hand and is used as it is; remove it to have it fetched"):
        fetch_folder(folder, data)
    assert (data / folder.path / "a/1.jpg").read_bytes() == b"mine"


def test_a_folder_with_another_number_of_files_is_not_put_into_place(folder, data):
    with pytest.raises(InputError, match="3"):
        fetch_folder(replace(folder, files=3), data)
    assert not (data / folder.path).exists()
