"""Run the tensor files of a shard with OpenCV's dnn module."""

import argparse
import time
from pathlib import Path

import _library  # noqa: F401  isort: skip
import cv2
import numpy as np

from _shard import add_index_arguments, add_recipe_arguments, images_of, recipe_of
from pth2map.engines.passes import infer_files
from pth2map.files.atomic import replacing_folder, write_json
from pth2map.files.command import run
from pth2map.files.provenance import describe_run
from pth2map.networks.catalogue import entry


class OpenCvSession:
    def __init__(self, graph: Path, output_names: tuple[str, ...]) -> None:
        self._network = cv2.dnn.readNetFromONNX(str(graph))
        self._output_names = output_names

    def run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        self._network.setInput(images)
        return tuple(self._network.forward(self._output_names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--graph", required=True, type=Path)
    parser.add_argument("--network", required=True)
    parser.add_argument("--batch", required=True, type=int)
    parser.add_argument("--inputs", required=True, type=Path)
    parser.add_argument("--outputs", required=True, type=Path)
    parser.add_argument("--run", required=True, type=Path)
    args = parser.parse_args()
    _, images = images_of(args)
    start = time.monotonic()
    session = OpenCvSession(args.graph, entry(args.network).outputs)
    with replacing_folder(args.outputs) as folder:
        infer_files(images, args.inputs, session, recipe_of(args), folder, args.batch)
    software = {"kind": "opencv", "software": f"OpenCV {cv2.__version__}, dnn", "options": {}}
    write_json(args.run, {**software, "seconds": time.monotonic() - start, **describe_run()})


if __name__ == "__main__":
    run(main)
