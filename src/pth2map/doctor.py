"""What this machine can run, and why not the rest."""

import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pth2map.config.points import Points
from pth2map.config.schema import Device
from pth2map.engines.probe import PROBES, Probe, environment
from pth2map.files.atomic import read_json


def examine(points: Points, engines: Sequence[str]) -> Iterator[tuple[str, str, Probe | None]]:
    """Name, kind and probe of each of ``engines``; of kinds of the user's own there is no probe."""
    for name in engines:
        engine = points.engine(name)
        probe = PROBES.get(engine.kind)
        yield name, engine.kind, probe(name, engine.model_dump(mode="json")) if probe else None


def examine_devices(points: Points, root: Path) -> Iterator[tuple[str, str, Probe]]:
    """The same of the devices to train on, one of each, in the interpreters that they name.

    ``root`` is the folder of the project.
    """
    for name, device in points.config.devices.items():
        yield f"devices.{name}", device.kind, _probe_device(name, device, root / "workflow/scripts/require_device.py")


def _probe_device(name: str, device: Device, command: Path) -> Probe:
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        words = [device.python, command, "--name", name, "--device", device.kind, "--devices", "0", "--found", found]
        asked = shlex.join(map(str, words))
        shell = ["bash", "-c", f"set -euo pipefail; {environment(device.setup or [], device.python)}{asked}"]
        done = subprocess.run(shell, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            return Probe({key: value for key, value in read_json(found).items() if key != "kind"})
        lines = done.stderr.strip().splitlines() or [f"{device.python} ended with status {done.returncode}"]
        return Probe(problems=(lines[-1].removeprefix("error: "),))


def report(name: str, kind: str, probe: Probe | None) -> list[str]:
    """The lines on one engine."""
    if probe is None:
        return [f"{name:<20} {kind:<12} unknown: its own rules tell"]
    if probe.problems:
        return [f"{name:<20} {kind:<12} no", *(f"    {problem}" for problem in probe.problems)]
    facts = {key: value for key, value in probe.facts.items() if key != "rehearsal"}
    words = [f"{key} {', '.join(value) if isinstance(value, list) else value}" for key, value in facts.items()]
    rehearsed = ["a rehearsal, no hardware"] if probe.facts.get("rehearsal") else []
    return [f"{name:<20} {kind:<12} yes: {'; '.join([*words, *rehearsed])}"]
