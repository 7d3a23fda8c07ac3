"""The index of a WIDER FACE folder: ``WIDER_val/images/<event>/<stem>.jpg`` and ``ground_truth/*.mat``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pth2map.datasets.images import inspect_images
from pth2map.datasets.index import DatasetIndex, IndexedImage, choose_subset
from pth2map.datasets.widerface import GroundTruth, is_official, read_ground_truth
from pth2map.files.errors import InputError, some

IMAGES = Path("WIDER_val/images")
GROUND_TRUTH = Path("ground_truth")


def index_widerface(
    dataset: str, root: Path, first: int | None = None, listed: Path | None = None, rendered: str | None = None
) -> tuple[DatasetIndex, GroundTruth]:
    """Index of a folder, and the ground truth of the same images in the same order.

    ``rendered`` says in words what the images are, when this project has drawn them.

    Every image of the ground truth (of the subset, if one is asked for) must be there, decodable and complete;
    otherwise ``InputError`` names those that are not, all in one message.
    """
    truth = read_ground_truth(root / GROUND_TRUTH)
    names, subset = choose_subset(sorted(truth.names), first, listed)
    found = _find_images(root / IMAGES)
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{root / IMAGES}: {len(missing)} of {len(names)} images of the ground truth are missing: {some(missing)}"
        )
    facts = inspect_images([(name, found[name]) for name in names])
    images = tuple(
        IndexedImage(name, found[name].relative_to(root).as_posix(), fact.width, fact.height, fact.sha256)
        for name, fact in facts.items()
    )
    chosen = truth.subset(names)
    index = DatasetIndex(
        dataset=dataset,
        root=str(root),
        images=images,
        subset=subset,
        full=subset is None and is_official(root / GROUND_TRUTH) and _faces_fit(images, chosen),
        ground_truth=chosen.content_hash(),
        extra=tuple(sorted(set(found) - set(truth.names))),
        damaged=tuple(f"{name} ({fact.damage})" for name, fact in facts.items() if fact.damage),
        rendered=rendered,
    )
    return index, chosen


def _faces_fit(images: Sequence[IndexedImage], truth: GroundTruth) -> bool:
    """Whether the faces lie in their images, as they do not in images of other sizes (one in a hundred may)."""
    width, height = (
        np.repeat([getattr(image, side) for image in images], truth.counts) for side in ("width", "height")
    )
    x, y, w, h = truth.boxes.T
    inside = (x >= 0) & (y >= 0) & (x + w <= width) & (y + h <= height)
    return bool(inside.mean() >= 0.99)


def _find_images(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in {".jpg", ".jpeg"}:
            if _name(path) in found:
                raise InputError(f"{path} and {found[_name(path)].name} are the same image by name; remove one")
            found[_name(path)] = path
    return found


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"
