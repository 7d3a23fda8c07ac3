"""Export a network with its weights as an ONNX or TorchScript graph."""

import argparse
import sys
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.export.graphs import export_graph
from pth2map.files.command import run
from pth2map.files.declaration import require_hashes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True, help="name of the network")
    parser.add_argument("--weights", required=True, type=Path, help="checkpoint (.pth)")
    parser.add_argument("--hash", action="append", default=[], metavar="ALGORITHM=HEX", help="what the file must have")
    parser.add_argument("--format", required=True, choices=["onnx", "torchscript"])
    parser.add_argument("--size", required=True, help="pixels of a square, WxH or native")
    parser.add_argument("--opset", type=int, default=11, help="ONNX only")
    parser.add_argument("--dynamic", nargs="*", default=[], help="ONNX only: of batch, height, width")
    parser.add_argument("--max-ir-version", type=int, metavar="N", help="ONNX only: at most this file format")
    parser.add_argument("--graph", required=True, type=Path, help="output")
    args = parser.parse_args()
    require_hashes(args.weights, args.hash)
    said = export_graph(
        args.network,
        args.weights,
        args.format,
        args.size,
        args.graph,
        args.opset,
        args.dynamic,
        args.max_ir_version,
    )
    print(said, file=sys.stderr)


if __name__ == "__main__":
    run(main)
