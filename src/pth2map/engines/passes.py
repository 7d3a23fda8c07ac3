"""The passes over the images of a shard: in one go, or by tensor files. Both call the same functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.engines.session import Session
from pth2map.files.errors import InputError
from pth2map.files.progress import track
from pth2map.geometry.placement import Placement
from pth2map.recipes import tensor_files
from pth2map.recipes.detections import Detections
from pth2map.recipes.recipe import Decode, Preprocess, Recipe

PerImage = Mapping[str, np.ndarray]
T = TypeVar("T")
Item = TypeVar("Item", bound=tuple[Any, ...])


def stream(
    index: DatasetIndex, images: Sequence[IndexedImage], recipe: Recipe, session: Session, batch: int
) -> Detections:
    """Read, preprocess, infer and decode in one pass, with no tensor on disk."""
    preprocess, decode = recipe.preprocess(), recipe.decode()
    found: list[PerImage] = []
    prepared = ((image, *_preprocess(index, image, preprocess)) for image in track(images, "infer"))
    for group in _batches(prepared, batch):
        outputs = session.run(np.stack([tensor for _, tensor, _ in group]))
        for row, (image, _, placement) in enumerate(group):
            found.append(_decode(image, [output[row] for output in outputs], placement, decode))
    return _collect(images, found, decode)


def prepare(index: DatasetIndex, images: Sequence[IndexedImage], preprocess: Preprocess, folder: Path) -> None:
    """Write the tensor file of each image, and what undoes its geometry."""
    tensor_files.check_stems(index.names)
    for image in track(images, "prepare"):
        tensor_files.write_input(folder, image.name, *_preprocess(index, image, preprocess))


def infer_files(
    images: Sequence[IndexedImage],
    inputs: Path,
    session: Session,
    output_names: Sequence[str],
    folder: Path,
    batch: int,
) -> None:
    """Run each tensor file of ``inputs`` and write its outputs into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    loaded = ((image, tensor_files.read_input(inputs, image.name)[0]) for image in track(images, "infer"))
    for group in _batches(loaded, batch):
        outputs = session.run(np.stack([tensor for _, tensor in group]))
        for row, (image, _) in enumerate(group):
            tensor_files.write_outputs(folder, image.name, output_names, [output[row] for output in outputs])


def decode_files(images: Sequence[IndexedImage], inputs: Path, outputs: Path, recipe: Recipe) -> Detections:
    """Detections from output files, with the scale that the prepare stage kept."""
    preprocess, decode = recipe.preprocess(), recipe.decode()
    found = []
    for image in track(images, "decode"):
        canvas = preprocess.placement(image.height, image.width)
        placement = Placement(canvas.height, canvas.width, tensor_files.read_scale(inputs, image.name))
        tensors = tensor_files.read_outputs(outputs, image.name, decode.output_shapes(placement))
        found.append(_decode(image, tensors, placement, decode))
    return _collect(images, found, decode)


def _collect(images: Sequence[IndexedImage], found: Sequence[PerImage], decode: Decode) -> Detections:
    """One set of detections out of those of each image, in the order of ``images``; there may be none."""
    nothing = decode.nothing()
    arrays = {key: np.concatenate([nothing[key], *(one[key] for one in found)]) for key in nothing}
    counts = np.array([len(one["scores"]) for one in found], dtype=np.int64)
    boxes, scores = arrays.pop("boxes"), arrays.pop("scores")
    return Detections(tuple(image.name for image in images), counts, boxes, scores, arrays)


def _preprocess(index: DatasetIndex, image: IndexedImage, preprocess: Preprocess) -> tuple[np.ndarray, Placement]:
    pixels = read_image(index.file(image))
    if pixels.shape[:2] != (image.height, image.width):
        raise InputError(
            f"{index.file(image)}: {pixels.shape[1]}×{pixels.shape[0]} px, the index says "
            f"{image.width}×{image.height}; the file changed, index the dataset again"
        )
    return _named(image, lambda: preprocess(pixels))


def _decode(image: IndexedImage, outputs: Sequence[np.ndarray], placement: Placement, decode: Decode) -> PerImage:
    return _named(image, lambda: decode(outputs, placement))


def _named(image: IndexedImage, call: Callable[[], T]) -> T:
    try:
        return call()
    except InputError as error:
        raise InputError(f"{image.name}: {error}") from None


def _batches(prepared: Iterator[Item], batch: int) -> Iterator[list[Item]]:
    """Groups of up to ``batch`` neighbours whose tensors (second field) have one shape."""
    for _, same in groupby(prepared, key=lambda item: item[1].shape):
        group: list[Item] = []
        for item in same:
            group.append(item)
            if len(group) == batch:
                yield group
                group = []
        if group:
            yield group
