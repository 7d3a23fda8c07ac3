"""Find out what an engine lacks on this machine; what is missing is written down, and told by require_engine.py."""

import argparse
import json
import os
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.engines.probe import PROBES
from pth2map.files.atomic import write_json
from pth2map.files.command import run
from pth2map.files.holding import RUN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True, help="its name in the config")
    parser.add_argument("--kind", required=True, choices=sorted(PROBES))
    parser.add_argument("--settings", required=True, metavar="JSON", help="its entry in the config")
    parser.add_argument("--state", required=True, help="of what decides what is found, to know it again")
    parser.add_argument("--probe", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    probe = PROBES[args.kind](args.engine, json.loads(args.settings))
    found = {"engine": args.engine, "kind": args.kind, "state": args.state, "run": os.environ.get(RUN)}
    write_json(args.probe, {**found, "facts": dict(probe.facts), "problems": list(probe.problems)})


if __name__ == "__main__":
    run(main)
