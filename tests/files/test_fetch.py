import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.http_server import file, serving

from pth2map.files.declaration import Declaration, FolderDeclaration, Manual
from pth2map.files.download import Patience
from pth2map.files.errors import InputError
from pth2map.files.fetch import check_obtainable, fetch_file, fetch_folder, find_in_mirror
from pth2map.files.records import Status, drop_unless_true, status, write_record

ROOT = Path(__file__).parents[2]
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
    assert find_in_mirror(declaration)[0] == mirror / "z" / "a.pth"
    put(mirror / "weights/net/a.pth", RIGHT)
    assert find_in_mirror(declaration)[0] == mirror / "weights/net/a.pth"
    assert "copied" in fetch_file(declaration, data)
    assert (data / "weights/net/a.pth").read_bytes() == RIGHT
    assert "in place" in fetch_file(declaration, data)


def test_a_namesake_with_other_content_is_passed_over(declaration, mirror):
    put(mirror / "a" / "a.pth", b"other bytes....")
    put(mirror / "b" / "a.pth", RIGHT)
    assert find_in_mirror(declaration) == (mirror / "b" / "a.pth", [])


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


def test_an_archive_without_a_hash_is_judged_by_what_is_taken_out_of_it(declaration, mirror, data):
    put_zip(mirror / "archives/tools.zip", {"tools/a.pth": b"an older file.."})
    put_zip(data.parent / "right.zip", {"tools/a.pth": RIGHT})
    with serving() as server:
        old = server.put("/old.zip", file((mirror / "archives/tools.zip").read_bytes()))
        new = server.put("/new.zip", file((data.parent / "right.zip").read_bytes()))
        archive = Declaration("archives/tools.zip", urls=[old, new])
        said = fetch_file(replace(declaration, archive=archive, member="tools/a.pth"), data, HURRY)
        assert "taken out of" in said
        assert len(server.requests("/old.zip")) == len(server.requests("/new.zip")) == 1
    assert (data / declaration.path).read_bytes() == RIGHT


def test_an_archive_in_place_that_does_not_serve_is_kept(declaration, mirror, data):
    put_zip(data / "archives/tools.zip", {"tools/a.pth": b"an older file.."})
    archive = Declaration("archives/tools.zip")
    with pytest.raises(InputError, match=r"tools/a\.pth of .*tools\.zip is not the declared file"):
        fetch_file(replace(declaration, archive=archive, member="tools/a.pth"), data, HURRY)
    assert (data / "archives/tools.zip").exists()


def test_a_file_whose_hash_nobody_knows_is_not_taken_by_its_name_alone(mirror):
    declaration = Declaration("weights/net/a.pth", manual=Manual())
    put(mirror / "elsewhere/a.pth", RIGHT)
    assert find_in_mirror(declaration)[0] is None
    put(mirror / "weights/net/a.pth", RIGHT)
    assert find_in_mirror(declaration)[0] == mirror / "weights/net/a.pth"


def test_what_a_broken_download_left_goes_when_the_file_has_come_otherwise(declaration, data):
    put(data / declaration.path, RIGHT)
    part = data / "weights/net/.a.pth.part"
    put(part, b"the ri")
    fetch_file(declaration, data)
    assert not part.exists()


@pytest.fixture
def folder(mirror):
    members = {"val/images/b/2.jpg": b"two", "val/images/a/1.jpg": b"one", "val/readme.txt": b"no"}
    sha = put_zip(mirror / "val.zip", members)
    return FolderDeclaration("set/images", Declaration("archives/val.zip", hashes={"sha256": sha}), "val/images", 2)


def test_a_folder_is_fetched_with_a_record(folder, data):
    assert status(folder, data) is Status.ABSENT
    (data / folder.path / "a").mkdir(parents=True)
    assert status(folder, data) is Status.ABSENT, "empty folders are none"
    fetch_folder(folder, data)
    assert sorted(path.name for path in (data / folder.path).rglob("*.*")) == ["1.jpg", "2.jpg"]
    assert (data / folder.path / "a/1.jpg").read_bytes() == b"one"
    assert status(folder, data) is Status.FETCHED
    assert "in place" in fetch_folder(folder, data)
    (data / folder.path).rename(data / "elsewhere")  # a disk that is not there today
    assert status(folder, data) is Status.ABSENT
    (data / "elsewhere").rename(data / folder.path)
    assert status(folder, data) is Status.FETCHED


@pytest.mark.parametrize("change", ["touch", "add", "remove"])
def test_a_folder_that_a_person_changed_is_that_persons(folder, data, change):
    fetch_folder(folder, data)
    path = data / folder.path / "a/1.jpg"
    if change == "touch":
        os.utime(path, (1, 1))
    elif change == "add":
        (data / folder.path / "notes.txt").write_text("mine")
    else:
        path.unlink()
    before = sorted((data / folder.path).rglob("*"))
    assert status(folder, data) is Status.OWN
    with pytest.raises(InputError, match="holds files that were put there by hand; remove it to have it fetched"):
        fetch_folder(folder, data)
    assert sorted((data / folder.path).rglob("*")) == before


def test_an_untouched_folder_of_an_earlier_declaration_is_replaced(folder, data):
    fetch_folder(folder, data)
    newer = replace(folder, member="val", files=None)
    assert status(newer, data) is Status.OUTDATED
    fetch_folder(newer, data)
    assert (data / folder.path / "readme.txt").exists()
    assert status(newer, data) is Status.FETCHED


def test_a_folder_put_there_by_hand_is_kept(folder, data):
    put(data / folder.path / "a/1.jpg", b"mine")
    assert status(folder, data) is Status.OWN
    with pytest.raises(InputError, match="put there by hand"):
        fetch_folder(folder, data)
    assert (data / folder.path / "a/1.jpg").read_bytes() == b"mine"


def test_a_link_is_not_replaced(folder, data):
    (data.parent / "disk").mkdir()
    (data / folder.path).parent.mkdir(parents=True)
    (data / folder.path).symlink_to(data.parent / "disk")
    with pytest.raises(InputError, match="is a link, which would be replaced; link data or a folder above it instead"):
        fetch_folder(folder, data)
    assert (data / folder.path).is_symlink()


def test_a_folder_with_another_number_of_files_is_not_put_into_place(folder, data):
    with pytest.raises(InputError, match="3"):
        fetch_folder(replace(folder, files=3), data)
    assert not (data / folder.path).exists()


@pytest.mark.parametrize("leads_somewhere", [True, False])
def test_a_folder_of_links_is_a_persons(folder, data, leads_somewhere):
    (data / folder.path).mkdir(parents=True)
    if leads_somewhere:
        put(data.parent / "event/1.jpg", b"mine")
    (data / folder.path / "event").symlink_to(data.parent / "event")
    assert status(folder, data) is Status.OWN
    with pytest.raises(InputError, match="put there by hand"):
        fetch_folder(folder, data)
    assert (data / folder.path / "event").is_symlink()


def test_a_link_that_leads_nowhere_is_kept(declaration, mirror, data):
    put(mirror / "a.pth", RIGHT)
    (data / declaration.path).parent.mkdir(parents=True)
    (data / declaration.path).symlink_to(data / "disk/a.pth")
    with pytest.raises(InputError, match="is no file, or a link that leads nowhere"):
        fetch_file(declaration, data)
    assert (data / declaration.path).is_symlink()


def test_a_record_holds_as_long_as_the_file_is_the_same(declaration, mirror, data, tmp_path):
    put(mirror / "a.pth", RIGHT)
    record = tmp_path / "scratch/a.json"
    fetch_file(declaration, data)
    write_record(record, declaration, data)
    drop_unless_true(record, declaration, data)
    assert record.exists()
    os.utime(data / declaration.path, (1, 1))
    drop_unless_true(record, declaration, data)
    assert not record.exists()


FETCH = """
import json, sys
from pathlib import Path
from pth2map.files.declaration import FolderDeclaration
from pth2map.files.fetch import fetch_folder
fetch_folder(FolderDeclaration.from_json(json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


def test_processes_that_fetch_one_folder_at_once_take_turns(folder, data):
    command = [sys.executable, "-c", FETCH, json.dumps(asdict(folder)), str(data)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    running = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert status(folder, data) is Status.FETCHED
    assert not [path for path in data.rglob(".*") if path.name != ".fetched"]
