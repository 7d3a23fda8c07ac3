"""Check config files before Snakemake reads them, whose words on a broken one do not say where."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.config.files import check_config_files
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="config files, such as an overlay (.yaml)")
    check_config_files(parser.parse_args().files)


if __name__ == "__main__":
    run(main)
