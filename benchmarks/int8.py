"""RetinaFace mobilenet0.25 at 640×640 in int8 beside float32: time of both graphs, AP, bytes."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from harness import NETWORK, Figure, Result, Table, mirror

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.datasets.widerface import GroundTruth
from pth2map.datasets.widerface_index import index_widerface
from pth2map.engines.onnxruntime import Options, load
from pth2map.engines.passes import stream
from pth2map.engines.session import Session
from pth2map.evaluation.widerface import evaluate
from pth2map.export.graphs import export_graph
from pth2map.export.quantize import METHODS, Method, quantize
from pth2map.networks.catalogue import entry
from pth2map.recipes.recipe import Recipe

SIZE = "640"
RECIPE = json.dumps({"kind": "retinaface_letterbox"})
WEIGHTS = "weights/retinaface/mobilenet0.25_Final.pth"
CALIBRATION = 50
FLOAT_STAGE = ("/body/stage1/.*",)
"""The first stage stays float: it has few channels, which int8 computes no faster, and their ranges differ most."""
CASES: Mapping[str, tuple[Method, bool, tuple[str, ...]]] = {
    **{f"{method}, all layers": (method, True, ()) for method in METHODS},
    **{f"{method}, all layers, per tensor": (method, False, ()) for method in METHODS},
    **{f"{method}, first stage float": (method, True, FLOAT_STAGE) for method in METHODS},
}
CHOSEN = "percentile, first stage float"


def measure(folder: Path, rounds: int) -> Result:
    """Times of ``session.run``, one thread, graph by graph on the same inputs; AP on the images not calibrated with."""
    index, truth = index_widerface("widerface", mirror() / "widerface-mini")
    seen = index.spread(CALIBRATION)
    scored = tuple(image for image in index.images if image not in seen)
    truth = truth.subset([image.name for image in scored])
    recipe = Recipe.parse(RECIPE, SIZE)
    preprocess = recipe.preprocess()
    graph = folder / "float.onnx"
    export_graph(NETWORK, mirror() / WEIGHTS, "onnx", SIZE, graph, opset=10)
    sessions = {"float32": _load(graph)}
    sizes = {"float32": graph.stat().st_size}
    for number, (name, (method, per_channel, exclude)) in enumerate(CASES.items()):
        quantized = folder / f"int8-{number}.onnx"
        inputs = (preprocess(read_image(index.file(image)))[0] for image in seen)
        written = quantize(graph, inputs, quantized, method=method, per_channel=per_channel, exclude=exclude)
        sessions[name], sizes[name] = _load(quantized), written.bytes
    ap = {name: _ap(index, scored, truth, recipe, session) for name, session in sessions.items()}
    tensors = [preprocess(read_image(index.file(image)))[0][None] for image in scored[:: -(-len(scored) // 24)]]
    once = _times(sessions, tensors)
    pair = {name: sessions[name] for name in ("float32", CHOSEN)}
    ratios = [_ratios(_times(pair, tensors))[CHOSEN] for _ in range(rounds)]
    base, chosen = ap["float32"], ap[CHOSEN]
    return Result(
        "int8",
        (
            Figure("milliseconds: float32 / int8", tuple(wall for wall, _ in ratios), aimed=1.4),
            Figure("CPU time: float32 / int8", tuple(cpu for _, cpu in ratios), aimed=1.4),
            Figure("bytes: float32 / int8", (sizes["float32"] / sizes[CHOSEN],)),
            Figure("AP lost, easy", (base["easy"] - chosen["easy"],), 0.01, at_most=True, unit=""),
            Figure("AP lost, hard", (base["hard"] - chosen["hard"],), 0.02, at_most=True, unit=""),
        ),
        (
            Table(
                f"{CALIBRATION} images to calibrate, {len(scored)} others scored",
                ("graph", "easy", "medium", "hard", "ms", "float32 / this", "by CPU time", "bytes"),
                tuple(
                    (
                        name,
                        *(f"{ap[name][subset]:.4f}" for subset in base),
                        f"{median(once[name][0]):.1f}",
                        *(f"{ratio:.2f}" for ratio in _ratios(once)[name]),
                        f"{sizes[name]:,}",
                    )
                    for name in sessions
                ),
            ),
        ),
    )


def _load(graph: Path) -> Session:
    return load(graph, entry(NETWORK).outputs, Options())


def _ap(
    index: DatasetIndex, images: Sequence[IndexedImage], truth: GroundTruth, recipe: Recipe, session: Session
) -> dict[str, float]:
    return evaluate(stream(index, images, recipe, session, 1), truth).ap


def _times(
    sessions: Mapping[str, Session], tensors: Sequence[np.ndarray]
) -> dict[str, tuple[list[float], list[float]]]:
    """Milliseconds of wall and of CPU time of each run, by graph; the graphs take turns on each input.

    A run before each does not count: it brings the graph's weights back to the caches.
    """
    spent: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in sessions}
    for tensor in tensors:
        for name, session in sessions.items():
            session.run(tensor)
            start = time.perf_counter(), time.process_time()
            session.run(tensor)
            for times, clock, before in zip(spent[name], (time.perf_counter, time.process_time), start, strict=True):
                times.append(1000 * (clock() - before))
    return spent


def _ratios(times: Mapping[str, tuple[list[float], list[float]]]) -> dict[str, tuple[float, float]]:
    """How many times as fast as float32 each graph is, by medians: wall and CPU time."""
    wall, cpu = map(median, times["float32"])
    return {name: (wall / median(spent[0]), cpu / median(spent[1])) for name, spent in times.items()}
