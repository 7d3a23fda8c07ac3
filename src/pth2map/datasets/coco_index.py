"""The index of a COCO folder: ``<split>/<file_name>`` and ``annotations/instances_<split>.json``."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from pth2map.datasets.coco import CocoImage, CocoTruth, is_official, read_annotations
from pth2map.datasets.coco_names import COCO_NAMES
from pth2map.datasets.images import ImageFacts, inspect_images
from pth2map.datasets.index import DatasetIndex, IndexedImage, choose_subset
from pth2map.files.errors import InputError, some

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def index_coco(
    dataset: str, root: Path, split: str = "val2017", first: int | None = None, listed: Path | None = None
) -> tuple[DatasetIndex, CocoTruth]:
    """Index of a folder, and the ground truth of the same images in the same order, that of their names.

    Categories are COCO's 80 in its order, to which the labels of networks refer. Every image of the annotations (of the
    subset, if one is asked for), with objects or without, must be there, decodable, complete, and of the annotated
    size. Otherwise ``InputError`` names what is not.
    """
    annotations = root / "annotations" / f"instances_{split}.json"
    truth = read_annotations(annotations, split)
    _check_categories(annotations, truth)
    names, subset = choose_subset(sorted(truth.names), first, listed)
    chosen = truth.subset(names)
    missing = [image.name for image in chosen.images if not (root / split / image.file_name).is_file()]
    if missing:
        raise InputError(
            f"{root / split}: {len(missing)} of {len(names)} images of the annotations are missing: {some(missing)}"
        )
    facts = inspect_images([(image.name, root / split / image.file_name) for image in chosen.images])
    _check_sizes(chosen.images, facts)
    index = DatasetIndex(
        dataset=dataset,
        root=str(root),
        images=tuple(
            IndexedImage(image.name, f"{split}/{image.file_name}", image.width, image.height, facts[image.name].sha256)
            for image in chosen.images
        ),
        subset=subset,
        full=subset is None and is_official(annotations),
        ground_truth=chosen.content_hash(),
        extra=_extra(root, split, truth),
        damaged=tuple(f"{name} ({fact.damage})" for name, fact in facts.items() if fact.damage),
    )
    return index, chosen


def _check_categories(path: Path, truth: CocoTruth) -> None:
    """Raise ``InputError`` for other categories than COCO's: detections would be scored as something else."""
    found = [category.name for category in truth.categories]
    for number, (name, expected) in enumerate(zip_longest(found, COCO_NAMES), start=1):
        if name != expected:
            raise InputError(
                f"{path}: {len(found)} categories, number {number} is {name or 'missing'}, expected "
                f"{expected or 'no more'}; the labels of the networks are the places of COCO's {len(COCO_NAMES)} "
                "categories: give the file all of them in that order, with objects or without"
            )


def _check_sizes(images: Sequence[CocoImage], facts: dict[str, ImageFacts]) -> None:
    """Raise ``InputError`` for images of other sizes than annotated: boxes and masks would lie elsewhere in them."""
    other, turned = [], 0
    for image in images:
        found, annotated = (facts[image.name].width, facts[image.name].height), (image.width, image.height)
        if found != annotated:
            other.append(f"{image.name} is {found[0]}×{found[1]}, annotated {annotated[0]}×{annotated[1]}")
            turned += found == annotated[::-1]
    if other:
        rotated = f"; {turned} of them are turned, as the EXIF orientation in a file says" if turned else ""
        raise InputError(
            f"{len(other)} of {len(images)} images are not of their annotated size: {some(other)}{rotated}; "
            "take the images that were annotated"
        )


def _extra(root: Path, split: str, truth: CocoTruth) -> tuple[str, ...]:
    """Image files of the split's folder that the annotations do not have."""
    annotated = {root / split / image.file_name for image in truth.images}
    found = (path for path in (root / split).rglob("*") if path.suffix.lower() in _SUFFIXES)
    return tuple(sorted(path.relative_to(root).as_posix() for path in found if path not in annotated))
