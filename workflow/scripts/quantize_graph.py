"""Quantise an exported graph to int8 for ONNX Runtime, with ranges read off calibration images."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _int8 import add_int8_arguments, inputs_of, options_of
from pth2map.export.quantize import quantize
from pth2map.files.atomic import write_json
from pth2map.files.command import run
from pth2map.files.hashing import hash_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_int8_arguments(parser)
    parser.add_argument("--quantized", required=True, type=Path, help="output (.onnx)")
    parser.add_argument("--report", required=True, type=Path, help="output: what was quantised (.json)")
    args = parser.parse_args()
    written = quantize(args.graph, inputs_of(args), args.quantized, **options_of(args))
    hashes = {"float_graph": hash_file(args.graph), "graph": hash_file(args.quantized)}
    write_json(args.report, {**written.to_json(), **hashes})


if __name__ == "__main__":
    run(main)
