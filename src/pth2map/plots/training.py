"""The picture of a training: loss, learning rate and throughput over its epochs."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pth2map.files.atomic import replacing
from pth2map.training.epochs import Epoch

# Okabe and Ito's palette; dashes tell the curves apart without colour.
_LOSSES = (
    ("loss", "loss", "#000000", "-"),
    ("validation_loss", "validation loss", "#D55E00", "--"),
    ("loss_loc", "boxes (count twice)", "#0072B2", "-."),
    ("loss_conf", "scores", "#009E73", ":"),
    ("loss_landm", "landmarks", "#CC79A7", (0, (5, 1, 1, 1, 1, 1))),
)

_BEYOND = 2.0
"""Times the highest loss on the training set: losses above that, such as on the validation set after the first steps,
leave the picture, which would show nothing else."""
_LEAST_RATE = 1e-7
"""The published schedule falls to 1e-52 for an epoch."""


def plot_training(epochs: Sequence[Epoch], path: Path, title: str) -> None:
    """Draw a PNG of three panels, one above the other; equal epochs give equal bytes."""
    figure = Figure(figsize=(7, 7.2), dpi=150, layout="constrained")
    losses, rates, speeds = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 1))
    most = _BEYOND * max(epoch.loss for epoch in epochs)
    within = []
    for field, label, colour, dashes in _LOSSES:
        values = [(epoch.epoch, value) for epoch in epochs if (value := getattr(epoch, field)) is not None]
        if values:
            highest = max(value for _, value in values)
            said = label if highest <= most else f"{label}, up to {highest:.0f}"
            losses.plot(*zip(*values, strict=True), linestyle=dashes, color=colour, label=said, **_marked(values))
            within += [value for _, value in values if value <= most]
    losses.set(ylabel="loss", ylim=(0, 1.05 * max(within) or None))
    losses.legend(frameon=False, ncols=2)
    losses.set_title(title, fontsize=10, parse_math=False)
    shown = [epoch.learning_rate for epoch in epochs]
    rates.plot([epoch.epoch for epoch in epochs], shown, color="#000000", **_marked(epochs))
    rates.set(ylabel="learning rate", yscale="log", ylim=(max(min(shown), _LEAST_RATE) / 2, max(shown) * 2))
    measured = [(e.epoch, e.images_per_second) for e in epochs if e.images_per_second is not None]
    if measured:
        speeds.plot(*zip(*measured, strict=True), color="#000000", **_marked(measured))
    else:
        speeds.text(0.5, 0.5, "too few steps to measure", transform=speeds.transAxes, ha="center", va="center")
    speeds.set(ylabel="images/s", xlabel="epoch", ylim=(0, None))
    speeds.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (losses, rates, speeds):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _marked(values: Sequence[object]) -> dict[str, object]:
    """A line alone would not show a few epochs."""
    return {"linewidth": 1.6, "marker": "o" if len(values) <= 20 else None, "markersize": 4}
