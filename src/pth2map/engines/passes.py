"""The passes over the images of a shard: in one go, or by tensor files. Both call the same functions."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

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


def stream(
    index: DatasetIndex, images: Sequence[IndexedImage], recipe: Recipe, session: Session, batch: int
) -> Detections:
    """Read, preprocess, infer and decode in one pass, with no tensor on disk."""
    preprocess, decode = recipe.preprocess(), recipe.decode()
    found: list[PerImage] = []
    placed = ((image, preprocess.placement(image.height, image.width)) for image in track(images, "infer"))
    for group, tensors in _batches(placed, batch, lambda item: (3, item[1].height, item[1].width)):
        for (image, _), tensor in zip(group, tensors, strict=True):
            _preprocess(index, image, partial(preprocess, out=tensor))
        for (image, placement), *rows in zip(group, *session.run(tensors), strict=True):
            found.append(_decode(image, rows, placement, decode))
    return _collect(images, found, decode)


def prepare(index: DatasetIndex, images: Sequence[IndexedImage], preprocess: Preprocess, folder: Path) -> None:
    """Write the tensor file of each image, and what undoes its geometry."""
    tensor_files.names_by_stem(index.names)
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
    loaded = ((image, tensor_files.read_input(inputs, image.name)) for image in track(images, "infer"))
    for group, tensors in _batches(loaded, batch, lambda item: item[1].shape[1:]):
        outputs = session.run(np.concatenate([tensor for _, tensor in group], out=tensors))
        for (image, _), *rows in zip(group, *outputs, strict=True):
            tensor_files.write_outputs(folder, image.name, output_names, rows)


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


def _preprocess(
    index: DatasetIndex, image: IndexedImage, preprocess: Callable[[np.ndarray], tuple[np.ndarray, Placement]]
) -> tuple[np.ndarray, Placement]:
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


def _batches(
    items: Iterable[T], batch: int, shape: Callable[[T], tuple[int, ...]]
) -> Iterator[tuple[list[T], np.ndarray]]:
    """Groups of up to ``batch`` neighbours whose tensors have one shape, and a float32 array for these tensors.

    All arrays lie in the same memory: fresh pages for every run would cost milliseconds an image.
    """
    memory = np.empty(0, dtype=np.float32)
    for one, same in groupby(items, key=shape):
        while group := list(islice(same, batch)):
            elements = len(group) * math.prod(one)
            if elements > len(memory):
                memory = np.empty(elements, dtype=np.float32)
            yield group, memory[:elements].reshape(len(group), *one)
