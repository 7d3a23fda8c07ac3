"""How much the file route has on disk at once."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from tests import synthetic_weights, synthetic_wider

from .conftest import ROOT, run_snakemake

SHARDS, SHARD_IMAGES, SIDE = 5, 4, 320
IMAGES = {f"0_Parade_{number}": (320, 200) for number in range(SHARDS * SHARD_IMAGES)}
OVERLAY = """
tensor_shards: 1
datasets:
  widerface: {{root: "{root}", shards: 5}}
engines:
  by_files: {{kind: onnxruntime, route: files}}
models:
  retinaface:
    weights: {{path: "{root}/formula.pth"}}
    export: {{parity: {{max_abs: 1.0e-3}}}}
    engines: [by_files]
    variants: {{sizes: [320]}}
    headline: {{engine: by_files, variant: 320-fp32-b1}}
"""
PRIORS = 2 * (40 * 40 + 20 * 20 + 10 * 10)
FILE_HEAD = 128 + 4  # of a .npy, and the scale beside it
IMAGE_BYTES = 3 * SIDE * SIDE * 4 + PRIORS * (4 + 2 + 10) * 4 + FILE_HEAD
SHARD_BYTES = SHARD_IMAGES * IMAGE_BYTES


class Watch(threading.Thread):
    """The most that lay in tensor files at any moment, looked at again and again."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.peak, self.looks, self._over = folder, 0, 0, threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.003):
            self.looks += 1
            paths = (Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names)
            self.peak = max(self.peak, sum(map(size, paths)))

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def size(path: Path) -> int:
    try:
        return path.stat().st_size if path.suffix in {".npy", ".bin"} else 0
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = synthetic_wider.make(tmp_path_factory.mktemp("wider"), {"0--Parade": IMAGES})
    synthetic_weights.save(root / "formula.pth")
    return root


def test_the_peak_is_that_of_the_one_shard_in_flight(root, tmp_path):
    """Where two cores would take two."""
    (tmp_path / "overlay.yaml").write_text(OVERLAY.format(root=root))
    with Watch(tmp_path / "scratch") as watch:
        run = run_snakemake(ROOT, tmp_path, "--configfile", "overlay.yaml", "--", "results/retinaface/map.json")
    assert run.status == 0, run.output
    assert watch.looks > 100
    assert watch.peak == SHARD_BYTES
    detections = np.load(tmp_path / "results/retinaface/by_files/320-fp32-b1/detections/detections.npz")
    assert len(detections["counts"]) == len(IMAGES)
