"""Where and with what a result was made: what differs between two equal runs."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pth2map import __version__

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "onnx",
    "onnxruntime",
    "onnxslim",
    "pillow",
    "scipy",
    "snakemake",
    "torch",
)


def describe_run() -> dict[str, Any]:
    """Host, time, code and library versions, as JSON values."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "machine": platform.machine(),
            "cpu": _cpu(),
            "cores": os.cpu_count(),
        },
        "python": sys.version.split()[0],
        "pth2map": {"version": __version__, **_git()},
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def merge_runs(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What several jobs of one stage say of themselves, as one: equal surroundings are listed once.

    Each run is :func:`describe_run` with ``seconds`` and whatever else tells jobs apart.
    """
    merged: dict[str, dict[str, Any]] = {}
    for run in sorted(runs, key=lambda run: run["time"]):
        where = {key: value for key, value in run.items() if key not in {"time", "seconds"}}
        entry = merged.setdefault(json.dumps(where, sort_keys=True), {**where, "jobs": 0, "seconds": 0.0})
        entry["jobs"] += 1
        entry["seconds"] = round(entry["seconds"] + run["seconds"], 3)
        entry.setdefault("first", run["time"])
        entry["last"] = run["time"]
    return list(merged.values())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _git() -> dict[str, Any]:
    """Commit of the checkout this library lies in, and whether a tracked file of it has changed since."""
    root = Path(__file__).resolve().parents[3]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:  # no checkout, or that of another project around this one
        return {"commit": None, "changed": None}
    return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--untracked-files=no"))}
