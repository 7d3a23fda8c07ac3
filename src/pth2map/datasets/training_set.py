"""The labelled faces that a training sees: images that can be read, and faces as the policy on faults leaves them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from pth2map.datasets.face_labels import NAME_LIST, Labelled, check_names, read_labels
from pth2map.datasets.images import ImageFacts, inspect_image
from pth2map.datasets.label_faults import Faults
from pth2map.files.arrays import expect_array, read_npz
from pth2map.files.atomic import write_npz
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_arrays
from pth2map.files.progress import Meter

TRAIN, VALIDATION = "train", "validation"
PARTS = (TRAIN, VALIDATION)
_SHOWN = 3
_REMEDIES = {
    "empty_box": "drop leaves such a face out",
    "outside": "clip moves what is outside to the edge, keep takes it as it is",
    "no_faces": "drop leaves such an image out",
    "unreadable": "drop leaves such an image out",
    "short_line": "drop leaves such a face out",
}


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images and their faces; n images, M faces in all. Raises ``InputError`` when the parts do not fit together."""

    dataset: str
    """Its name in the config."""
    part: str
    """One of :data:`PARTS`."""
    images: str
    """The folder of the images, as given."""
    names: tuple[str, ...]
    """``<event>/<file>.jpg`` of each image, in the order of the label file."""
    hashes: tuple[str, ...]
    """SHA-256 of each image file."""
    sizes: np.ndarray
    """``(n, 2)`` int32: width and height in pixels."""
    counts: np.ndarray
    """``(n,)`` int32: faces of each image, at least one."""
    faces: np.ndarray
    """``(M, 15)`` float64, image after image: ``x1, y1, x2, y2`` in pixels, five landmarks ``x, y``, and 1, or -1 for a
    face without landmarks, whose ten coordinates are -1. Boxes have an area."""
    mended: Mapping[str, int]
    """What the policy dropped, clipped or kept, by the kind of fault: ``{"no_faces: drop": 3}``."""
    damaged: tuple[str, ...] = ()
    """Images of which the decoder makes up pixels, since their bytes are corrupt: name and its words. They are used."""

    def __post_init__(self) -> None:
        images, faces = len(self.names), int(self.counts.sum())
        if len(self.hashes) != images or self.part not in PARTS:
            raise InputError(f"training set: {len(self.hashes)} hashes for {images} images, part {self.part!r}")
        expect_array("training set: sizes", self.sizes, np.int32, (images, 2))
        expect_array("training set: counts", self.counts, np.int32, (images,))
        expect_array("training set: faces", self.faces, np.float64, (faces, 15))
        if (self.counts < 1).any() or not np.isfinite(self.faces).all():
            raise InputError("training set: an image without a face, or a coordinate that is no number")

    def __len__(self) -> int:
        return len(self.names)

    def path(self, number: int) -> Path:
        """The file of image ``number``, from 0."""
        return Path(self.images) / self.names[number]

    def faces_of(self, number: int) -> np.ndarray:
        """Those rows of ``faces`` that are of image ``number``, from 0."""
        return self.faces[self._offsets[number] : self._offsets[number + 1]]

    def content_hash(self) -> str:
        """Of the images and their faces, wherever they lie."""
        content = self._arrays()
        return hash_arrays({key: content[key] for key in ("names", "hashes", "sizes", "counts", "faces")})

    def save(self, path: Path) -> None:
        """Write ``.npz``; equal sets give equal bytes."""
        write_npz(path, **self._arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises ``InputError`` for a missing, broken or other file."""
        texts, lists = ("dataset", "part", "images"), ("names", "hashes", "mended", "damaged")
        try:
            content = read_npz(path, (*texts, *lists, "sizes", "counts", "faces", "mended_counts"))
        except InputError as error:
            raise InputError(f"{error}; index the labels with index_training.py, and give what it writes") from None
        dataset, part, images = (str(content[key]) for key in texts)
        names, hashes, mended, damaged = (tuple(map(str, content[key].ravel())) for key in lists)
        try:
            return cls(
                dataset=dataset,
                part=part,
                images=images,
                names=names,
                hashes=hashes,
                sizes=content["sizes"],
                counts=content["counts"],
                faces=content["faces"],
                mended=dict(zip(mended, content["mended_counts"].tolist(), strict=True)),
                damaged=damaged,
            )
        except (InputError, TypeError, ValueError) as error:
            raise InputError(f"{path}: no training set ({error}); remove it and run again") from None

    @cached_property
    def _offsets(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.counts)])

    def _arrays(self) -> dict[str, np.ndarray]:
        mended = sorted(self.mended.items())
        return {
            **{key: np.array(getattr(self, key), dtype=np.str_) for key in ("dataset", "part", "images")},
            **{key: np.array(getattr(self, key), dtype=np.str_) for key in ("names", "hashes", "damaged")},
            "sizes": self.sizes,
            "counts": self.counts,
            "faces": self.faces,
            "mended": np.array([kind for kind, _ in mended], dtype=np.str_),
            "mended_counts": np.array([count for _, count in mended], dtype=np.int64),
        }


def index_training_set(dataset: str, part: str, labels: Path, images: Path, faults: Faults) -> TrainingSet:
    """Read a label file and look at each of its images, which lie below the folder ``images``.

    Every image must be there, decodable and complete and have a face, and every face a readable line and a box with an
    area inside its image; ``faults`` says what becomes of those that are not so. A face that has no area left once it
    is clipped counts as ``empty_box``, an image whose faces were all dropped as ``no_faces``.

    Raises ``InputError`` for what :func:`pth2map.datasets.face_labels.read_labels` refuses; for the validation part,
    when a list of images beside the labels names others; when nothing is left; and, once all was looked at, when faults
    are to be refused: one error with their number, the first of each kind, and how to let the config mend them.
    """
    labelled = read_labels(labels)
    if part == VALIDATION and (labels.parent / NAME_LIST).is_file():
        check_names(labels.parent / NAME_LIST, labelled)
    if not images.is_dir():
        raise InputError(f"{images}: no such folder, expected the images that {labels} names")
    found = _Found(labels, faults)
    kept: list[tuple[str, ImageFacts, np.ndarray]] = []
    with Meter(f"{dataset} {part}", len(labelled), "images") as meter:
        for done, image in enumerate(labelled):
            meter.show(done)
            for line in image.bad:
                found.meet("short_line", line.line, line.why)
            try:
                facts = inspect_image(images / image.name)
            except InputError as error:
                found.meet("unreadable", image.line, str(error))
                continue
            except MemoryError:
                raise MemoryError(f"at {images / image.name}") from None
            faces = found.stay(image, facts)
            if len(faces):
                kept.append((image.name, facts, faces))
            elif not (image.bad and faults.short_line == "refuse"):
                found.meet("no_faces", image.line, f"{image.name} has no face")
    found.refuse(dataset)
    if not kept:
        dropped = ", ".join(f"{count} by {kind}" for kind, count in sorted(found.mended.items()))
        raise InputError(f"{labels}: no image is left for {dataset} {part} ({dropped}); mend the labels or the images")
    return TrainingSet(
        dataset=dataset,
        part=part,
        images=str(images),
        names=tuple(name for name, _, _ in kept),
        hashes=tuple(facts.sha256 for _, facts, _ in kept),
        sizes=np.array([(facts.width, facts.height) for _, facts, _ in kept], dtype=np.int32),
        counts=np.array([len(faces) for _, _, faces in kept], dtype=np.int32),
        faces=np.concatenate([faces for _, _, faces in kept]),
        mended=dict(found.mended),
        damaged=tuple(f"{name} ({facts.damage})" for name, facts, _ in kept if facts.damage),
    )


@dataclass
class _Found:
    """The faults that were met in a label file: those to be refused, and how many were mended."""

    labels: Path
    faults: Faults
    refused: dict[str, list[str]] = field(default_factory=dict)
    mended: Counter[str] = field(default_factory=Counter)

    def meet(self, kind: str, line: int, what: str) -> None:
        policy = getattr(self.faults, kind)
        if policy == "refuse":
            self.refused.setdefault(kind, []).append(f"{self.labels}, line {line}: {what}")
        else:
            self.mended[f"{kind}: {policy}"] += 1

    def stay(self, image: Labelled, facts: ImageFacts) -> np.ndarray:
        """The faces of an image that are not dropped, clipped to it if so asked."""
        faces = image.faces.copy()
        size = f"{facts.width}×{facts.height} pixels"
        edges = np.tile([facts.width, facts.height], 7)
        beyond = (faces[:, :14] < 0) | (faces[:, :14] > edges)
        beyond[faces[:, 14] < 0, 4:] = False
        for row in np.flatnonzero(beyond.any(axis=1)):
            what = _box(image.faces[row]) if beyond[row, :4].any() else "a landmark of the face"
            self.meet("outside", image.lines[row], f"{what} lies beyond its image of {size}")
        if self.faults.outside == "clip":
            faces[:, :14] = np.where(beyond, np.clip(faces[:, :14], 0, edges), faces[:, :14])
        empty = (faces[:, 2] <= faces[:, 0]) | (faces[:, 3] <= faces[:, 1])
        for row in np.flatnonzero(empty):
            self.meet("empty_box", image.lines[row], f"{_box(image.faces[row])} has no area in its image of {size}")
        return faces if self.faults.empty_box == "refuse" else faces[~empty]

    def refuse(self, dataset: str) -> None:
        if not self.refused:
            return
        sentence = f"{self.labels} has faults; mend them, or say in the config what becomes of them"
        for kind, remedy in _REMEDIES.items():
            if not (places := self.refused.get(kind, [])):
                continue
            sentence += f"\n  {len(places)} of {kind}; datasets.{dataset}.training.faults.{kind}: {remedy}"
            sentence += "".join(f"\n    {place}" for place in places[:_SHOWN])
            if len(places) > _SHOWN:
                sentence += f"\n    and {len(places) - _SHOWN} more"
        raise InputError(sentence)


def _box(face: np.ndarray) -> str:
    x1, y1, x2, y2 = (np.format_float_positional(value, trim="-") for value in face[:4])
    return f"the box from ({x1}, {y1}) to ({x2}, {y2})"
