"""Image files: whole, decodable, of a known size."""

import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from pth2map.files.errors import InputError

cv2.setNumThreads(1)  # several jobs share the cores; its threads cost more than they give beside each other

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"
_ORIENTATION, _TURNED = 0x0112, range(5, 9)  # EXIF: orientations 5 to 8 lie on their side
_STANDALONE_MARKERS = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True)
class ImageFacts:
    """What a file says of its image without decoding the pixels."""

    width: int
    height: int
    sha256: str


def inspect_image(path: Path) -> ImageFacts:
    """Size (as :func:`read_image` gives it, after EXIF rotation) and hash of an image file.

    Raises ``InputError`` when the file is missing, empty, no image, or a JPEG that ends before its picture does.
    """
    content = _read(path)
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            if image.getexif().get(_ORIENTATION, 1) in _TURNED:
                width, height = height, width
            image_format = image.format
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{path}: not an image ({_looks_like(content)})") from None
    if image_format == "JPEG":
        _check_complete(content, path)
    return ImageFacts(width, height, sha256(content).hexdigest())


def read_image(path: Path) -> np.ndarray:
    """Pixels of an image file: ``(h, w, 3)`` uint8 BGR, rotated as its EXIF says (OpenCV's default reading).

    Raises ``InputError`` when the file is missing, no image, or truncated.
    """
    content = _read(path)
    if content[:2] == b"\xff\xd8":
        _check_complete(content, path)
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path}: cannot be decoded ({_looks_like(content)})")
    return image


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not content:
        raise InputError(f"{path}: the file is empty")
    return content


def _check_complete(content: bytes, path: Path) -> None:
    # Inside a scan every FF byte is followed by 00 or a restart marker, and thumbnails lie in segments before it: an
    # end-of-image marker behind the first scan's start is the picture's own. Bytes after it are common and harmless.
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == _START_OF_SCAN:
            if content.find(_END_OF_IMAGE, position) < 0:
                break
            return
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _STANDALONE_MARKERS:
            position += 2
        else:
            position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    raise InputError(f"{path}: truncated JPEG, its {len(content)} bytes end before the picture does; fetch it again")


def _looks_like(content: bytes) -> str:
    head = content[:64].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it looks like a web page"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file"
    return f"its first bytes are {content[:4].hex(' ')}"
