"""Put the parity checks of a model's graphs into one file."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.atomic import read_json, write_json
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", required=True, nargs="+", type=Path, help="parity files of single graphs")
    parser.add_argument("--names", required=True, nargs="+", help="what each is called in the output")
    parser.add_argument("--parity", required=True, type=Path, help="output (.json)")
    args = parser.parse_args()
    checks = [read_json(path) for path in args.checks]
    write_json(args.parity, dict(zip(args.names, checks, strict=True)))


if __name__ == "__main__":
    run(main)
