"""Image files: whole, decodable, of a known size."""

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from pth2map.files.errors import InputError
from pth2map.files.kinds import looks_like

Image.MAX_IMAGE_PIXELS = None  # it reads headers alone here, and the limit is ours
cv2.setNumThreads(1)  # several jobs share the cores; its threads cost more than they give beside each other

_JPEG, _START_OF_SCAN, _END_OF_IMAGE = b"\xff\xd8", 0xDA, b"\xff\xd9"
_ORIENTATION = 0x0112  # EXIF
_NOT_ENOUGH_MEMORY = -4  # OpenCV's status
_DAMAGED = "cannot be decoded, it is truncated or damaged; fetch it again"
MOST_PIXELS = 1 << 27
"""Larger images are refused: decoded they take 400 MB, and their float32 input four times as much."""
_STANDALONE_MARKERS = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image once its file has been read."""

    width: int
    height: int
    sha256: str
    damage: str | None = None
    """The decoder's words when some of the pixels are made up, since their bytes are corrupt."""


def inspect_image(path: Path) -> ImageFacts:
    """Size (as :func:`read_image` gives it, after EXIF rotation) and hash of an image file, which is decoded whole.

    Raises ``InputError`` when the file is missing, empty, no image, of more than :data:`MOST_PIXELS`, cannot be
    decoded, or is a JPEG that ends before its picture does. Other corrupt bytes inside a JPEG are told in ``damage``:
    decoders go on behind them, and published sets hold such images.
    """
    content = _read(path)
    _check_complete(content, path)
    width, height, plain = _size(content, path)
    # At an eighth of the size every byte of a JPEG is still decoded, in two fifths of the time. Of other formats OpenCV
    # cannot give an eighth of a side shorter than eight pixels.
    flags = cv2.IMREAD_REDUCED_GRAYSCALE_8 if min(width, height) >= 8 else cv2.IMREAD_GRAYSCALE
    with _caught_messages() as messages:
        decoded = _decode(content, flags)
        messages.seek(0)
        said = messages.read().decode(errors="replace").splitlines()
    if decoded is None:
        raise InputError(f"{path}: {_DAMAGED}")
    if not plain or decoded.shape != (-(-height // 8), -(-width // 8)):  # readers do not agree on every orientation
        height, width = read_image(path).shape[:2]
    return ImageFacts(width, height, sha256(content).hexdigest(), next(filter(_of_corrupt_bytes, said), None))


def inspect_images(paths: Sequence[tuple[str, Path]]) -> dict[str, ImageFacts]:
    """:func:`inspect_image` of files, by their names and in this order. One ``InputError`` has the faults of all."""
    facts, broken = {}, []
    for name, path in paths:
        try:
            facts[name] = inspect_image(path)
        except InputError as error:
            broken.append(str(error))
        except MemoryError:
            raise MemoryError(f"at {path}") from None
    if broken:
        shown = "; ".join([*broken[:5], *([f"and {len(broken) - 5} more"] if len(broken) > 5 else [])])
        raise InputError(f"{len(broken)} of {len(paths)} images cannot be used: {shown}")
    return facts


def read_image(path: Path) -> np.ndarray:
    """Pixels of an image file: ``(h, w, 3)`` uint8 BGR, rotated as its EXIF says (OpenCV's default reading).

    Raises ``InputError`` when the file is missing, no image, or truncated.
    """
    content = _read(path)
    _check_complete(content, path)
    image = _decode(content, cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path}: cannot be decoded ({looks_like(content[:64])})")
    return image


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not content:
        raise InputError(f"{path}: the file is empty")
    return content


def _size(content: bytes, path: Path) -> tuple[int, int, bool]:
    """Width and height as the header has them, and whether it speaks of no other orientation."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd metadata
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise InputError(
                        f"{path}: {width}×{height} pixels, expected at most {MOST_PIXELS:,} in all; scale it down with "
                        "its annotations, or leave it out by a subset"
                    )
                plain = image.getexif().get(_ORIENTATION, 1) == 1
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image ({looks_like(content[:64])})") from None
    except (OSError, SyntaxError):
        raise InputError(f"{path}: {_DAMAGED}") from None
    return width, height, plain


def _of_corrupt_bytes(line: str) -> bool:
    """Whether libjpeg says with it that pixels are made up; it, and others, also warn of odd metadata."""
    return line.startswith(("Corrupt JPEG data", "Premature end of JPEG"))


def _decode(content: bytes, flags: int) -> np.ndarray | None:
    try:
        decoded: np.ndarray | None = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error as error:
        if error.code == _NOT_ENOUGH_MEMORY:
            raise MemoryError from None
        return None
    return decoded


@contextmanager
def _caught_messages() -> Iterator[BinaryIO]:
    """A file that takes what C libraries write on stderr meanwhile, in the whole process."""
    sys.stderr.flush()
    with os.fdopen(os.memfd_create("messages"), "w+b") as messages:
        stderr = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            yield messages
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _check_complete(content: bytes, path: Path) -> None:
    if content[:2] != _JPEG:
        return
    # Inside a scan every FF byte is followed by 00 or a restart marker, and thumbnails lie in segments before it: an
    # end-of-image marker behind the first scan's start is the picture's own. Bytes after it are common and harmless.
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == _START_OF_SCAN:
            if content.rfind(_END_OF_IMAGE, position) < 0:  # from behind: there it is
                break
            return
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _STANDALONE_MARKERS:
            position += 2
        else:
            position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    raise InputError(f"{path}: truncated JPEG, its {len(content)} bytes end before the picture does; fetch it again")
