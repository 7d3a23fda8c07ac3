"""Which layers of a graph int8 costs most: each quantised alone, and the worst of them left float one after another."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from pth2map.export.quantize import (
    ACTIVATIONS,
    DEFAULT_METHOD,
    OPERATORS,
    WEIGHTED,
    Method,
    Observed,
    nodes_to_exclude,
    open_model,
    quantized_model,
    read_float_graph,
)
from pth2map.files.errors import InputError
from pth2map.files.progress import Meter

Errors = Mapping[str, float]
"""By output, the length of its error as a part of its own length, over all images compared (relative L2)."""


def decibels(error: float) -> float:
    """A relative error as signal to quantisation noise, in dB."""
    return -20 * math.log10(error) if error else math.inf


@dataclass(frozen=True)
class LayerCost:
    """A layer in int8: a node with weights and the activation behind it, or another node that computes."""

    operators: tuple[str, ...]
    nodes: tuple[str, ...]
    alone: Errors
    """When only this layer is int8."""
    without: Errors | None = None
    """When all are int8 but this one and those that cost more; None where that was not measured."""

    @property
    def cost(self) -> float:
        """What layers are sorted by: the error over all outputs alike."""
        return math.hypot(*self.alone.values())


@dataclass(frozen=True)
class Sensitivity:
    """Layers by falling cost."""

    whole: Errors
    """When all are int8."""
    layers: tuple[LayerCost, ...]

    def to_tsv(self) -> str:
        """A line for each layer, the first for all of them; the nodes as they stand in a list of YAML."""
        outputs = list(self.whole)
        head = ["rank", "operators"]
        head += [f"{name}_{what}" for name in outputs for what in ("error", "sqnr_db", "error_without")]
        lines = [[*head, "nodes"], ["0", "all", *_cells(outputs, self.whole, self.whole), ""]]
        for rank, layer in enumerate(self.layers, start=1):
            cells = _cells(outputs, layer.alone, layer.without)
            lines.append([str(rank), "+".join(layer.operators), *cells, ", ".join(layer.nodes)])
        return "".join("\t".join(line) + "\n" for line in lines)


def _cells(outputs: Sequence[str], errors: Errors, without: Errors | None) -> Iterator[str]:
    for name in outputs:
        yield f"{errors[name]:.6f}"
        yield f"{decibels(errors[name]):.1f}"
        yield "" if without is None else f"{without[name]:.6f}"


def sensitivity(
    graph: Path,
    images: Iterable[np.ndarray],
    *,
    method: Method = DEFAULT_METHOD,
    per_channel: bool = True,
    exclude: Sequence[str] = (),
    compare: int = 4,
    deepest: int = 16,
) -> Sensitivity:
    """What each layer of ``graph`` costs in int8 that :func:`pth2map.export.quantize.quantize` would make int8.

    Ranges are those of all ``images``, errors those on the first ``compare``. The ``deepest`` most costly layers are
    left float one more at a time, which tells how long a list of exclusions pays. It takes a session and ``compare``
    runs for each layer and each of those: a minute for a small network, on one core. Errors as of ``quantize``, and
    where nothing is to be compared.
    """
    if compare < 1:
        raise InputError(f"{compare} images to compare outputs on; expected at least 1")
    model = read_float_graph(graph)
    excluded = nodes_to_exclude(model, exclude)
    observed = Observed(model)
    kept: list[np.ndarray] = []
    for image in images:
        observed.add(image)
        if len(kept) < compare:
            kept.append(image[None])
    ranges = observed.ranges(method)
    reference = _Reference(model, kept)

    def errors(left: Sequence[str], only: Sequence[str] = ()) -> Errors:
        return reference.errors(quantized_model(model, ranges, per_channel=per_channel, exclude=left, only=only))

    layers = _layers(model, excluded)
    costs = []
    with Meter("explain", len(layers) + min(deepest, len(layers)), "sessions") as meter:
        for layer in layers:
            names = tuple(node.name for node in layer)
            costs.append(LayerCost(tuple(node.op_type for node in layer), names, errors(excluded, names)))
            meter.show(len(costs))
        costs.sort(key=lambda cost: -cost.cost)
        left = list(excluded)
        for rank, cost in enumerate(costs[:deepest]):
            left += cost.nodes
            costs[rank] = replace(cost, without=errors(left))
            meter.show(len(layers) + rank + 1)
    return Sensitivity(errors(excluded), tuple(costs))


def _layers(model: onnx.ModelProto, excluded: Sequence[str]) -> list[list[onnx.NodeProto]]:
    """Nodes that may become int8; an activation joins the node with weights before it."""
    layers: list[list[onnx.NodeProto]] = []
    layer_of: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type not in OPERATORS or node.name in excluded:
            continue
        before = layer_of.get(node.input[0])
        if node.op_type in ACTIVATIONS and before and len(before) == 1 and before[0].op_type in WEIGHTED:
            before.append(node)
        else:
            layers.append(layer_of.setdefault(node.output[0], [node]))
    return layers


class _Reference:
    """Outputs of the float graph on a few images, and how far those of another are from them."""

    def __init__(self, model: onnx.ModelProto, images: Sequence[np.ndarray]) -> None:
        self.names = [value.name for value in model.graph.output]
        self._input = model.graph.input[0].name
        self._images = images
        self._outputs = list(self._run(model))

    def _run(self, model: onnx.ModelProto) -> Iterator[list[np.ndarray]]:
        session = open_model(model)
        for image in self._images:
            yield [output.astype(np.float64) for output in session.run(self.names, {self._input: image})]

    def errors(self, model: onnx.ModelProto) -> Errors:
        off = dict.fromkeys(self.names, 0.0)
        length = dict.fromkeys(self.names, 0.0)
        for ours, theirs in zip(self._outputs, self._run(model), strict=True):
            for name, a, b in zip(self.names, ours, theirs, strict=True):
                off[name] += float(np.square(a - b).sum())
                length[name] += float(np.square(a).sum())
        return {name: math.sqrt(off[name] / length[name]) if length[name] else float(off[name] > 0) for name in off}
