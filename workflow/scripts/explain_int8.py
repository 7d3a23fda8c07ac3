"""Tell which layers of a graph lose most in int8: a table with the names of the nodes that could stay float."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _int8 import add_int8_arguments, inputs_of, options_of
from pth2map.export.sensitivity import sensitivity
from pth2map.files.atomic import write_text
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_int8_arguments(parser)
    parser.add_argument("--compare", type=int, default=4, metavar="N", help="images whose outputs are compared")
    parser.add_argument("--deepest", type=int, default=16, metavar="N", help="layers left float one after another")
    parser.add_argument("--table", required=True, type=Path, help="output (.tsv)")
    args = parser.parse_args()
    found = sensitivity(args.graph, inputs_of(args), **options_of(args), compare=args.compare, deepest=args.deepest)
    write_text(args.table, found.to_tsv())


if __name__ == "__main__":
    run(main)
