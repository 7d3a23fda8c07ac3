"""Draw precision over recall as a picture."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.files.arrays import read_npz
from pth2map.files.command import run
from pth2map.plots.precision_recall import plot_curves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", required=True, type=Path, help="precision and recall with their AP (.npz)")
    parser.add_argument("--title", required=True)
    parser.add_argument("--picture", required=True, type=Path, help="output (.png)")
    args = parser.parse_args()
    arrays = read_npz(args.curves, ("subsets", "ap", "curves", "caption"))
    ap = dict(zip(arrays["subsets"].tolist(), arrays["ap"].tolist(), strict=True))
    plot_curves(ap, arrays["curves"], args.picture, "\n".join([args.title, *arrays["caption"].tolist()]))


if __name__ == "__main__":
    run(main)
