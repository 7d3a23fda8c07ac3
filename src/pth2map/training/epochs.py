"""What is known of each epoch of a training, and the table of it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

from annotated_types import Len
from pydantic import TypeAdapter

from pth2map.files.atomic import write_text
from pth2map.files.errors import InputError


@dataclass(frozen=True)
class Epoch:
    """What is known of an epoch when it is over, or of the part of it that a training ends with."""

    epoch: int
    """From 1."""
    steps: int
    learning_rate: float
    """Of its last step."""
    loss: float
    """Mean over its steps, as are its parts."""
    loss_loc: float
    loss_conf: float
    loss_landm: float
    validation_loss: float | None
    skipped_steps: int
    """Steps that were not made, since a gradient was not finite."""
    images_per_second: float | None
    """Of all devices together, without the first steps; None where there were no others."""
    seconds: float

    @property
    def judged_by(self) -> float:
        """What the best epoch has least of."""
        return self.loss if self.validation_loss is None else self.validation_loss

    def sentence(self, epochs: int) -> str:
        """For a log."""
        parts = f"boxes {self.loss_loc:.3f}, scores {self.loss_conf:.3f}, landmarks {self.loss_landm:.3f}"
        words = [
            f"epoch {self.epoch}/{epochs}: loss {self.loss:.4f} ({parts})",
            *([] if self.validation_loss is None else [f"validation {self.validation_loss:.4f}"]),
            f"learning rate {self.learning_rate:.3g}",
            *([f"{self.skipped_steps} of {self.steps} steps skipped"] if self.skipped_steps else []),
            *([] if self.images_per_second is None else [f"{self.images_per_second:.1f} images/s"]),
            f"{self.seconds:.0f} s",
        ]
        return ", ".join(words)


def write_epochs(epochs: Sequence[Epoch], path: Path) -> None:
    """A row for each epoch, with tabs between the columns, which are the fields of :class:`Epoch`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in epochs)
    write_text(path, text.getvalue())


def read_epochs(path: Path) -> list[Epoch]:
    """What :func:`write_epochs` wrote. Raises ``InputError`` for another file."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
        return _EPOCHS.validate_python([{name: text or None for name, text in row.items()} for row in rows])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the training first") from None
    except ValueError:
        raise InputError(
            f"{path}: no table of the epochs of a training; remove it and run the training again"
        ) from None


_EPOCHS = TypeAdapter(Annotated[list[Epoch], Len(min_length=1)])
