"""Training of RetinaFace in the published order of operations: slow and plain.

Our own rewrite; tests and the benchmark compare ours with it. It follows the behaviour of biubug6/Pytorch_Retinaface
(MIT) and of RetinaFace's training in Ascend's ModelZoo-PyTorch, quirks included. One image is read, cropped, coloured,
mirrored and resized after the other, as float32 planes from the loader on; one image is matched after the other, all
priors with all faces; the losses are taken out of dense targets and all scores are sorted twice.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from pth2map.datasets.training_set import TrainingSet
from pth2map.geometry.priors import retinaface_priors
from pth2map.networks.retinaface import RetinaFace

MEAN = (104, 117, 123)
SCALES = (0.3, 0.45, 0.6, 0.8, 1.0)
TRIES = 250
INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)
POSITIVE, FORCED = 0.35, 0.2
VARIANCES = (0.1, 0.2)
NEGATIVES = 7
LOC_WEIGHT = 2.0

Losses = tuple[Tensor, Tensor, Tensor]


# Images


def augment(image: np.ndarray, faces: np.ndarray, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A pixel image ``(h, w, 3)`` BGR uint8 and its faces ``(n, 15)`` to planes and fractions.

    Returns ``(3, side, side)`` float32 less the mean, and ``(m, 15)`` float32 fractions of the square. ``n`` is not 0.
    """
    image, faces, cropped = crop(image, faces, rng)
    image = distort(image, rng)
    if not cropped:
        image = pad(image)
    image, faces = mirror(image, faces, rng)
    height, width = image.shape[:2]
    image = cv2.resize(image, (side, side), interpolation=INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))])
    planes = image.astype(np.float32)
    planes -= MEAN
    faces[:, 0:14:2] /= width
    faces[:, 1:14:2] /= height
    return planes.transpose(2, 0, 1), faces.astype(np.float32)


def crop(image: np.ndarray, faces: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, bool]:
    """A square that holds a whole face, and the faces whose centres it holds; failing that, all, and False."""
    height, width = image.shape[:2]
    corners = faces[:, :4]
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    for _ in range(TRIES):
        side = int(SCALES[rng.integers(len(SCALES))] * min(width, height))
        left = 0 if width == side else int(rng.integers(width - side))
        top = 0 if height == side else int(rng.integers(height - side))
        start, end = np.array((left, top)), np.array((left + side, top + side))
        upper_left, lower_right = np.maximum(corners[:, :2], start), np.minimum(corners[:, 2:], end)
        shared = np.prod(lower_right - upper_left, axis=1) * (upper_left < lower_right).all(axis=1)
        if not (shared / np.maximum(areas, 1) >= 1).any():
            continue
        centres = (corners[:, :2] + corners[:, 2:]) / 2
        kept = faces[((start < centres) & (centres < end)).all(axis=1)]
        kept[:, :2] = np.maximum(kept[:, :2], start) - start
        kept[:, 2:4] = np.minimum(kept[:, 2:4], end) - start
        points = kept[:, 4:14].reshape(-1, 5, 2) - start
        kept[:, 4:14] = np.clip(points, 0, end - start).reshape(-1, 10)
        sizes = (kept[:, 2:4] - kept[:, :2] + 1) / side
        kept = kept[sizes.min(axis=1) > 0] if len(kept) else kept
        if len(kept):
            return image[top : top + side, left : left + side], kept, True
    return image, faces.copy(), False


def distort(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = image.copy()
    contrast_first = rng.integers(2)
    if rng.integers(2):
        convert(image, 1, rng.uniform(-32, 32))
    if contrast_first and rng.integers(2):
        convert(image, rng.uniform(0.5, 1.5), 0)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    if rng.integers(2):
        convert(image[:, :, 1], rng.uniform(0.5, 1.5), 0)
    if rng.integers(2):
        image[:, :, 0] = (image[:, :, 0].astype(int) + rng.integers(-18, 18, endpoint=True)) % 180
    image = cv2.cvtColor(image, cv2.COLOR_HSV2BGR)
    if not contrast_first and rng.integers(2):
        convert(image, rng.uniform(0.5, 1.5), 0)
    return image


def convert(pixels: np.ndarray, factor: float, term: float) -> None:
    values = pixels.astype(float) * factor + term
    values[values < 0] = 0
    values[values > 255] = 255
    pixels[:] = values


def pad(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    square = np.empty((max(height, width), max(height, width), 3), np.uint8)
    square[:] = MEAN
    square[:height, :width] = image
    return square


def mirror(image: np.ndarray, faces: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if not rng.integers(2):
        return image, faces
    width = image.shape[1]
    faces[:, 0:4:2] = width - faces[:, 2::-2]
    points = faces[:, 4:14].reshape(-1, 5, 2)[:, [1, 0, 2, 4, 3]]
    points[:, :, 0] = width - points[:, :, 0]
    faces[:, 4:14] = points.reshape(-1, 10)
    return image[:, ::-1], faces


# Targets


def match(faces: Tensor, priors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Targets of each prior: ``loc (P, 4)``, ``conf (P,)`` (0, or the label 1 or -1 of its face), ``landm (P, 10)``.

    ``faces`` ``(n, 15)`` and ``priors`` ``(P, 4)`` are float32 fractions. A face whose best prior shares less than 0.2
    with it forces no prior, yet takes its best prior over from any face that has it. Where no face forces one, all are
    0; the published code leaves ``landm`` as it is there.
    """
    overlaps = jaccard(
        faces[:, :4], torch.cat([priors[:, :2] - priors[:, 2:] / 2, priors[:, :2] + priors[:, 2:] / 2], 1)
    )
    best_overlap, best_prior = overlaps.max(1)
    forced = best_prior[best_overlap >= FORCED]
    if not len(forced):
        return torch.zeros(len(priors), 4), torch.zeros(len(priors), dtype=torch.long), torch.zeros(len(priors), 10)
    overlap, face = overlaps.max(0)
    overlap.index_fill_(0, forced, 2)
    for number in range(len(faces)):
        face[best_prior[number]] = number
    matched = faces[face]
    conf = matched[:, 14].long()
    conf[overlap < POSITIVE] = 0
    centre = (matched[:, :2] + matched[:, 2:4]) / 2 - priors[:, :2]
    size = (matched[:, 2:4] - matched[:, :2]) / priors[:, 2:]
    loc = torch.cat([centre / (VARIANCES[0] * priors[:, 2:]), torch.log(size) / VARIANCES[1]], 1)
    points = matched[:, 4:14].reshape(-1, 5, 2) - priors[:, None, :2]
    return loc, conf, (points / (VARIANCES[0] * priors[:, None, 2:])).reshape(-1, 10)


def jaccard(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU ``(n, P)`` of corners ``(n, 4)`` and ``(P, 4)``."""
    shape = len(boxes), len(others), 2
    upper_left = torch.max(boxes[:, None, :2].expand(shape), others[None, :, :2].expand(shape))
    lower_right = torch.min(boxes[:, None, 2:].expand(shape), others[None, :, 2:].expand(shape))
    sides = torch.clamp(lower_right - upper_left, min=0)
    shared = sides[..., 0] * sides[..., 1]
    area, other = ((each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1]) for each in (boxes, others))
    return shared / (area[:, None].expand_as(shared) + other[None].expand_as(shared) - shared)


def multibox_loss(loc: Tensor, conf: Tensor, landm: Tensor, targets: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Losses:
    """The losses of boxes, scores and landmarks of a batch; the whole is ``2 · loc + conf + landm``.

    ``loc (N, P, 4)``, ``conf (N, P, 2)`` logits, ``landm (N, P, 10)``; ``targets`` of each image as of :func:`match`.
    """
    loc_t, conf_t, landm_t = (torch.stack(each) for each in zip(*targets, strict=True))
    count, priors = conf_t.shape
    with_points = conf_t > 0
    rows = with_points[..., None].expand_as(landm)
    loss_landm = functional.smooth_l1_loss(landm[rows].view(-1, 10), landm_t[rows].view(-1, 10), reduction="sum")
    positive = conf_t != 0
    conf_t[positive] = 1
    rows = positive[..., None].expand_as(loc)
    loss_loc = functional.smooth_l1_loss(loc[rows].view(-1, 4), loc_t[rows].view(-1, 4), reduction="sum")

    flat = conf.view(-1, 2)
    hardness = log_sum_exp(flat) - flat.gather(1, conf_t.view(-1, 1))
    hardness[positive.view(-1, 1)] = 0
    rank = hardness.view(count, priors).sort(1, descending=True)[1].sort(1)[1]
    positives = positive.long().sum(1, keepdim=True)
    negative = rank < torch.clamp(NEGATIVES * positives, max=priors - 1).expand_as(rank)
    rows = (positive[..., None].expand_as(conf).int() + negative[..., None].expand_as(conf).int()) > 0
    chosen = (positive.int() + negative.int()) > 0
    loss_conf = functional.cross_entropy(conf[rows].view(-1, 2), conf_t[chosen], reduction="sum")

    total = positives.sum().clamp(min=1)
    return loss_loc / total, loss_conf / total, loss_landm / with_points.sum().clamp(min=1)


def log_sum_exp(rows: Tensor) -> Tensor:
    """``(n, 1)``, with the greatest of the whole batch taken off."""
    greatest = rows.detach().max()
    return torch.log(torch.sum(torch.exp(rows - greatest), 1, keepdim=True)) + greatest


# Steps


def learning_rate(
    step: int,
    steps_per_epoch: int,
    rate: float,
    gamma: float = 0.1,
    warmup_epochs: int = 1,
    decay_epochs: Sequence[int] = (70, 90),
) -> float:
    """Of a step, counted from 0 over all epochs, with both errors of the script behind the published figure.

    The climb takes in one epoch too many. The counter of decays rises at every step of an epoch in ``decay_epochs``
    (counted from 0) and starts again at 0 with each epoch.
    """
    epoch, within = divmod(step, steps_per_epoch)
    if epoch <= warmup_epochs:
        return 1e-6 + (rate - 1e-6) * step / (steps_per_epoch * warmup_epochs)
    return rate * gamma ** (within + 1 if epoch in decay_epochs else 0)


class Images(Dataset[tuple[Tensor, Tensor]]):
    """Augmented by chance; torch gives each process and each epoch chances of their own."""

    def __init__(self, data: TrainingSet, side: int) -> None:
        self.data, self.side = data, side

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        image = np.asarray(cv2.imread(str(self.data.path(number))))
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        planes, faces = augment(image, self.data.faces_of(number), self.side, rng)
        return torch.from_numpy(planes), torch.from_numpy(faces)


def collate(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[Tensor]]:
    return torch.stack([planes for planes, _ in items]), [faces for _, faces in items]


def train(network: RetinaFace, data: TrainingSet, side: int, batch: int, workers: int, rate: float) -> Iterator[float]:
    """The loss of one step after the other, for ever; ``network`` gives logits and learns. Chances are torch's."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    priors = torch.tensor(retinaface_priors(side, side))
    loader = DataLoader(
        Images(data, side),
        batch,
        shuffle=True,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        persistent_workers=workers > 0,
    )
    step = 0
    while True:
        for planes, faces in loader:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, len(loader), rate)
            loc, conf, landm = network(planes)
            targets = [match(each, priors) for each in faces]
            optimizer.zero_grad()
            loss_loc, loss_conf, loss_landm = multibox_loss(loc, conf, landm, targets)
            loss = LOC_WEIGHT * loss_loc + loss_conf + loss_landm
            loss.backward()
            optimizer.step()
            step += 1
            yield loss.item()
