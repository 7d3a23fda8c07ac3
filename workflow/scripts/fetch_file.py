"""Put one declared file into place: from the mirror, checked by size and hash."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.command import run
from pth2map.files.declaration import Declaration
from pth2map.files.fetch import provide


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", required=True, help="declared place below the data folder")
    parser.add_argument("--size", type=int, help="bytes")
    parser.add_argument(
        "--hash", action="append", default=[], metavar="ALGORITHM=HEX", help="may be given several times"
    )
    parser.add_argument("--output", required=True, type=Path, help="where it goes")
    args = parser.parse_args()
    declaration = Declaration(args.path, args.size, dict(pair.split("=", 1) for pair in args.hash))
    print(provide(declaration, args.output), file=sys.stderr)


if __name__ == "__main__":
    run(main)
