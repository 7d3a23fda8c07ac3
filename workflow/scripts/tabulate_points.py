"""Write the results of every point of a model as one table."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.atomic import read_json, write_text
from pth2map.files.command import run
from pth2map.recipes.settings import Size
from pth2map.tables.points import points_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", required=True, nargs="+", type=Path, help="map.json of each point")
    parser.add_argument("--costs", nargs="*", default=[], type=Path, help="complexity.json of each size but native")
    parser.add_argument("--table", required=True, type=Path, help="output (.tsv)")
    args = parser.parse_args()
    costs = {str(Size(width=cost["width"], height=cost["height"])): cost for cost in map(read_json, args.costs)}
    write_text(args.table, points_table([read_json(path) for path in args.maps], costs))


if __name__ == "__main__":
    run(main)
