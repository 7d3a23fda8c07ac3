"""An exported graph in int8 for ONNX Runtime: static quantisation, written with QuantizeLinear and DequantizeLinear.

Weights become int8 and what flows between nodes uint8. For which numbers the 256 levels of a tensor stand is read off
real images. The pairs are put in by ``onnxruntime.quantization``; its calibrators are not used, since their histograms
depend on how many images they are given at a time, all of whose tensors they hold in memory, and their entropy method
at its defaults tries one range, the largest.
"""

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from pth2map.datasets.calibration import CalibrationList
from pth2map.datasets.images import read_image
from pth2map.engines.onnxruntime import UNLOADABLE
from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError, nearest
from pth2map.files.hashing import hash_file
from pth2map.files.progress import track
from pth2map.recipes.recipe import Preprocess

Method = Literal["minmax", "percentile", "entropy"]
"""How the range of a tensor follows from its values. ``minmax``: all of them lie in it; ``percentile``: all but the
outermost 0.01 %; ``entropy``: what is left of their distribution in 256 levels is nearest to the whole by
Kullback-Leibler divergence, as in TensorRT."""
METHODS = get_args(Method)
DEFAULT_METHOD: Method = "percentile"

OPSET = 13
"""The first with scales by channel: the least that a quantised graph has."""
SAME = 1e-5
"""How far an output of the converted float graph may be off, as a part of its largest value (or of 1)."""

WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
ACTIVATIONS = frozenset({"Clip", "LeakyRelu", "Relu"})
OPERATORS = sorted(WEIGHTED | ACTIVATIONS | {"Add", "Concat", "MaxPool", "Resize"})
"""What may become int8: where ONNX Runtime computes in int8 on a CPU (ConvTranspose it does not)."""

_CUT = 1e-4
_LEVELS = 256
_INTEGER = frozenset({"QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger"})


@dataclass(frozen=True)
class QuantizedGraph:
    """What was written."""

    opset: int
    method: Method
    per_channel: bool
    images: int
    float_bytes: int
    """Of the exported graph."""
    bytes: int
    quantized: tuple[str, ...]
    """Nodes that compute in int8. A Relu may be missing: the range of the node before it does its work."""
    excluded: tuple[str, ...]
    """Nodes left float: those asked for, and those behind the last weights."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def quantize(
    graph: Path,
    images: Iterable[np.ndarray],
    output: Path,
    *,
    method: Method = DEFAULT_METHOD,
    per_channel: bool = True,
    exclude: Sequence[str] = (),
) -> QuantizedGraph:
    """Write the float ONNX file ``graph`` in int8 as ``output``: the same input and outputs, float32 all.

    ``images`` are inputs ``(3, H, W)`` float32, taken once and one at a time; their order does not matter. Memory holds
    all tensors between nodes for one image. ``exclude`` has names of nodes that stay float, or regular expressions of
    whole names (``/body/stage1/.*``). So does whatever lies behind the last weights of an output (softmax,
    concatenation: scores keep their digits). ``per_channel``: a scale for each output channel of a weight.

    A graph below opset 13 is converted first and must then give the same outputs on the first image. Equal graphs and
    images give equal bytes on one machine; no path is among them.

    Raises ``InputError`` for a graph that is quantised already or has not one open-batch or single-image input, for
    no images or such of another shape, for a pattern that no node has, and where nothing is left to quantise.
    """
    if method not in METHODS:
        raise InputError(f"unknown calibration method {method!r}; {nearest(method, METHODS)}")
    model = read_float_graph(graph)
    excluded = nodes_to_exclude(model, exclude)
    observed = Observed(model)
    for image in images:
        if not observed.images:
            check_converted(graph, model, image)
        observed.add(image)
    quantized = quantized_model(model, observed.ranges(method), per_channel=per_channel, exclude=excluded)
    names = tuple(name for name in _between_pairs(quantized) if name not in excluded)
    if not names:
        raise InputError(f"{graph}: no node is left to quantise; exclude fewer")
    content = quantized.SerializeToString(deterministic=True)
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    return QuantizedGraph(
        opset=opset_of(model),
        method=method,
        per_channel=per_channel,
        images=observed.images,
        float_bytes=graph.stat().st_size,
        bytes=len(content),
        quantized=names,
        excluded=tuple(excluded),
    )


def read_inputs(source: Path, preprocess: Preprocess) -> Iterator[np.ndarray]:
    """Inputs ``(3, H, W)`` float32 of calibration images, one at a time.

    ``source`` is the list that was drawn, or a folder that holds nothing but images. Raises ``InputError`` for a folder
    that is empty, and for an image that cannot be read or is another one than was drawn.
    """
    drawn = {}
    if source.is_dir():
        paths = sorted(path for path in source.iterdir() if not path.name.startswith("."))
        if not paths:
            raise InputError(f"{source}: an empty folder, expected calibration images")
    else:
        listed = CalibrationList.load(source)
        drawn = {Path(listed.source) / image.path: image.sha256 for image in listed.images}
        paths = list(drawn)
    for path in track(paths, "calibrate"):
        if path in drawn and hash_file(path) != drawn[path]:
            raise InputError(f"{path}: not the image that was drawn ({source}); draw the calibration images again")
        yield preprocess(read_image(path))[0]


def read_float_graph(graph: Path) -> onnx.ModelProto:
    """The graph at ``OPSET`` or above, with the shapes of all values and a name for every node."""
    model = _load(graph)
    if found := sorted({node.op_type for node in model.graph.node if _is_integer(node)}):
        raise InputError(f"{graph}: holds {', '.join(found)}, it is quantised already; give the float graph")
    _check_input(graph, model)
    try:
        if opset_of(model) < OPSET:
            model = onnx.version_converter.convert_version(model, OPSET)
            needed = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", OPSET)])
            model.ir_version = max(model.ir_version, needed)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except (RuntimeError, onnx.shape_inference.InferenceError) as error:
        raise InputError(
            f"{graph}: cannot be brought to ONNX opset {OPSET} ({str(error).strip().splitlines()[0]}); "
            f"export it at {OPSET}"
        ) from None
    for node in model.graph.node:
        node.name = node.name or f"{node.op_type}_{node.output[0]}"
    return model


def opset_of(model: onnx.ModelProto) -> int:
    return next(int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _load(graph: Path) -> onnx.ModelProto:
    try:
        return onnx.load(graph, format="protobuf")
    except FileNotFoundError:
        raise InputError(f"no graph file {graph}") from None
    except DecodeError:
        raise InputError(f"{graph}: not a whole ONNX file; export it again") from None


def _is_integer(node: onnx.NodeProto) -> bool:
    return node.op_type in _INTEGER or node.op_type.startswith("QLinear")


def _check_input(graph: Path, model: onnx.ModelProto) -> None:
    inputs = [value.type.tensor_type for value in model.graph.input]
    if [value.elem_type for value in inputs] != [TensorProto.FLOAT]:
        raise InputError(f"{graph}: has {len(inputs)} inputs, expected one of float32")
    batch = inputs[0].shape.dim[0].dim_value
    if batch > 1:
        raise InputError(f"{graph}: takes {batch} images a run; export it with one, or with the batch open")


def nodes_to_exclude(model: onnx.ModelProto, patterns: Sequence[str]) -> list[str]:
    """Names of the nodes that ``patterns`` mean, and of those behind the last weights, in the order of the graph.

    Raises ``InputError`` for a pattern that means none, or is no regular expression.
    """
    names = [node.name for node in model.graph.node]
    excluded = _behind_the_weights(model)
    for pattern in patterns:
        try:
            meant = {name for name in names if name == pattern or re.fullmatch(pattern, name)}
        except re.error as error:
            raise InputError(f"{pattern} is neither a node of the graph nor a regular expression ({error})") from None
        if not meant:
            close = difflib.get_close_matches(pattern, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; explain_int8 lists the names"
            raise InputError(f"no node of the graph is called {pattern}{hint}")
        excluded |= meant
    return [name for name in names if name in excluded]


def _behind_the_weights(model: onnx.ModelProto) -> set[str]:
    made_by = {output: node for node in model.graph.node for output in node.output}
    found: set[str] = set()
    ahead = [value.name for value in model.graph.output]
    while ahead:
        node = made_by.get(ahead.pop())
        if node is not None and node.op_type not in WEIGHTED and node.name not in found:
            found.add(node.name)
            ahead += node.input
    return found


class Histogram:
    """How the values of a tensor are distributed. They may come in any parts and any order: the counts are the same.

    For that the width of the bins is a power of two. A value beyond the last bin makes them twice as wide, as often as
    it takes: neighbours are put together, as if all values had been counted in the wider bins.
    """

    BINS = 2048
    """On each side of 0. Of one side at least half are used."""

    def __init__(self) -> None:
        self.lowest, self.highest = math.inf, -math.inf
        self.counts = np.zeros(2 * self.BINS, dtype=np.int64)
        self._exponent = -64  # bins reach to its power of two; what is less than that lies beside 0

    @property
    def edges(self) -> np.ndarray:
        """``(2 * BINS + 1,)`` float64, rising; a bin holds its lower edge."""
        return np.arange(-self.BINS, self.BINS + 1) * math.ldexp(1 / self.BINS, self._exponent)

    def add(self, values: np.ndarray) -> None:
        """Count float32 values of any shape, at least one. Raises ``ValueError`` if one is not finite."""
        lowest, highest = float(values.min()), float(values.max())
        if not math.isfinite(lowest + highest):
            raise ValueError("a value is not finite")
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if largest := max(-lowest, highest):
            self._widen(math.frexp(largest)[1] - self._exponent)
        places = values * np.float32(math.ldexp(self.BINS, -self._exponent))  # a power of two: nothing is rounded
        np.floor(places, out=places)
        np.minimum(places, -1, out=places, where=values < 0)  # but some become 0
        places += self.BINS
        self.counts += np.bincount(places.astype(np.uint16).ravel(), minlength=len(self.counts))

    def _widen(self, doublings: int) -> None:
        if doublings <= 0:
            return
        together = min(1 << doublings, self.BINS)  # at most all of a side
        merged = self.counts.reshape(-1, together).sum(axis=1)
        start = self.BINS - len(merged) // 2
        self.counts = np.zeros_like(self.counts)
        self.counts[start : start + len(merged)] = merged
        self._exponent += doublings

    def range(self, method: Method) -> tuple[float, float]:
        """What the levels should reach over; never more than the values do."""
        low, high = _REACH[method](self.counts, self.edges)
        return max(low, self.lowest), min(high, self.highest)


def _whole(counts: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    return float(edges[0]), float(edges[-1])


def _percentile(counts: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """Without the outermost values, half of ``_CUT`` on each side, as far as the bins tell."""
    up_to = np.cumsum(counts)
    outside = int(up_to[-1] * _CUT / 2)
    first = np.searchsorted(up_to, outside, side="right")
    last = np.searchsorted(up_to, up_to[-1] - outside)
    return float(edges[first]), float(edges[last + 1])


def _entropy(counts: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """The range, cut on both sides at the same distance from 0, that loses least.

    What lies outside counts as at its ends; inside, a level's values are spread over those of its bins that have any.
    """
    centre = len(counts) // 2
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1]) + 1
    best, found = math.inf, (first, last)
    for reach in range(_LEVELS // 2, max(centre - first, last - centre) + 8, 8):
        low, high = max(first, centre - reach), min(last, centre + reach)
        if high - low <= _LEVELS:
            continue
        kept = counts[low:high].astype(np.float64)
        levels = np.arange(high - low) * _LEVELS // (high - low)
        mass, occupied = np.bincount(levels, kept), np.bincount(levels, kept > 0)
        coarse = np.where(kept > 0, (mass / np.maximum(occupied, 1))[levels], 0)
        kept[0] += counts[:low].sum()
        kept[-1] += counts[high:].sum()
        divergence = _divergence(kept, coarse)
        if divergence < best:
            best, found = divergence, (low, high)
    return float(edges[found[0]]), float(edges[found[1]])


def _divergence(values: np.ndarray, coarse: np.ndarray) -> float:
    p, q = values / values.sum(), np.maximum(coarse / max(coarse.sum(), 1), 1e-9)
    there = p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())


_REACH: Mapping[Method, Callable[[np.ndarray, np.ndarray], tuple[float, float]]] = {
    "minmax": _whole,
    "percentile": _percentile,
    "entropy": _entropy,
}


class Observed:
    """The values that flow through a float graph, image by image."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """``model`` is of :func:`read_float_graph`."""
        observed = onnx.ModelProto()
        observed.CopyFrom(model)
        outputs = {value.name for value in model.graph.output}
        observed.graph.output.extend(value for value in model.graph.value_info if value.name not in outputs)
        floats = [
            value.name for value in observed.graph.output if value.type.tensor_type.elem_type == TensorProto.FLOAT
        ]
        self._input = model.graph.input[0]
        self._names = floats
        self._session = open_model(observed, optimized=False)
        self._histograms = {name: Histogram() for name in (self._input.name, *floats)}
        self.images = 0

    def add(self, image: np.ndarray) -> None:
        """``(3, H, W)`` float32. Raises ``InputError`` for another shape or type, and if a value is not finite."""
        check_image(self._input, image)
        self._count(self._input.name, image)
        for name, values in zip(
            self._names, self._session.run(self._names, {self._input.name: image[None]}), strict=True
        ):
            self._count(name, values)
        self.images += 1

    def _count(self, name: str, values: np.ndarray) -> None:
        if not values.size:
            return
        try:
            self._histograms[name].add(values)
        except ValueError as error:
            raise InputError(f"calibration image {self.images + 1}, tensor {name}: {error}; leave it out") from None

    def ranges(self, method: Method) -> dict[str, tuple[float, float]]:
        """By tensor. Raises ``InputError`` when there was no image."""
        if not self.images:
            raise InputError("no calibration images; int8 needs some, 50 do")
        return {name: histogram.range(method) for name, histogram in self._histograms.items() if histogram.counts.any()}


def check_image(expected: onnx.ValueInfoProto, image: np.ndarray) -> None:
    """Raises ``InputError`` unless ``image`` is one that the input ``expected`` takes."""
    shape = [dim.dim_value or "any" for dim in expected.type.tensor_type.shape.dim[1:]]
    fits = image.ndim == len(shape) and all(
        wanted in ("any", length) for wanted, length in zip(shape, image.shape, strict=True)
    )
    if image.dtype != np.float32 or not fits:
        raise InputError(f"a calibration image is {image.dtype} {list(image.shape)}; the graph takes float32 {shape}")


def check_converted(graph: Path, model: onnx.ModelProto, image: np.ndarray) -> None:
    """Raises ``InputError`` unless ``model`` gives what the file ``graph`` gives on an image, to rounding."""
    original = _load(graph)
    if opset_of(original) == opset_of(model):
        return
    check_image(model.graph.input[0], image)
    names = [value.name for value in original.graph.output]
    feed = {model.graph.input[0].name: image[None]}
    before, after = (open_model(each).run(names, feed) for each in (original, model))
    for name, ours, theirs in zip(names, before, after, strict=True):
        allowed = SAME * max(1.0, float(np.abs(ours).max(initial=0)))
        if ours.shape != theirs.shape or not np.abs(ours - theirs).max(initial=0) <= allowed:
            raise InputError(
                f"{graph}: converted from ONNX opset {opset_of(original)} to {OPSET} it gives another {name}; "
                f"export it at {OPSET}"
            )


def open_model(model: onnx.ModelProto, optimized: bool = True) -> onnxruntime.InferenceSession:
    """A session of one thread. Raises ``InputError`` for a graph that ONNX Runtime does not take."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except UNLOADABLE as error:
        raise InputError(f"ONNX Runtime cannot load the graph: {str(error).strip().splitlines()[0]}") from error


def quantized_model(
    model: onnx.ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    *,
    per_channel: bool = True,
    exclude: Collection[str] = (),
    only: Collection[str] = (),
) -> onnx.ModelProto:
    """``model`` with its nodes in int8, but for those named in ``exclude``; with ``only``, none but these.

    ``ranges`` are of :meth:`Observed.ranges`, for every tensor.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    bounds = {name: tuple(np.array(bound, dtype=np.float32) for bound in both) for name, both in ranges.items()}
    quantizer = QDQQuantizer(
        copy,
        per_channel=per_channel,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,  # with int8 ONNX Runtime computes half of the convolutions in float32
        tensors_range=TensorsData(CalibrationMethod.MinMax, bounds),
        nodes_to_quantize=list(only),
        nodes_to_exclude=list(exclude),
        op_types_to_quantize=OPERATORS,
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


def _between_pairs(model: onnx.ModelProto) -> tuple[str, ...]:
    """Nodes whose input was dequantised and whose output is quantised: ONNX Runtime takes all three together."""
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    quantized = {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    return tuple(
        node.name
        for node in model.graph.node
        if not _is_integer(node) and node.input and node.input[0] in dequantized and node.output[0] in quantized
    )
