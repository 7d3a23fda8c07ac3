"""Label files of faces, in the form of RetinaFace's annotations of WIDER FACE, and the list of images beside them.

``# <event>/<file>.jpg`` starts an image. Under it each line is a face, of numbers between blanks: ``x y w h`` in
pixels, then of each landmark (left eye, right eye, nose, left and right corner of the mouth) ``x y`` and a flag, then a
blur; 20 in all, or the first four alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pth2map.files.atomic import write_text
from pth2map.files.errors import InputError, some
from pth2map.files.kinds import looks_like

NAME_LIST = "wider_val.txt"
"""What the list of the images is called beside the label file of WIDER FACE val."""
_WITH_LANDMARKS, _BOX_ONLY = 20, 4
_LANDMARKS = [4, 5, 7, 8, 10, 11, 13, 14, 16, 17]
_FARTHEST = 2**31  # pixels


@dataclass(frozen=True)
class BadLine:
    """A line of a face that cannot be read: its number, from 1, and why."""

    line: int
    why: str


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image of a label file with its faces."""

    name: str
    """``<event>/<file>.jpg``."""
    line: int
    """Number of the line that names it, from 1."""
    faces: np.ndarray
    """``(k, 15)`` float64: ``x1, y1, x2, y2`` in pixels, five landmarks ``x, y``, and 1, or -1 for a face without
    landmarks, whose ten coordinates are -1. Nothing is checked but that they are numbers."""
    lines: tuple[int, ...]
    """Number of the line of each face."""
    bad: tuple[BadLine, ...]


def read_labels(path: Path) -> list[Labelled]:
    """Read a label file, the images in its order.

    Faces have 20 columns or 4, as most of the file have. A face has no landmarks if the first of its coordinates is
    negative, or if there are 4 columns. Empty lines do not count.

    Raises ``InputError`` for a file that is missing, empty, not UTF-8 or without images, for text before the first
    image, for an image that is named twice, and for a name that leads out of the folder of the images.
    """
    images: list[tuple[str, int, list[tuple[int, str]]]] = []
    seen: dict[str, int] = {}
    for number, text in enumerate(_lines(path), start=1):
        if text.startswith("#"):
            name = text[1:].strip()
            _check_name(name, f"{path}, line {number}")
            if name in seen:
                raise InputError(f"{path}, line {number}: {name} is on line {seen[name]} already; merge the two")
            seen[name] = number
            images.append((name, number, []))
        elif not text:
            continue
        elif images:
            images[-1][2].append((number, text))
        else:
            raise InputError(
                f"{path}, line {number}: {_shortened(text)!r} before any image, expected a label file: "
                "'# <event>/<file>.jpg', and under it a line for each face"
            )
    if not images:
        raise InputError(f"{path}: names no image, expected lines '# <event>/<file>.jpg' with faces under them")
    counts = Counter(len(text.split()) for _, _, faces in images for _, text in faces)
    columns = max((_WITH_LANDMARKS, _BOX_ONLY), key=lambda columns: counts[columns])
    return [_labelled(*image, columns) for image in images]


def write_labels(path: Path, boxes: Mapping[str, np.ndarray]) -> None:
    """Write a label file of faces without landmarks: of each image, by its name, ``(k, 4)`` boxes x, y, w, h."""
    lines = []
    for name, faces in boxes.items():
        lines.append(f"# {name}")
        lines += [" ".join(np.format_float_positional(value, trim="-") for value in face) for face in faces]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_names(path: Path) -> list[str]:
    """The images of a list, one a line, without the ``./`` that those of the published list begin with.

    Raises ``InputError`` for a file that cannot be read, and for a name that leads out of the folder of the images.
    """
    names = []
    for number, text in enumerate(_lines(path), start=1):
        if text:
            names.append(text.removeprefix("./"))
            _check_name(names[-1], f"{path}, line {number}")
    return names


def write_names(path: Path, names: Iterable[str]) -> None:
    """Write the list of images that lies beside a label file as :data:`NAME_LIST`."""
    write_text(path, "".join(f"{name}\n" for name in names))


def check_names(path: Path, images: Sequence[Labelled]) -> None:
    """Raise ``InputError`` unless the list names just the ``images`` of the label file beside it, in any order."""
    listed, labelled = set(read_names(path)), {image.name for image in images}
    differing = [
        f"{len(names)} {where}: {some(sorted(names))}"
        for names, where in ((listed - labelled, "only in the list"), (labelled - listed, "only in the label file"))
        if names
    ]
    if differing:
        raise InputError(
            f"{path} does not name the images of the label file beside it ({'; '.join(differing)}); take both of one "
            "set, or remove the list"
        )


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        with path.open("rb") as file:
            raise InputError(f"{path}: not UTF-8 text ({looks_like(file.read(64))})") from None
    if not content:
        raise InputError(f"{path}: the file is empty")
    return [line.strip() for line in content.split("\n")]


def _check_name(name: str, where: str) -> None:
    if {"", ".", ".."} & set(name.split("/")) or not name.isprintable():
        raise InputError(
            f"{where}: {_shortened(name)!r} is no place in the folder of the images, expected <event>/<file>.jpg"
        )


def _labelled(name: str, line: int, texts: Sequence[tuple[int, str]], columns: int) -> Labelled:
    rows, lines, bad = [], [], []
    for number, text in texts:
        words = text.split()
        values = _numbers(words)
        if len(words) != columns:
            bad.append(BadLine(number, f"{len(words)} columns ({_shortened(text)}), expected {columns}"))
        elif values is None:
            bad.append(BadLine(number, f"{_shortened(text)!r} is not {columns} numbers"))
        else:
            rows.append(values)
            lines.append(number)
    return Labelled(name, line, _faces(np.array(rows, dtype=np.float64).reshape(-1, columns)), tuple(lines), tuple(bad))


def _numbers(words: Sequence[str]) -> list[float] | None:
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    return values if all(abs(value) < _FARTHEST for value in values) else None  # not so for nan


def _faces(rows: np.ndarray) -> np.ndarray:
    faces = np.full((len(rows), 15), -1.0)
    faces[:, :2] = rows[:, :2]
    faces[:, 2:4] = rows[:, :2] + rows[:, 2:4]
    if rows.shape[1] == _WITH_LANDMARKS:
        present = rows[:, 4] >= 0
        faces[present, 4:14] = rows[present][:, _LANDMARKS]
        faces[present, 14] = 1
    return faces


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
