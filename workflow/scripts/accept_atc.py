"""Put what atc has compiled in its place, if atc succeeded; otherwise say in one sentence why it did not."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _vendor import add_tool_arguments, printed_by, require_declared, telling_the_log
from pth2map.engines.atc import is_rehearsed, judge, warnings
from pth2map.files.command import run
from pth2map.files.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    parser.add_argument("--settings", required=True, metavar="JSON", help="the engine's entry in the config")
    parser.add_argument("--made", required=True, type=Path, help="where atc wrote the model")
    parser.add_argument("--om", required=True, type=Path, help="output: the compiled model")
    args = parser.parse_args()
    try:
        with telling_the_log(args):
            printed = printed_by(args)
            judge(printed, args.status)
            if not args.made.is_file() or not args.made.stat().st_size:
                raise InputError(f"atc reports success, but {args.made} is not there")
        for warning in warnings(printed):
            print(f"atc: {warning}", file=sys.stderr)
        require_declared(args.settings, is_rehearsed(args.made))
        args.made.replace(args.om)
    finally:  # of this run, and what killed ones left
        for left in args.om.parent.glob(f"{args.om.stem}.*.om"):
            left.unlink()


if __name__ == "__main__":
    run(main)
