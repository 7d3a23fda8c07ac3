"""Say what the device of a training lacks, before anything is fetched or computed for it."""

import argparse
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  (the interpreter may be a vendor's)
    sys.exit(f"error: {sys.executable} is Python {sys.version.split()[0]}; a training needs 3.11 or later")

import _library  # noqa: F401  isort: skip
from pth2map.files.command import run
from pth2map.training.device_check import KINDS, card_numbers, check_device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="of the device in the config")
    parser.add_argument("--device", required=True, choices=sorted(KINDS), help="its kind")
    parser.add_argument("--devices", required=True, metavar="N,N", help="numbers of the cards")
    parser.add_argument("--backend", help="how several processes talk")
    parser.add_argument("--found", required=True, type=Path, help="output: what is known of it (.json)")
    args = parser.parse_args()
    found = check_device(args.name, args.device, card_numbers(args.devices), args.backend)
    from pth2map.files.atomic import write_json  # noqa: PLC0415  (imports numpy, which the check looks for)

    write_json(args.found, found)


if __name__ == "__main__":
    run(main)
