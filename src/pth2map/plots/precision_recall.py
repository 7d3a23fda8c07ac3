"""The precision-recall picture of a WIDER FACE evaluation."""

from pathlib import Path

from matplotlib.figure import Figure

from pth2map.evaluation.widerface import Evaluation
from pth2map.files.atomic import replacing

# Okabe and Ito's palette; dashes tell the curves apart without colour.
_STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#000000", ":"))


def plot_curves(evaluation: Evaluation, path: Path, title: str) -> None:
    """Draw precision over recall of every subset as a PNG; equal values give equal bytes."""
    figure = Figure(figsize=(5.6, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    subsets = zip(evaluation.metrics.items(), evaluation.curves, _STYLES, strict=False)
    for (subset, ap), curve, (colour, dashes) in subsets:
        label = f"{subset}: no AP" if ap is None else f"{subset}: AP {ap:.2%}"
        axes.plot(curve[:, 1], curve[:, 0], dashes, color=colour, linewidth=1.8, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision", title=title)
    axes.set_aspect("equal")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
