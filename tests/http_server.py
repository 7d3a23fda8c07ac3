"""A real HTTP server on 127.0.0.1 that answers each path as scripted, and remembers what it saw and sent.

with serving() as server:
    url = server.put("/a.pth", file(BODY, upto=1000), file(BODY))  # cut at the first request, right from then on
    ...
    assert server.ranges("/a.pth") == [None, "bytes=1000-"]
"""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["Answer"], None]
"""What is done with one request."""


@dataclass
class Seen:
    """A request, and how many bytes of a body were sent to it."""

    path: str
    headers: Message
    sent: int = 0


class Server(ThreadingHTTPServer):
    daemon_threads = False  # they are waited for: no connection outlives a test

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.script: dict[str, list[Behaviour]] = {}
        self.seen: list[Seen] = []
        self.stopping = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, *behaviours: Behaviour) -> str:
        """Answer the requests for ``path`` in this order, the last behaviour for ever; returns the address."""
        self.script[path] = list(behaviours)
        return path if path.startswith("http") else self.address + path

    def requests(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def ranges(self, path: str) -> list[str | None]:
        return [seen.headers["Range"] for seen in self.requests(path)]

    def sent(self, path: str) -> int:
        return sum(seen.sent for seen in self.requests(path))

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


class Answer(BaseHTTPRequestHandler):
    """One request being answered; what behaviours are made of."""

    protocol_version = "HTTP/1.1"
    server: Server
    seen: Seen

    def do_GET(self) -> None:
        self.seen = Seen(self.path, self.headers)
        self.server.seen.append(self.seen)
        behaviours = self.server.script.get(self.path, [text(404)])
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def log_message(self, *_: object) -> None:
        pass

    def begin(self, status: int, headers: Mapping[str, object]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if value is not None:
                self.send_header(key, str(value))
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.seen.sent += len(data)

    def cut(self) -> None:
        """Close the connection as if all had been said."""
        self.close_connection = True

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def stall(self) -> None:
        """Say no more, and keep the connection until the server stops."""
        self.server.stopping.wait()
        self.close_connection = True


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def file(
    body: bytes,
    *,
    upto: int | None = None,
    ending: Callable[[Answer], None] = Answer.cut,
    ranges: bool = True,
    etag: str | None = None,
    modified: str | None = None,
    **headers: object,
) -> Behaviour:
    """A file as a good server sends it: whole, or from where it is asked for, if that is still the same version.

    With ``upto`` only its bytes before that position are sent, then comes ``ending``; with ``ranges=False`` every
    request gets the whole. ``headers`` (``Content_Type="text/html"``) add to the right ones or replace them.
    """

    def answer(to: Answer) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", to.headers["Range"] or "")
        same_version = to.headers["If-Range"] in {None, etag}
        start = int(asked[1]) if asked and ranges and same_version else 0
        if start >= len(body) > 0:
            to.begin(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": 0})
            return
        right = {
            "Content-Length": len(body) - start,
            "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}" if start else None,
            "ETag": etag,
            "Last-Modified": modified,
        }
        to.begin(206 if start else 200, right | {key.replace("_", "-"): value for key, value in headers.items()})
        to.send(body[start:upto])
        if upto is not None:
            ending(to)

    return answer


def held(body: bytes, upto: int, gate: threading.Event) -> Behaviour:
    """The whole file, but after ``upto`` bytes the rest waits for ``gate``."""

    def go_on(to: Answer) -> None:
        while not (gate.wait(0.05) or to.server.stopping.is_set()):
            pass
        to.send(body[upto:])

    return file(body, upto=upto, ending=go_on, etag='"1"')


def drip(body: bytes, pieces: int, pause: float) -> Behaviour:
    """The whole file, in so many pieces with a pause before each."""
    size = -(-len(body) // pieces)

    def go_on(to: Answer) -> None:
        for start in range(0, len(body), size):
            to.server.stopping.wait(pause)
            to.send(body[start : start + size])

    return file(body, upto=0, ending=go_on)


def chunked(body: bytes, *, upto: int | None = None) -> Behaviour:
    """The file without its length, in chunks; with ``upto`` without the last chunk that marks the end."""

    def answer(to: Answer) -> None:
        to.begin(200, {"Transfer-Encoding": "chunked"})
        sent = body[:upto]
        for start in range(0, len(sent), 10_000):
            chunk = sent[start : start + 10_000]
            to.wfile.write(f"{len(chunk):x}\r\n".encode())
            to.send(chunk)
            to.wfile.write(b"\r\n")
        if upto is None:
            to.wfile.write(b"0\r\n\r\n")
        else:
            to.cut()

    return answer


def until_closed(body: bytes) -> Behaviour:
    """The way of HTTP/1.0: no length, the end of the connection is the end of the file."""

    def answer(to: Answer) -> None:
        to.begin(200, {"Connection": "close"})
        to.send(body)
        to.cut()

    return answer


def text(status: int, body: bytes = b"", **headers: object) -> Behaviour:
    """A status with a short body; ``headers`` (``Retry_After=3``) add to the right ones or replace them."""

    def answer(to: Answer) -> None:
        to.begin(status, {"Content-Length": len(body)} | {k.replace("_", "-"): v for k, v in headers.items()})
        to.send(body)

    return answer


def redirect(location: str) -> Behaviour:
    return text(302, Location=location)


def no_answer(to: Answer) -> None:
    """Close the connection without a word."""
    to.cut()
