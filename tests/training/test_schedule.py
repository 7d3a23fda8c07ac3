"""The learning rate of every step, and the published way to measure throughput."""

import json

import numpy as np
import pytest

from pth2map.training.schedule import StepTimes, learning_rate
from pth2map.training.settings import TrainingSettings


def settings_of(**values):
    return TrainingSettings(size=640, **{"learning_rate": 0.01, "epochs": 100, **values})


@pytest.mark.parametrize("schedule", ["published", "intended"])
def test_5000_steps_are_the_published_ones(golden, schedule):
    with np.load(golden / "retinaface_train" / "arrays.npz") as arrays:
        expected = arrays[f"lr_{schedule}"]
    found = [learning_rate(settings_of(schedule=schedule), 50, step) for step in range(5000)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        ("published", 0, 1e-6),
        ("published", 75, 0.0149995),
        ("published", 99, 0.01979902),
        ("published", 100, 0.01),
        ("published", 3501, 1e-4),
        ("published", 4999, 0.01),
        ("intended", 75, 0.01),
        ("intended", 3500, 1e-3),
        ("intended", 4999, 1e-4),
    ],
)
def test_single_steps(schedule, step, rate):
    assert learning_rate(settings_of(schedule=schedule), 50, step) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("schedule", ["published", "intended"])
def test_without_a_warm_up_the_rate_is_there_at_once(schedule):
    assert learning_rate(settings_of(schedule=schedule, warmup_epochs=0), 50, 0) == 0.01


def test_throughput_is_that_of_all_devices_without_the_first_ten_steps(golden):
    case = json.loads((golden / "retinaface_train" / "case.json").read_text())["meter"]
    times = StepTimes()
    with np.load(golden / "retinaface_train" / "arrays.npz") as arrays:
        for seconds in arrays["meter_times"]:
            times.add(float(seconds))
    assert np.mean(times.seconds) == pytest.approx(case["avg"], rel=1e-12)
    assert times.images_per_second(8 * 32) == pytest.approx(case["fps_8_devices_batch_32"], rel=1e-12)


def test_nothing_is_measured_of_a_few_steps():
    times = StepTimes()
    for _ in range(10):
        times.add(1.0)
    assert times.images_per_second(32) is None
