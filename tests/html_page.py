"""A page as a test sees it: its tags, its words, its pictures."""

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np

_EMPTY = {"meta", "img", "path", "br"}


class Page(HTMLParser):
    """Tags in their order, and the text. Asserts that every tag is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def pictures(self) -> list[np.ndarray]:
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        heads, bodies = zip(*(source.split(",", 1) for source in sources), strict=True)
        assert set(heads) <= {"data:image/png;base64", "data:image/jpeg;base64"}
        bytes_ = [np.frombuffer(base64.b64decode(body, validate=True), np.uint8) for body in bodies]
        return [cv2.imdecode(content, cv2.IMREAD_COLOR) for content in bytes_]
