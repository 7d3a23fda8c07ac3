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
from pth2map.recipes import tensor_files
from pth2map.recipes.detections import Detections
from pth2map.recipes.recipe import Decode, Placed, Preprocess, Recipe

PerImage = Mapping[str, np.ndarray]
T = TypeVar("T")


def stream(
    index: DatasetIndex, images: Sequence[IndexedImage], recipe: Recipe, session: Session, batch: int
) -> Detections:
    """Read, preprocess, infer and decode in one pass, with no tensor on disk."""
    preprocess, decode = recipe.preprocess(), recipe.decode()
    found: list[PerImage] = []
    placed = [(image, _placement(image, preprocess)) for image in images]  # one that cannot be placed costs no hours
    for group, tensors in _batches(track(placed, "infer"), batch, lambda item: (3, item[1].height, item[1].width)):
        for (image, _), tensor in zip(group, tensors, strict=True):
            pixels = _pixels(index, image)
            _named(image, partial(preprocess, pixels, out=tensor))
        for (image, placement), outputs in zip(group, recipe.of_each_image(session.run(tensors)), strict=True):
            handed_over = _device_outputs(image, outputs, placement, decode)
            found.append(_named(image, partial(decode, handed_over, placement)))
    return _collect(images, found, decode)


def prepare(
    index: DatasetIndex,
    images: Sequence[IndexedImage],
    recipe: Recipe,
    folder: Path,
    place: Path,
    raw: bool = False,
) -> None:
    """Write the tensor file of each image, and what undoes its geometry, into ``folder``, which goes to ``place``.

    ``raw``: of raw pixels, for a device that subtracts the mean.
    """
    files = recipe.files(raw)
    tensor_files.names_by_stem(index.names, files.stem)
    folder.mkdir(parents=True, exist_ok=True)
    for image in track(images, "prepare"):
        pixels = _pixels(index, image)
        _named(image, partial(files.write_input, folder, image.name, pixels))
    files.list_inputs(folder, [image.name for image in images], place)


def infer_files(
    images: Sequence[IndexedImage], inputs: Path, session: Session, recipe: Recipe, folder: Path, batch: int
) -> None:
    """Run each tensor file of ``inputs`` and write what a device hands over into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocess, decode, files = recipe.preprocess(), recipe.decode(), recipe.files()
    place_of = dict(zip(images, files.places(inputs, [image.name for image in images]), strict=True))
    placed = [(image, _placement(image, preprocess)) for image in images]  # one that cannot be placed costs no hours
    for group, tensors in _batches(track(placed, "infer"), batch, lambda item: (3, item[1].height, item[1].width)):
        for (image, placement), tensor in zip(group, tensors, strict=True):
            tensor[:] = files.read_input(inputs, image.name, placement)
        for (image, placement), outputs in zip(group, recipe.of_each_image(session.run(tensors)), strict=True):
            handed_over = _device_outputs(image, outputs, placement, decode)
            files.write_outputs(folder, place_of[image], image.name, handed_over)


def decode_files(images: Sequence[IndexedImage], inputs: Path, outputs: Path, recipe: Recipe) -> Detections:
    """Detections from output files, with what the prepare stage kept."""
    preprocess, decode, files = recipe.preprocess(), recipe.decode(), recipe.files()
    places = {image.name: _placement(image, preprocess) for image in images}
    handed_over = files.read_outputs(outputs, inputs, places)
    found = [
        _named(image, partial(decode, tensors, placement))
        for image, (placement, tensors) in zip(track(images, "decode"), handed_over, strict=True)
    ]
    return _collect(images, found, decode)


def _collect(images: Sequence[IndexedImage], found: Sequence[PerImage], decode: Decode) -> Detections:
    """One set of detections out of those of each image, in the order of ``images``; there may be none."""
    nothing = decode.nothing()
    arrays = {key: np.concatenate([nothing[key], *(one[key] for one in found)]) for key in nothing}
    counts = np.array([len(one["scores"]) for one in found], dtype=np.int64)
    boxes, scores = arrays.pop("boxes"), arrays.pop("scores")
    return Detections(tuple(image.name for image in images), counts, boxes, scores, arrays)


def _pixels(index: DatasetIndex, image: IndexedImage) -> np.ndarray:
    pixels = read_image(index.file(image))
    if pixels.shape[:2] != (image.height, image.width):
        raise InputError(
            f"{index.file(image)}: {pixels.shape[1]}×{pixels.shape[0]} px, the index says "
            f"{image.width}×{image.height}; the file changed, index the dataset again"
        )
    return pixels


def _placement(image: IndexedImage, preprocess: Preprocess) -> Placed:
    return _named(image, partial(preprocess.placement, image.height, image.width))


def _device_outputs(
    image: IndexedImage, outputs: Sequence[np.ndarray], placement: Placed, decode: Decode
) -> Sequence[np.ndarray]:
    return _named(image, partial(decode.device_outputs, outputs, placement))


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
