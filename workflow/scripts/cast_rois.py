"""Put the casts to float16 into a graph that ATC wants before it compiles a network with RoIAlign."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.export.cast import FORMS, write_cast
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", required=True, type=Path, help="exported graph (.onnx)")
    parser.add_argument("--form", required=True, choices=FORMS, help="cast: for ATC alone; cast_back: valid ONNX")
    parser.add_argument("--cast-graph", required=True, type=Path, help="output (.onnx)")
    args = parser.parse_args()
    write_cast(args.graph, args.form, args.cast_graph)


if __name__ == "__main__":
    run(main)
