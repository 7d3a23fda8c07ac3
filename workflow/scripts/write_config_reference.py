"""Write the JSON Schema and the reference page of the config out of its types."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.config.reference import PAGE_FILE, SCHEMA_FILE, json_schema, reference_page
from pth2map.files.atomic import write_text
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the project")
    args = parser.parse_args()
    write_text(args.root / SCHEMA_FILE, json_schema())
    write_text(args.root / PAGE_FILE, reference_page())


if __name__ == "__main__":
    run(main)
