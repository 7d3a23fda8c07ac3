"""What half precision means in a rehearsal: weights and outputs are rounded to float16, nothing in between."""

from collections.abc import Iterator

import numpy as np
import onnx

_LARGEST = float(np.finfo(np.float16).max)
# What these operators take beside their first input says where to sample; no compiler puts it in half precision.
_PLACES = frozenset({"Resize", "Upsample"})


def rounded(values: np.ndarray) -> np.ndarray:
    """Float32 values that float16 holds; beyond its range they are infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def round_weights(model: onnx.ModelProto) -> None:
    """Round the float32 constants of ``model`` in place, clipped to the range of float16 as atc clips weights."""
    kept = {name for node in model.graph.node if node.op_type in _PLACES for name in node.input[1:]}
    for name, tensor in _constants(model.graph):
        if tensor.data_type == onnx.TensorProto.FLOAT and name not in kept:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded(values.clip(-_LARGEST, _LARGEST)), tensor.name))


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    for node in graph.node:
        if node.op_type == "Constant":
            yield from ((node.output[0], each.t) for each in node.attribute if each.name == "value")
