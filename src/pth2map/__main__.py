"""The command ``pth2map``; the workflow itself is run by ``snakemake``."""

import argparse
from itertools import chain
from pathlib import Path

from pth2map.config.read import read_points
from pth2map.doctor import examine, examine_devices, report
from pth2map.files.command import put_python_first, run

ROOT = Path(__file__).resolve().parents[2]


def command() -> None:
    """What the console command calls."""
    run(main)


def main() -> None:
    parser = argparse.ArgumentParser(prog="pth2map", description="Beside the workflow, which snakemake runs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="what this machine can run, and why not the rest",
        description="Look for what each engine of the config needs, and each device to train on, as the workflow does "
        "before any other job. With names of engines the exit status is 1 when one of them cannot run here.",
    )
    doctor.add_argument("engines", nargs="*", metavar="ENGINE", help="entries of engines (default: all)")
    doctor.add_argument(
        "--configfile", nargs="+", default=[], type=Path, metavar="FILE", help="overlays, as snakemake's"
    )
    args = parser.parse_args()
    put_python_first()
    points = read_points(ROOT, args.configfile)
    lacking = False
    engines = examine(points, args.engines or list(points.config.engines))
    for name, kind, probe in chain(engines, () if args.engines else examine_devices(points, ROOT)):
        print("\n".join(report(name, kind, probe)), flush=True)
        lacking |= probe is not None and bool(probe.problems)
    if lacking and args.engines:
        raise SystemExit(1)


if __name__ == "__main__":
    command()
