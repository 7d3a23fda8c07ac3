"""Let an engine be used, or say what it lacks, and what every other engine lacks that the same run has probed."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.atomic import read_json, write_json, write_text
from pth2map.files.command import run
from pth2map.files.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", required=True, type=Path, help="what probe_engine.py found, <engine>/probe.json")
    parser.add_argument("--ready", required=True, type=Path, help="output: facts of the engine (.json)")
    parser.add_argument("--soc-version", required=True, type=Path, help="output: the chip as atc calls it, or nothing")
    args = parser.parse_args()
    own = read_json(args.probe)
    if own["problems"]:
        probes = map(read_json, sorted(args.probe.parent.parent.glob(f"*/{args.probe.name}")))
        lacking = {probe["engine"]: probe["problems"] for probe in probes if probe["run"] == own["run"]}
        names = [engine for engine, problems in lacking.items() if problems]
        sentences = [f"\n  {problem}" for engine in names for problem in lacking[engine]]
        raise InputError(f"this machine cannot run {' and '.join(names)} yet{''.join(sentences)}")
    write_json(args.ready, own["facts"])
    write_text(args.soc_version, own["facts"].get("soc_version", ""))


if __name__ == "__main__":
    run(main)
