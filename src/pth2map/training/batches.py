"""Batches for the trainer: which images in which step, and what becomes of them on the way.

What an image becomes depends on the seed, the epoch and its number alone, never on who reads it or when.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from pth2map.datasets.images import read_image
from pth2map.datasets.training_set import TrainingSet
from pth2map.files.errors import InputError
from pth2map.geometry.priors import retinaface_priors
from pth2map.training.augment import augment, plain
from pth2map.training.batch import Batch, collate
from pth2map.training.matching import Targets, match

# What randomness is for; the numbers keep the streams apart.
_ORDER, _SAMPLE = 1, 2
_AGAIN = "put it back as it was, or index the set again"


@dataclass(frozen=True)
class Fault:
    """Why a batch could not be made. An error that a worker raises would come with its traceback in its text."""

    sentence: str


class Prepare(Protocol):
    """From an image of a set to a square one of ``side`` with its faces; ``key`` chooses what is random."""

    def __call__(
        self, image: np.ndarray, faces: np.ndarray, side: int, key: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]: ...


def augmented(image: np.ndarray, faces: np.ndarray, side: int, key: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """For training."""
    return augment(image, faces, side, np.random.default_rng(list(key)))


def as_it_is(image: np.ndarray, faces: np.ndarray, side: int, key: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """For validation."""
    return plain(image, faces, side)


@dataclass(frozen=True)
class Images(Dataset[tuple[np.ndarray, Targets]]):
    """Images of a set at a size, by the key of what is random in them, whose last number is that of the image."""

    images: TrainingSet
    side: int
    prepare: Prepare

    def __getitem__(self, key: tuple[int, ...]) -> tuple[np.ndarray, Targets]:
        number = key[-1]
        path = self.images.path(number)
        try:
            image = read_image(path)
        except InputError as error:
            raise InputError(f"{error}; it was whole when it was indexed: {_AGAIN}") from None
        height, width = image.shape[:2]
        indexed = self.images.sizes[number].tolist()
        if [width, height] != indexed:
            found = f"{width}×{height} pixels, no longer {indexed[0]}×{indexed[1]} as it was indexed"
            raise InputError(f"{path}: {found}; {_AGAIN}")
        square, faces = self.prepare(image, self.images.faces_of(number), self.side, key)
        return square, match(faces, retinaface_priors(self.side, self.side))

    def __getitems__(self, keys: Sequence[tuple[int, ...]]) -> Batch | Fault:
        """A whole batch; what is wrong with an image comes back as a :class:`Fault`."""
        try:
            return collate([self[key] for key in keys], len(retinaface_priors(self.side, self.side)))
        except InputError as error:
            return Fault(str(error))


@dataclass(frozen=True)
class Steps:
    """The images of each step on one of ``world`` devices, from the step ``start`` on, as keys of :class:`Images`.

    Each epoch has an order of its own. The images of a step are dealt out in turns, so the devices together have those
    that one alone would have; what does not fill a step is left out of the epoch.
    """

    seed: int
    images: int
    batch_size: int
    start: int
    end: int
    rank: int = 0
    world: int = 1

    @property
    def per_epoch(self) -> int:
        return self.images // self.batch_size

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[list[tuple[int, ...]]]:
        order, of_epoch = np.empty(0, np.int64), -1
        for step in range(self.start, self.end):
            epoch, number = divmod(step, self.per_epoch)
            if epoch != of_epoch:
                order, of_epoch = np.random.default_rng([_ORDER, self.seed, epoch]).permutation(self.images), epoch
            whole = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield [(_SAMPLE, self.seed, epoch, int(image)) for image in whole[self.rank :: self.world]]


def training_batches(images: TrainingSet, side: int, steps: Steps, workers: int, pinned: bool) -> Iterator[Batch]:
    """The batches of all steps in their order, read and augmented by ``workers`` processes, or with 0 by this one."""
    return _load(Images(images, side, augmented), steps, workers, pinned)


def validation_batches(
    images: TrainingSet, side: int, batch_size: int, workers: int, pinned: bool, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Every image of a set once, without anything random, dealt out to ``world`` devices."""
    own = [(number,) for number in range(rank, len(images), world)]
    keys = [own[start : start + batch_size] for start in range(0, len(own), batch_size)]
    return _load(Images(images, side, as_it_is), keys, workers, pinned)


def _load(
    images: Images, keys: Steps | Sequence[Sequence[tuple[int, ...]]], workers: int, pinned: bool
) -> Iterator[Batch]:
    loader = DataLoader(
        images,
        batch_sampler=keys,  # type: ignore[arg-type]  # keys are tuples, not numbers
        num_workers=workers,
        collate_fn=_whole,  # type: ignore[arg-type]  # batches come whole
        pin_memory=pinned,
        worker_init_fn=_one_thread,
    )
    for batch in loader:
        if isinstance(batch, Fault):
            raise InputError(batch.sentence)
        yield batch


def _whole(batch: Batch | Fault) -> Batch | Fault:
    return batch


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
