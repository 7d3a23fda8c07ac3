"""The learning rate of each step, and the rate at which steps are made."""

from dataclasses import dataclass, field

from pth2map.training.settings import TrainingSettings

FIRST_RATE = 1e-6
UNMEASURED_STEPS = 10
"""Steps of each epoch that are not measured, as on the Ascend page of RetinaFace's training."""


def learning_rate(settings: TrainingSettings, steps_per_epoch: int, step: int) -> float:
    """The learning rate of a step, counted from 0 over the whole training.

    ``published`` is what the script of the Ascend page does: the warm-up also has the epoch behind it, in which the
    rate climbs on to twice its value; the counter of decays is bumped at every step of the epochs ``decay_epochs``
    (counted from 0) and forgotten at their end.
    """
    epoch, of_epoch = divmod(step, steps_per_epoch)
    rate, warmup = settings.learning_rate, settings.warmup_epochs
    published = settings.schedule == "published"
    if warmup and epoch < warmup + published:
        return FIRST_RATE + (rate - FIRST_RATE) * step / (steps_per_epoch * warmup)
    if published:
        decays = of_epoch + 1 if epoch in settings.decay_epochs else 0
    else:
        decays = sum(decay <= epoch for decay in settings.decay_epochs)
    return float(rate * settings.gamma**decays)


@dataclass
class StepTimes:
    """Seconds of the steps of an epoch, without the first of them."""

    unmeasured: int = UNMEASURED_STEPS
    seen: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """One more step."""
        self.seen += 1
        if self.seen > self.unmeasured:
            self.seconds.append(seconds)

    def images_per_second(self, batch_size: int) -> float | None:
        """Of all devices together, whose steps take as long as each other; ``batch_size`` is that of all of them."""
        return batch_size * len(self.seconds) / sum(self.seconds) if self.seconds else None
