"""Declared files from the network: taken up where they broke off, refused early, put into place whole.

What has come of a file lies in a hidden part file beside its target, always under the same name, with a note of where
it comes from. A process that is killed leaves both, and the next one asks for the rest only. The part file is also the
lock of its target, which the system takes back when the process ends, however that dies.
"""

import errno
import fcntl
import json
import os
import re
import shutil
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError

from pth2map.files.atomic import write_json
from pth2map.files.declaration import Declaration, mismatch
from pth2map.files.errors import InputError
from pth2map.files.progress import Meter

ANOTHER_PROCESS = "another process"
"""Stands for the address of a file that another process has put into place meanwhile."""

_UNREACHABLE_ATTEMPTS = 2  # of an address that has never answered: who is offline hears it soon
_MOST_REDIRECTS = 10
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_PAGES = {".html", ".htm", ".xhtml"}
_XML = {".xml", ".svg"}
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_LFS_POINTER = 1024  # by its specification
_HEAD = 64  # bytes that show what a body is
_AT_ONCE = 1 << 20
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    connect_s: float = 15.0
    read_s: float = 60.0
    """A connection that brings no byte for so long has stalled."""
    attempts: int = 6
    """So many in a row that bring no new byte, and an address is given up."""
    first_wait_s: float = 1.0
    """Before the next attempt; doubled after each that brought nothing, or what the server asks for if that is more."""
    longest_wait_s: float = 60.0


_PATIENCE = Patience()


class DownloadError(Exception):
    """No address gave the declared file; ``answers`` holds each with what it answered, in the order tried."""

    def __init__(self, name: str, answers: Sequence[tuple[str, str]]) -> None:
        said = "; ".join(f"{address} {answer}" for address, answer in answers)
        super().__init__(f"{name}: {said or 'no address to fetch it from'}")
        self.answers = list(answers)


class _Refused(Exception):
    """What an address answered; asking it again would not help."""


class _Failed(Exception):
    """Why an attempt came to nothing; the next may do better, after ``wait_s`` if the server asks for that."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Unreachable(_Failed):
    """There was no connection at all."""


def download(declaration: Declaration, target: Path, patience: Patience = _PATIENCE) -> str:
    """Fetch a declared file from the first of its addresses that has it; which one that was.

    What lies at ``target`` is replaced unless it is the declared file already: then another process has just fetched
    it (``ANOTHER_PROCESS``). Raises ``DownloadError`` when no address gives the file (what has come of it stays for
    the next call), ``InputError`` when the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(_Part(target)) as part:
        if target.is_file() and mismatch(target, declaration) is None:
            part.clear()
            return ANOTHER_PROCESS
        if (origin := _left_whole(part, declaration)) is not None:
            part.put_into_place()
            return origin
        answers: list[tuple[str, str]] = []
        with requests.Session() as session:
            session.headers["Accept-Encoding"] = "identity"
            session.max_redirects = _MOST_REDIRECTS
            for address in declaration.urls:
                answer = _fetch(_Errand(declaration, part, session, patience), address)
                if answer is None:
                    part.put_into_place()
                    return address
                _say(target, f"{_host(address)} {answer}")
                answers.append((address, answer))
    raise DownloadError(target.name, answers)


@dataclass(frozen=True)
class _Note:
    """Where the bytes of a part come from: the address, what tells its versions apart, how many there are in all."""

    address: str
    etag: str | None
    modified: str | None
    total: int | None

    @property
    def strong_etag(self) -> str | None:
        return None if self.etag is None or self.etag.startswith("W/") else self.etag

    @property
    def validator(self) -> str | None:
        return self.strong_etag or self.modified


class _Part:
    """The part file of a target, held by this process alone until it is closed. An empty one does not stay."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._sidecar = target.with_name(f".{target.name}.part.json")
        self._descriptor = _hold(self.path, target)
        self.note = self._read_note()

    def _read_note(self) -> _Note | None:
        try:
            return _Note(**json.loads(self._sidecar.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def begin(self, note: _Note) -> None:
        """Drop what there is; the bytes that are added from now on are the first."""
        os.ftruncate(self._descriptor, 0)
        self.go_on(note)

    def go_on(self, note: _Note) -> None:
        with _full_disk_named(self.target):
            write_json(self._sidecar, asdict(note))
        self.note = note

    def add(self, data: bytes) -> None:
        left = memoryview(data)
        with _full_disk_named(self.target):
            while left:
                left = left[os.write(self._descriptor, left) :]

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)
        self._sidecar.unlink(missing_ok=True)
        self.note = None

    def put_into_place(self) -> None:
        with _full_disk_named(self.target):
            os.fsync(self._descriptor)
        self.path.replace(self.target)
        self._sidecar.unlink(missing_ok=True)

    def close(self) -> None:
        if self.size == 0 and _is_at(self._descriptor, self.path):
            self.path.unlink()
            self._sidecar.unlink(missing_ok=True)
        os.close(self._descriptor)


def clear_part(target: Path) -> None:
    """Remove what an interrupted download left of a file that has come by other means."""
    for left in (target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.part.json")):
        with suppress(OSError):  # gone, or a folder for reading only
            left.unlink()


def _hold(path: Path, target: Path) -> int:
    """A descriptor of the file at ``path``, which is made if need be, with the lock on it.

    Who held the file before may have renamed or removed it while this process waited. The lock is worth nothing then,
    and the file that is at ``path`` now is asked for.
    """
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            if not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
                if not told:
                    _say(target, "another process is fetching it; waiting for that")
                told = True
                _lock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # some shared file systems; the hash then finds what two processes mixed up
            raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _left_whole(part: _Part, declaration: Declaration) -> str | None:
    """Where the part comes from if an earlier process got the whole file; one that cannot become it is dropped."""
    note = part.note
    if note is None or not (declaration.hashes or note.address in declaration.urls):
        part.clear()
        return None
    total = note.total if declaration.size is None else declaration.size
    if total is None or part.size < total:
        return None
    if part.size == total and mismatch(part.path, declaration) is None:
        return note.address
    part.clear()
    return None


@dataclass(frozen=True)
class _Errand:
    """What is fetched, into what, and how."""

    declaration: Declaration
    part: _Part
    session: requests.Session
    patience: Patience

    def usable(self, address: str) -> int:
        """How many bytes of the part can be those of ``address``: with a hash to decide, all; else of one version."""
        note = self.part.note
        if note is None:
            return 0
        same = note.address == address and note.validator is not None
        return self.part.size if self.declaration.hashes or same else 0


def _fetch(errand: _Errand, address: str) -> str | None:
    """Ask one address until the part is the declared file, or until it is of no more use: then what it answered."""
    if not address.lower().startswith(("http://", "https://")):
        return "is neither http nor https"
    part, patience = errand.part, errand.patience
    furthest, barren, reached, from_zero = errand.usable(address), 0, False, False
    while True:
        try:
            in_one_go = _attempt(errand, address)
        except _Refused as refusal:
            return str(refusal)
        except _Failed as failure:
            have = errand.usable(address)
            barren, furthest = (0, have) if have > furthest else (barren + 1, furthest)
            reached = reached or not isinstance(failure, _Unreachable)
            if barren >= (patience.attempts if reached else min(patience.attempts, _UNREACHABLE_ATTEMPTS)):
                return f"{failure}, {barren} times in a row" if barren > 1 else str(failure)
            _wait(failure, barren, part, address, patience)
            continue
        fault = mismatch(part.path, errand.declaration)
        if fault is None:
            return None
        part.clear()
        if in_one_go or from_zero:
            return f"sent other bytes: {fault}"
        _say(part.target, "its pieces do not make the declared file; once more from zero")
        furthest, barren, from_zero = 0, 0, True


def _wait(failure: _Failed, barren: int, part: _Part, address: str, patience: Patience) -> None:
    doubled = patience.first_wait_s * 2.0 ** min(max(barren - 1, 0), 30)
    seconds = min(max(doubled, failure.wait_s), patience.longest_wait_s)
    have = f", {part.size / 1e6:.1f} MB are here" if part.size else ""
    _say(part.target, f"{_host(address)} {failure}{have}; again in {seconds:.0f} s")
    time.sleep(seconds)


def _attempt(errand: _Errand, address: str) -> bool:
    """One request, and its bytes into the part up to the end of the file.

    Returns whether it surely is one whole version of the file: all of it came now, and its end was marked.
    """
    part = errand.part
    offset = errand.usable(address)
    with _ask(errand, address, offset) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            if errand.declaration.hashes:  # the part may be whole: they decide
                return False
            part.clear()
            raise _Failed("has nothing more to send")
        announced = _check(response, errand, offset)
        total = announced if errand.declaration.size is None else errand.declaration.size
        _check_space(part, total)
        body = _body(response, errand.patience)
        note = _note(response, address, total)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            part.go_on(note)
        else:
            offset, head = 0, _head(body)
            _check_head(head, errand)
            part.begin(note)
            body = chain([head], body)
        _receive(body, part, total)
        chunked = bool(response.raw.chunked)
        if total is not None and part.size < total and (offset or not chunked):
            raise _Failed("broke off")
        return offset == 0 and (chunked or announced is not None)


def _ask(errand: _Errand, address: str, offset: int) -> requests.Response:
    note, patience = errand.part.note, errand.patience
    headers = {}
    if offset and note:
        headers["Range"] = f"bytes={offset}-"
        if note.address == address and note.strong_etag:
            headers["If-Range"] = note.strong_etag
    try:
        timeout = (patience.connect_s, patience.read_s)
        return errand.session.get(address, headers=headers, stream=True, timeout=timeout)
    except requests.ConnectTimeout:
        raise _Unreachable(f"could not be reached within {patience.connect_s:g} s") from None
    except requests.Timeout:
        raise _Failed(f"did not answer within {patience.read_s:g} s") from None
    except requests.TooManyRedirects:
        raise _Refused(f"redirects in a circle, or more than {_MOST_REDIRECTS} times") from None
    except requests.ConnectionError as error:
        raise _unconnected(error) from None
    except (OSError, HTTPError, ValueError) as error:  # an address that is none, there or behind a redirect; no bundle
        raise _Refused(f"cannot be asked ({error})") from None


def _unconnected(error: requests.ConnectionError) -> _Failed:
    origin = error.args[0] if error.args else None
    reason = getattr(origin, "reason", None)
    if isinstance(error, requests.exceptions.ProxyError):
        return _Unreachable("could not be reached through the proxy that the environment names")
    if isinstance(error, requests.exceptions.SSLError):
        detail = next(
            (a for e in (reason, origin) for a in getattr(e, "args", ()) if isinstance(a, ssl.SSLError)), None
        )
        said = getattr(detail, "verify_message", None) or getattr(detail, "reason", None)
        return _Unreachable(f"made no trusted TLS connection{f' ({said})' if said else ''}")
    if isinstance(reason, NameResolutionError):
        return _Unreachable("could not be reached: the name of the host is not known (is there a network?)")
    if isinstance(reason, NewConnectionError):
        said = getattr(reason.__cause__, "strerror", None)
        return _Unreachable(f"could not be reached: {said.lower()}" if said else "could not be reached")
    return _Failed("closed the connection without an answer")


def _check(response: requests.Response, errand: _Errand, offset: int) -> int | None:
    """How many bytes the whole file has by what is announced; an answer that is not the file ends here."""
    status, headers = response.status_code, response.headers
    if status in _PASSING:
        raise _Failed(_status(status), _retry_after(headers.get("Retry-After", "")))
    if status != HTTPStatus.OK and not (status == HTTPStatus.PARTIAL_CONTENT and offset):
        raise _Refused(_status(status))
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise _Refused(f"sends it in another encoding ({encoding}) than asked for")
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media == "text/html" and errand.part.target.suffix.lower() not in _PAGES:
        raise _Refused("sends a web page instead of the file")
    if status == HTTPStatus.PARTIAL_CONTENT:
        announced: int | None = _check_piece(response, errand, offset)
    else:
        announced = response.raw.length_remaining  # Content-Length, unless the body is chunked
    if announced is not None and errand.declaration.size not in {None, announced}:
        raise _Refused(f"announces {announced} bytes instead of {errand.declaration.size}")
    return announced


def _check_piece(response: requests.Response, errand: _Errand, offset: int) -> int | None:
    """The size of the whole file, of which an answer is the piece that was asked for. Else nothing here fits it."""
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(?:(\d{1,18})|\*)", response.headers.get("Content-Range", "").strip())
    total = int(found[2]) if found and found[2] else None
    note = errand.part.note
    assert note is not None
    fits = found is not None and int(found[1]) == offset and (total is None or note.total in {None, total})
    same = errand.declaration.hashes or _note(response, note.address, total).validator == note.validator
    if not (fits and same):
        errand.part.clear()
        raise _Failed("sends another piece than asked for" if not fits else "has another version of the file by now")
    return note.total if total is None else total


def _status(status: int) -> str:
    try:
        return f"answered {status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return f"answered {status}"


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After, which is a number of them or a date; 0 for none."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):  # no date, or one without a zone
        return 0.0


def _note(response: requests.Response, address: str, total: int | None) -> _Note:
    return _Note(address, response.headers.get("ETag"), response.headers.get("Last-Modified"), total)


def _check_space(part: _Part, total: int | None) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if total is not None and total - part.size > free:
        needed, folder = total - part.size, part.target.parent
        raise InputError(
            f"{part.target}: {needed / 1e6:.1f} MB are still to come, but only {free / 1e6:.1f} MB are free in {folder}"
        )


@contextmanager
def _full_disk_named(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise InputError(
            f"{target}: the disk of {target.parent} is full; what has come so far is kept, make room and call again"
        ) from None


def _body(response: requests.Response, patience: Patience) -> Iterator[bytes]:
    """The bytes as they come: undecoded, and handed on at once, so that none is lost when the connection breaks."""
    try:
        while data := response.raw.read1(_AT_ONCE, decode_content=False):
            yield data
    except ReadTimeoutError:
        raise _Failed(f"sent nothing for {patience.read_s:g} s") from None
    except HTTPError:
        raise _Failed("broke off") from None


def _head(body: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < _HEAD and (data := next(body, b"")):
        head += data
    return head


def _check_head(head: bytes, errand: _Errand) -> None:
    """Refuse what servers send in place of a file, and do not always call by its name."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    suffix, size = errand.part.target.suffix.lower(), errand.declaration.size
    if text.startswith((b"<!doctype", b"<html")) and suffix not in _PAGES | _XML:
        raise _Refused("sends a web page instead of the file")
    if text.startswith(b"<?xml") and suffix not in _PAGES | _XML:
        raise _Refused("sends an XML text, likely an error message, instead of the file")
    if text.startswith(_LFS_POINTER) and (size is None or size >= _LONGEST_LFS_POINTER):
        raise _Refused("sends a Git LFS pointer instead of the file")


def _receive(body: Iterator[bytes], part: _Part, total: int | None) -> None:
    with Meter("fetch", None if total is None else total / 1e6, "MB", initial=part.size / 1e6) as meter:
        for data in body:
            if total is not None and part.size + len(data) > total:
                part.clear()
                raise _Refused(f"sends more than {total} bytes")
            part.add(data)
            meter.show(part.size / 1e6)
        meter.finish(part.size / 1e6)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or address
    except ValueError:
        return address


def _say(target: Path, text: str) -> None:
    print(f"{target.name}: {text}", file=sys.stderr, flush=True)
