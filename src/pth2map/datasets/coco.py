"""Ground truth in COCO's instances format: images, categories, and the objects in each image."""

import re
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isfinite
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from pth2map.datasets.images import MOST_PIXELS
from pth2map.datasets.rle import read_rles
from pth2map.files.atomic import write_json
from pth2map.files.errors import InputError, some
from pth2map.files.hashing import hash_file, hash_json
from pth2map.files.json_input import collector_paused, read_json_input

OFFICIAL_IMAGES = 5000
OFFICIAL_BYTES = 19_987_840
OFFICIAL_SHA256 = "e8c7f7908f1d7278341fae127d0da654f102f11bd7b21d8aeefa635b8c810b6f"
"""Of ``instances_val2017.json``."""

_LARGEST = 2**31
"""A coordinate is smaller: it is a place among pixels."""
_LONGEST_OUTLINE = 1 << 21
"""Pixels along a polygon. What draws it takes some 40 bytes for each."""
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_EXPECTED = "annotations in COCO's instances format"

Entry = dict[str, Any]
Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class CocoImage:
    """One image of the annotations."""

    name: str
    """``folder/stem``, its identity everywhere; where ``file_name`` has folders, ``folder/inner--stem``. The id, where
    images are known by their ids alone."""
    file_name: str
    """Its path below the folder; may be anything where images are known by their ids alone."""
    id: int
    width: int
    height: int


@dataclass(frozen=True)
class Category:
    """What an object may be."""

    id: int
    name: str


@dataclass(frozen=True, eq=False)
class CocoTruth:
    """Images, categories in the order of the file, annotations; :func:`read_annotations` makes and checks it."""

    images: tuple[CocoImage, ...]
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    """Each with ``id``, ``image_id``, ``category_id``, ``bbox`` (x, y, w, h in pixels), ``area`` (pixels), ``iscrowd``
    (0 or 1), with ``segmentation`` (``size``: height and width, ``counts``: compressed RLE) if the object has a mask,
    and with ``ignore`` if the file sets it."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(image.name for image in self.images)

    @property
    def of_val2017(self) -> bool:
        """Whether the images are called as those of COCO val2017: each after its id, in a folder of that name."""
        return all(
            (image.name, image.file_name) == (f"val2017/{image.id:012}", f"{image.id:012}.jpg") for image in self.images
        )

    def subset(self, names: Sequence[str]) -> Self:
        """The images ``names`` in that order, and all categories. Raises ``InputError`` for one that is not here."""
        images = {image.name: image for image in self.images}
        unknown = [name for name in names if name not in images]
        if unknown:
            raise InputError(f"{some(unknown)} not in the annotations of {len(images)} images")
        chosen = tuple(images[name] for name in names)
        ids = {image.id for image in chosen}
        return type(self)(chosen, self.categories, tuple(each for each in self.annotations if each["image_id"] in ids))

    def content_hash(self) -> str:
        """Hex SHA-256 over all that a score and its notes depend on, and so of the ids of annotations over 0 alone.

        The order of annotations counts within an image: of two that a detection overlaps alike, it takes the latter.
        """
        keys = ("image_id", "category_id", "bbox", "area", "iscrowd")
        images = sorted((image.id, image.file_name, image.width, image.height) for image in self.images)
        categories = [(category.id, category.name) for category in self.categories]
        objects = [
            [
                *(each[key] for key in keys),
                each["segmentation"]["counts"] if "segmentation" in each else None,
                *(["ignore"] if "ignore" in each else []),
                *(["id 0"] if each["id"] == 0 else []),
            ]
            for each in sorted(self.annotations, key=lambda each: each["image_id"])
        ]
        return hash_json([images, categories, objects])

    def save(self, path: Path) -> None:
        """Write them in COCO's format, masks as RLE, with the ``name`` of each image."""
        write_json(path, asdict(self))

    @staticmethod
    def load(path: Path) -> "CocoTruth":
        """Read what :meth:`save` wrote. Raises ``InputError`` as :func:`read_annotations` does."""
        content = read_json_input(path, _EXPECTED)
        try:
            folder = str(content["images"][0]["name"]).split("/")[0]
        except (TypeError, LookupError):
            raise InputError(f"{path}: its images have no names; expected what the index wrote") from None
        return _checked(path, content, folder)


def is_official(path: Path) -> bool:
    """Whether the file is the published ``instances_val2017.json``, byte for byte."""
    return path.is_file() and path.stat().st_size == OFFICIAL_BYTES and hash_file(path) == OFFICIAL_SHA256


def read_annotations(path: Path, folder: str | None) -> CocoTruth:
    """Read an instances JSON; ``folder`` is that of its images, the first part of their names.

    Without a folder images are known by their ids alone, as evaluators know them, and file names do not count.

    Masks of every kind become compressed RLE, polygons as COCO's tools draw them. An annotation without ``iscrowd`` is
    no crowd; one whose ``segmentation`` is null or an empty list has no mask.

    Raises ``InputError`` that names the file, the entries and what is wrong with them: a file that is missing or no
    JSON, entries of other types than COCO's, ids or file names that come twice, an image or category that is not there,
    boxes and areas that are negative or not finite, masks that are malformed, of another size than their image or far
    outside it.
    """
    return _checked(path, read_json_input(path, _EXPECTED), folder)


def _checked(path: Path, content: Any, folder: str | None) -> CocoTruth:
    try:
        with collector_paused():
            return parse_annotations(content, folder)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_annotations(content: Any, folder: str | None) -> CocoTruth:
    """As :func:`read_annotations`, of the value that the file holds."""
    if folder is not None and (not _is_file_name(folder) or "/" in folder):
        raise InputError(f"folder {folder!r} of the images, expected the name of one folder")
    images = _images(_entries(content, "images"), folder)
    categories = _categories(_entries(content, "categories"))
    annotations = _annotations(_entries(content, "annotations"), images, categories)
    return CocoTruth(images, categories, annotations)


def _entries(content: Any, key: str) -> list[Entry]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise InputError(f"no list of objects {key!r} in it, expected {_EXPECTED}")
    if not entries and key != "annotations":
        raise InputError(f"its list {key!r} is empty")
    return entries


def _images(entries: list[Entry], folder: str | None) -> tuple[CocoImage, ...]:
    _expect("image", entries, "id", "a whole number", lambda each: _is_whole(each["id"]))
    if folder is not None:
        _expect("image", entries, "file_name", "a path below its folder", lambda each: _is_file_name(each["file_name"]))
    _expect("image", entries, "width", "pixels, more than 0", lambda each: _is_whole(each["width"], least=1))
    _expect("image", entries, "height", "pixels, more than 0", lambda each: _is_whole(each["height"], least=1))
    most = f"at most {MOST_PIXELS:,} pixels in all"
    _expect("image", entries, "width", most, lambda each: each["width"] * each["height"] <= MOST_PIXELS)
    images = tuple(CocoImage(*_names(each, folder), each["id"], each["width"], each["height"]) for each in entries)
    _expect_once("image id", [image.id for image in images])
    _expect_once("image", [image.name for image in images])
    return images


def _names(entry: Entry, folder: str | None) -> tuple[str, str]:
    """Name and file name of an image."""
    if folder is None:
        return str(entry["id"]), entry["file_name"] if _is_word(entry.get("file_name")) else ""
    return f"{folder}/{_stem(entry['file_name'])}", entry["file_name"]


def _stem(file_name: str) -> str:
    """The path without its suffix as one word."""
    *inner, last = PurePosixPath(file_name).parts
    return "--".join([*inner, last[: last.rindex(".")] if "." in last[1:] else last])


def _is_file_name(value: Any) -> bool:
    """Whether it leads to a file below a folder, and its stem can name an image."""
    if type(value) is not str or _NOT_IN_A_NAME.search(value):
        return False
    path = PurePosixPath(value)
    if (
        path.is_absolute()
        or not path.parts
        or ".." in path.parts
        or max(len(part.encode()) for part in path.parts) > 255
    ):
        return False
    return _stem(value) not in (".", "..")


def _categories(entries: list[Entry]) -> tuple[Category, ...]:
    _expect("category", entries, "id", "a whole number", lambda each: _is_whole(each["id"]))
    _expect("category", entries, "name", "a word", lambda each: _is_word(each["name"]))
    categories = tuple(Category(each["id"], each["name"]) for each in entries)
    _expect_once("category id", [category.id for category in categories])
    return categories


def _is_word(value: Any) -> bool:
    return type(value) is str and bool(value) and not _NOT_IN_A_NAME.search(value)


def _annotations(
    entries: list[Entry], images: Sequence[CocoImage], categories: Sequence[Category]
) -> tuple[Annotation, ...]:
    image_of = {image.id: image for image in images}
    category_ids = {category.id for category in categories}

    def expect(key: str, expected: str, fits: Callable[[Entry], bool], some_of: list[Entry] = entries) -> None:
        _expect("annotation", some_of, key, expected, fits)

    expect("id", "a whole number", lambda each: _is_whole(each["id"]))
    _expect_once("annotation id", [each["id"] for each in entries])
    expect("image_id", "that of an image", lambda e: _is_whole(e["image_id"]) and e["image_id"] in image_of)
    expect(
        "category_id", "that of a category", lambda e: _is_whole(e["category_id"]) and e["category_id"] in category_ids
    )
    expect("bbox", "four numbers x, y, w, h in pixels, w and h not negative", lambda each: _is_box(each["bbox"]))
    expect("area", "a number of pixels, not negative", lambda each: _is_number(each["area"]) and each["area"] >= 0)
    expect("iscrowd", "0 or 1", lambda each: each.get("iscrowd", 0) in (0, 1))

    masked = [each for each in entries if each.get("segmentation") not in (None, [])]
    expect(
        "segmentation",
        "polygons of three points x, y or more, or an object of size and counts",
        lambda each: _is_polygons(each["segmentation"]) or _is_rle(each["segmentation"]),
        masked,
    )
    expect(
        "segmentation",
        "the height and width of its image as size, or polygons in and around it",
        lambda each: _is_of_image(each["segmentation"], image_of[each["image_id"]]),
        masked,
    )
    rles = {each["id"]: _to_rle(each["segmentation"], image_of[each["image_id"]]) for each in masked}
    sizes = np.array([rle["size"] for rle in rles.values()], dtype=np.int64).reshape(-1, 2)
    _, faults = read_rles([bytes_of(rle["counts"]) for rle in rles.values()], sizes)
    for number, fault in sorted(faults.items()):
        more = f" ({len(faults)} such masks in all)" if len(faults) > 1 else ""
        raise InputError(f"annotation {list(rles)[number]}: the run-length mask {fault}{more}")
    return tuple(
        {
            "id": each["id"],
            "image_id": each["image_id"],
            "category_id": each["category_id"],
            "bbox": [float(value) for value in each["bbox"]],
            "area": float(each["area"]),
            "iscrowd": int(each.get("iscrowd", 0)),
            **({"segmentation": rles[each["id"]]} if each["id"] in rles else {}),
            **({"ignore": 1} if each.get("ignore") else {}),
        }
        for each in entries
    )


def _expect(kind: str, entries: list[Entry], key: str, expected: str, fits: Callable[[Entry], bool]) -> None:
    """Raise ``InputError`` unless all entries fit; ``fits`` may raise ``KeyError`` where there is no ``key``."""
    wrong = [(number, each) for number, each in enumerate(entries, start=1) if not _fits(fits, each)]
    if wrong:
        _, first = wrong[0]
        found = f"is {reprlib.repr(first[key])}" if key in first else "is missing"
        which = some(
            [str(each["id"]) if _is_whole(each.get("id")) else f"number {number} of its list" for number, each in wrong]
        )
        raise InputError(f"{kind} {which}: {key} {found}, expected {expected}")


def _fits(fits: Callable[[Entry], bool], entry: Entry) -> bool:
    try:
        return fits(entry)
    except KeyError:
        return False


def _expect_once(what: str, values: Sequence[int | str]) -> None:
    repeated = [str(value) for value, times in Counter(values).items() if times > 1]
    if repeated:
        raise InputError(f"{what} {some(repeated)} more than once")


def _is_whole(value: Any, least: float = -inf) -> bool:
    return type(value) is int and least <= value < 2**63


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 2**62


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(type(each) in (int, float) and abs(each) < _LARGEST for each in value)
        and min(value[2:]) >= 0
    )


def _is_polygons(value: Any) -> bool:
    """Corners x, y one after another: of the first at least three, of others two (a line), as in pycocotools."""
    return isinstance(value, list) and all(
        isinstance(each, list)
        and len(each) >= 4
        and len(each) % 2 == 0
        and len(value[0]) >= 6
        and set(map(type, each)) <= {int, float}
        and min(each) > -_LARGEST
        and max(each) < _LARGEST
        and isfinite(sum(each))  # what lies behind a NaN does not compare
        for each in value
    )


def _is_rle(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    counts = value.get("counts")
    return type(counts) is str or (isinstance(counts, list) and set(map(type, counts)) == {int})


def _is_of_image(segmentation: Any, image: CocoImage) -> bool:
    """Whether a mask can be drawn in its image; a polygon may reach out of it as far as it is long."""
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        pixels = image.height * image.width
        return segmentation.get("size") == [image.height, image.width] and (
            type(counts) is str or (min(counts) >= 0 and sum(counts) == pixels)
        )
    return all(
        -side <= min(line) and max(line) <= 2 * side
        for polygon in segmentation
        for line, side in ((polygon[::2], image.width), (polygon[1::2], image.height))
    ) and all(_outline(polygon, image) <= _LONGEST_OUTLINE for polygon in segmentation)


def _outline(polygon: list[float], image: CocoImage) -> float:
    """Pixels along a polygon, or a number that is no smaller."""
    most = len(polygon) // 2 * 3 * max(image.width, image.height)
    if most <= _LONGEST_OUTLINE:
        return most
    corners = np.array(polygon).reshape(-1, 2)
    return float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())


def _to_rle(segmentation: Any, image: CocoImage) -> dict[str, Any]:
    """A mask that fits its image as compressed RLE; the string of one that is RLE already has yet to be checked."""
    size = [image.height, image.width]
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        if type(counts) is str:
            return {"size": size, "counts": counts}
        drawn = coco_mask.frPyObjects({"size": size, "counts": counts}, *size)
    else:
        parts = coco_mask.frPyObjects(segmentation, *size)
        drawn = coco_mask.merge(parts) if len(parts) > 1 else parts[0]
    return {"size": size, "counts": drawn["counts"].decode()}


def bytes_of(counts: str) -> bytes:
    """The string of a mask for :func:`~pth2map.datasets.rle.read_rles`, which refuses what is not ASCII."""
    return counts.encode("utf-8", "surrogatepass")
