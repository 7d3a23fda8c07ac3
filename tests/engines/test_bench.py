import numpy as np
import pytest

from pth2map.engines import bench
from pth2map.engines.bench import Timing, measure


class Counting:
    def __init__(self):
        self.shapes = []

    def run(self, images):
        self.shapes.append(images.shape)
        return ()


def test_warm_up_is_run_and_left_out(monkeypatch):
    clock = iter(np.cumsum([0.0] + [3.0, 0.1] * 4 + [0.004, 0.1] * 3).tolist())
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    session = Counting()
    timing = measure(session, np.zeros((3, 4, 5), np.float32), batch=2, runs=3, warmup=4)
    assert session.shapes == [(2, 3, 4, 5)] * 7
    assert timing.milliseconds == pytest.approx((4, 4, 4))
    assert timing.to_json()["images_per_s"] == 500


def test_a_slow_network_is_run_a_few_times(monkeypatch):
    clock = iter(np.cumsum([0.0] + [40.0, 0.0] * 20).tolist())
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    timing = measure(Counting(), np.zeros((3, 4, 5), np.float32), batch=1, runs=50, warmup=5, seconds=60)
    assert (timing.warmup, len(timing.milliseconds)) == (2, 5)
    assert timing.milliseconds == pytest.approx([40_000] * 5)


def test_the_distribution():
    content = Timing(1, 5, tuple(float(i) for i in range(1, 101))).to_json()
    assert content["latency_ms"] == {"mean": 50.5, "p50": 50.5, "p90": 90.1, "p99": 99.01, "min": 1, "max": 100}
    assert (content["runs"], content["warmup"], content["batch"]) == (100, 5, 1)
    assert content["images_per_s"] == pytest.approx(1000 / 50.5, abs=1e-3)
