"""The precision-recall picture."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pth2map.files.atomic import replacing

# Okabe and Ito's palette; dashes tell the curves apart without colour.
_STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#000000", ":"))


def plot_curves(ap: Mapping[str, float], curves: np.ndarray, path: Path, title: str) -> None:
    """Draw precision over recall as a PNG; equal values give equal bytes.

    ``curves`` ``(S, T, 2)``: precision and recall of each subset of ``ap``, in its order. NaN is left out; an ``ap`` of
    NaN is shown as none.
    """
    figure = Figure(figsize=(5.6, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for (subset, value), curve, (colour, dashes) in zip(ap.items(), curves, _STYLES, strict=False):
        label = f"{subset}: no AP" if math.isnan(value) else f"{subset}: AP {value:.2%}"
        axes.plot(curve[:, 1], curve[:, 0], dashes, color=colour, linewidth=1.8, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    axes.set_title(title, fontsize=10)
    axes.set_aspect("equal")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
