"""The index of a dataset: which images there are, and what each is."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pth2map.files.atomic import write_json
from pth2map.files.errors import InputError, some
from pth2map.files.hashing import hash_json


@dataclass(frozen=True)
class IndexedImage:
    """One image: its name (``event/stem``, the identity everywhere), its path below the root, pixels, content hash."""

    name: str
    path: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class DatasetIndex:
    """The images of a dataset as a run sees them, in a fixed order."""

    dataset: str
    root: str
    images: tuple[IndexedImage, ...]
    subset: str | None
    """In words, when not all images of the ground truth were asked for."""
    full: bool
    """Whether these are all images of the published ground truth, known by its hashes; the images have none."""
    ground_truth: str
    """Hash of the ground truth of these images."""
    extra: tuple[str, ...] = ()
    """Images of the folder that the ground truth does not have; they are left out."""
    damaged: tuple[str, ...] = ()
    """Images of which the decoder makes up pixels, since their bytes are corrupt: name and its words. They are used."""
    rendered: str | None = None
    """What this project has drawn, in words, when these are no photographs."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises ``InputError`` for a file that is none."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            images = tuple(IndexedImage(**image) for image in content["images"])
            notes = {key: tuple(content[key]) for key in ("extra", "damaged")}
            return cls(**{**content, "images": images, **notes})
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path} is not the index of a dataset; remove it and run again") from None

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(image.name for image in self.images)

    @property
    def images_hash(self) -> str:
        """Hash over names and contents of the images, wherever they lie."""
        return hash_json([[image.name, image.sha256] for image in self.images])

    def shard(self, number: int, count: int) -> tuple[IndexedImage, ...]:
        """Every ``count``-th image from the ``number``-th (from 1): shards of equal length and like content."""
        if not 1 <= number <= count:
            raise InputError(f"shard {number}-of-{count}: expected a number from 1 to {count}")
        return self.images[number - 1 :: count]

    def spread(self, count: int) -> tuple[IndexedImage, ...]:
        """``count`` images spread evenly over the index (all, if it has fewer)."""
        total = len(self.images)
        return tuple(self.images[i * total // count] for i in range(count)) if count < total else self.images

    def file(self, image: IndexedImage) -> Path:
        return Path(self.root) / image.path

    def file_of(self, name: str) -> Path:
        """As :meth:`file`, by name. Raises ``InputError`` for one that is not in the index."""
        found = next((image for image in self.images if image.name == name), None)
        if found is None:
            raise InputError(
                f"{name} is no image of dataset {self.dataset}; what asks for it was made of another index"
            )
        return self.file(found)


def choose_subset(
    names: Sequence[str], first: int | None = None, listed: Path | None = None, key: str = "subset.list"
) -> tuple[list[str], str | None]:
    """The names asked for, in the order of ``names``, and the subset in words.

    ``first`` takes the first so many; ``listed`` is a text file with one name (``event/stem``, an ending ``.jpg``
    allowed) a line, ``#`` starting a comment; errors call it ``key``. Raises ``InputError`` for an empty subset, a name
    listed twice, or one that the ground truth does not have.
    """
    if first is not None:
        if first > len(names):
            raise InputError(f"subset.first: {first} images asked for, the dataset has {len(names)}")
        return list(names[:first]), f"the first {first} of {len(names)} images"
    if listed is None:
        return list(names), None
    try:
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{key}: {listed} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{key}: {listed} is not UTF-8 text, expected names event/stem, one a line") from None
    wanted = [line.split("#")[0].strip().removesuffix(".jpg") for line in lines]
    wanted = [name for name in wanted if name]
    if not wanted:
        raise InputError(f"{key}: {listed} names no image")
    repeated = [name for name, count in Counter(wanted).items() if count > 1]
    if repeated:
        raise InputError(f"{key}: {listed} names {some(repeated)} more than once")
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise InputError(
            f"{key}: {listed} names {some(unknown)}, not in the ground truth of {len(names)} images; "
            "a name is event/stem"
        )
    chosen = set(wanted)
    return [name for name in names if name in chosen], f"{len(chosen)} of {len(names)} images, listed in {listed.name}"
