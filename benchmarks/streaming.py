"""The stream of the workflow beside the graph alone: what reading, preprocessing and decode cost on top."""

import json

from harness import BENCHMARKS, WORKERS, Figure, Ran, Result, Workspace, profile_table, run_together

PEAK_MIB = 1024


def measure(workspace: Workspace, rounds: int) -> Result:
    """Images/s of ``stream.py``, from the start of Python to its last byte, over those of ``session.run`` alone.

    Both with the same processes, threads and number of images, turn by turn.
    """
    workspace.make(workspace.index, workspace.graph("onnx"))
    images = workspace.images()
    stream_rates, forward_rates, stream_cpu, forward_cpu, peaks = [], [], [], [], []
    for _ in range(rounds):
        alone = [json.loads(worker.output) for worker in _workers("forward_worker.py", workspace, ready=True)]
        forward_rates.append(images / max(worker["seconds"] for worker in alone))
        forward_cpu.append(1000 * sum(worker["cpu"] for worker in alone) / images)
        whole = workspace.stream(workspace.index)
        stream_rates.append(rate(images, whole))
        stream_cpu.append(1000 * sum(worker.cpu for worker in whole) / images)
        peaks.append(max(worker.peak_mib for worker in whole))
    batches = workspace.stream(workspace.index, batch=8)
    profiles = [json.loads(worker.output) for worker in _workers("profile_worker.py", workspace)]
    return Result(
        "stream",
        (
            Figure("images/s: stream / graph alone", _ratios(stream_rates, forward_rates), 0.75, 0.85),
            Figure("CPU: graph alone / stream", _ratios(forward_cpu, stream_cpu), 0.75, 0.85),
            Figure("stream", tuple(stream_rates), unit="images/s"),
            Figure("graph alone", tuple(forward_rates), unit="images/s"),
            Figure("peak memory of a process", tuple(peaks), PEAK_MIB, at_most=True, unit="MiB"),
            Figure(
                "peak memory of a process, batch 8",
                (max(worker.peak_mib for worker in batches),),
                PEAK_MIB,
                at_most=True,
                unit="MiB",
            ),
        ),
        (profile_table(profiles),),
    )


def rate(images: int, workers: list[Ran]) -> float:
    """Images/s of processes that started together and shared the images."""
    return images / max(worker.seconds for worker in workers)


def _workers(script: str, workspace: Workspace, ready: bool = False) -> list[Ran]:
    common = [BENCHMARKS / script, "--index", workspace.index, "--graph", workspace.graph("onnx")]
    commands = [[*common, "--shard", number, WORKERS] for number in range(1, WORKERS + 1)]
    return run_together(commands, workspace.folder, ready)


def _ratios(above: list[float], below: list[float]) -> tuple[float, ...]:
    return tuple(a / b for a, b in zip(above, below, strict=True))
