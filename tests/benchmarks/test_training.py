"""The benchmark of training runs, on small images. Nothing is asserted on times."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import training


def test_both_trainings_are_measured(mirror, tmp_path):
    result = training.measure(tmp_path, rounds=1, size=64, steps=12)
    figures = {figure.name: figure.median for figure in result.figures}
    ratio = figures["images/s: training / published order"]
    assert ratio == figures["training"] / figures["published order"] > 0
