"""The training of a RetinaFace, from its first step or from where it was left."""

from __future__ import annotations

import inspect
import math
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch.nn.parallel import DistributedDataParallel

from pth2map.files.errors import InputError, nearest
from pth2map.files.hashing import hash_file, hash_json
from pth2map.files.progress import Meter
from pth2map.networks.catalogue import TRAINABLE, build
from pth2map.networks.checkpoints import load_weights
from pth2map.training.batches import Steps, training_batches, validation_batches
from pth2map.training.checkpoints import (
    BEST,
    STATE,
    checkpoint_path,
    drop_old,
    due,
    load_state,
    save_checkpoint,
    save_state,
)
from pth2map.training.epochs import Epoch
from pth2map.training.loss import LossSums, multibox_loss
from pth2map.training.precision import Precision
from pth2map.training.schedule import StepTimes, learning_rate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from pth2map.datasets.training_set import TrainingSet
    from pth2map.networks.retinaface import RetinaFace
    from pth2map.training.batch import Batch
    from pth2map.training.settings import TrainingSettings
    from pth2map.training.world import World

CLASSIFIER = ("fc.",)
"""Names in a backbone's checkpoint that belong to what was taken off it."""
_STEPS_BETWEEN_LOOKS = 10


@dataclass(frozen=True)
class Plan:
    """What is trained, on what, from what, and where its state lies."""

    network: str
    settings: TrainingSettings
    images: TrainingSet
    state: Path
    validation: TrainingSet | None = None
    backbone: Path | None = None
    start_from: Path | None = None
    workers: int = 0
    state_every: int = 100

    @property
    def steps_per_epoch(self) -> int:
        return len(self.images) // self.settings.batch_size

    @property
    def steps(self) -> int:
        """Of the whole training."""
        steps = self.settings.epochs * self.steps_per_epoch
        return min(steps, self.settings.max_steps or steps)

    def identity(self, world: World) -> str:
        """Hash of all that decides the weights, but for the code."""
        started = [path and hash_file(path) for path in (self.backbone, self.start_from)]
        sets = [images and images.content_hash() for images in (self.images, self.validation)]
        facts = [self.network, self.settings.deciding(), sets, started, world.size, world.device.type]
        return hash_json(facts)


@dataclass
class Progress:
    """How far a training is: the steps made, the epochs behind it, and what the present one has so far."""

    step: int = 0
    totals: list[float] = field(default_factory=lambda: [0.0] * 4)
    """Of the present epoch, over the steps made: the loss and its parts."""
    of_epoch: int = 0
    """Steps of the present epoch."""
    skipped: int = 0
    seconds: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From :func:`dataclasses.asdict`."""
        return cls(**{**values, "epochs": [Epoch(**epoch) for epoch in values["epochs"]]})


class Trainer:
    """A training on this process's device.

    Raises ``InputError`` when the images do not fill one step, or the weights to start from do not fit.
    """

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world = plan, world
        settings = plan.settings
        if not plan.steps_per_epoch:
            raise InputError(
                f"the training set has {len(plan.images)} images, fewer than the {settings.batch_size} of one step; "
                "expected a smaller batch_size or more images"
            )
        if settings.batch_size % world.size:
            raise InputError(
                f"batch_size: {settings.batch_size} images cannot be shared by {world.size} devices evenly"
            )
        network = first_weights(plan)
        self.network: RetinaFace = network.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.precision = Precision(settings, world, self.optimizer)
        self.progress = Progress()
        self.identity = plan.identity(world)
        self._resume()

    def run(self) -> list[Epoch]:
        """Make the steps that are left. Returns all epochs; the first process leaves checkpoints below the state."""
        plan, world, settings = self.plan, self.world, self.plan.settings
        if self.progress.step >= plan.steps:
            return self.progress.epochs
        model = self._parallel()
        totals = torch.tensor(self.progress.totals, dtype=torch.float64, device=world.device)
        times = StepTimes()
        started = time.monotonic()
        with self._meter() as meter:
            for batch in self._batches():
                rate = learning_rate(settings, plan.steps_per_epoch, self.progress.step)
                losses, made = self._step(model, batch, rate)
                totals += losses if made else 0.0
                self._count(made)
                now = time.monotonic()
                times.add(now - started)
                self.progress.seconds += now - started
                started = now
                ended = self.progress.step in (plan.steps, self._next_epoch())
                saves = ended or self.progress.step % plan.state_every == 0
                if saves or self.progress.step % _STEPS_BETWEEN_LOOKS == 0:
                    self._look_at(totals, rate)
                if saves:
                    self.progress.totals = world.mean(totals).tolist()
                if ended:
                    self._end_epoch(rate, times)
                    totals, times, started = torch.zeros_like(totals), StepTimes(), time.monotonic()
                if saves:
                    self._save()
                    started = time.monotonic()
                if meter:
                    meter.show(self._done())
            if meter:
                meter.finish(self._done())
        return self.progress.epochs

    def _step(self, model: nn.Module, batch: Batch, rate: float) -> tuple[Tensor, bool]:
        """One step. Returns its loss and the parts ``(4,)`` float64, and whether it was made."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = batch.to(self.world.device)
        with self.precision.autocast:
            outputs = model(batch.inputs())
        losses = multibox_loss(outputs, batch).means()
        made = self.precision.step(losses[0])
        return losses.detach().double(), made

    def _count(self, made: bool) -> None:
        self.progress.step += 1
        self.progress.of_epoch += 1
        self.progress.skipped += not made

    def _look_at(self, totals: Tensor, rate: float) -> None:
        """Raise ``InputError`` before weights that are not finite reach the state."""
        finite = torch.isfinite(totals).all() and all(p.isfinite().all() for p in self.network.parameters())
        if not finite:
            raise InputError(
                f"loss or weights are no longer finite at step {self.progress.step} (learning rate {rate:.3g}); lower "
                "learning_rate, or give the warm-up more epochs"
            )

    def _end_epoch(self, rate: float, times: StepTimes) -> None:
        progress, settings = self.progress, self.plan.settings
        made = progress.of_epoch - progress.skipped
        if not made:
            raise InputError(
                f"no step of epoch {len(progress.epochs) + 1} could be made: gradients are not finite at loss_scale "
                f"{settings.loss_scale:g}; lower it"
            )
        loss, loc, conf, landms = (total / made for total in progress.totals)
        epoch = Epoch(
            epoch=len(progress.epochs) + 1,
            steps=progress.of_epoch,
            learning_rate=rate,
            loss=loss,
            loss_loc=loc,
            loss_conf=conf,
            loss_landm=landms,
            validation_loss=self.validate(),
            skipped_steps=progress.skipped,
            images_per_second=times.images_per_second(settings.batch_size),
            seconds=progress.seconds,
        )
        if self.world.first:
            print(epoch.sentence(settings.epochs), file=sys.stderr, flush=True)
            self._keep(epoch)
        self.progress = Progress(step=progress.step, epochs=[*progress.epochs, epoch])

    def _keep(self, epoch: Epoch) -> None:
        """Write the checkpoints that are due after an epoch."""
        plan, settings = self.plan, self.plan.settings.checkpoints
        last = self.progress.step >= plan.steps
        if all(epoch.judged_by < earlier.judged_by for earlier in self.progress.epochs):
            save_checkpoint(plan.state / BEST, self.network, epoch.epoch, epoch.judged_by)
        if last or due(settings, epoch.epoch):
            save_checkpoint(checkpoint_path(plan.state, epoch.epoch), self.network, epoch.epoch, epoch.judged_by)
            drop_old(plan.state, settings.keep)

    def validate(self) -> float | None:
        """The loss over the validation set, every image once, with the running means of the first process."""
        plan, world = self.plan, self.world
        if plan.validation is None:
            return None
        world.share_buffers(self.network)
        self.network.eval()
        sums = torch.zeros(5, dtype=torch.float64, device=world.device)
        batch_size = plan.settings.batch_size // world.size
        with torch.no_grad(), self.precision.autocast:
            for batch in validation_batches(
                plan.validation, plan.settings.size, batch_size, plan.workers, self._pinned, world.rank, world.size
            ):
                moved = batch.to(world.device)
                found = multibox_loss(self.network(moved.inputs()), moved)
                parts = [found.loc, found.conf, found.landms]
                counts = torch.tensor([found.faces, found.landmarked], dtype=torch.float64, device=world.device)
                sums += torch.cat([torch.stack(parts).double(), counts])
        self.network.train()
        loc, conf, landms, faces, landmarked = world.sum(sums).cpu()
        loss = float(LossSums(loc, conf, landms, int(faces), int(landmarked)).means()[0])
        if not math.isfinite(loss):
            raise InputError(f"the validation loss is not finite after step {self.progress.step}; lower learning_rate")
        return loss

    def _parallel(self) -> nn.Module:
        """The network, of several devices with the mean of their gradients; each keeps its own batch norms."""
        self.network.train()
        if self.world.size == 1:
            return self.network
        own = None if self.world.device.type == "cpu" else [self.world.device]
        # A card's torch may be older than the one here, which calls this by another name.
        names = inspect.signature(DistributedDataParallel).parameters
        buffers = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
        options: dict[str, Any] = {"device_ids": own, buffers: False}
        return cast("nn.Module", DistributedDataParallel(self.network, **options))

    def _batches(self) -> Iterator[Batch]:
        plan, world, settings = self.plan, self.world, self.plan.settings
        steps = Steps(
            settings.seed,
            len(plan.images),
            settings.batch_size,
            self.progress.step,
            plan.steps,
            world.rank,
            world.size,
        )
        return training_batches(plan.images, settings.size, steps, plan.workers, self._pinned)

    @property
    def _pinned(self) -> bool:
        return self.world.device.type == "cuda"

    def _meter(self) -> Meter | nullcontext[None]:
        """Of the first process alone."""
        images = self.plan.steps * self.plan.settings.batch_size
        return Meter("train", images, "images", self._done()) if self.world.first else nullcontext()

    def _next_epoch(self) -> int:
        """The step with which the present epoch ends."""
        return (len(self.progress.epochs) + 1) * self.plan.steps_per_epoch

    def _done(self) -> int:
        return self.progress.step * self.plan.settings.batch_size

    def _save(self) -> None:
        if self.world.first:
            save_state(
                self.plan.state,
                {
                    "identity": self.identity,
                    "network": self.network.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "scaler": self.precision.state_dict(),
                    "progress": asdict(self.progress),
                },
            )

    def _resume(self) -> None:
        """Go on from the state of the first process, which alone keeps one."""
        if self.identity != self.world.from_first(self.identity):
            raise InputError("the processes of this training do not train the same: settings, images or weights differ")
        state = self.world.from_first(load_state(self.plan.state) if self.world.first else None)
        if state is None:
            return
        if state["identity"] != self.identity:
            raise InputError(
                f"{self.plan.state / STATE} was left by another training: settings, images or devices differ; give "
                "another --state, or remove that folder to begin anew"
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.load_state_dict(state["scaler"])
        self.progress = Progress.of(state["progress"])


def first_weights(plan: Plan) -> RetinaFace:
    """The network before its first step: random by the seed, its backbone or all of it from a checkpoint."""
    if plan.network not in TRAINABLE:
        raise InputError(f"network {plan.network} cannot be trained here; {nearest(plan.network, TRAINABLE)}")
    torch.manual_seed(plan.settings.seed)
    network: RetinaFace = build(plan.network)  # type: ignore[assignment]
    network.logits = True
    if plan.backbone:
        load_weights(network.body, plan.backbone, besides=CLASSIFIER)
    if plan.start_from:
        load_weights(network, plan.start_from)
    return network
