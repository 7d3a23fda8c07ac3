"""Time of a graph alone: no file, no preprocessing, no decode."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pth2map.engines.session import Session


@dataclass(frozen=True)
class Timing:
    """Milliseconds of single runs of ``batch`` images, in the order they were made; ``warmup`` more came before."""

    batch: int
    warmup: int
    milliseconds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Latency of a run as a distribution, throughput as batch / mean latency."""
        times = np.array(self.milliseconds)
        p50, p90, p99 = np.percentile(times, [50, 90, 99])
        latency = {"mean": times.mean(), "p50": p50, "p90": p90, "p99": p99, "min": times.min(), "max": times.max()}
        return {
            **{key: value for key, value in asdict(self).items() if key != "milliseconds"},
            "runs": len(times),
            "latency_ms": {name: round(float(value), 4) for name, value in latency.items()},
            "images_per_s": round(1000 * self.batch / float(times.mean()), 3),
        }


LEAST = 5
"""Runs of a network however slow it is."""


def measure(
    session: Session, image: np.ndarray, batch: int, runs: int, warmup: int, seconds: float = math.inf
) -> Timing:
    """Time ``runs`` runs after ``warmup`` more; ``image`` ``(3, H, W)`` float32 stands ``batch`` times in each.

    After ``seconds`` of either no more of that kind begin: of the runs that count there are at least :data:`LEAST` or
    ``runs``, of the warm-up at least one (unless none is asked for).
    """
    images = np.repeat(image[None], batch, axis=0)
    warm = _times(session, images, warmup, min(warmup, 1), seconds)
    times = _times(session, images, runs, min(runs, LEAST), seconds)
    return Timing(batch, len(warm), tuple(1000 * each for each in times))


def _times(session: Session, images: np.ndarray, most: int, least: int, seconds: float) -> list[float]:
    times: list[float] = []
    while len(times) < least or (len(times) < most and sum(times) < seconds):
        start = time.perf_counter()
        session.run(images)
        times.append(time.perf_counter() - start)
    return times
