"""Put one declared file below the data folder: from the mirror, an archive or the network, checked by size and hash."""

import argparse
import json
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.command import run
from pth2map.files.declaration import Declaration
from pth2map.files.fetch import fetch_file
from pth2map.files.records import write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", required=True, metavar="JSON", help="place, size, hashes and sources")
    parser.add_argument("--data", required=True, type=Path, help="folder that its place is below")
    parser.add_argument("--record", required=True, type=Path, help="output: how it looks, now that it is right (.json)")
    args = parser.parse_args()
    declaration = Declaration.from_json(json.loads(args.declaration))
    print(fetch_file(declaration, args.data), file=sys.stderr)
    write_record(args.record, declaration, args.data)


if __name__ == "__main__":
    run(main)
