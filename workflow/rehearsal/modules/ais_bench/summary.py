"""What is told of a benchmark at its end: lines, and a JSON file."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ais_bench.log import info


@dataclass(frozen=True)
class FilesInfo:
    """Which files a sample went in with and came out as."""

    samples: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    def add(self, sample: int, files: list[str], output: str) -> None:
        self.samples.setdefault(sample, {"infiles": files, "outfiles": []})["outfiles"].append(output)


@dataclass(frozen=True)
class Times:
    """Milliseconds, of executions of the model and of copies to the device and from it."""

    compute: list[float] = field(default_factory=list)
    to_device: list[float] = field(default_factory=list)
    to_host: list[float] = field(default_factory=list)


def report(times: Times, batchsize: int, batchsize_name: str, display_all: bool) -> dict[str, object]:
    """Print the summary; what it says, by the keys of ais_bench.

    Throughput is 1000 * batchsize / mean of the execution times, whatever the batch of the model is.
    """
    compute, to_device, to_host = (_statistics(each) for each in (times.compute, times.to_device, times.to_host))
    throughput = 1000 * batchsize / compute["mean"] if compute["mean"] else 0
    info("-----------------Performance Summary------------------")
    if display_all:
        info(f"H2D_latency (ms): {_line(to_device)}")
    info(f"NPU_compute_time (ms): {_line(compute)}")
    if display_all:
        info(f"D2H_latency (ms): {_line(to_host)}")
    info(f"throughput 1000*{batchsize_name}({batchsize})/NPU_compute_time.mean({compute['mean']}): {throughput}")
    info("------------------------------------------------------")
    return {
        "NPU_compute_time": compute,
        "H2D_latency": to_device,
        "D2H_latency": to_host,
        "throughput": throughput,
        "npu_compute_time_list": times.compute,
        "pid": os.getpid(),
    }


def write(path: Path, said: dict[str, object], files_info: FilesInfo, arguments: Sequence[str]) -> None:
    path.write_text(json.dumps({"filesinfo": files_info.samples, "args": list(arguments), **said}))


def _statistics(times: Sequence[float]) -> dict[str, float]:
    p99 = float(np.percentile(times, 99))
    mean, median = float(np.mean(times)), float(np.median(times))
    extremes = {"min": min(times), "max": max(times)}
    return {**extremes, "mean": mean, "median": median, "percentile(99%)": p99, "count": len(times)}


def _line(statistics: dict[str, float]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in statistics.items() if name != "count")
