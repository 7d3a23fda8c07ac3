"""What this machine can run, and why not the rest."""

from collections.abc import Iterator, Sequence

from pth2map.config.points import Points
from pth2map.engines.probe import PROBES, Probe


def examine(points: Points, engines: Sequence[str]) -> Iterator[tuple[str, str, Probe | None]]:
    """Name, kind and probe of each of ``engines``; of kinds of the user's own there is no probe."""
    for name in engines:
        engine = points.engine(name)
        probe = PROBES.get(engine.kind)
        yield name, engine.kind, probe(name, engine.model_dump(mode="json")) if probe else None


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
