"""The published order of operations, as a command: every tensor to disk, then every output, then the texts.

Our own rewrite of what the published RetinaFace scripts for 1000×1000 do, in their order and with their means:

1. preprocess: every image, as float32 from the start, resized, padded, minus mean, becomes an ``.npy`` file;
2. inference: a loop of ``np.load``, one run of the graph with the runtime's own threads, three raw files;
3. postprocess: for every image the files are read, the priors made in nested loops, boxes and landmarks of all priors
   decoded, low scores dropped, one box after the other kept or not, the text written.

Prints the seconds of the three parts as JSON; imports and loading the graph are left out.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from math import ceil
from pathlib import Path

import cv2
import harness  # noqa: F401  (the import path)
import numpy as np
import onnxruntime
import torch

from pth2map.datasets.index import DatasetIndex

SIDE = 1000
MEAN = np.array([104, 117, 123], np.float32)
Run = Callable[[np.ndarray], list[np.ndarray]]


def preprocess(images: list[Path], prep: Path, info: Path) -> None:
    for path in images:
        pixels: np.ndarray = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), dtype=np.float32)
        scale = SIDE / max(pixels.shape[:2])
        (info / f"{path.stem}.bin").write_bytes(np.float32(scale).tobytes())
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        bottom, right = SIDE - pixels.shape[0], SIDE - pixels.shape[1]
        pixels = cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        tensor = torch.from_numpy(pixels.transpose(2, 0, 1)).contiguous()
        tensor.sub_(torch.from_numpy(MEAN)[:, None, None]).div_(torch.ones(3, 1, 1))
        np.save(prep / f"{path.stem}.npy", tensor[None].numpy())


def infer(prep: Path, outputs: Path, run: Run) -> None:
    for path in prep.iterdir():
        loc, conf, landms = run(np.load(path))
        for number, array in enumerate((landms, conf, loc)):
            array.tofile(outputs / f"{path.stem}_{number}.bin")


def postprocess(images: list[Path], info: Path, outputs: Path, texts: Path) -> None:
    for path in images:
        landms, conf, loc = (
            np.fromfile(outputs / f"{path.stem}_{number}.bin", np.float32).reshape(-1, columns)
            for number, columns in enumerate((10, 2, 4))
        )
        scale = np.fromfile(info / f"{path.stem}.bin", np.float32)[0]
        priors = make_priors()
        boxes = decode(torch.from_numpy(loc), priors).numpy() * SIDE / scale
        points = decode_points(torch.from_numpy(landms), priors).numpy() * SIDE / scale
        scores = conf[:, 1]
        likely = np.where(scores > 0.02)[0]
        boxes, points, scores = boxes[likely], points[likely], scores[likely]
        order = scores.argsort(kind="stable")[::-1]
        rows = np.hstack([boxes[order], scores[order][:, None]])
        rows = rows[suppress(rows, 0.4)]
        folder = texts / path.parent.name
        folder.mkdir(exist_ok=True)
        with (folder / f"{path.stem}.txt").open("w") as file:
            file.write(f"{path.stem}\n{len(rows)}\n")
            for row in rows:
                x, y = int(row[0]), int(row[1])
                file.write(f"{x} {y} {int(row[2]) - x} {int(row[3]) - y} {row[4]} \n")


def make_priors() -> torch.Tensor:
    priors: list[float] = []
    for step, sizes in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        cells = ceil(SIDE / step)
        for row, column in product(range(cells), repeat=2):
            for size in sizes:
                priors += [(column + 0.5) * step / SIDE, (row + 0.5) * step / SIDE, size / SIDE, size / SIDE]
    return torch.tensor(priors).view(-1, 4)


def decode(loc: torch.Tensor, priors: torch.Tensor) -> torch.Tensor:
    centre = priors[:, :2] + loc[:, :2] * 0.1 * priors[:, 2:]
    boxes = torch.cat([centre, priors[:, 2:] * torch.exp(loc[:, 2:] * 0.2)], 1)
    boxes[:, :2] -= boxes[:, 2:] / 2
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def decode_points(landms: torch.Tensor, priors: torch.Tensor) -> torch.Tensor:
    pairs = [priors[:, :2] + landms[:, k : k + 2] * 0.1 * priors[:, 2:] for k in range(0, 10, 2)]
    return torch.cat(pairs, 1)


def suppress(rows: np.ndarray, threshold: float) -> list[int]:
    x1, y1, x2, y2, scores = rows.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order = (-scores).argsort(kind="stable")
    kept = []
    while order.size:
        best, others = order[0], order[1:]
        kept.append(best)
        width = np.maximum(0.0, np.minimum(x2[best], x2[others]) - np.maximum(x1[best], x1[others]) + 1)
        height = np.maximum(0.0, np.minimum(y2[best], y2[others]) - np.maximum(y1[best], y1[others]) + 1)
        shared = width * height
        order = others[shared / (areas[best] + areas[others] - shared) <= threshold]
    return kept


def load(graph: Path) -> Run:
    """With the threads that the runtime takes by itself."""
    if graph.suffix == ".onnx":
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda tensor: list(session.run(None, {name: tensor}))
    program = torch.jit.load(graph).eval()  # type: ignore[no-untyped-call]

    def run(tensor: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.cpu().numpy() for output in program(torch.from_numpy(tensor))]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", required=True, type=Path)
    parser.add_argument("--graph", required=True, type=Path, help="model.ts or model.onnx")
    parser.add_argument("--folder", required=True, type=Path, help="for files between the parts, empty")
    parser.add_argument("--texts", required=True, type=Path, help="output")
    args = parser.parse_args()
    index = DatasetIndex.load(args.index)
    images = [index.file(image) for image in index.images]
    prep, info, outputs = folders = [args.folder / name for name in ("prep", "info", "outputs")]
    for folder in (*folders, args.texts):
        folder.mkdir(parents=True)
    run = load(args.graph)
    seconds = {}
    parts: dict[str, Callable[[], None]] = {
        "preprocess": lambda: preprocess(images, prep, info),
        "inference": lambda: infer(prep, outputs, run),
        "postprocess": lambda: postprocess(images, info, outputs, args.texts),
    }
    for name, part in parts.items():
        start = time.perf_counter()
        part()
        seconds[name] = time.perf_counter() - start
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
