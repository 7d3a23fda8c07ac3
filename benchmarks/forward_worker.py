"""The graph alone: ``session.run`` on ready tensors, as often as a shard has images. Prints seconds as JSON.

Tensors of up to ``--tensors`` images (12 MB each) are kept and taken in turn: more than a core's cache holds.
"""

import argparse
import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path

from harness import NETWORK, RECIPE, SIZE

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex
from pth2map.engines.session import open_session
from pth2map.networks.catalogue import entry
from pth2map.recipes.recipe import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", required=True, type=Path)
    parser.add_argument("--graph", required=True, type=Path)
    parser.add_argument("--shard", required=True, nargs=2, type=int, metavar=("I", "N"))
    parser.add_argument("--tensors", type=int, default=24)
    args = parser.parse_args()
    index = DatasetIndex.load(args.index)
    images = index.shard(*args.shard)
    preprocess = Recipe.parse(RECIPE, SIZE).preprocess()
    sample = images[:: -(-len(images) // args.tensors)]
    tensors = [preprocess(read_image(index.file(image)))[0][None] for image in sample]
    session = open_session("onnxruntime", args.graph, entry(NETWORK).outputs, {"threads": 1})
    session.run(tensors[0])
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter(), time.process_time()
    for tensor in islice(cycle(tensors), len(images)):
        session.run(tensor)
    print(json.dumps({"seconds": time.perf_counter() - start[0], "cpu": time.process_time() - start[1]}))


if __name__ == "__main__":
    main()
