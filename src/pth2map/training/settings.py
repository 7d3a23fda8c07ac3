"""What a training may be asked, as far as it decides the weights. No arithmetic here."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from pth2map.files.errors import InputError
from pth2map.recipes.settings import Positive, Section

PositiveInt = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Checkpoints(Section):
    """Which checkpoints of a training stay in `results/{model}/train/checkpoints`."""

    every_epochs: PositiveInt = Field(default=10, description="epochs between two checkpoints; the last is always kept")
    late_from_epoch: PositiveInt | None = Field(
        default=70, description="after so many epochs there are more of them; null: never"
    )
    late_every_epochs: PositiveInt = Field(default=5, description="epochs between two of these")
    keep: PositiveInt | None = Field(default=3, description="only so many of the latest stay; null: all")
    best: bool = Field(
        default=True,
        description="`best.pth`: that of the epoch with the least validation loss, or the least training loss where "
        "there is no validation set",
    )


class TrainingSettings(Section):
    """Everything that decides the weights, beside the data, the weights it starts from, and the number of devices."""

    size: Annotated[int, Field(ge=64, le=8192)] = Field(
        description="side of the square that images are augmented to, in pixels; of the published networks 840 for "
        "resnet50, 640 for mobilenet0.25"
    )
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=90, description="passes over the training set")
    max_steps: PositiveInt | None = Field(
        default=None, description="end after so many steps, whatever `epochs` says; the schedule is not shortened"
    )
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=32,
        description="images of a step over all devices, shared out evenly; what is left of an epoch is dropped",
    )
    learning_rate: Positive = Field(default=1e-3, description="of SGD, after the warm-up")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="of SGD")
    weight_decay: NotNegative = Field(default=5e-4, description="of SGD, on every parameter")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.1, description="factor of the learning rate at a decay"
    )
    decay_epochs: list[PositiveInt] = Field(
        default=[70, 90], description="epochs, in rising order, after which the learning rate decays"
    )
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(
        default=1, description="epochs over which the learning rate climbs from 1e-6, step by step"
    )
    schedule: Literal["intended", "published"] = Field(
        default="intended",
        description="published: with the two errors of the script behind the published figure: the climb goes on for "
        "one epoch more, to twice the rate, and the decay lasts for one epoch only, in which it comes at every step",
    )
    amp: bool = Field(
        default=False,
        description="mixed precision: float16 on `cuda` and `npu`, bfloat16 on the CPU; parameters stay float32",
    )
    opt_level: Literal["O1", "O2"] = Field(
        default="O2", description="of apex; both become `torch.autocast` here (docs/training.md)"
    )
    loss_scale: Positive = Field(
        default=64.0,
        description="static factor of the loss under `amp`; a step with a gradient that is not finite is left out",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="of the first weights, the order of images and their augmentation"
    )
    weights: Literal["last", "best"] = Field(default="last", description="which checkpoint is exported and evaluated")
    checkpoints: Checkpoints = Field(default_factory=Checkpoints)

    def deciding(self) -> dict[str, object]:
        """What the steps follow from, as JSON values: all but which checkpoints stay and which of them is used."""
        deciding = set(TrainingSettings.model_fields) - {"checkpoints", "weights", "opt_level"}
        return self.model_dump(mode="json", include=deciding)

    def problems(self) -> list[tuple[str, str]]:
        """What does not go together: the key, and why."""
        problems = []
        if any(later <= earlier for earlier, later in pairwise(self.decay_epochs)):
            problems.append(("decay_epochs", f"found {self.decay_epochs}; expected rising numbers, each once"))
        if self.weights == "best" and not self.checkpoints.best:
            why = "found false; weights: best needs it; expected true, or weights: last"
            problems.append(("checkpoints.best", why))
        return problems


def parse_settings(text: str) -> TrainingSettings:
    """From JSON. Raises ``InputError`` for anything else."""
    try:
        settings = TrainingSettings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f" {key}:" for key in first["loc"])
        raise InputError(
            f'--settings:{where} {first["msg"]}; expected JSON with keys of docs/training.md, such as {{"size": 840}}'
        ) from None
    for key, why in settings.problems():
        raise InputError(f"--settings: {key}: {why}")
    return settings
