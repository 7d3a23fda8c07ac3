"""Detections of a set of images: in memory, as ``.npz``, as the WIDER FACE result text."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pth2map.files.arrays import expect_array, read_npz, widened
from pth2map.files.atomic import replacing_folder, write_npz
from pth2map.files.errors import InputError, some
from pth2map.files.hashing import hash_arrays

# A name becomes a folder and a file: two parts, neither of them ``.`` or ``..``.
_NAME = re.compile(r"(?!\.\.?/)[^/\r\n]+/(?!\.\.?$)[^/\r\n]+")
_OWN_KEYS = ("names", "counts", "boxes", "scores")
_SCORED = ("labels", "masks")  # of what else a row has
_LENGTHS, _BYTES = ".lengths", ".bytes"


@dataclass(frozen=True, eq=False)
class Detections:
    """Rows of detections, image after image; N rows in all.

    Raises ``InputError`` when parts do not fit together, a name is not ``event/stem`` or comes twice.
    """

    names: tuple[str, ...]
    """``event/stem`` of each image."""
    counts: np.ndarray
    """``(n_images,)`` int64: rows of each image."""
    boxes: np.ndarray
    """``(N, 4)`` float64: x, y, w, h in pixels of the original image, as the result text holds them."""
    scores: np.ndarray
    """``(N,)`` float64."""
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What else a row has: arrays of N rows. Of several classes ``labels`` ``(N,)`` int64, from 1; of things with a
    shape ``masks`` ``(N,)`` of bytes objects, COCO's compressed run lengths in the size of the image."""
    notes: tuple[str, ...] = ()
    """What was odd in the files these come from. Not saved."""

    def __post_init__(self) -> None:
        strange = [repr(name) for name in self.names if not _NAME.fullmatch(name)]
        if strange:
            raise InputError(f"detections: {some(strange)}: an image's name must be event/stem")
        repeated = [name for name, times in Counter(self.names).items() if times > 1]
        if repeated:
            raise InputError(f"detections: {some(repeated)} more than once; each image comes once")
        expect_array("detections: counts", self.counts, np.int64, (len(self.names),))
        if (self.counts < 0).any():
            raise InputError("detections: counts holds a negative number")
        rows = int(self.counts.sum())
        expect_array("detections: boxes", self.boxes, np.float64, (rows, 4))
        expect_array("detections: scores", self.scores, np.float64, (rows,))
        for key, array in self.extra.items():
            if key in _OWN_KEYS or array.shape[:1] != (rows,):
                raise InputError(
                    f"detections: extra {key} is {array.shape}, expected {rows} rows and a name of its own"
                )

    @property
    def offsets(self) -> np.ndarray:
        """``(n_images + 1,)`` int64: image i has rows ``offsets[i]`` up to, without, ``offsets[i + 1]``."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def content_hash(self) -> str:
        """Hash of what an evaluator sees: the same for a text folder and an ``.npz`` of the same rows."""
        scored = {key: self.extra[key] for key in _SCORED if key in self.extra}
        return hash_arrays({**self._arrays(), **_flat(scored)})

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "names": np.array(self.names, dtype=np.str_),
            "counts": self.counts,
            "boxes": self.boxes,
            "scores": self.scores,
        }


def save_detections(path: Path, detections: Detections) -> None:
    """Write ``.npz`` with the keys names, counts, boxes, scores and those of ``extra``.

    Bytes objects become two plain arrays, ``<key>.bytes`` of all one after another and ``<key>.lengths``.
    """
    write_npz(path, **detections._arrays(), **_flat(detections.extra))


def load_detections(path: Path) -> Detections:
    """Read what :func:`save_detections` wrote, or another ``.npz`` of these keys.

    Numbers of any width are taken; an array that does not have one entry a row is left out. Raises ``InputError`` for a
    missing, broken or other file.
    """
    arrays = read_npz(path, _OWN_KEYS)
    names, counts, boxes, scores = (arrays.pop(key) for key in _OWN_KEYS)
    try:
        strings = {key: _strings(arrays, key) for key in map(_of_strings, arrays) if key}
        extra = {key: array for key, array in (arrays | strings).items() if array.shape[:1] == scores.shape}
        extra = {key: array for key, array in extra.items() if not _of_strings(key)}
        return Detections(tuple(names.tolist()), widened(counts), _real(boxes), _real(scores), extra)
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: {error}") from None


def _flat(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with arrays of bytes objects as two plain ones each."""
    flat = {}
    for key, array in arrays.items():
        if array.dtype == object:
            flat[f"{key}{_LENGTHS}"] = np.array([len(string) for string in array], dtype=np.int64)
            flat[f"{key}{_BYTES}"] = np.frombuffer(b"".join(array), dtype=np.uint8)
        else:
            flat[key] = array
    return flat


def _of_strings(key: str) -> str:
    """The array that a plain one of :func:`_flat` is a part of, by the name of its lengths; else nothing."""
    return key.removesuffix(_LENGTHS) if key.endswith(_LENGTHS) else ""


def _strings(arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    """The bytes objects that :func:`_flat` took apart."""
    lengths, content = arrays[f"{key}{_LENGTHS}"], arrays.get(f"{key}{_BYTES}")
    if content is None or content.dtype != np.uint8 or lengths.dtype != np.int64 or lengths.sum() != content.size:
        raise InputError(f"{key}{_LENGTHS} and {key}{_BYTES} do not belong together; make the file again")
    ends = np.cumsum(lengths).tolist()
    whole = content.tobytes()
    strings = np.empty(len(ends), dtype=object)
    strings[:] = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return strings


def _real(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind in "iuf" else array


def concatenate(parts: Sequence[Detections], order: Sequence[str], labels: Sequence[str] = ()) -> Detections:
    """One set out of several, its images in the order of the names ``order``; ``labels`` name the parts in errors.

    Raises ``InputError`` when an image of ``order`` is missing, an image comes twice or is not in
    ``order``, or the parts differ in their extra arrays.
    """
    labels = labels or [f"part {number}" for number, _ in enumerate(parts, start=1)]
    part_of: dict[str, str] = {}
    known = set(order)
    for label, part in zip(labels, parts, strict=True):
        unknown = [name for name in part.names if name not in known]
        if unknown:
            raise InputError(
                f"{label} holds detections of {some(unknown)}, not among the {len(order)} images asked for"
            )
        repeated = [name for name in part.names if name in part_of]
        if repeated:
            raise InputError(f"{label} holds detections of {some(repeated)}, and so does {part_of[repeated[0]]}")
        part_of.update(dict.fromkeys(part.names, label))
    names = [name for part in parts for name in part.names]
    place = {name: i for i, name in enumerate(names)}
    missing = [name for name in order if name not in place]
    if missing:
        where = f"none of {some(labels, 3)} holds" if labels else "nothing holds"
        raise InputError(f"{where} detections of {some(missing)} ({len(missing)} of {len(order)} images)")
    keys = {tuple(sorted(part.extra)) for part in parts}
    if len(keys) > 1:
        raise InputError(f"detections: the parts hold different arrays: {some(sorted(str(each) for each in keys))}")
    if not parts:
        return Detections((), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))

    counts = np.concatenate([part.counts for part in parts])
    starts = np.cumsum(counts) - counts
    images = np.array([place[name] for name in order], dtype=np.int64)
    spans = [np.arange(starts[i], starts[i] + counts[i]) for i in images]
    rows = np.concatenate([np.zeros(0, np.int64), *spans])
    return Detections(
        names=tuple(order),
        counts=counts[images],
        boxes=np.concatenate([part.boxes for part in parts])[rows],
        scores=np.concatenate([part.scores for part in parts])[rows],
        extra={key: np.concatenate([part.extra[key] for part in parts])[rows] for key in parts[0].extra},
        notes=tuple(note for part in parts for note in part.notes),
    )


def widerface_text(name: str, boxes: np.ndarray, scores: np.ndarray) -> str:
    """The result text of the WIDER FACE tools for image ``name`` (``event/stem``).

    ``boxes`` is ``(n, 4)`` float64 x, y, w, h, ``scores`` ``(n,)`` float64. Line 1 is the stem, line 2 the number of
    rows, then ``x y w h score`` and a blank per row. Whole coordinates are written without a point; every number reads
    back as the same float64, and a score between 0 and 1 that stands for the shortest digits of a float32 gets these
    digits.
    """
    rows = [
        f"{_digits(x)} {_digits(y)} {_digits(w)} {_digits(h)} {score!r} \n"
        for (x, y, w, h), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]
    return f"{name.split('/')[1]}\n{len(rows)}\n{''.join(rows)}"


def write_texts(
    folder: Path, detections: Detections, text: Callable[[str, np.ndarray, np.ndarray], str] = widerface_text
) -> None:
    """Write the result text of every image: ``<folder>/<event>/<stem>.txt``.

    ``text`` makes it of the image's name, boxes and scores. The folder appears whole and replaces an older one.
    """
    offsets = detections.offsets.tolist()
    with replacing_folder(folder) as temporary:
        for event in {name.split("/")[0] for name in detections.names}:
            (temporary / event).mkdir()
        for name, start, stop in zip(detections.names, offsets, offsets[1:], strict=False):
            content = text(name, detections.boxes[start:stop], detections.scores[start:stop])
            (temporary / f"{name}.txt").write_text(content, encoding="utf-8", newline="\n")


def _digits(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def read_texts(folder: Path, strict: bool = True) -> Detections:
    """Read a folder of result texts ``<event>/<stem>.txt``; images come sorted by event and file.

    Line 1 may be ``stem`` or ``event/stem.jpg``. Every row must be five numbers with one blank between
    them, blanks behind allowed, as are CRLF and blank lines at the end; a file of line 1 alone has no rows.
    A count in line 2 that is not the number of rows is told in ``notes``: some writers always write the
    same number.

    ``strict`` wants line 1 to name the file itself and line 2 to be a whole number. Otherwise the image is
    the one that line 1 names, less any of the characters ``.jpg`` at its end, and line 2 may be anything:
    so the published evaluators read.

    Raises ``InputError`` that names file, line, what was found and what was expected.
    """
    paths = sorted(folder.glob("*/*.txt"), key=lambda path: (path.parent.name, path.stem))
    if not paths:
        raise InputError(f"{folder}: no result text <event>/<image>.txt in it; give the folder that holds the events")
    names: list[str] = []
    counts: list[int] = []
    tables: list[np.ndarray] = [np.zeros((0, 5))]
    oddities: dict[str, list[str]] = {}
    for path in paths:
        lines = _lines(path)
        tables.append(np.array(_row_values(path, lines), dtype=np.float64).reshape(-1, 5))
        names.append(_image_name(path, lines[0], strict))
        counts.append(len(tables[-1]))
        oddity = _count_oddity(path, lines, strict)
        if oddity:
            oddities.setdefault(oddity, []).append(names[-1])
    table = np.concatenate(tables)
    try:
        return Detections(
            names=tuple(names),
            counts=np.array(counts, dtype=np.int64),
            boxes=np.ascontiguousarray(table[:, :4]),
            scores=np.ascontiguousarray(table[:, 4]),
            notes=tuple(
                f"{len(odd)} of {len(names)} result texts {oddity}: {some(odd)}" for oddity, odd in oddities.items()
            ),
        )
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None
    if not text:
        raise InputError(f"{path}: the file is empty, expected at least line 1 with the image's name")
    return text.split("\n")


def _image_name(path: Path, line: str, strict: bool) -> str:
    event, last = path.parent.name, line.strip().rsplit("/", 1)[-1]
    if not strict:
        return f"{event}/{last.rstrip('.jpg')}"  # a set of characters, as upstream
    if path.stem not in (last, last.removesuffix(".jpg")):
        raise InputError(f"{path}, line 1: found {line!r}, expected the file's own image, {path.stem}")
    return f"{event}/{path.stem}"


def _count_oddity(path: Path, lines: Sequence[str], strict: bool) -> str | None:
    if len(lines) == 1:
        return "end after line 1, truncated?"
    try:
        surplus = len(lines) - 2 - int(lines[1])
    except ValueError:
        if not strict:
            return "do not say in line 2 how many rows follow"
        raise InputError(f"{path}, line 2: found {lines[1]!r}, expected the number of rows") from None
    if surplus < 0:
        return "hold fewer rows than line 2 announces, truncated?"
    return "hold more rows than line 2 announces" if surplus else None


def _row_values(path: Path, lines: Sequence[str]) -> list[float]:
    rows = [line.rstrip().split(" ") for line in lines[2:]]
    try:
        if all(len(row) == 5 for row in rows):
            return [float(word) for row in rows for word in row]
    except ValueError:
        pass
    number, line = next((n, line) for n, line in enumerate(lines[2:], start=3) if not _is_row(line))
    raise InputError(f"{path}, line {number}: found {line!r}, expected five numbers x y w h score, one blank between")


def _is_row(line: str) -> bool:
    words = line.rstrip().split(" ")
    try:
        return len([float(word) for word in words]) == 5
    except ValueError:
        return False
