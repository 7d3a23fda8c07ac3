"""Zip and tar archives unpacked without trust: what was asked for appears whole and alone, or nothing does.

An archive from elsewhere may be cut short, be a web page, or be made to do harm. ``zipfile`` and ``tarfile`` mend much
of that in silence: they strip, truncate, skip, and let the last of two namesakes win. Here it is refused.

The names of all members are checked before anything is unpacked, since one that leads out of its folder condemns the
archive. Whatever else is wrong counts only in what was asked for: its kind, size, place and method before, its real
bytes while unpacking. A compressed tar archive has no table of contents, so it is read through once before.
"""

import bz2
import copy
import difflib
import gzip
import io
import lzma
import math
import os
import re
import shutil
import stat
import struct
import tarfile
import time
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pth2map.files.atomic import replacing, replacing_folder
from pth2map.files.errors import InputError, some
from pth2map.files.kinds import looks_like
from pth2map.files.progress import track

_CHUNK = 1 << 20
_NO_BOMB = 10 << 20  # bytes unpacked that do no harm, whatever they were packed to
_LONGEST_HEADER = 16 << 20
_DISK_BLOCK = 4096
_COMPARED = 5000  # names looked at for the one that was meant

_FETCH_AGAIN = "remove it and fetch it again"
_DISTRUST = "remove it, and fetch it from where it is published"
_BY_HAND = "unpack by hand what you need of it"

# What zipfile and tarfile raise on damaged bytes, besides OSError (found by feeding them damaged files).
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    ValueError,
)

_TAR_COMPRESSIONS: Mapping[bytes, Callable[[io.BufferedReader], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


@dataclass(frozen=True)
class Limits:
    """How much is unpacked before an archive counts as a bomb.

    ``members`` are those of the whole archive, ``size`` is in bytes unpacked. ``ratio``, of bytes unpacked to bytes
    packed, holds for all that was asked for and for each member of a zip archive, for a compressed tar archive as a
    whole; it counts only above 10 MiB unpacked, for below that no harm is done.
    """

    members: int = 1_000_000
    size: int = 200 * 2**30
    ratio: float = 200.0


_USUAL = Limits()


def unpack_file(
    archive: Path, member: str, target: Path, check: Callable[[Path], None] = lambda unpacked: None
) -> None:
    """The file ``member`` of an archive, named exactly, becomes the file ``target`` if ``check`` of it raises nothing.

    Raises ``InputError`` as :func:`unpack_folder` does; ``target`` is then as it was.
    """
    _check_target(archive, target)
    with _open(archive, _USUAL) as source:
        file = _choose_file(source, member.removeprefix("./"))
        _check_sizes(source, [file], _USUAL)
        _check_space([file], archive, target)
        with _no_new_parents(target), replacing(target) as temporary:
            _write(source, file, temporary)
            check(temporary)


def unpack_folder(archive: Path, member: str, target: Path, files: int | None = None, limits: Limits = _USUAL) -> int:
    """The files below the folder ``member`` of an archive become the folder ``target``; returns their number.

    ``member`` is ``""`` or ``"."`` for all there is. ``files`` is how many there must be, where that is known. The
    archive is zip, or tar (plain, gzip, bzip2, xz), by its content and not by its name. What macOS puts beside files
    (``__MACOSX``, ``.DS_Store``, ``._*``) is left out and not counted.

    Files get mode 0644 and folders 0755, less what the umask takes. Files keep their time of the archive, unless it
    lies in the future; zip has local times, which are read as UTC, so that they are the same on each machine.

    Raises ``InputError`` when the archive is damaged, unsafe, beyond ``limits``, or holds something else than asked
    for, and when the disk is full. Then ``target`` is as it was, and nothing was written elsewhere.
    """
    _check_target(archive, target)
    if target.is_symlink():
        raise InputError(f"{target} is a link, and a folder of {archive} goes there; remove it")
    with _open(archive, limits) as source:
        chosen = _choose_folder(source, _plain(member))
        if files is not None and len(chosen.files) != files:
            found = f"{len(chosen.files):,} files below {_shown(member)}"
            raise InputError(f"{archive} holds {found}, expected {files:,}; {_FETCH_AGAIN}")
        _check_sizes(source, chosen.files.values(), limits)
        _check_space(chosen.files.values(), archive, target)
        with _no_new_parents(target), replacing_folder(target) as temporary:
            _write_all(source, chosen, temporary)
    return len(chosen.files)


# What is in an archive


_FILE, _FOLDER = "a file", "a folder"


@dataclass(frozen=True)
class _Member:
    """A member of an archive: its place there, and what its header says of it.

    ``name`` is without a leading ``./`` and a final ``/``, and empty for the folder around all. ``kind`` is a file, a
    folder, or in words what else it is. ``time`` is in seconds since 1970, if it has one.
    """

    number: int
    name: str
    kind: str
    size: int
    time: float | None


class _Source(ABC):
    """An open archive whose names have been checked."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive = archive
        self.members: list[_Member] = []
        self._most = limits.members

    def _add(self, raw: str, kind: str, size: int, seconds: float | None) -> None:
        name = _plain(raw)
        fault = name_fault(raw)
        if fault is None and kind != _FOLDER and (not name or raw.endswith("/")):
            fault = f"is {kind} with the name of a folder"
        if fault is None and kind == _FOLDER and size:
            fault = f"is a folder with a content of {size:,} bytes"
        if fault is not None:
            raise InputError(f"{self.archive} is refused: its member {_shown(raw)} {fault}; {_DISTRUST}")
        if len(self.members) == self._most:
            raise InputError(f"{self.archive} is refused: it has more than {self._most:,} members; {_DISTRUST}")
        self.members.append(_Member(len(self.members), name, kind, size, seconds))

    @abstractmethod
    def check(self, files: Collection[_Member], limits: Limits) -> None:
        """Raise ``InputError`` if one of these cannot be what its header says."""

    @abstractmethod
    def chunks(self, member: _Member) -> Iterator[bytes]:
        """The bytes of a member, as many as there are, whatever its header says."""


@contextmanager
def _open(archive: Path, limits: Limits) -> Iterator[_Source]:
    with ExitStack() as stack:
        with _reading(archive):
            file = stack.enter_context(archive.open("rb"))
            source = _recognised(archive, file, limits, stack)
        yield source


def _recognised(archive: Path, file: io.BufferedReader, limits: Limits, stack: ExitStack) -> _Source:
    head = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # by its start: a tar archive may end in a zip archive
        return _Zip(archive, file, limits)
    if _is_tar(head):
        return _Tar(archive, _Stream(archive, file), limits)
    for magic, decompressor in _TAR_COMPRESSIONS.items():
        if head.startswith(magic):
            unpacked = stack.enter_context(decompressor(file))
            stream = _Stream(archive, unpacked, max(_NO_BOMB, limits.ratio * archive.stat().st_size))
            if not _is_tar(stream.read(tarfile.BLOCKSIZE)):
                raise InputError(f"{archive} is a compressed file, but no tar archive; {_FETCH_AGAIN}")
            stream.seek(0)
            return _Tar(archive, stream, limits)
    raise InputError(f"{archive} is no zip or tar archive, {looks_like(head)}; {_FETCH_AGAIN}")


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


@contextmanager
def _reading(archive: Path, what: str = "it") -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"{archive}: cannot be read ({error.strerror})") from None
        raise _damaged(archive, f"{what} cannot be read ({error})") from None  # by gzip and bz2
    except _DAMAGE as error:
        reason = str(error)[:200] or type(error).__name__
        raise _damaged(archive, f"{what} cannot be read ({reason})") from None


def _damaged(archive: Path, fault: str) -> InputError:
    return InputError(f"{archive} is damaged: {fault}; {_FETCH_AGAIN}")


# Names


_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, and what stands for bytes that are not UTF-8
_DRIVE = re.compile("[A-Za-z]:")


def name_fault(name: str) -> str | None:
    """What is wrong with the name of a member of an archive, or ``None``.

    Right names lead down from a folder by one way only, on each system and in each program that lists them. One
    leading ``./`` and a final ``/`` are usual.

    >>> name_fault("images/../../x"), name_fault("./images/0_Parade/")
    ("leads out of its folder by '..'", None)
    """
    if _NO_TEXT.search(name):
        return "has a control character in its name, or bytes that are no UTF-8"
    if "\\" in name:
        return "has a backslash in its name"
    if not name:
        return "has an empty name"
    if name.startswith("/"):
        return "has an absolute name"
    parts = _plain(name).split("/")
    if parts == [""]:  # the folder around all
        return None
    if ".." in parts:
        return "leads out of its folder by '..'"
    if "" in parts:
        return "has an empty part in its name"
    if "." in parts:
        return "has the part '.' within its name"
    if any(_DRIVE.match(part) for part in parts):
        return "has a drive letter in its name"
    if len(parts) > 64 or len(name.encode()) > 1024 or any(len(part.encode()) > 255 for part in parts):
        return "has a longer name than file systems take (64 folders deep, 1,024 bytes, 255 bytes a part)"
    return None


def _plain(name: str) -> str:
    return name.removeprefix("./").removesuffix("/") if name != "." else ""


def _shown(name: str) -> str:
    """A name for a sentence: nothing in it moves the cursor, and it ends."""
    return repr(name) if len(name) <= 120 else f"{name[:120]!r}..."


def _is_rubbish(name: str) -> bool:
    return any(part in {"__MACOSX", ".DS_Store"} or part.startswith("._") for part in name.split("/"))


def _folders_above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


# What was asked for


@dataclass(frozen=True)
class _Chosen:
    """The files below a folder by their names from there, in the order of the archive, and all folders there are."""

    files: Mapping[str, _Member]
    folders: Collection[str]


def _choose_file(source: _Source, name: str) -> _Member:
    found = [member for member in source.members if member.name == name]
    inside = any(member.name.startswith(f"{name}/") for member in source.members)
    if not found and not inside:
        raise _missing(source, _FILE, name, [member.name for member in source.members if member.kind == _FILE])
    if not found or found[0].kind == _FOLDER:
        raise InputError(f"{source.archive}: {_shown(name)} is a folder there, expected a file; correct the name")
    if found[0].kind != _FILE:
        raise _unwanted(source, found[0])
    if len(found) > 1 or inside:
        raise _ambiguous(source, f"{len(found)} members are" if len(found) > 1 else "a file and a folder are", name)
    return found[0]


def _choose_folder(source: _Source, folder: str) -> _Chosen:
    prefix = f"{folder}/" if folder else ""
    there = not folder
    files: dict[str, _Member] = {}
    folders: set[str] = set()
    for member in source.members:
        if member.name == folder:
            there = True
            if member.kind != _FOLDER:
                raise InputError(
                    f"{source.archive}: {_shown(folder)} is {member.kind} there, expected a folder; correct the name"
                )
        elif member.name.startswith(prefix):
            there = True
            name = member.name.removeprefix(prefix)
            if not _is_rubbish(name):
                folders.update(_folders_above(name))
                if member.kind == _FOLDER:  # the same folder twice is one folder
                    folders.add(name)
                else:
                    _add_file(source, files, name, member)
    if not there:
        raise _missing(source, _FOLDER, folder, _all_folders(source.members))
    for name in files.keys() & folders:
        raise _ambiguous(source, "a file and a folder are", prefix + name)
    _check_distinct(source, [*sorted(folders), *files])
    return _Chosen(files, folders)


def _add_file(source: _Source, files: dict[str, _Member], name: str, member: _Member) -> None:
    if member.kind != _FILE:
        raise _unwanted(source, member)
    if name in files:
        raise _ambiguous(source, "two members are", member.name)
    files[name] = member


def _check_distinct(source: _Source, names: Iterable[str]) -> None:
    """Raise ``InputError`` when two of the names are one name on some file system.

    Names that differ in case or in Unicode normalisation only are two files on Linux and one on other systems, or on
    a mounted disk of theirs. A data set must not be another one there, so they are refused everywhere.
    """
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFD", name).casefold()
        other = seen.setdefault(unicodedata.normalize("NFD", folded), name)
        if other != name:
            raise InputError(
                f"{source.archive} is refused: {_shown(other)} and {_shown(name)} in it are one name on file systems "
                f"that ignore case or Unicode forms; {_BY_HAND}"
            )


def _all_folders(members: Iterable[_Member]) -> list[str]:
    named = {member.name for member in members if member.kind == _FOLDER}
    return sorted(named.union(*(_folders_above(member.name) for member in members)) - {""})


def _unwanted(source: _Source, member: _Member) -> InputError:
    return InputError(
        f"{source.archive} is refused: its member {_shown(member.name)} is {member.kind}, and only files and folders "
        f"are unpacked; {_BY_HAND}"
    )


def _ambiguous(source: _Source, what: str, name: str) -> InputError:
    return InputError(f"{source.archive} is refused: {what} called {_shown(name)} in it; {_DISTRUST}")


def _missing(source: _Source, kind: str, name: str, names: Sequence[str]) -> InputError:
    return InputError(f"{source.archive} holds no {kind[2:]} {_shown(name)}; {_nearest(name, names)}")


def _nearest(name: str, names: Sequence[str]) -> str:
    """What there is instead, for the end of a sentence: the same file elsewhere, a name alike, or the first names."""
    names = [other for other in names if not _is_rubbish(other)]
    last = name.rpartition("/")[2].casefold()
    close = [other for other in names if other.rpartition("/")[2].casefold() == last]
    close = close or difflib.get_close_matches(name, names[:_COMPARED], n=1, cutoff=0.5)
    if close:
        return f"did you mean {_shown(close[0])}?"
    return f"it holds {some([_shown(other) for other in names]) or 'none'}"


# Sizes and space


def _check_sizes(source: _Source, files: Collection[_Member], limits: Limits) -> None:
    size = sum(file.size for file in files)
    if size > limits.size:
        raise InputError(
            f"{source.archive} is refused: {size:,} bytes are to be unpacked, at most {limits.size:,} are; {_BY_HAND}"
        )
    with _reading(source.archive):
        source.check(files, limits)


def _check_ratio(archive: Path, what: str, size: int, packed: int, limits: Limits) -> None:
    if size > max(_NO_BOMB, limits.ratio * packed):
        raise InputError(
            f"{archive} is refused: {what} unpacks from {packed:,} to {size:,} bytes, more than {limits.ratio:g} times "
            f"as many; {_DISTRUST}"
        )


def _check_target(archive: Path, target: Path) -> None:
    place = archive.resolve()
    if target.resolve() in (place, *place.parents):
        raise InputError(f"{target} would be replaced and {archive} lost with it; unpack it to another place")


def _check_space(files: Iterable[_Member], archive: Path, target: Path) -> None:
    needed = sum(-(-file.size // _DISK_BLOCK) * _DISK_BLOCK for file in files)
    place = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"{target}: what is unpacked from {archive} needs {needed:,} bytes, and {free:,} are free on that disk; "
            "make room"
        )


# Writing


@contextmanager
def _no_new_parents(target: Path) -> Iterator[None]:
    """Take away the folders that were made for ``target`` to lie in, if it does not come to lie there."""
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


def _write_all(source: _Source, chosen: _Chosen, target: Path) -> None:
    target.chmod(stat.S_IMODE(target.stat().st_mode) & ~0o022)
    for folder in sorted(chosen.folders):  # a folder comes before those in it
        (target / folder).mkdir(mode=0o755)
    for name, member in track(list(chosen.files.items()), f"unpack {source.archive.name}"):
        _write(source, member, target / name)


def _write(source: _Source, member: _Member, path: Path) -> None:
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, new, mode=0o644), "wb") as file:
        for chunk in _chunks(source, member):
            file.write(chunk)
    if member.time is not None and 0 < member.time <= time.time():  # Snakemake takes a file of tomorrow for changed
        os.utime(path, (member.time, member.time))


def _chunks(source: _Source, member: _Member) -> Iterator[bytes]:
    """The bytes of a member, never more than its header says."""
    done = 0
    with _reading(source.archive, f"its member {_shown(member.name)}"):
        for chunk in source.chunks(member):
            done += len(chunk)
            if done > member.size:
                break
            yield chunk
        if done != member.size:
            found = f"more than {member.size:,}" if done > member.size else f"{done:,}"
            fault = f"its member {_shown(member.name)} unpacks to {found} bytes, expected {member.size:,}"
            raise _damaged(source.archive, fault)


# Zip


class _Zip(_Source):
    # Signature, version, flags, method, time, date, CRC-32, size packed and unpacked, lengths of name and extra field
    # (APPNOTE.TXT 4.3.7).
    _LOCAL = struct.Struct("<4s5H3L2H")
    _ENCRYPTED = 0x1 | 0x40 | 0x2000
    _SAID_LATER = 0x8  # the header was written before the data: CRC-32 and sizes may be 0 in it
    _UTF8 = 0x800  # the name is UTF-8
    _IN_ZIP64 = 0xFFFF_FFFF  # a size that stands in the zip64 extra field

    def __init__(self, archive: Path, file: io.BufferedReader, limits: Limits) -> None:
        super().__init__(archive, limits)
        self._file = file
        if not zipfile.is_zipfile(file):
            raise _damaged(archive, "its end is missing, and with it the list of its members")
        self._zip = zipfile.ZipFile(file)
        self._infos = self._zip.infolist()
        if not self._infos:
            raise _damaged(archive, "nothing is in it")
        if _zip_count(file) not in {len(self._infos) & 0xFFFF, 0xFFFF}:
            raise _damaged(archive, "the list of its members is not as long as it says")
        for info in self._infos:
            self._add(info.orig_filename, _zip_kind(info), info.file_size, _zip_time(info))
        self._starts = sorted([*(info.header_offset for info in self._infos), self._zip.start_dir])
        if self._starts[0] != 0:  # the end of a zip archive within this one, which was cut short there
            raise _damaged(archive, "its first bytes are of no member that it lists")

    def check(self, files: Collection[_Member], limits: Limits) -> None:
        packed = 0
        for file in files:
            info = self._infos[file.number]
            self._check_method(info)
            self._check_header(info)
            _check_ratio(self.archive, f"its member {_shown(file.name)}", file.size, info.compress_size, limits)
            packed += info.compress_size
        _check_ratio(self.archive, "what was asked of it", sum(file.size for file in files), packed, limits)

    def _check_method(self, info: zipfile.ZipInfo) -> None:
        name = _shown(info.filename)
        if info.flag_bits & self._ENCRYPTED:
            raise InputError(f"{self.archive}: its member {name} is encrypted; unpack it by hand, with its password")
        if info.compress_type not in _ZIP_METHODS:
            expected = " or ".join(f"{number} ({method})" for number, method in _ZIP_METHODS.items())
            raise InputError(
                f"{self.archive}: its member {name} is packed by method {info.compress_type}, expected {expected}; "
                "unpack it by hand, such as with 7z"
            )

    def _check_header(self, info: zipfile.ZipInfo) -> None:
        """Raise ``InputError`` unless a member has a place of its own and its header there says what the list says."""
        name = _shown(info.filename)
        start = info.header_offset
        self._file.seek(min(start, self._zip.start_dir))
        header = self._LOCAL.unpack(self._file.read(self._LOCAL.size))
        signature, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
        if start >= self._zip.start_dir or signature != b"PK\x03\x04":
            raise _damaged(self.archive, f"its member {name} is not where the list of members says")
        coding = "utf-8" if flags & self._UTF8 else "cp437"
        end = start + self._LOCAL.size + name_length + extra_length + info.compress_size
        if end > self._starts[bisect_left(self._starts, start) + 1]:
            raise _damaged(self.archive, f"its member {name} overlaps with what comes next")
        unsaid = {0} if flags & self._SAID_LATER else set()
        if (
            self._file.read(name_length).decode(coding) != info.orig_filename
            or method != info.compress_type
            or crc not in {info.CRC, *unsaid}
            or packed not in {info.compress_size, self._IN_ZIP64, *unsaid}
            or size not in {info.file_size, self._IN_ZIP64, *unsaid}
        ):
            raise _damaged(self.archive, f"the header of its member {name} and the list of members differ")

    def chunks(self, member: _Member) -> Iterator[bytes]:
        info = copy.copy(self._infos[member.number])
        info.file_size += 1  # zipfile reads no further than this, and compares the CRC-32 of as much
        expected, found = info.CRC, 0
        del info.CRC
        with self._zip.open(info) as packed:
            while chunk := packed.read(_CHUNK):
                found = zlib.crc32(chunk, found)
                yield chunk
        if found != expected:
            raise zipfile.BadZipFile(f"its CRC-32 is {found:08x} instead of {expected:08x}")


# zipfile knows bzip2 and lzma too, but unpacks all it has read at once: a kilobyte may become a gigabyte in memory.
_ZIP_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}

_ZIP_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
}


def _zip_count(file: io.BufferedReader) -> int:
    """How many members the end of a zip archive speaks of: modulo 2^16, or 2^16 - 1 for a number in its zip64 end.

    zipfile does not look at it, and loses members where the length of a comment is wrong.
    """
    file.seek(max(0, file.seek(0, io.SEEK_END) - 22 - 0xFFFF))
    tail = file.read()
    (count,) = struct.unpack_from("<H", tail, tail.rindex(b"PK\x05\x06") + 10)
    return int(count)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16  # of Unix; other systems leave it 0
    return _ZIP_KINDS.get(stat.S_IFMT(mode), _FOLDER if info.orig_filename.endswith("/") else _FILE)


def _zip_time(info: zipfile.ZipInfo) -> float | None:
    try:
        return datetime(*info.date_time, tzinfo=UTC).timestamp()
    except ValueError:
        return None


# Tar


class _Tar(_Source):
    def __init__(self, archive: Path, stream: "_Stream", limits: Limits) -> None:
        super().__init__(archive, limits)
        self._tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")
        self._infos: list[tarfile.TarInfo] = []
        while (info := self._tar.next()) is not None:
            if info.size < 0 or (self._infos and info.offset <= self._infos[-1].offset):
                raise _damaged(archive, f"the header of its member {_shown(info.name)} leads backwards")
            self._infos.append(info)
            self._add(info.name, _tar_kind(info), 0 if info.isdir() else info.size, info.mtime)
        self._check_end(stream)

    def _check_end(self, stream: "_Stream") -> None:
        """Raise ``InputError`` unless the archive is whole: tarfile takes the first wrong header for its end."""
        stream.seek(self._tar.offset)
        if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise _damaged(self.archive, f"it breaks off after {len(self.members):,} members")
        while chunk := stream.read(_CHUNK):  # also has gzip, bzip2 and xz compare their checksums
            if chunk.count(0) != len(chunk):
                raise _damaged(self.archive, f"something follows its end after {len(self.members):,} members")

    def check(self, files: Collection[_Member], limits: Limits) -> None:
        """Nothing more: all bytes were read, and counted, for the list of members."""

    def chunks(self, member: _Member) -> Iterator[bytes]:
        packed = self._tar.extractfile(self._infos[member.number])
        assert packed is not None  # it is a file
        with packed:
            while chunk := packed.read(_CHUNK):
                yield chunk


_TAR_KINDS = {
    tarfile.DIRTYPE: _FOLDER,
    tarfile.REGTYPE: _FILE,
    tarfile.AREGTYPE: _FILE,
    tarfile.CONTTYPE: _FILE,
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a fifo",
}


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "a sparse file"
    return _TAR_KINDS.get(info.type, f"of the unknown type {info.type!r}")


class _Stream(io.BufferedIOBase):
    """The bytes of a tar archive as tarfile reads and seeks them, on a short lead.

    Headers can ask for gigabytes in memory, for a place before the beginning, and to unpack a bomb up to a place far
    off. ``most`` is how many bytes there may be.
    """

    def __init__(self, archive: Path, stream: io.BufferedIOBase, most: float = math.inf) -> None:
        self._archive, self._stream, self._most = archive, stream, most

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset < 0 or whence != io.SEEK_SET:
            raise tarfile.ReadError("a header leads backwards")
        self._check(offset)
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, offset: int) -> None:
        if offset > self._most:
            raise InputError(
                f"{self._archive} is refused: it unpacks to more than {int(self._most):,} bytes, too many for its "
                f"size; {_DISTRUST}"
            )
