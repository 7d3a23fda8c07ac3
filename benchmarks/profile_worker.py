"""The stream over a shard with a clock at every step. Prints CPU milliseconds per image and step as JSON.

The steps are the library's own functions.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
from clock import Clock, Steps
from harness import NETWORK, RECIPE, SIZE

from pth2map.datasets import images as image_files
from pth2map.datasets.index import DatasetIndex
from pth2map.engines import passes
from pth2map.engines.onnxruntime import OnnxRuntimeSession
from pth2map.engines.session import open_session
from pth2map.networks.catalogue import entry
from pth2map.recipes import retinaface_decode, retinaface_preprocess
from pth2map.recipes.recipe import Recipe

STEPS: Steps = [
    ("file read", image_files, "_read"),
    ("JPEG: complete?", image_files, "_check_complete"),
    ("JPEG: decode", cv2, "imdecode"),
    ("resize", cv2, "resize"),
    ("float32, mean, padding", retinaface_preprocess.Preprocess, "__call__"),
    ("forward", OnnxRuntimeSession, "run"),
    ("threshold, sort, checks", retinaface_decode.Decode, "__call__"),
    ("priors", retinaface_decode, "retinaface_priors"),
    ("boxes", retinaface_decode, "decode_boxes"),
    ("landmarks", retinaface_decode, "decode_landmarks"),
    ("NMS", retinaface_decode, "nms"),
    ("rows", retinaface_decode, "_detections"),
    ("all else", passes, "stream"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", required=True, type=Path)
    parser.add_argument("--graph", required=True, type=Path)
    parser.add_argument("--shard", required=True, nargs=2, type=int, metavar=("I", "N"))
    args = parser.parse_args()
    index = DatasetIndex.load(args.index)
    images = index.shard(*args.shard)
    session = open_session("onnxruntime", args.graph, entry(NETWORK).outputs, {"threads": 1})
    recipe = Recipe.parse(RECIPE, SIZE)
    clock = Clock()
    with clock.on(STEPS):
        passes.stream(index, images, recipe, session, batch=1)
    milliseconds = {step: 1000 * clock.seconds[step] / len(images) for step, _, _ in STEPS}
    start = 1000 * (time.process_time() - sum(clock.seconds.values())) / len(images)
    print(json.dumps({**milliseconds, "start: Python, imports, session": start}))


if __name__ == "__main__":
    main()
