"""Time of a graph alone: no file, no preprocessing, no decode."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pth2map.engines.session import Session


@dataclass(frozen=True)
class Timing:
    """Milliseconds of single runs of ``batch`` images, in the order they were made, warm-up left out."""

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


def measure(session: Session, image: np.ndarray, batch: int, runs: int, warmup: int) -> Timing:
    """Time ``runs`` runs after ``warmup`` more; ``image`` ``(3, H, W)`` float32 stands ``batch`` times in each."""
    images = np.repeat(image[None], batch, axis=0)
    for _ in range(warmup):
        session.run(images)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        session.run(images)
        times.append(1000 * (time.perf_counter() - start))
    return Timing(batch, warmup, tuple(times))
