"""What vamp prints, in the dialects of its versions. The variable of the environment chooses."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pth2map_rehearsal.vacc import MAX_BATCH, Model

VARIABLE = "PTH2MAP_REHEARSAL_VAMP"
_PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Statistics:
    """Of one number of instances: times in seconds, latencies one a run."""

    instances: int
    batch_size: int
    samples: int
    forward_time: float
    e2e: Sequence[float]
    """From when a run is handed over to when its outputs are there."""
    model: Sequence[float]
    """From the start of the run."""


@dataclass(frozen=True)
class Dialect:
    """``keys`` in their order; ``model_is_mean``: the three model latencies are all the mean, as in logs of 2.4."""

    keys: tuple[str, ...]
    percentiles: tuple[int, ...]
    model_is_mean: bool
    dumps_model: bool
    banner: str | None


_SPEED = ("samples", "forwad time (s)", "throughput (qps)")  # spelt so
_MEMORY = "die memory used (MB)"
DIALECTS: Mapping[str, Dialect] = {
    "2.1": Dialect(
        keys=("ai utilize (%)", "temperature (°C)", "card power (W)", _MEMORY, "throughput (qps)"),
        percentiles=_PERCENTILES,
        model_is_mean=False,
        dumps_model=False,
        banner=None,
    ),
    "2.4": Dialect(
        keys=(*_SPEED, "ai utilize (%)", _MEMORY),
        percentiles=(),
        model_is_mean=True,
        dumps_model=False,
        banner="*** number of instances in each device:{} ****",
    ),
    "2.5": Dialect(
        keys=(*_SPEED, "ai utilize (%)", "card power (W)", "temperature (°C)", _MEMORY),
        percentiles=(),
        model_is_mean=False,
        dumps_model=True,
        banner="*** number of instances in each device: {} ****",
    ),
}
"""Of 2.1.0, a log of 2024, and the documentation of 2.5.2."""


def of_environment() -> Dialect:
    """Raises ``ValueError`` for a version that is not rehearsed."""
    name = os.environ.get(VARIABLE) or "2.5"
    if name not in DIALECTS:
        raise ValueError(f"{VARIABLE} is {name!r}; it can be {', '.join(DIALECTS)}")
    return DIALECTS[name]


def head(dialect: Dialect, prefix: str, model: Model) -> str:
    """What is printed when the model is loaded. Shapes are of one picture; ``u1`` are the pixels that go in."""
    shape = _listed(model.inputs[0].shape[1:])
    if dialect.banner is None:
        return f"model input shape 0: {shape}, dtype: u1\nload model and init graph done"
    lines = [f"Dump model info: {prefix}"] if dialect.dumps_model else []
    lines += [f"[max_batch_size_]: {MAX_BATCH}", "[input_count]: 1", f"input[0]: {shape}, dtype:u1"]
    lines += [f"[output_count]: {len(model.outputs)}"]
    lines += [f"output[{n}]: {_listed(each.shape)}, dtype:f2" for n, each in enumerate(model.outputs)]
    return "\n".join(lines)


def banner(dialect: Dialect, instances: int, samples: int, processes: int, start: str, end: str) -> str:
    """What stands between the head and the block, with a line end; nothing in 2.1."""
    if dialect.banner is None:
        return ""
    return (
        f"{dialect.banner.format(instances)}\n"
        f"start time: {start}\nend time: {end}\n"
        f"number of samples in each process: {-(-samples // processes)}\nnumber of process:{processes}\n"
    )


def block(dialect: Dialect, statistics: Statistics) -> str:
    """The statistics. Of the card's state, which a rehearsal does not have, everything is 0.

    The throughput is samples / forward time of the numbers as they are printed.
    """
    seconds = f"{statistics.forward_time:.6g}"
    values = {
        "samples": statistics.samples,
        "forwad time (s)": seconds,
        "throughput (qps)": f"{statistics.samples / float(seconds):.6g}",
    }
    lines = [
        f"- number of instances in each device: {statistics.instances}",
        "  devices: [0]",
        f"  batch size: {statistics.batch_size}",
        *(f"  {key}: {values.get(key, 0)}" for key in dialect.keys),
        "  e2e latency (us):",
        *_latencies(statistics.e2e, dialect.percentiles),
        "  model latency (us):",
        *_latencies(
            [float(np.mean(statistics.model))] if dialect.model_is_mean else statistics.model, dialect.percentiles
        ),
    ]
    return "\n".join(lines)


def _latencies(seconds: Sequence[float], percentiles: Sequence[int]) -> list[str]:
    micros = np.array(seconds) * 1e6
    values = {"avg": micros.mean(), "min": micros.min(), "max": micros.max()}
    values |= {f"p{each}": np.percentile(micros, each) for each in percentiles}
    return [f"    {name} latency: {value:.0f}" for name, value in values.items()]


def _listed(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
