import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.files import unpack
from pth2map.files.errors import InputError
from pth2map.files.unpack import Limits, name_fault, unpack_file, unpack_folder

MIB = 1 << 20
DAMAGED = "remove it and fetch it again"

# Archives byte by byte


LOCAL = struct.Struct("<4s5H3L2H")
LISTED = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")


@dataclass
class Part:
    """A member of a zip archive; ``local`` and ``listed`` are what its two headers say instead of the truth."""

    name: str | bytes
    data: bytes = b""
    method: int = zipfile.ZIP_STORED
    flags: int = 0
    mode: int = stat.S_IFREG | 0o644
    date: int = (2015 - 1980) << 9 | 11 << 5 | 20
    extra: bytes = b""
    local: dict = field(default_factory=dict)
    listed: dict = field(default_factory=dict)

    @property
    def bytes_of_name(self):
        return self.name if isinstance(self.name, bytes) else self.name.encode()

    @property
    def packed(self):
        if self.method == zipfile.ZIP_DEFLATED:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            return deflate.compress(self.data) + deflate.flush()
        return self.data

    def facts(self, lies):
        utf8 = 0 if isinstance(self.name, bytes) else 0x800
        truth = {
            "flags": self.flags | utf8,
            "method": self.method,
            "crc": zlib.crc32(self.data),
            "packed": len(self.packed),
            "size": len(self.data),
            "name": self.bytes_of_name,
        }
        return SimpleNamespace(**{**truth, **lies})


def zipped(*parts, count=None):
    body, listing = bytearray(), bytearray()
    for part in parts:
        offset = part.listed.get("offset", len(body))
        said = part.facts(part.local)
        body += LOCAL.pack(
            b"PK\3\4", 20, said.flags, said.method, 0, part.date, said.crc, said.packed, said.size, len(said.name), 0
        )
        body += said.name + part.packed
        said = part.facts({name: value for name, value in part.listed.items() if name != "offset"})
        listing += LISTED.pack(
            *(b"PK\1\2", 3 << 8 | 20, 20, said.flags, said.method, 0, part.date, said.crc, said.packed, said.size),
            *(len(said.name), len(part.extra), 0, 0, 0, part.mode << 16, offset),
        )
        listing += said.name + part.extra
    count = len(parts) if count is None else count
    return bytes(body + listing) + END.pack(b"PK\5\6", 0, 0, count, count, len(listing), len(body), 0)


def entry(name, data=b"", kind=tarfile.REGTYPE, **facts):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), 1447977600
    for key, value in facts.items():
        setattr(info, key, value)
    return info, data


def tarred(*entries, compress=bytes, format=tarfile.PAX_FORMAT):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=format) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return compress(content.getvalue())


def tar_header(name, size=0, kind=b"0"):
    """One header block as the standard has it, whatever the values."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = b"0000644\0" + b"0000000\0" * 2
    block[124:136] = b"%011o\0" % size if size >= 0 else b"\xff" * 4 + size.to_bytes(8, "big", signed=True)
    block[136:148] = b"%011o\0" % 0
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


PACKINGS = {
    "zip": lambda files: zipped(*(Part(name, data, zipfile.ZIP_DEFLATED) for name, data in files.items())),
    "tar": lambda files: tarred(*(entry(*item) for item in files.items())),
    "gnu.tar": lambda files: tarred(*(entry(*item) for item in files.items()), format=tarfile.GNU_FORMAT),
    "tar.gz": lambda files: tarred(*(entry(*item) for item in files.items()), compress=gzip.compress),
    "tar.bz2": lambda files: tarred(*(entry(*item) for item in files.items()), compress=bz2.compress),
    "tar.xz": lambda files: tarred(*(entry(*item) for item in files.items()), compress=lzma.compress),
}
each_packing = pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)

# What is expected of them


def snapshot(folder):
    """Everything below a folder: kinds, modes, contents, and where links lead."""
    return {
        path.relative_to(folder).as_posix(): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns if not path.is_dir() else None,
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def box(tmp_path):
    """A folder deep enough for ``../..`` to stay in ``tmp_path``, with what must not change."""
    box = tmp_path / "a/b/c"
    (box / "out").mkdir(parents=True)
    (box / "out/old.txt").write_text("old")
    (box / "old.txt").write_text("old")
    return box


def assert_refused(box, archive, call, *expected):
    """``call(archive path)`` must end in one sentence with all of ``expected``, and must change nothing."""
    path = box / "archive"
    path.write_bytes(archive)
    root = box.parents[2]
    before = snapshot(root)
    with pytest.raises(InputError) as error:
        call(path)
    sentence = str(error.value)
    for part in (str(path), *expected):
        assert part in sentence
    assert sentence.isprintable(), "one line, and nothing that moves the cursor"
    assert len(sentence) < 600 + len(str(path))
    assert snapshot(root) == before


def refuses(box, archive, *expected, member="", **options):
    """Whether it is to replace something or to be new."""
    for target in (box / "out", box / "new/deep/out"):
        assert_refused(box, archive, lambda path, to=target: unpack_folder(path, member, to, **options), *expected)


def refuses_file(box, archive, member, *expected):
    for target in (box / "old.txt", box / "new/deep/file"):
        assert_refused(box, archive, lambda path, to=target: unpack_file(path, member, to), *expected)


def unpacked(box, archive, member="", **options):
    path = box / "archive"
    path.write_bytes(archive)
    count = unpack_folder(path, member, box / "out", **options)
    found = contents(box / "out")
    assert count == len(found)
    assert sorted(p.name for p in box.iterdir()) == ["archive", "old.txt", "out"]
    return found


# Good archives


TREE = {
    "wider/images/0--Parade/a b.jpg": b"jpeg" * 1000,
    "wider/images/0--Parade/ünïcode 写真.jpg": b"other",
    "wider/images/empty.jpg": b"",
    "wider/deep/er/and/deeper/x": bytes(range(256)),
    "readme.txt": b"read me",
}


@each_packing
def test_a_folder_comes_out_as_it_went_in(box, pack):
    assert unpacked(box, pack(TREE)) == TREE
    assert unpacked(box, pack(TREE), member=".") == TREE
    images = {k.removeprefix("wider/images/"): v for k, v in TREE.items() if k.startswith("wider/images/")}
    for member in ("wider/images", "wider/images/", "./wider/images"):
        assert unpacked(box, pack(TREE), member=member, files=3) == images


@each_packing
def test_a_file_comes_out_as_it_went_in(box, pack):
    (box / "archive").write_bytes(pack(TREE))
    for name, content in TREE.items():
        for target in (box / "old.txt", box / "new/file"):
            unpack_file(box / "archive", name, target)
            assert target.read_bytes() == content
            assert stat.S_IMODE(target.stat().st_mode) == 0o644
            assert target.stat().st_mtime == pytest.approx(1447977600, abs=1)


def test_archives_of_other_programs(box, tmp_path):
    """As zipfile and tarfile write folders: with members of their own, a leading ``./``, and sizes after the data."""
    source = tmp_path / "source"
    for name, content in TREE.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (source / "empty folder").mkdir()
    with tarfile.open(tmp_path / "dot.tar", "w") as tar:
        tar.add(source, ".")
    assert unpacked(box, (tmp_path / "dot.tar").read_bytes()) == TREE
    assert (box / "out/empty folder").is_dir()
    unpack_file(tmp_path / "dot.tar", "readme.txt", box / "old.txt")

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for stream in (io.BytesIO(), Pipe()):
            with zipfile.ZipFile(stream, "w", method) as packed:
                packed.mkdir("empty folder")
                for name, content in TREE.items():
                    packed.writestr(name, content)
            assert unpacked(box, stream.getvalue()) == TREE
            assert (box / "out/empty folder").is_dir()


def test_a_folder_without_files_is_an_empty_folder(box):
    assert unpacked(box, zipped(Part("a/b/"), Part("a/b/"), Part("c", b"c")), member="a/b") == {}
    assert unpacked(box, tarred(entry("a/b", kind=tarfile.DIRTYPE), entry("c", b"c")), member="a") == {}
    assert (box / "out/b").is_dir()


def test_sizes_in_zip64_fields(box):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("a", "b"):
            with packed.open(name, "w", force_zip64=True) as file:
                file.write(name.encode() * 5000)
    assert struct.pack("<2L", 0xFFFF_FFFF, 0xFFFF_FFFF) in content.getvalue()
    assert unpacked(box, content.getvalue()) == {"a": b"a" * 5000, "b": b"b" * 5000}


def test_names_of_the_old_code_page(box):
    assert unpacked(box, zipped(Part("grün".encode("cp437"), b"1"), Part("Ω/写".encode(), b"2", flags=0x800))) == {
        "grün": b"1",
        "Ω/写": b"2",
    }


def test_a_name_in_a_pax_header(box):
    name = "/".join(["long" * 20] * 4)
    assert unpacked(box, tarred(entry(name, b"x"))) == {name: b"x"}
    assert unpacked(box, tarred(entry(name, b"x"), format=tarfile.GNU_FORMAT)) == {name: b"x"}


@each_packing
def test_what_macos_adds_is_left_out(box, pack):
    rubbish = {"__MACOSX/a/._x.jpg": b"1", "a/.DS_Store": b"2", "a/._x.jpg": b"3", ".DS_Store": b"4", "a/b/._": b"5"}
    archive = pack({**rubbish, "a/x.jpg": b"x", "a/b/_y.jpg": b"y"})
    assert unpacked(box, archive, files=2) == {"a/x.jpg": b"x", "a/b/_y.jpg": b"y"}
    assert unpacked(box, archive, member="a", files=2) == {"x.jpg": b"x", "b/_y.jpg": b"y"}
    assert not (box / "out/__MACOSX").exists()


@each_packing
def test_many_small_files(box, pack):
    files = {f"event {i % 60}/{i}.jpg": b"%d" % i for i in range(3226)}
    assert unpacked(box, pack({**files, "other": b""}), member="", files=3227) == {**files, "other": b""}


def test_the_modes_are_ours(box):
    umask = os.umask(0)
    try:
        unpacked(box, zipped(Part("a/b", b"x", mode=stat.S_IFREG | 0o6777), Part("c/", mode=stat.S_IFDIR)))
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [box / "out", *(box / "out").rglob("*")]}
        assert modes == {"out": 0o755, "a": 0o755, "b": 0o644, "c": 0o755}
        tar = tarred(entry("a", kind=tarfile.DIRTYPE, mode=0), entry("a/b", b"x", mode=0o7777, uid=0, gid=0))
        unpacked(box, tar)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [box / "out", *(box / "out").rglob("*")]}
        assert modes == {"out": 0o755, "a": 0o755, "b": 0o644}
        os.umask(0o077)
        unpacked(box, tar)
        assert {stat.S_IMODE(p.stat().st_mode) for p in (box / "out").rglob("*")} == {0o700, 0o600}
    finally:
        os.umask(umask)


def test_times_are_those_of_the_archive_where_they_can_be(box):
    start = time.time() - 5
    parts = {"good": Part("x").date, "month 0": 0, "in 2107": 127 << 9 | 12 << 5 | 31}
    unpacked(box, zipped(*(Part(name, b"x", date=date) for name, date in parts.items())))
    times = {p.name: p.stat().st_mtime for p in (box / "out").iterdir()}
    assert times.pop("good") == 1447977600
    assert all(start < moment < time.time() + 5 for moment in times.values())
    values = {"good": 1447977600, "exact": 1447977600.25, "none": 0, "before": -5, "2100": 4102444800, "nan": "nan"}
    unpacked(box, tarred(*(entry(k, b"x", pax_headers={"mtime": str(v)}) for k, v in values.items())))
    times = {p.name: p.stat().st_mtime for p in (box / "out").iterdir()}
    assert (times.pop("good"), times.pop("exact")) == (1447977600, 1447977600.25)
    assert all(start < moment < time.time() + 5 for moment in times.values())


# No archives, and half of them


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "it is empty"),
        (b"\n <!DOCTYPE html><title>Sign in</title>", "it looks like a web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "it looks like a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"Rar!\x1a\x07\x01", "it is a RAR, 7z or Zstandard file"),
        (b"\x93NUMPY\x01\x00", "it is a numpy array"),
        (bytes(10240), "its first bytes are 00 00 00 00"),
        (gzip.compress(b'{"images": []}', mtime=0), "is a compressed file, but no tar archive"),
        (lzma.compress(b""), "is a compressed file, but no tar archive"),
        (b"\x1f\x8b" + b"x" * 100, "it cannot be read"),
        (b"BZh9" + b"x" * 100, "it cannot be read"),
        (b"\xfd7zXZ\x00" + b"x" * 100, "it cannot be read"),
        (zipped(), "nothing is in it"),
    ],
)
def test_what_is_no_archive_is_said(box, content, expected):
    refuses(box, content, expected, DAMAGED)
    refuses_file(box, content, "a", expected, DAMAGED)


def test_an_archive_that_cannot_be_opened(box):
    for path, words in ((box / "none", "No such file"), (box / "out", "Is a directory")):
        before = snapshot(box)
        with pytest.raises(InputError, match=words):
            unpack_folder(path, "", box / "target")
        with pytest.raises(InputError, match=words):
            unpack_file(path, "a", box / "target")
        assert snapshot(box) == before


SMALL = {"a/x": b"content " * 40, "a/y": bytes(range(200)), "z": b"z"}


@pytest.mark.parametrize("packing", PACKINGS)
def test_half_an_archive_is_refused(box, packing):
    whole = PACKINGS[packing](SMALL)
    needed = whole[: len(whole.rstrip(b"\0")) // 512 * 512 + 1024] if packing.endswith("tar") else whole
    assert unpacked(box, needed) == SMALL
    path, target = box / "half", box / "target"
    before = snapshot(box)
    for length in range(1, len(needed), 7):
        path.write_bytes(needed[:length])
        with pytest.raises(InputError):
            unpack_folder(path, "", target)
        path.unlink()
        assert snapshot(box) == before


@pytest.mark.parametrize("packing", PACKINGS)
def test_no_changed_byte_goes_unseen(box, packing):
    """Either it says no, or what comes out is what went in. Plain tar has no checksum over its files."""
    whole = PACKINGS[packing](SMALL)
    path, target = box / "changed", box / "target"
    refused = 0
    for place in range(0, len(whole), 1 if len(whole) < 1000 else 23):
        for change in (0x01, 0xFF):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
            try:
                unpack_folder(path, "", target)
            except InputError as error:
                refused += 1
                assert str(error).isprintable()
                continue
            found = contents(target)
            changed = f"byte {place} ^ {change:#x}: {whole[place - 8 : place + 8]!r}"
            assert {k: len(v) for k, v in found.items()} == {k: len(v) for k, v in SMALL.items()}, changed
            assert packing.endswith("tar") or found == SMALL, changed
    assert refused > 50
    assert sorted(p.name for p in box.iterdir()) == ["changed", "old.txt", "out", *["target"] * target.exists()]


def test_a_list_of_members_that_loses_some(box):
    good = zipped(Part("a", b"1"), Part("b", b"2"))
    comment_of_a = good.index(b"PK\1\2") + 32
    lost = good[:comment_of_a] + b"\x2f" + good[comment_of_a + 1 :]
    assert zipfile.ZipFile(io.BytesIO(lost)).namelist() == ["a"], "zipfile takes the second for a comment of the first"
    refuses(box, lost, "the list of its members is not as long as it says", DAMAGED)


@pytest.mark.parametrize("count", [1, 0xFFFF])
def test_a_zip_of_more_members_than_its_end_can_count(box, count):
    archive = zipped(*(Part(f"{i}", b"%d" % i) for i in range(0x1_0001)), count=count)
    assert_refused(box, archive, lambda path: unpack_file(path, "-1", box / "new"), "holds no file '-1'")
    unpack_file(box / "archive", "65536", box / "new")
    assert (box / "new").read_bytes() == b"65536"


def test_a_zip_cut_short_within_a_zip_in_it(box):
    inner = zipped(Part("evil", b"not what was asked for"))
    outer = zipped(Part("inner.zip", inner), Part("a", b"a"))
    cut = outer[: outer.index(inner) + len(inner)]
    assert zipfile.ZipFile(io.BytesIO(cut)).namelist() == ["evil"], "zipfile sees the inner one"
    refuses(box, cut, "its first bytes are of no member that it lists", DAMAGED)


def test_a_tar_that_ends_in_a_zip_is_a_tar(box):
    inner = zipped(Part("evil", b"not what was asked for"))
    assert unpacked(box, tarred(entry("inner.zip", inner))) == {"inner.zip": inner}


def test_a_tar_with_something_wrong_in_the_middle_does_not_end_there(box):
    whole = tarred(entry("a", b"a"), entry("b", b"b"))
    with tarfile.open(fileobj=io.BytesIO(whole[:1024])) as tar:
        assert tar.getnames() == ["a"], "tarfile sees no fault"
    refuses(box, whole[:1024], "it breaks off after 1 members", DAMAGED)
    refuses(box, whole[:1024] + b"x" * 512 + whole[1536:], "it breaks off after 1 members", DAMAGED)
    refuses(box, whole + whole, "something follows its end after 2 members", DAMAGED)


# Names


HOSTILE_NAMES = {
    "../x": "leads out of its folder by '..'",
    "a/../../x": "leads out of its folder by '..'",
    "a/..": "leads out of its folder by '..'",
    "../../a/b/c/old.txt": "leads out of its folder by '..'",
    "/etc/x": "has an absolute name",
    "//host/x": "has an absolute name",
    "a//x": "has an empty part",
    ".//x": "has an empty part",
    "a/./x": "has the part '.'",
    "C:/x": "has a drive letter",
    "c:x": "has a drive letter",
    "a/C:/x": "has a drive letter",
    "..\\x": "has a backslash",
    "\\\\host\\x": "has a backslash",
    "a\nb": "has a control character",
    "a\x1b[2Jb": "has a control character",
    "a\x85b": "has a control character",
    "a/" * 70 + "x": "has a longer name",
    "x" * 256: "has a longer name",
    "ü" * 128: "has a longer name",
    "/".join(["x" * 200] * 6): "has a longer name",
}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_one_hostile_name_condemns_the_archive(box, name):
    fault = HOSTILE_NAMES[name]
    archives = [
        zipped(Part("good/a", b"a"), Part(name, b"x"), Part("good/b", b"b")),
        tarred(entry("good/a", b"a"), entry(name, b"x"), format=tarfile.GNU_FORMAT),
        tarred(entry("good/a", b"a"), entry("b", b"x", pax_headers={"path": name})),
        tarred(entry("good/a", b"a"), entry(name, kind=tarfile.DIRTYPE), compress=gzip.compress),
    ]
    for archive in archives:
        for member in ("", "good"):
            refuses(box, archive, "is refused: its member ", fault, member=member)
        refuses_file(box, archive, "good/a", "is refused: its member ", fault)


def test_a_name_that_python_would_cut_at_a_zero_byte(box):
    archive = zipped(Part("good/a", b"a"), Part("b.jpg\0/../x", b"x"))
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["good/a", "b.jpg"], "zipfile cuts it"
    refuses(box, archive, "'b.jpg\\x00/../x' has a control character", member="good")
    pax = tarred(entry("good/a", b"a"), entry("b", b"x", pax_headers={"path": "b\0c"}))
    refuses(box, pax, "'b\\x00c' has a control character", member="good")


def test_an_absolute_name_leads_nowhere(box, tmp_path):
    for archive in (zipped(Part(f"{tmp_path}/x", b"x")), tarred(entry(f"{tmp_path}/x", b"x"))):
        refuses(box, archive, "has an absolute name", "fetch it from where it is published")


def test_names_without_text(box):
    refuses(box, zipped(Part("", b"x"), Part("a", b"a")), "its member '' has an empty name")
    refuses(box, zipped(Part(b"\xff\xfe", b"x", flags=0x800)), "cannot be read ('utf-8' codec can't decode", DAMAGED)
    refuses(box, tar_header(b"gr\xfcn") + bytes(1024), "'gr\\udcfcn' has a control character in its name, or bytes")


def test_files_with_the_names_of_folders(box):
    refuses(box, tar_header(b"a/", kind=b"0") + bytes(1024), "'a/' is a file with the name of a folder")
    refuses(box, tarred(entry(".", b"x")), "'.' is a file with the name of a folder")
    refuses(box, zipped(Part("a/", b"x")), "'a/' is a folder with a content of 1 bytes")


def test_names_in_the_two_headers_of_a_zip_must_agree(box):
    differ = "the header of its member 'good' and the list of members differ"
    refuses(box, zipped(Part("good", b"x", local={"name": b"evil"})), differ, DAMAGED)


@given(st.text(st.sampled_from("./\\:aC~ \0\nü"), max_size=12) | st.text(max_size=8))
def test_a_name_that_passes_stays_below_on_every_system(name):
    if name_fault(name) is not None:
        return
    plain = "" if name == "." else name.removeprefix("./").removesuffix("/")
    assert os.path.normpath(f"/target/{plain}") == f"/target/{plain}".rstrip("/")
    for root in (PurePosixPath("/target"), PureWindowsPath("D:/target")):
        place = root / plain
        assert place.relative_to(root).as_posix() == (plain or ".")
        assert ".." not in place.parts


# Kinds


LINKS = {
    "to a file outside": "../../old.txt",
    "to a folder outside": "../..",
    "absolute": "/etc/passwd",
    "inside": "b",
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_links_are_refused(box, link):
    by_hand = "only files and folders are unpacked; unpack by hand what you need of it"
    symbolic = "its member 'good/l' is a symbolic link, and "
    refuses(box, zipped(Part("good/l", link.encode(), mode=stat.S_IFLNK | 0o777)), symbolic, by_hand)
    for kind, words in ((tarfile.SYMTYPE, symbolic), (tarfile.LNKTYPE, "its member 'good/l' is a hard link, and ")):
        archive = tarred(entry("good/b", b"b"), entry("good/l", kind=kind, linkname=link), entry("other/c", b"c"))
        for member in ("", "good"):
            refuses(box, archive, words, by_hand, member=member)
        refuses_file(box, archive, "good/l", words, by_hand)
        assert unpacked(box, archive, member="other") == {"c": b"c"}, "outside of what was asked for it harms nobody"


def test_a_link_as_a_folder(box):
    outside = os.fspath(box / "out")
    through = tarred(entry("l", kind=tarfile.SYMTYPE, linkname=outside), entry("l/x", b"x"))
    refuses(box, through, "its member 'l' is a symbolic link")
    refuses(box, through, "'l' is a symbolic link there, expected a folder", member="l")
    zip_through = zipped(Part("l", outside.encode(), mode=stat.S_IFLNK), Part("l/x", b"x"))
    refuses(box, zip_through, "its member 'l' is a symbolic link")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.CHRTYPE, "a character device"),
        (tarfile.BLKTYPE, "a block device"),
        (tarfile.FIFOTYPE, "a fifo"),
        (b"V", "of the unknown type b'V'"),
    ],
)
def test_devices_are_refused(box, kind, words):
    archive = tarred(entry("a", b"a"), entry("dev", kind=kind, devmajor=1, devminor=5))
    refuses(box, archive, f"its member 'dev' is {words}, and only files and folders are unpacked")
    refuses_file(box, archive, "dev", words)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (stat.S_IFCHR, "a character device"),
        (stat.S_IFBLK, "a block device"),
        (stat.S_IFIFO, "a fifo"),
        (stat.S_IFSOCK, "a socket"),
    ],
)
def test_devices_in_a_zip_are_refused(box, mode, words):
    refuses(box, zipped(Part("dev", mode=mode | 0o666)), f"its member 'dev' is {words}")


def test_sparse_files_are_refused(box):
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": str(2**50)}
    sparse_map = b"1\n0\n1\n".ljust(512, b"\0")
    archive = tarred(entry("GNUSparseFile.0/s", sparse_map + b"x", pax_headers=pax))
    refuses(box, archive, "its member 's' is a sparse file")


def test_two_members_of_one_name(box):
    two = "two members are called 'a/x' in it"
    refuses(box, zipped(Part("a/x", b"1"), Part("a/x", b"2")), two)
    refuses(box, tarred(entry("a/x", b"1"), entry("./a/x", b"2")), two, member="a")
    refuses_file(box, zipped(Part("a/x", b"1"), Part("a/x", b"2")), "a/x", "2 members are called 'a/x' in it")
    assert unpacked(box, zipped(Part("a/x", b"1"), Part("a/x", b"2"), Part("b/x", b"3")), member="b") == {"x": b"3"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/x.jpg", "a/X.JPG"),
        ("A/x", "a/y"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u00c9t\u00e9/x", "e\u0301te\u0301/x"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
def test_names_that_are_one_elsewhere(box, one, other):
    for archive in (zipped(Part(one, b"1"), Part(other, b"2")), tarred(entry(one, b"1"), entry(other, b"2"))):
        refuses(box, archive, "are one name on file systems that ignore case or Unicode forms")
        unpacked(box, archive, member=one.rpartition("/")[0]) if one[0] != other[0] and "/" in one else None


def test_a_file_that_is_also_a_folder(box):
    both = "a file and a folder are called 'a/b' in it"
    refuses(box, zipped(Part("a/b", b"1"), Part("a/b/c", b"2")), both)
    refuses(box, zipped(Part("a/b/"), Part("a/b", b"1")), both, member="a")
    refuses(box, tarred(entry("a/b/c", b"1"), entry("a/b", b"2")), both)
    refuses(box, tarred(entry("a/b/c", b"1"), entry("a/b", b"2")), "'a/b' is a file there", member="a/b")
    refuses_file(box, tarred(entry("a/b", b"1"), entry("a/b/c", b"2")), "a/b", both)


# Headers of zip that lie


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2001])
def test_encrypted_members(box, flags):
    archive = zipped(Part("a/x", b"1", flags=flags), Part("b/y", b"2"))
    refuses(box, archive, "its member 'a/x' is encrypted; unpack it by hand, with its password")
    refuses_file(box, archive, "a/x", "is encrypted")
    assert unpacked(box, archive, member="b") == {"y": b"2"}


@pytest.mark.parametrize("method", [9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93])
def test_methods_that_are_not_unpacked(box, method):
    archive = zipped(Part("a/x", b"1", method=method), Part("b/y", b"2"))
    expected = f"its member 'a/x' is packed by method {method}, expected 0 (stored) or 8 (deflate); unpack it by hand"
    refuses(box, archive, expected)
    refuses_file(box, archive, "a/x", expected)
    assert unpacked(box, archive, member="b") == {"y": b"2"}


def test_bytes_that_are_not_those_of_the_checksum(box):
    good = zipped(Part("a", b"first"), Part("b", b"content"))
    refuses(box, good.replace(b"content", b"contemt"), "its member 'b' cannot be read (its CRC-32 is ", DAMAGED)
    refuses_file(box, good.replace(b"content", b"contemt"), "b", "its CRC-32 is ", DAMAGED)
    unpack_file(box / "archive", "a", box / "old.txt")
    assert (box / "old.txt").read_bytes() == b"first"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_longer_or_shorter_than_they_say(box, method):
    data = b"0123456789" * 20
    for size, found in (
        (150, "more than 150"),
        (0, "more than 0"),
        (199, "more than 199"),
        (201, "200"),
        (9999, "200"),
    ):
        for crc in (
            zlib.crc32(data),
            zlib.crc32(data[:size]),
        ):  # the second is what zipfile alone would be content with
            lie = {"size": size, "crc": crc}
            archive = zipped(Part("first", b"1"), Part("a", data, method, local=lie, listed=lie))
            refuses(box, archive, "is damaged: its member 'a' ", DAMAGED)
        honest_crc = {"size": size}
        archive = zipped(Part("a", data, method, local=honest_crc, listed=honest_crc))
        refuses(box, archive, f"its member 'a' unpacks to {found} bytes, expected {size:,}", DAMAGED)


def test_zipfile_alone_would_not_notice(box):
    data = b"0123456789" * 20
    lie = {"size": 150, "crc": zlib.crc32(data[:150])}
    archive = zipped(Part("a", data, zipfile.ZIP_DEFLATED, local=lie, listed=lie))
    assert len(zipfile.ZipFile(io.BytesIO(archive)).read("a")) == 150


@pytest.mark.parametrize("lie", [{"size": 4}, {"packed": 4}, {"crc": 1}, {"method": 8}, {"size": 0}])
def test_the_two_headers_of_a_member_must_agree(box, lie):
    differ = "the header of its member 'a' and the list of members differ"
    refuses(box, zipped(Part("a", b"12345", local=lie), Part("b", b"2")), differ, DAMAGED)
    if "packed" not in lie:
        refuses(box, zipped(Part("a", b"12345", listed=lie), Part("b", b"2")), differ, DAMAGED)


def test_members_that_share_their_bytes(box):
    kernel = Part("a", b"x" * 5000, zipfile.ZIP_DEFLATED)
    same = [Part("b", kernel.data, kernel.method, listed={"offset": 0}), Part("c", b"c")]
    refuses(box, zipped(kernel, *same), "its member 'a' overlaps with what comes next", DAMAGED)
    # One member quotes the header of the next as part of its own bytes.
    inner = Part("b", b"second")
    quoting = LOCAL.size + 1 + len(inner.packed)
    archive = zipped(Part("a", b"", listed={"packed": quoting, "size": quoting}), inner)
    refuses(box, archive, "its member 'a' overlaps with what comes next", DAMAGED)
    refuses_file(box, archive, "a", "its member 'a' overlaps with what comes next", DAMAGED)
    into_the_list = zipped(Part("a", b"1"), Part("b", b"2", listed={"packed": 60, "size": 60}))
    refuses(box, into_the_list, "its member 'b' overlaps with what comes next", DAMAGED)


@pytest.mark.parametrize("offset", [7, 31, 10**6, 0xFFFF_FFF0])
def test_members_that_are_not_where_they_should_be(box, offset):
    archive = zipped(Part("a", b"1"), Part("b", b"2", listed={"offset": offset}))
    refuses(box, archive, "is damaged: its member ", DAMAGED)
    refuses_file(box, archive, "b", "its member 'b' is not where the list of members says", DAMAGED)


def test_a_broken_zip64_field(box):
    extra = struct.pack("<2HQ", 1, 8, 2**63 + 1)
    refuses(box, zipped(Part("a", b"1", extra=extra, listed={"size": 0xFFFF_FFFF})), "at most 214,748,364,800 are")
    refuses(box, zipped(Part("a", b"1", extra=extra[:9], listed={"size": 0xFFFF_FFFF})), "Corrupt", DAMAGED)
    far = zipped(Part("z"), Part("a", b"1", extra=extra, listed={"offset": 0xFFFF_FFFF}))
    refuses(box, far, "'a' is not where the list of members says", DAMAGED)


# Headers of tar that lie


def test_a_tar_member_that_ends_too_early(box):
    refuses(box, tar_header(b"a", 2000) + bytes(1024), "it cannot be read (unexpected end of data)", DAMAGED)
    refuses(box, gzip.compress(tar_header(b"a", 2000) + bytes(1024)), "unexpected end of data", DAMAGED)


def test_headers_that_lead_backwards_do_not_go_round_in_circles(box):
    first = tar_header(b"a", 1) + b"a".ljust(512, b"\0")
    refuses(box, first + tar_header(b"b", -512) + bytes(1024), "is damaged", DAMAGED)
    refuses(box, first + tar_header(b"b", -2048) + bytes(1024), "is damaged", DAMAGED)
    refuses(box, first + tar_header(b"pax", -512, b"x") + first + bytes(1024), "is damaged", DAMAGED)
    refuses(box, tarred(entry("a", b"a"), entry("b", b"b", pax_headers={"size": "-1024"})), "is damaged", DAMAGED)


def test_headers_that_ask_for_all_memory(box):
    for kind in (b"x", b"g", b"L", b"K"):
        refuses(box, tar_header(b"pax", 2**33 - 1, kind) + bytes(2048), "a header of 8589934592 bytes", DAMAGED)


def test_a_chain_of_headers_without_a_member(box):
    chain = tar_header(b"pax", 0, b"x") * 5000
    refuses(box, chain + bytes(1024), "is damaged", DAMAGED)
    refuses(box, gzip.compress(chain), "is damaged", DAMAGED)


# Too much


@each_packing
def test_too_many_members(box, pack):
    archive = pack(SMALL)
    refuses(box, archive, "it has more than 2 members", limits=Limits(members=2))
    refuses(box, archive, "it has more than 2 members", limits=Limits(members=2), member="a")
    assert unpacked(box, archive, limits=Limits(members=3)) == SMALL


@each_packing
def test_too_many_bytes(box, pack):
    refuses(box, pack(SMALL), "521 bytes are to be unpacked, at most 520 are", limits=Limits(size=520))
    assert unpacked(box, pack(SMALL), limits=Limits(size=521)) == SMALL
    assert unpacked(box, pack(SMALL), member="a", limits=Limits(size=520))


BOMB = bytes(30 * MIB)


def test_a_bomb_in_a_zip(box):
    archive = zipped(Part("a", b"harmless"), Part("bomb", BOMB, zipfile.ZIP_DEFLATED))
    refuses(box, archive, "its member 'bomb' unpacks from ", "to 31,457,280 bytes, more than 200 times as many")
    refuses_file(box, archive, "bomb", "more than 200 times as many")
    many = zipped(*(Part(f"{i}", BOMB[: 9 * MIB], zipfile.ZIP_DEFLATED) for i in range(2)))
    refuses(box, many, "what was asked of it unpacks from ", "to 18,874,368 bytes, more than 200 times as many")
    unpack_file(box / "archive", "1", box / "old.txt")
    assert unpacked(box, archive, limits=Limits(ratio=1e5))["bomb"] == BOMB


def test_a_bomb_that_calls_itself_small_is_stopped_at_once(box, monkeypatch):
    lie = {"size": 10, "crc": zlib.crc32(bytes(10))}
    archive = zipped(Part("bomb", BOMB, zipfile.ZIP_DEFLATED, local=lie, listed=lie))
    written = []
    monkeypatch.setattr(unpack, "_write", lambda source, member, path: written.extend(unpack._chunks(source, member)))
    refuses(box, archive, "its member 'bomb' unpacks to more than 10 bytes, expected 10", DAMAGED)
    assert not written


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_in_a_tar(box, compress):
    archive = tarred(entry("a", b"harmless"), entry("bomb", BOMB), compress=compress)
    refuses(box, archive, "it unpacks to more than 10,485,760 bytes, too many for its size")
    refuses(box, archive, "it unpacks to more than 10,485,760 bytes", member="a")
    trailing = compress(tarred(entry("a", b"harmless")) + BOMB)
    refuses(box, trailing, "it unpacks to more than 10,485,760 bytes")
    assert unpacked(box, archive, limits=Limits(ratio=1e6))["bomb"] == BOMB


def test_a_disk_that_is_too_small(box, monkeypatch):
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda path: SimpleNamespace(free=12_287))
    refuses(
        box, zipped(Part("a", b"a" * 4097), Part("b", b"b")), "needs 12,288 bytes, and 12,287 are free", "make room"
    )
    refuses_file(box, zipped(Part("a", b"a" * 12_289)), "a", "needs 16,384 bytes, and 12,287 are free", "make room")
    assert unpacked(box, zipped(Part("a", b"a"), Part("b", b"b"), Part("c"))) == {"a": b"a", "b": b"b", "c": b""}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_on_the_way(box, monkeypatch, number):
    real = os.fdopen

    class Failing(io.BytesIO):
        def write(self, data):
            raise OSError(number, os.strerror(number))

    def fdopen(descriptor, mode):
        file = real(descriptor, mode)
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "good":
            return file
        file.close()
        return Failing()

    monkeypatch.setattr(unpack.os, "fdopen", fdopen)
    (box / "archive").write_bytes(zipped(Part("x/good", b"1"), Part("x/y/bad", b"2")))
    for target in (box / "out", box / "new/deep/out"):
        fails_to_write(box, lambda path, to=target: unpack_folder(path, "", to), target, os.strerror(number))
    for target in (box / "old.txt", box / "new/deep/file"):
        fails_to_write(box, lambda path, to=target: unpack_file(path, "x/y/bad", to), target, os.strerror(number))


def test_an_interruption_leaves_nothing(box, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(unpack, "_chunks", interrupted)
    (box / "archive").write_bytes(zipped(Part("a", b"a")))
    before = snapshot(box)
    for call in (
        lambda: unpack_folder(box / "archive", "", box / "n/o"),
        lambda: unpack_file(box / "archive", "a", box / "n/o"),
    ):
        with pytest.raises(KeyboardInterrupt):
            call()
        assert snapshot(box) == before


# What is not there


@each_packing
def test_a_missing_member_names_the_nearest(box, pack):
    archive = pack(TREE)
    meant = "did you mean 'wider/images/0--Parade/a b.jpg'?"
    refuses_file(box, archive, "images/a b.jpg", "holds no file 'images/a b.jpg'; ", meant)
    refuses_file(box, archive, "wider/images/0-Parade/a-b.jpg", meant)
    refuses_file(box, archive, "Readme.txt", "did you mean 'readme.txt'?")
    refuses(box, archive, "holds no folder 'images'; did you mean 'wider/images'?", member="images")
    refuses(box, archive, "did you mean 'wider/images'?", member="wider/imges")
    refuses(box, archive, "it holds 'wider', 'wider/deep', 'wider/deep/er', ", "and 2 more", member="qqq")
    refuses(box, archive, "holds no folder '../c'", member="../c")


@each_packing
def test_a_file_is_no_folder(box, pack):
    refuses(box, pack(TREE), "'readme.txt' is a file there, expected a folder", member="readme.txt")
    refuses_file(box, pack(TREE), "wider/images", "'wider/images' is a folder there, expected a file")


def test_an_archive_without_folders(box):
    refuses(box, zipped(Part("a", b"a")), "holds no folder 'b'; it holds none", member="b")


@each_packing
def test_the_wrong_number_of_files(box, pack):
    found = "holds 3 files below 'wider/images', expected 3,226; remove it and fetch it again"
    refuses(box, pack(TREE), found, member="wider/images", files=3226)
    refuses(box, pack(TREE), "holds 5 files below '', expected 4", files=4)


# The target


def fails_to_write(box, call, target, words):
    before = snapshot(box)
    with pytest.raises(InputError) as error:
        call(box / "archive")
    assert str(error.value).startswith(f"{target}: cannot be written ({words}")
    assert snapshot(box) == before


def test_a_target_of_another_kind_is_kept(box):
    (box / "archive").write_bytes(zipped(Part("a", b"a")))
    (box / "link").symlink_to(box / "out")
    fails_to_write(box, lambda path: unpack_folder(path, "", box / "old.txt"), box / "old.txt", "a file")
    fails_to_write(box, lambda path: unpack_folder(path, "", box / "old.txt/x"), box / "old.txt/x", "")
    fails_to_write(box, lambda path: unpack_file(path, "a", box / "out"), box / "out", "a folder")
    fails_to_write(box, lambda path: unpack_file(path, "a", box / "old.txt/x"), box / "old.txt/x", "")
    archive = (box / "archive").read_bytes()
    assert_refused(box, archive, lambda path: unpack_folder(path, "", box / "link"), "link is a link")


def test_the_archive_is_not_replaced_by_what_is_in_it(box):
    archive = zipped(Part("a", b"a"))
    for target in (box, box / ".." / "c", box.parent):
        assert_refused(box, archive, lambda path, to=target: unpack_folder(path, "", to), "lost with it")
    assert_refused(box, archive, lambda path: unpack_file(path, "a", path), "lost with it")


def test_a_target_named_from_here(box, monkeypatch):
    monkeypatch.chdir(box)
    Path("archive").write_bytes(zipped(Part("a/b", b"b")))
    assert unpack_folder(Path("archive"), "a", Path("new/deep")) == 1
    unpack_file(Path("archive"), "a/b", Path("b"))
    assert (box / "new/deep/b").read_bytes() == (box / "b").read_bytes() == b"b"
