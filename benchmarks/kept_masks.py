"""RetinaMask's published graph beside the one with masks for the kept rows alone, and what RoIAlign takes of both."""

import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
from harness import ROOT, Figure, Result, Table, mirror

from pth2map.config.read import read_points
from pth2map.datasets.images import read_image
from pth2map.engines.onnxruntime import Options, load
from pth2map.export.complexity import measure as measure_complexity
from pth2map.export.graphs import export_graph
from pth2map.networks.catalogue import build, entry
from pth2map.networks.formula import save_formula_weights
from pth2map.recipes.recipe import Recipe
from pth2map.recipes.settings import Size

SIZE = "1344"
NETWORKS = ("retinamask", "retinamask_kept_masks")
IMAGES = ("000000000139", "000000536038", "000000549055")


def measure(folder: Path, rounds: int, size: str = SIZE, images: tuple[str, ...] = IMAGES, warmup: int = 1) -> Result:
    """Seconds an image of both graphs, one thread, turn by turn over the same images, with weights by formula.

    Raises ``AssertionError`` when what is found differs in any bit.
    """
    points = read_points(ROOT, [ROOT / "config/smoke.yaml"])
    weights = folder / "formula.pth"
    save_formula_weights(NETWORKS[0], points.formula("retinamask"), weights)
    recipe = Recipe(points.model("retinamask").recipe, Size.parse(size))
    preprocess, decode = recipe.preprocess(), recipe.decode()
    placed = [preprocess(read_image(mirror() / f"coco-mini/val2017/{name}.jpg")) for name in images]
    graphs, rows = {}, []
    for network in NETWORKS:
        graphs[network] = folder / f"{network}.onnx"
        export_graph(network, weights, "onnx", size, graphs[network], opset=11)
        cost = measure_complexity(graphs[network], build(network), Size.parse(size))
        rows.append(
            (network, f"{cost.macs / 1e9:.1f}", f"{_share_of_roi_align(graphs[network], placed[0][0], warmup):.1%}")
        )
    outputs = entry(NETWORKS[0]).outputs
    sessions = {network: load(graph, outputs, Options()) for network, graph in graphs.items()}
    seconds: dict[str, list[float]] = {network: [] for network in NETWORKS}
    for turn in range(warmup + rounds):
        found = {}
        for network, session in sessions.items():
            start = time.perf_counter()
            raw = [session.run(tensor[None]) for tensor, _ in placed]
            spent = (time.perf_counter() - start) / len(placed)
            found[network] = [decode(each, placement) for each, (_, placement) in zip(raw, placed, strict=True)]
            if turn >= warmup:
                seconds[network].append(spent)
        _assert_same(*found.values())
    whole, kept = (seconds[network] for network in NETWORKS)
    return Result(
        "masks",
        (
            Figure("seconds an image: published / kept masks", tuple(np.divide(whole, kept).tolist())),
            Figure("published graph", tuple(whole), unit="s"),
            Figure("masks of kept rows", tuple(kept), unit="s"),
        ),
        (Table("Graphs", ("network", "GMAC an image", "RoIAlign, share of its time"), tuple(rows)),),
    )


def _assert_same(published: list[dict[str, np.ndarray]], kept: list[dict[str, np.ndarray]]) -> None:
    for ours, theirs in zip(published, kept, strict=True):
        for key, array in ours.items():
            assert np.array_equal(array, theirs[key]), f"{key} differs"


def _share_of_roi_align(graph: Path, tensor: np.ndarray, warmup: int) -> float:
    """Its part of the time of all nodes in a run, by ONNX Runtime's profile."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.enable_profiling = True
    options.profile_file_prefix = str(graph.with_suffix(""))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    for _ in range(warmup + 1):
        session.run(None, {session.get_inputs()[0].name: tensor[None]})
    events = json.loads(Path(session.end_profiling()).read_text())
    kernels = [each for each in events if each.get("cat") == "Node" and each["name"].endswith("_kernel_time")]
    spent: Counter[str] = Counter()
    for each in kernels[len(kernels) * warmup // (warmup + 1) :]:
        spent[each["args"]["op_name"]] += each["dur"]
    return spent["RoiAlign"] / spent.total()
