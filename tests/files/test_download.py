import errno
import gc
import gzip
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from tests.http_server import (
    Answer,
    chunked,
    drip,
    file,
    held,
    no_answer,
    redirect,
    serving,
    text,
    until_closed,
)

from pth2map.files import download as module
from pth2map.files.declaration import Declaration
from pth2map.files.download import ANOTHER_PROCESS, DownloadError, Patience, download
from pth2map.files.errors import InputError

BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
PAGE = b"\n<!DOCTYPE html><html><body>sign in</body></html>"
QUICK = Patience(connect_s=10, read_s=10, attempts=3, first_wait_s=0.001, longest_wait_s=0.01)
IMPATIENT = Patience(connect_s=10, read_s=0.3, attempts=3, first_wait_s=0.001, longest_wait_s=0.01)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as started:
        yield started
        # After an error urllib3 closes a connection that is kept for later only with the garbage, and the server waits
        # for it. A response that was left open speaks up here, too.
        gc.collect()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data/a.pth"


def declared(*urls, body=BODY, size=True, hashes=True):
    sha = {"sha256": hashlib.sha256(body).hexdigest()}
    return Declaration("a.pth", len(body) if size else None, sha if hashes else {}, urls)


def part_of(target):
    return target.with_name(f".{target.name}.part")


def note_of(target):
    return target.with_name(f".{target.name}.part.json")


def leave_part(target, data, address, etag=None, modified=None, total=None):
    target.parent.mkdir(parents=True, exist_ok=True)
    part_of(target).write_bytes(data)
    note = {"address": address, "etag": etag, "modified": modified, "total": total}
    note_of(target).write_text(json.dumps(note), encoding="utf-8")


def assert_whole(target, body=BODY):
    """The right file, and nothing beside it."""
    assert target.read_bytes() == body
    assert list(target.parent.iterdir()) == [target]


def assert_nothing(target):
    assert list(target.parent.iterdir()) == []


def refusal(declaration, target, patience=QUICK):
    """What the one address of a declaration answered."""
    with pytest.raises(DownloadError) as error:
        download(declaration, target, patience)
    ((address, answer),) = error.value.answers
    assert address == declaration.urls[0]
    assert str(error.value) == f"a.pth: {address} {answer}"
    return answer


# The straight way


def test_a_whole_file_comes_in_one_request(server, target):
    url = server.put("/a", file(BODY))
    assert download(declared(url), target) == url
    assert_whole(target)
    (seen,) = server.seen
    assert seen.headers["Accept-Encoding"] == "identity"
    assert seen.headers["Range"] is None


@pytest.mark.parametrize("behaviour", [chunked(BODY), until_closed(BODY), drip(BODY, 12, 0.05)])
@pytest.mark.parametrize("size", [True, False])
def test_a_file_without_a_length_or_in_slow_pieces_is_whole(server, target, behaviour, size):
    download(declared(server.put("/a", behaviour), size=size), target, IMPATIENT)
    assert_whole(target)
    assert len(server.seen) == 1


def test_what_is_not_declared_is_not_asked_of_a_file(server, target):
    download(declared(server.put("/a", file(BODY)), size=False, hashes=False), target, QUICK)
    assert_whole(target)


def test_a_wrong_file_at_the_target_is_replaced(server, target):
    target.parent.mkdir()
    target.write_bytes(b"other")
    download(declared(server.put("/a", file(BODY))), target, QUICK)
    assert_whole(target)


def test_a_right_file_at_the_target_is_not_fetched_again(server, target):
    target.parent.mkdir()
    target.write_bytes(BODY)
    assert download(declared(server.put("/a", file(BODY))), target, QUICK) == ANOTHER_PROCESS
    assert_whole(target)
    assert server.seen == []


def test_redirects_are_followed_with_the_range(server, target):
    url = server.put("/a", redirect("/b"))
    server.put("/b", redirect("/c"))
    server.put("/c", file(BODY, upto=100_000), file(BODY))
    assert download(declared(url), target, QUICK) == url
    assert_whole(target)
    assert server.ranges("/c") == [None, "bytes=100000-"]
    assert len(server.requests("/a")) == 2, "a link that is signed for a while is asked for again"


def test_the_proxy_of_the_environment_is_used(server, target, monkeypatch):
    url = server.put("http://example.invalid/a", file(BODY))
    monkeypatch.setenv("http_proxy", server.address)
    assert download(declared(url), target, QUICK) == url
    assert_whole(target)


# Taken up where it broke off


@pytest.mark.parametrize("ending", [Answer.cut, Answer.stall])
def test_after_cuts_and_stalls_only_the_rest_is_asked_for(server, target, ending):
    broken = [file(BODY, upto=n, ending=ending, etag='"1"') for n in (100_000, 150_000, 150_001, 299_999)]
    url = server.put("/a", *broken, file(BODY, etag='"1"'))
    download(declared(url), target, IMPATIENT)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-", "bytes=299999-"]
    assert [seen.headers["If-Range"] for seen in server.seen] == [None, *['"1"'] * 4]
    assert server.sent("/a") == len(BODY)


def test_after_a_reset_it_goes_on(server, target):
    url = server.put("/a", file(BODY, upto=200_000, ending=Answer.reset), no_answer, file(BODY))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert len(server.seen) == 3


def test_a_chunked_body_without_its_end_is_taken_up(server, target):
    url = server.put("/a", chunked(BODY, upto=100_000), file(BODY))
    download(declared(url, size=False), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-"]


def test_a_body_that_ends_before_the_declared_size_was_cut(server, target):
    url = server.put("/a", until_closed(BODY[:100_000]), file(BODY))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-"]


def test_a_server_may_send_less_than_asked_for(server, target):
    piece = text(206, BODY[100_000:200_000], Content_Range="bytes 100000-199999/300000")
    url = server.put("/a", file(BODY, upto=100_000), piece, file(BODY))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-", "bytes=200000-"]


def test_without_range_support_it_starts_from_zero(server, target):
    url = server.put("/a", file(BODY, upto=100_000), file(BODY, ranges=False))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-"]
    assert server.sent("/a") == 100_000 + len(BODY)


def test_cuts_at_one_place_without_range_support_come_to_an_end(server, target):
    url = server.put("/a", file(BODY, upto=100_000, ranges=False))
    assert refusal(declared(url), target) == "broke off, 3 times in a row"
    assert len(server.seen) == 1 + QUICK.attempts
    assert part_of(target).read_bytes() == BODY[:100_000]


def test_attempts_count_only_while_nothing_new_comes(server, target):
    cuts = [file(BODY, upto=n) for n in range(10_000, 110_000, 10_000)]
    url = server.put("/a", *cuts, file(BODY))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert len(server.seen) == len(cuts) + 1 > QUICK.attempts


def test_a_part_is_kept_after_a_failure_and_used_by_the_next_call(server, target):
    url = server.put("/a", file(BODY, upto=100_000, etag='"1"'), text(503))
    assert refusal(declared(url), target) == "answered 503 (Service Unavailable), 3 times in a row"
    assert not target.exists()
    assert part_of(target).read_bytes() == BODY[:100_000]
    note = json.loads(note_of(target).read_text())
    assert note == {"address": url, "etag": '"1"', "modified": None, "total": len(BODY)}
    server.put("/a", file(BODY, etag='"1"'))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a")[-1] == "bytes=100000-"


def test_another_version_on_the_server_starts_from_zero(server, target):
    url = server.put("/a", file(OTHER, upto=100_000, etag='"1"'), file(BODY, etag='"2"'))
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-"]
    assert server.requests("/a")[1].headers["If-Range"] == '"1"'


def test_versions_that_change_at_every_request_come_to_an_end(server, target):
    url = server.put("/a", *(file(BODY, upto=100_000, etag=f'"{n}"') for n in range(20)))
    assert refusal(declared(url, hashes=False), target) == "broke off, 3 times in a row"


def test_pieces_of_two_versions_are_found_by_the_hash_and_fetched_once_more(server, target, capsys):
    url = server.put("/a", file(OTHER, upto=100_000), file(BODY))  # no ETag, no way to see it before
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-", None]
    assert "once more from zero" in capsys.readouterr().err


@pytest.mark.parametrize("upto", [None, 50_000])
def test_what_is_wrong_from_zero_too_ends_it(server, target, upto):
    url = server.put("/a", file(OTHER, upto=100_000), file(OTHER), file(OTHER, upto=upto), file(OTHER))
    assert "sent other bytes: its sha256 begins" in refusal(declared(url), target)
    assert server.ranges("/a") == [None, "bytes=100000-", None, "bytes=50000-"][: 4 if upto else 3]
    assert_nothing(target)


def test_wrong_bytes_whose_end_was_not_marked_are_fetched_once_more(server, target):
    url = server.put("/a", until_closed(BODY[:100_000]), file(BODY))
    download(declared(url, size=False), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, None]


@pytest.mark.parametrize(
    "header", ["bytes 0-299999/300000", "bytes 100001-299999/300000", "bytes 100000-299998/299999", "all of it", None]
)
def test_a_piece_that_is_not_the_one_asked_for_is_not_used(server, target, header):
    wrong = text(206, OTHER[100_000:], Content_Range=header, ETag='"1"')
    url = server.put("/a", file(BODY, upto=100_000, etag='"1"'), wrong, file(BODY))
    download(declared(url, size=False, hashes=False), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-", None]


def test_a_piece_that_nobody_asked_for_is_refused(server, target):
    url = server.put("/a", text(206, BODY, Content_Range="bytes 0-299999/300000"))
    assert refusal(declared(url), target) == "answered 206 (Partial Content)"


# Parts of earlier processes


def test_a_part_that_is_whole_needs_no_request(server, target):
    url = server.put("/a", file(BODY))
    leave_part(target, BODY, "http://example.org/from-before")
    assert download(declared(url), target, QUICK) == "http://example.org/from-before"
    assert_whole(target)
    assert server.seen == []


@pytest.mark.parametrize("data", [OTHER, BODY + b"more"])
def test_a_part_that_cannot_become_the_file_is_dropped(server, target, data):
    url = server.put("/a", file(BODY))
    leave_part(target, data, url)
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None]


@pytest.mark.parametrize(("data", "address"), [(BODY + b"more", "/a"), (OTHER, "/of-an-old-declaration")])
def test_without_a_hash_a_part_must_have_the_size_and_an_address_of_the_file(server, target, data, address):
    url = server.put("/a", file(BODY, etag='"1"'))
    leave_part(target, data, server.address + address, etag='"1"', total=len(BODY))
    download(declared(url, size=False, hashes=False), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None]


@pytest.mark.parametrize("note", ["", "[]", '{"address": "x"}', None])
def test_a_part_without_its_note_is_dropped(server, target, note):
    url = server.put("/a", file(BODY))
    leave_part(target, BODY[:1000], url)
    note_of(target).unlink() if note is None else note_of(target).write_text(note)
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None]


def test_416_with_a_whole_part_takes_it(server, target):
    url = server.put("/a", file(BODY))
    leave_part(target, BODY, url)
    assert download(declared(url, size=False), target, QUICK) == url
    assert_whole(target)
    assert server.ranges("/a") == ["bytes=300000-"]


@pytest.mark.parametrize("hashes", [True, False])
def test_416_with_a_wrong_part_starts_from_zero(server, target, hashes):
    url = server.put("/a", file(BODY, etag='"1"'))
    leave_part(target, BODY + b"more", url, etag='"1"')
    download(declared(url, size=False, hashes=hashes), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == ["bytes=300004-", None]


def test_the_part_of_another_address_is_continued_when_a_hash_decides(server, target):
    first = server.put("/first", file(BODY, upto=100_000, etag='"1"'), text(404))
    second = server.put("/second", file(BODY, etag='"2"'))
    assert download(declared(first, second), target, QUICK) == second
    assert_whole(target)
    (seen,) = server.requests("/second")
    assert seen.headers["Range"] == "bytes=100000-"
    assert seen.headers["If-Range"] is None, "it knows nothing of the other's ETag"


def test_the_part_of_another_address_is_not_continued_without_a_hash(server, target):
    first = server.put("/first", file(OTHER, upto=100_000, etag='"1"'), text(404))
    second = server.put("/second", file(BODY, etag='"1"'))
    assert download(declared(first, second, hashes=False), target, QUICK) == second
    assert_whole(target)
    assert server.ranges("/second") == [None]


DAY, NEXT_DAY = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    ("before", "after", "ranges"),
    [
        ({"etag": '"1"'}, {"etag": '"1"'}, [None, "bytes=100000-"]),
        ({"modified": DAY}, {"modified": DAY}, [None, "bytes=100000-"]),
        ({"modified": DAY}, {"modified": NEXT_DAY}, [None, "bytes=100000-", None]),
        ({"etag": 'W/"1"'}, {"etag": 'W/"1"'}, [None, None]),
        ({}, {}, [None, None]),
    ],
)
def test_without_a_hash_only_one_and_the_same_version_is_continued(server, target, before, after, ranges):
    same = before == after
    url = server.put("/a", file(BODY if same else OTHER, upto=100_000, **before), file(BODY, **after))
    download(declared(url, hashes=False), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == ranges


# Answers that are not the file


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_plain_no_leads_to_the_next_address_at_once(server, target, status, capsys):
    first = server.put("/first", text(status, PAGE, Content_Type="text/html"))
    second = server.put("/second", file(BODY))
    assert download(declared(first, second), target, QUICK) == second
    assert_whole(target)
    assert len(server.requests("/first")) == 1
    assert f"a.pth: 127.0.0.1 answered {status} (" in capsys.readouterr().err


def test_every_address_and_its_answer_is_in_the_error(server, target):
    urls = [server.put("/first", text(404)), server.put("/second", text(403)), "ftp://example.org/a", "http://[/a"]
    with pytest.raises(DownloadError) as error:
        download(declared(*urls), target, QUICK)
    assert [address for address, _ in error.value.answers] == urls
    answers = [answer for _, answer in error.value.answers]
    assert answers[:3] == ["answered 404 (Not Found)", "answered 403 (Forbidden)", "is neither http nor https"]
    assert answers[3].startswith("cannot be asked (")
    assert_nothing(target)


def test_no_address_is_an_error_of_its_own(target):
    with pytest.raises(DownloadError, match=r"^a.pth: no address to fetch it from$") as error:
        download(declared(), target)
    assert error.value.answers == []
    assert_nothing(target)


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        (file(BODY, Content_Type="text/html; charset=utf-8"), "sends a web page instead of the file"),
        (text(200, PAGE.ljust(300_000)), "sends a web page instead of the file"),
        (chunked(b"\xef\xbb\xbf<html lang='en'>"), "sends a web page instead of the file"),
        (chunked(b"<?xml version='1.0'?><Error/>"), "sends an XML text, likely an error message, instead of the file"),
        (
            chunked(b"version https://git-lfs.github.com/spec/v1\noid sha256:00"),
            "sends a Git LFS pointer instead of the file",
        ),
        (file(BODY + b"more"), "announces 300004 bytes instead of 300000"),
        (file(BODY[:-1]), "announces 299999 bytes instead of 300000"),
        (file(BODY, Content_Length=299_999), "announces 299999 bytes instead of 300000"),
        (file(BODY, Content_Length=300_001), "announces 300001 bytes instead of 300000"),
        (chunked(BODY + b"more"), "sends more than 300000 bytes"),
        (until_closed(BODY + b"more"), "sends more than 300000 bytes"),
        (chunked(BODY[:-1]), "sent other bytes: 299999 bytes instead of 300000"),
        (
            file(gzip.compress(BODY), Content_Encoding="gzip"),
            "sends it in another encoding (gzip) than asked for",
        ),
        (text(204), "answered 204 (No Content)"),
        (text(304), "answered 304 (Not Modified)"),
        (text(599), "answered 599"),
    ],
)
def test_what_is_not_the_file_is_refused_at_once(server, target, behaviour, answer):
    url = server.put("/a", behaviour)
    assert refusal(declared(url), target) == answer
    assert len(server.seen) == 1
    assert_nothing(target)


def test_a_refusal_leaves_the_part_of_a_better_address(server, target):
    good = server.put("/good", file(BODY, upto=100_000), text(503))
    page = server.put("/page", text(200, PAGE))
    with pytest.raises(DownloadError):
        download(declared(good, page, size=False), target, QUICK)
    assert part_of(target).read_bytes() == BODY[:100_000]


@pytest.mark.parametrize("name", ["a.html", "a.xml"])
def test_a_page_may_be_what_is_declared(server, target, name):
    target = target.with_name(name)
    media = "text/html" if name == "a.html" else "application/xml"
    download(declared(server.put("/a", text(200, PAGE, Content_Type=media)), body=PAGE), target, QUICK)
    assert_whole(target, PAGE)


def test_a_small_declared_file_may_be_an_lfs_pointer(server, target):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 300000\n"
    download(declared(server.put("/a", file(pointer)), body=pointer), target, QUICK)
    assert_whole(target, pointer)


def test_other_bytes_are_removed_and_described(server, target):
    url = server.put("/a", file(OTHER))
    found, expected = hashlib.sha256(OTHER).hexdigest()[:12], hashlib.sha256(BODY).hexdigest()[:12]
    assert refusal(declared(url), target) == f"sent other bytes: its sha256 begins {found} instead of {expected}"
    assert len(server.seen) == 1
    assert_nothing(target)


def test_every_declared_hash_counts(server, target):
    md5 = hashlib.md5(OTHER, usedforsecurity=False).hexdigest()
    url = server.put("/a", file(BODY))
    declaration = Declaration("a.pth", None, {**declared().hashes, "md5": md5}, [url])
    assert refusal(declaration, target).startswith("sent other bytes: its md5 begins")


def test_an_announced_length_that_is_too_large_does_not_spoil_a_right_file(server, target):
    lie = file(BODY, upto=len(BODY), Content_Length=300_100)
    url = server.put("/a", lie, file(BODY))
    download(declared(url, size=False), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=300000-"]


def test_a_length_cut_short_is_found_by_the_hash(server, target):
    url = server.put("/a", file(BODY, Content_Length=200_000))
    assert "sent other bytes: its sha256 begins" in refusal(declared(url, size=False), target)
    assert_nothing(target)


def test_redirects_in_a_circle_end(server, target):
    url = server.put("/a", redirect("/b"))
    server.put("/b", redirect("/a"))
    assert refusal(declared(url), target) == "redirects in a circle, or more than 10 times"
    assert len(server.seen) == 11


def test_a_redirect_to_nothing(server, target):
    url = server.put("/a", redirect("/nothing"))
    assert refusal(declared(url), target) == "answered 404 (Not Found)"


def test_a_redirect_to_another_scheme(server, target):
    url = server.put("/a", redirect("ftp://example.org/a"))
    assert refusal(declared(url), target).startswith("cannot be asked (No connection adapters were found")


# Waits


@pytest.fixture
def waits(monkeypatch):
    """The waits between attempts, which are not waited."""
    seconds = []
    monkeypatch.setattr(module.time, "sleep", seconds.append)
    return seconds


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_tried_again(server, target, status, waits, capsys):
    url = server.put("/a", text(status), text(status), file(BODY))
    download(declared(url), target)
    assert_whole(target)
    assert waits == [1, 2]
    assert f"a.pth: 127.0.0.1 answered {status} (" in capsys.readouterr().err


def test_waits_double_up_to_the_longest_and_end(server, target, waits):
    url = server.put("/a", text(503))
    patience = Patience(attempts=10, longest_wait_s=60)
    assert refusal(declared(url), target, patience) == "answered 503 (Service Unavailable), 10 times in a row"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(server.seen) == 10
    assert_nothing(target)


def test_waits_begin_anew_after_new_bytes(server, target, waits):
    url = server.put("/a", text(503), text(503), file(BODY, upto=100_000), text(503), file(BODY))
    download(declared(url), target)
    assert waits == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("value", "wait"),
    [("7", 7), ("0", 1), ("3600", 60), ("soon", 1), ("-5", 1), (DAY, 1), ("Mon, 01 Jan 2024 00:00:00", 1)],
)
def test_the_server_says_how_long_to_wait(server, target, waits, value, wait):
    download(declared(server.put("/a", text(429, Retry_After=value), file(BODY))), target)
    assert waits == [wait]


def test_the_server_says_until_when_to_wait(server, target, waits):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    download(declared(server.put("/a", text(503, Retry_After=until), file(BODY))), target)
    assert 20 < waits[0] <= 40


def test_each_retry_is_one_line(server, target, waits, capsys):
    download(declared(server.put("/a", file(BODY, upto=150_000), no_answer, file(BODY))), target)
    assert capsys.readouterr().err.splitlines()[:2] == [
        "a.pth: 127.0.0.1 broke off, 0.1 MB are here; again in 1 s",
        "a.pth: 127.0.0.1 closed the connection without an answer, 0.1 MB are here; again in 1 s",
    ]


# No connection


def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("offline", [False, True])
def test_who_is_offline_hears_it_soon(server, target, waits, monkeypatch, offline):
    def not_known(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    if offline:
        monkeypatch.setattr(socket, "getaddrinfo", not_known)
    answer = refusal(declared(f"http://localhost:{unused_port()}/a"), target, Patience())
    reason = "the name of the host is not known (is there a network?)" if offline else "connection refused"
    assert answer == f"could not be reached: {reason}, 2 times in a row"
    assert waits == [1]
    assert_nothing(target)


def test_an_address_that_has_answered_is_not_given_up_so_soon(server, target, waits, monkeypatch):
    url = server.put("/a", file(BODY, upto=100_000))
    port, waited = unused_port(), waits.append

    def network_goes(seconds):
        waited(seconds)
        server.script["/a"] = [redirect(f"http://127.0.0.1:{port}/a")]

    monkeypatch.setattr(module.time, "sleep", network_goes)
    answer = refusal(declared(url), target, Patience())
    assert answer == "could not be reached: connection refused, 6 times in a row"
    assert waits == [1, 1, 2, 4, 8, 16]


def test_no_trust_no_file(server, target, waits):
    url = server.put("/a", file(BODY)).replace("http:", "https:")
    assert refusal(declared(url), target).startswith("made no trusted TLS connection")
    assert len(waits) == 1


def test_a_proxy_that_is_not_there(target, waits, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    answer = refusal(declared("http://example.invalid/a"), target)
    assert answer.startswith("could not be reached through the proxy that the environment names")


def test_a_server_that_does_not_answer(server, target, waits):
    url = server.put("/a", Answer.stall)
    assert refusal(declared(url), target, IMPATIENT) == "did not answer within 0.3 s, 3 times in a row"


# The disk


def test_too_little_room_is_said_before_the_first_byte(server, target, monkeypatch):
    url = server.put("/a", file(BODY))
    leave_part(target, BODY[:100_000], url)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: module.shutil._ntuple_diskusage(10**9, 10**9, 199_999))
    with pytest.raises(InputError, match=r"0\.2 MB are still to come, but only 0\.2 MB are free"):
        download(declared(url), target, QUICK)
    assert part_of(target).read_bytes() == BODY[:100_000]
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: module.shutil._ntuple_diskusage(10**9, 10**9, 200_000))
    download(declared(url), target, QUICK)
    assert_whole(target)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_keeps_the_part(server, target, monkeypatch, number):
    url = server.put("/a", file(BODY, etag='"1"'))
    write, room = os.write, [50_000]

    def write_a_little(descriptor, data):
        if not room[0]:
            raise OSError(number, os.strerror(number))
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", write_a_little)
        with pytest.raises(InputError, match="is full; what has come so far is kept"):
            download(declared(url), target, QUICK)
    assert part_of(target).read_bytes() == BODY[:50_000]
    download(declared(url), target, QUICK)
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=50000-"]


def test_progress_counts_megabytes_of_the_whole_file(server, target, capsys, monkeypatch):
    monkeypatch.setenv("PTH2MAP_PROGRESS", "off")
    url = server.put("/a", file(BODY))
    leave_part(target, BODY[:100_000], url)
    download(declared(url), target, QUICK)
    assert capsys.readouterr().err.startswith("fetch: 0.3/0.3 MB, ")


# Several processes

PROGRAM = """
import json, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background
from pth2map.files.declaration import Declaration
from pth2map.files.download import Patience, download
print(download(Declaration(**json.loads(sys.argv[1])), Path(sys.argv[2]), Patience(read_s=60)))
"""


def start(declaration, target):
    values = {"path": declaration.path, "size": declaration.size, "hashes": declaration.hashes}
    arguments = [json.dumps({**values, "urls": declaration.urls}), str(target)]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])},
    )


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def test_two_processes_fetch_a_file_once(server, target):
    gate = threading.Event()
    url = server.put("/a", held(BODY, 100_000, gate))
    with start(declared(url), target) as first:
        wait_until(lambda: size_of(part_of(target)) == 100_000)
        with start(declared(url), target) as second:
            line = second.stderr.readline()
            assert line == "a.pth: another process is fetching it; waiting for that\n"
            gate.set()
            assert first.communicate(timeout=60)[0] == f"{url}\n"
            assert second.communicate(timeout=60) == (f"{ANOTHER_PROCESS}\n", "")
    assert (first.returncode, second.returncode) == (0, 0)
    assert_whole(target)
    assert server.sent("/a") == len(BODY)


def test_many_processes_at_once_leave_one_whole_file(server, target):
    url = server.put("/a", drip(BODY, 10, 0.05))
    processes = [start(declared(url), target) for _ in range(4)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert sorted(outputs) == sorted([f"{url}\n", *[f"{ANOTHER_PROCESS}\n"] * 3])
    assert_whole(target)
    assert server.sent("/a") == len(BODY)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_who_follows_a_killed_process_asks_for_the_rest_only(server, target, number):
    url = server.put("/a", held(BODY, 100_000, threading.Event()), file(BODY, etag='"1"'))
    with start(declared(url), target) as killed:
        wait_until(lambda: size_of(part_of(target)) == 100_000)
        killed.send_signal(number)
        killed.communicate(timeout=60)
    assert killed.returncode != 0
    assert not target.exists()
    assert download(declared(url), target, QUICK) == url
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-"]


def test_who_waits_for_a_process_that_is_killed_takes_over(server, target):
    url = server.put("/a", held(BODY, 100_000, threading.Event()), file(BODY, etag='"1"'))
    with start(declared(url), target) as killed:
        wait_until(lambda: size_of(part_of(target)) == 100_000)
        with start(declared(url), target) as waiting:
            assert "waiting" in waiting.stderr.readline()
            killed.kill()
            killed.communicate(timeout=60)
            assert waiting.communicate(timeout=60)[0] == f"{url}\n"
    assert_whole(target)
    assert server.ranges("/a") == [None, "bytes=100000-"]


def test_who_waits_for_a_process_that_fails_tries_for_itself(server, target):
    gate = threading.Event()

    def late_no(to):
        gate.wait(60)
        text(404)(to)

    url = server.put("/a", late_no, file(BODY))
    with start(declared(url), target) as first:
        wait_until(lambda: server.seen)
        with start(declared(url), target) as second:
            assert "waiting" in second.stderr.readline()
            gate.set()
            assert "answered 404" in first.communicate(timeout=60)[1]
            assert second.communicate(timeout=60)[0] == f"{url}\n"
    assert_whole(target)
