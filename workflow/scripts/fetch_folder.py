"""Put one declared folder below the data folder, out of a declared archive."""

import argparse
import json
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.command import run
from pth2map.files.declaration import FolderDeclaration
from pth2map.files.fetch import fetch_folder
from pth2map.files.records import write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", required=True, metavar="JSON", help="place, archive, its folder, files in it")
    parser.add_argument("--data", required=True, type=Path, help="folder that its place is below")
    parser.add_argument("--record", required=True, type=Path, help="output: how it looks, now that it is right (.json)")
    args = parser.parse_args()
    declaration = FolderDeclaration.from_json(json.loads(args.declaration))
    print(fetch_folder(declaration, args.data), file=sys.stderr)
    write_record(args.record, declaration, args.data)


if __name__ == "__main__":
    run(main)
