"""Calibration images: which pictures a compiler finds the ranges of int8 by, drawn by a seed and written down.

By default none of them is an image that is evaluated, by its content and not by its name.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Self

from pth2map.datasets.images import inspect_image
from pth2map.datasets.index import DatasetIndex
from pth2map.files.atomic import read_json, replacing_folder, write_json
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_json

_ENDINGS = (".jpg", ".jpeg")
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class CalibrationImage:
    """One image: its path below the source, and the hash of its file."""

    path: str
    sha256: str


@dataclass(frozen=True)
class CalibrationList:
    """The images that were drawn, in the order of the draw: the first so many are those of a smaller draw."""

    source: str
    """The folder that they were drawn from."""
    seed: int
    dataset: str
    """The dataset that is evaluated."""
    of_evaluation: bool
    """Whether an image of that dataset is among them."""
    images: tuple[CalibrationImage, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises ``InputError`` for a file that is none."""
        content = read_json(path)
        try:
            count, images = content.pop("count"), tuple(CalibrationImage(**image) for image in content.pop("images"))
            loaded = cls(**content, images=images)
        except (AttributeError, KeyError, TypeError):
            raise InputError(f"{path} is no list of calibration images; remove it and run again") from None
        if count != len(images):
            raise InputError(f"{path}: lists {len(images)} images, but counts {count}; remove it and run again")
        return loaded

    def save(self, path: Path) -> None:
        write_json(path, {**asdict(self), "count": len(self.images)})

    def content_hash(self) -> str:
        """Of the images, wherever they lay."""
        return hash_json([image.sha256 for image in self.images])

    def clause(self) -> str:
        """The protocol's words on them."""
        which = "SOME OF THEM EVALUATED" if self.of_evaluation else "none of them evaluated"
        source = "/".join(PurePosixPath(self.source).parts[-3:])
        return f"calibration: {len(self.images)} images of {source}, seed {self.seed}, {which}"


def draw(source: Path, index: DatasetIndex, images: int, seed: int, allow_evaluation: bool = False) -> CalibrationList:
    """Draw so many ``images`` out of the JPEG files below ``source``, at any depth, each content once.

    Which ones, and their order, follows from ``seed`` and the files' paths below ``source`` alone, on every machine:
    they are taken by the SHA-256 of ``<seed>/<path>``. Images of ``index`` are passed over, whatever they are called
    here, unless ``allow_evaluation``. Hidden files and folders do not count; links to folders are followed.

    Raises ``InputError`` when an image on the way is damaged or is none, or when there are too few.
    """
    evaluated = {image.sha256 for image in index.images}
    names = sorted(_jpegs(source), key=lambda name: (sha256(f"{seed}/{name}".encode()).digest(), name))
    drawn: dict[str, CalibrationImage] = {}
    for name in names:
        if len(drawn) == images:
            break
        content = inspect_image(source / name).sha256
        if content not in drawn and (allow_evaluation or content not in evaluated):
            drawn[content] = CalibrationImage(name, content)
    if len(drawn) < images:
        kind = "different JPEG images" if allow_evaluation else f"different JPEG images that {index.dataset} has not"
        remedy = "" if allow_evaluation else ", or allow images of the evaluation, which every result then says"
        raise InputError(
            f"{source}: {len(drawn)} {kind} (of {len(names)} in all), expected {images} for the calibration; draw "
            f"fewer, name another folder{remedy}"
        )
    return CalibrationList(
        source=str(source),
        seed=seed,
        dataset=index.dataset,
        of_evaluation=not evaluated.isdisjoint(drawn),
        images=tuple(drawn.values()),
    )


def place(calibration: CalibrationList, folder: Path) -> None:
    """Copy the images into ``folder``, which takes the place of whatever is there: flat, and all called ``.jpg``.

    A name is the place in the list, the event and the stem: ``0007_12--Group_12_Group_Group_1.jpg``. They are copies,
    so that nothing which works in ``folder`` touches the source.

    Raises ``InputError`` when an image has gone or is another one than was drawn.
    """
    with replacing_folder(folder) as temporary:
        for number, image in enumerate(calibration.images):
            path = Path(calibration.source) / image.path
            try:
                content = path.read_bytes()
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}; draw the calibration images again") from None
            if sha256(content).hexdigest() != image.sha256:
                raise InputError(f"{path}: not the image that was drawn; draw the calibration images again")
            (temporary / placed_name(number, image)).write_bytes(content)


def placed_name(number: int, image: CalibrationImage) -> str:
    """What image ``number`` of a list, from 0, is called in the flat folder."""
    path = PurePosixPath(image.path)
    return "_".join([f"{number:04d}", *([path.parent.name] if path.parent.name else []), path.stem]) + ".jpg"


def _jpegs(source: Path) -> Iterator[str]:
    """Paths below ``source`` of the files that are JPEG, or say so: whoever draws one of the latter refuses it."""
    if not source.is_dir():
        raise InputError(f"{source}: no such folder, expected one with images for the calibration")
    for place, folders, files in os.walk(source, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or not (path.suffix.lower() in _ENDINGS or _begins_as_jpeg(path)):
                continue
            found = path.relative_to(source).as_posix()
            if found.encode(errors="ignore").decode() != found:
                raise InputError(f"{found!r} in {source}: the name is not UTF-8, which a list needs; rename it")
            yield found


def _begins_as_jpeg(path: Path) -> bool:
    if not path.is_file():  # a link that leads nowhere, a socket
        return False
    with path.open("rb") as file:
        return file.read(len(_JPEG)) == _JPEG
