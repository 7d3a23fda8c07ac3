"""Files from elsewhere: not to be had, not what they should be, or in the way."""

import gc
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from tests.bad_input.case import Area, Case, Said, in_process, refused
from tests.bad_input.page import hold
from tests.http_server import Server, serving, text

AREA = Area("Files from elsewhere")
RIGHT = b"the right bytes"
FILE = {"path": "weights/a.pth", "size": len(RIGHT), "hashes": {"sha256": hashlib.sha256(RIGHT).hexdigest()}}
PAGE = b"<!DOCTYPE html><title>Sign in</title>"


def fetch(folder: Path, declaration: dict[str, object], mirror: Path | None = None, kind: str = "file") -> str:
    """What is said when it cannot be fetched; what lies in the data folder stays as it is."""
    data = folder / "data"
    before = lies_in(data)
    arguments = ("--declaration", json.dumps(declaration), "--data", data, "--record", folder / "record.json")
    with mock.patch.dict(os.environ, {"PTH2MAP_MIRROR": str(mirror or "")}):
        said = refused(f"fetch_{kind}", *arguments, call=without_notes)
    assert lies_in(data) == before
    assert not (folder / "record.json").exists()
    return said


def without_notes(command: str, *arguments: str | Path) -> Said:
    """Call a command; of what it says, the error alone, not the notes on each source that come before it."""
    said = in_process(command, *arguments)
    return Said(said.status, said.text[max(said.text.find("error: "), 0) :])


def lies_in(data: Path) -> set[tuple[str, bytes]]:
    files = (path for path in data.rglob("*") if path.is_file() and ".fetched" not in path.parts)
    return {(str(path), path.read_bytes()) for path in files}


def put(path: Path, content: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def put_zip(path: Path, *names: str) -> dict[str, object]:
    """An archive of files of these names, and its declaration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return {"path": "archives/set.zip", "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}


def from_server(folder: Path, script: Callable[[Server], list[str]]) -> str:
    """Fetch from the addresses that ``script`` sets up on a server."""
    with serving() as server:
        said = fetch(folder, {**FILE, "urls": script(server)})
        gc.collect()  # the client's connections, which the server waits for
        return said.replace(server.address, "http://server")


@AREA.case("no address, and no mirror folder that has it", "Put it there by hand, or set `PTH2MAP_MIRROR`.")
def no_source(folder: Path) -> str:
    return fetch(folder, FILE)


@AREA.case("an address that is gone, and one that asks for a login", "Fetch it in a browser and put it there by hand.")
def gone(folder: Path) -> str:
    return from_server(
        folder,
        lambda server: [
            server.put("/gone/a.pth", text(404)),
            server.put("/login/a.pth", text(200, PAGE, Content_Type="text/html")),
        ],
    )


@AREA.case("an address that sends another file", "See whether the published file has changed; if so, declare its hash.")
def others(folder: Path) -> str:
    return from_server(folder, lambda server: [server.put("/a.pth", text(200, b"other bytes....", Content_Type="a/b"))])


@AREA.case("a mirror folder that is not there", "Correct `PTH2MAP_MIRROR`.")
def no_mirror(folder: Path) -> str:
    return fetch(folder, FILE, folder / "mirror")


@AREA.case("a mirror folder with another file of that name", "Put the right one there.")
def wrong_in_mirror(folder: Path) -> str:
    put(folder / "mirror/a.pth", b"short")
    return fetch(folder, FILE, folder / "mirror")


@AREA.case("a file that only a person can get", "Get it from the page and put it there.")
def manual(folder: Path) -> str:
    source = {"page": "https://example.org/share", "code": "abcd", "note": None}
    return fetch(folder, {"path": "weights/a.pth", "manual": source})


@AREA.case(
    "a wrong file that lies in the place of the right one", "Remove it, and it is fetched; nobody else removes it."
)
def wrong_in_place(folder: Path) -> str:
    put(folder / "data/weights/a.pth", b"other bytes....")
    return fetch(folder, FILE)


@AREA.case("a link to a disk that is not there", "Mount the disk, or remove the link.")
def dangling(folder: Path) -> str:
    (folder / "data/weights").mkdir(parents=True)
    (folder / "data/weights/a.pth").symlink_to(folder / "disk/a.pth")
    return fetch(folder, FILE)


@AREA.case("a web page in the place of an archive", "Remove it and run again.")
def no_archive(folder: Path) -> str:
    put(folder / "data/archives/set.zip", PAGE)
    archive = {"path": "archives/set.zip"}
    return fetch(folder, {**FILE, "archive": archive, "member": "set/a.pth"}).split("; put it at")[0]


@AREA.case("an archive that lacks what is to be taken out of it", "Correct `member:`.")
def no_member(folder: Path) -> str:
    archive = put_zip(folder / "data/archives/set.zip", "set/b.pth")
    return fetch(folder, {**FILE, "archive": archive, "member": "set/a.pth"}).split("; put it at")[0]


@AREA.case(
    "an archive with a name that leads out of the folder", "Do not use it: it was made to do harm, or by mistake."
)
def hostile(folder: Path) -> str:
    archive = put_zip(folder / "data/archives/set.zip", "set/images/1.jpg", "../outside.txt")
    declaration = {"path": "set/images", "archive": archive, "member": "set/images"}
    return fetch(folder, declaration, kind="folder")


@AREA.case("an archive with another number of files than declared", "Correct `files:`, or fetch the right archive.")
def wrong_count(folder: Path) -> str:
    archive = put_zip(folder / "data/archives/set.zip", "set/images/1.jpg")
    declaration = {"path": "set/images", "archive": archive, "member": "set/images", "files": 2}
    return fetch(folder, declaration, kind="folder")


@AREA.case("images of your own where declared ones are asked for by name", "Nothing: stages use yours as they are.")
def own_images(folder: Path) -> str:
    archive = put_zip(folder / "data/archives/set.zip", "set/images/1.jpg")
    put(folder / "data/set/images/mine.jpg", b"mine")
    return fetch(folder, {"path": "set/images", "archive": archive, "member": "set/images"}, kind="folder")


@AREA.case("an image folder that is a link to an empty one", "Link `data` or a folder above it instead.")
def linked(folder: Path) -> str:
    archive = put_zip(folder / "data/archives/set.zip", "set/images/1.jpg")
    (folder / "disk").mkdir()
    (folder / "data/set").mkdir()
    (folder / "data/set/images").symlink_to(folder / "disk")
    return fetch(folder, {"path": "set/images", "archive": archive, "member": "set/images"}, kind="folder")


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
