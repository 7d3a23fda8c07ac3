"""Tiny graphs for the stand-ins to compile."""

import numpy as np
import onnx
from onnx import TensorProto, helper


def _constant(values, name):
    return onnx.numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def save(path, nodes, inputs, outputs, constants):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [_constant(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def detector(path, batch="batch"):
    """A convolution and three outputs, one of int64, of nodes that bear their names; input (batch, 3, 4, 6)."""
    weights = np.random.default_rng(0).standard_normal((2, 3, 3, 3))
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["features"], name="features", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["features"], ["loc"], name="loc"),
        helper.make_node("Sigmoid", ["features"], ["conf"], name="conf"),
        helper.make_node("ArgMax", ["features"], ["labels"], name="labels", axis=1, keepdims=0),
    ]
    outputs = {"loc": TensorProto.FLOAT, "conf": TensorProto.FLOAT, "labels": TensorProto.INT64}
    return save(path, nodes, {"image": [batch, 3, 4, 6]}, outputs, {"weights": weights})


def two_stage(path):
    """RoiAlign of a picture in boxes that are an input; RoIs are a Concat of image numbers and boxes."""
    nodes = [
        helper.make_node("Concat", ["numbers", "boxes"], ["rois"], name="Concat_7", axis=1),
        helper.make_node("Slice", ["rois", "one", "five", "axis"], ["corners"]),
        helper.make_node("Slice", ["rois", "zero", "one", "axis"], ["column"]),
        helper.make_node("Squeeze", ["column", "axis"], ["row"]),
        helper.make_node("Cast", ["row"], ["images"], to=TensorProto.INT64),
        helper.make_node(
            "RoiAlign", ["image", "corners", "images"], ["masks"], name="masks", output_height=2, output_width=2
        ),
    ]
    save(
        path,
        nodes,
        {"image": [1, 3, 16, 16], "boxes": [2, 4]},
        {"masks": TensorProto.FLOAT},
        {"numbers": np.zeros((2, 1))},
    )
    model = onnx.load(path)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array([number], dtype=np.int64), name)
        for name, number in (("zero", 0), ("one", 1), ("five", 5), ("axis", 1))
    )
    onnx.save(model, path)
    return path


def pictures(count, *, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3, 4, 6)).astype(np.float32)
