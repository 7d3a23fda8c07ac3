"""The stream over a shard with a clock at every step. Prints CPU milliseconds per image and step as JSON.

The steps are the library's own functions, each wrapped where the library looks it up; a step counts without the steps
inside it, so that the sum is the whole.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
from harness import NETWORK, RECIPE, SIZE

from pth2map.datasets import images as image_files
from pth2map.datasets.index import DatasetIndex
from pth2map.engines import passes
from pth2map.engines.onnxruntime import OnnxRuntimeSession
from pth2map.engines.session import open_session
from pth2map.networks.catalogue import entry
from pth2map.recipes import retinaface_decode, retinaface_preprocess
from pth2map.recipes.recipe import Recipe

STEPS: list[tuple[str, Any, str]] = [
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


class Clock:
    """CPU seconds of nested steps, each without those inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            start = time.process_time()
            self._inner.append(0.0)
            try:
                return function(*args, **options)
            finally:
                whole = time.process_time() - start
                self.seconds[step] += whole - self._inner.pop()
                self._inner[-1] += whole

        return call

    @contextmanager
    def on(self, steps: list[tuple[str, Any, str]]) -> Iterator[None]:
        with ExitStack() as stack:
            for step, holder, name in steps:
                stack.enter_context(patch.object(holder, name, self.timed(step, getattr(holder, name))))
            yield


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
