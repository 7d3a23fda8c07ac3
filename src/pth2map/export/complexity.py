"""What one image costs: parameters and operations of an exported ONNX graph.

Multiply-accumulates (products summed up, padding included) and the constants that were learned are read off the graph
file. Export folds batch normalisation into the convolutions, so its elements and its share of the biases are not seen
there. What ``CONVENTION`` counts beside multiply-accumulates is therefore counted in the network, which runs on
torch's meta device: shapes alone. The multiply-accumulates of both must agree, so that no figure is put together from
two networks.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnxslim.core import shape_infer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pth2map.files.errors import InputError
from pth2map.networks.retinaface import RetinaFace
from pth2map.networks.retinamask import FrozenBatchNorm2d
from pth2map.recipes.settings import Size

CONVENTION = (
    "multiply-accumulates, and one operation for each element to which a convolution adds its bias, two for each "
    "element normalised (as if not folded), one for each element of a LeakyReLU (of RetinaFace also where its "
    "published code has one of slope 0); none for ReLU, sums, pooling, resizing, sigmoid and softmax"
)
"""``Complexity.operations`` in words."""

LEARNED: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
}
"""By operator, the inputs whose constants are parameters."""

MULTIPLY_ACCUMULATE = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})

# What these compute is left out of multiply-accumulates, as in every published count.
ELEMENTWISE = frozenset(
    {"Abs", "Add", "Ceil", "Div", "Exp", "Floor", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Pow", "Reciprocal"}
    | {"Sqrt", "Sub", "And", "Equal", "Greater", "Less", "Not", "Or", "Where"}
    | {"Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Sigmoid", "Softmax", "Tanh"}
    | {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "ReduceMax", "ReduceMean", "ReduceSum"}
    | {"BatchNormalization", "Resize", "RoiAlign", "Upsample"}
    | {"NonMaxSuppression", "TopK"}
)

# These move values or work on shapes.
FREE = frozenset(
    {"Concat", "Expand", "Gather", "GatherElements", "Pad", "Slice", "Split", "Tile", "Transpose"}
    | {"DepthToSpace", "Flatten", "Reshape", "SpaceToDepth", "Squeeze", "Unsqueeze"}
    | {"Cast", "Constant", "ConstantOfShape", "Dropout", "Identity", "Range", "Shape"}
)


@dataclass(frozen=True)
class Complexity:
    """The cost of one image of ``width`` × ``height`` pixels.

    ``parameters`` are the network's as it is trained, scales and shifts of the normalisation among them, running
    statistics not: the number that is published. ``graph_parameters`` are those of the exported graph, where a
    normalisation is left as a bias. ``macs`` are multiply-accumulates in the graph, ``operations`` what
    ``CONVENTION`` says.

    That is the convention of the "flops" of RetinaFace in Vastai's model zoo, and of thop (pytorch-OpCounter) 0.0.31,
    with one difference: thop takes a transposed convolution for an ordinary one and so counts the products of a
    stride s in 2D s² times. Of such layers RetinaFace has none.
    """

    width: int
    height: int
    parameters: int
    graph_parameters: int
    macs: int
    operations: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "convention": CONVENTION}


@dataclass(frozen=True)
class GraphCount:
    """Learned constants of a graph, and its multiply-accumulates for one image."""

    parameters: int
    macs: int


@dataclass(frozen=True)
class NetworkCount:
    """Parameters of a network, its multiply-accumulates for one image, and what ``CONVENTION`` adds to them."""

    parameters: int
    macs: int
    beside_macs: int


def measure(graph: Path, network: nn.Module, size: Size) -> Complexity:
    """The cost of ``graph``, which was exported from ``network``; its weights play no part.

    Raises ``InputError`` for a graph that cannot be counted (see :func:`count_graph`) or has not the
    multiply-accumulates of the network.
    """
    if size.width is None or size.height is None:
        raise InputError("a graph for images of any size is measured at one: give it in pixels (640 or 640x480)")
    ours = count_network(network, size.width, size.height)
    found = count_graph(graph, size.width, size.height)
    if found.macs != ours.macs:
        raise InputError(
            f"{graph}: {found.macs:,} multiply-accumulates at {size}, but {ours.macs:,} in the network; "
            "give the network that it was exported from"
        )
    return Complexity(
        width=size.width,
        height=size.height,
        parameters=ours.parameters,
        graph_parameters=found.parameters,
        macs=found.macs,
        operations=found.macs + ours.beside_macs,
    )


def count_graph(path: Path, width: int, height: int) -> GraphCount:
    """Count the ONNX file at ``path`` for one image of ``width`` × ``height`` pixels.

    The graph has one input ``(N, C, H, W)``; axes left open are fixed, and of a graph with a batch of its own one
    image's share is given. Weights that several nodes use are counted once.

    Raises ``InputError`` for a graph of another size, for an operator that is in none of the lists above, and where
    a shape that is needed cannot be inferred.
    """
    try:
        model = onnx.load(path, format="protobuf")
    except DecodeError:
        raise InputError(f"{path}: not a whole ONNX file; export it again") from None
    nodes = model.graph.node
    _check_operators(path, nodes)
    _forget_weights(model)
    batch = _fix_input(path, model, width, height)
    shapes = _shapes(model)
    learned = _learned(model.graph)
    macs = sum(_macs(path, node, shapes) for node in nodes if node.op_type in MULTIPLY_ACCUMULATE)
    return GraphCount(
        parameters=sum(math.prod(_shape(path, name, shapes)) for name in learned),
        macs=macs // batch,
    )


def _check_operators(path: Path, nodes: Iterable[onnx.NodeProto]) -> None:
    known = MULTIPLY_ACCUMULATE | ELEMENTWISE | FREE
    types = {node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}" for node in nodes}
    if unknown := sorted(types - known):
        raise InputError(
            f"{path}: cannot count {', '.join(unknown)}; say in src/pth2map/export/complexity.py what it costs"
        )


def _forget_weights(model: onnx.ModelProto) -> None:
    """Shapes do not depend on them, and inference copies the model more than once."""
    for tensor in model.graph.initializer:
        if len(tensor.dims) > 1:
            tensor.CopyFrom(onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))


def _fix_input(path: Path, model: onnx.ModelProto, width: int, height: int) -> int:
    """Give the input's open axes their lengths and forget shapes that were inferred without; returns the batch."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    axes = [list(value.type.tensor_type.shape.dim) for value in inputs]
    if [len(dims) for dims in axes] != [4]:
        found = ", ".join(f"{value.name} of {len(dims)} axes" for value, dims in zip(inputs, axes, strict=True))
        raise InputError(f"{path}: expected one input of 4 axes (N, C, H, W), found {found or 'none'}")
    for dim, wanted in zip(axes[0], (1, 3, height, width), strict=True):
        dim.dim_value = dim.dim_value or wanted
    batch, *sides = (int(axes[0][number].dim_value) for number in (0, 2, 3))
    if sides != [height, width]:
        raise InputError(
            f"{path}: takes images of {sides[1]}x{sides[0]} (width x height), not {width}x{height}; "
            "export it at that size or with these axes open"
        )
    del model.graph.value_info[:]
    model.graph.value_info.extend(_most_rows(model.graph))
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return batch


def _most_rows(graph: onnx.GraphProto) -> Iterable[onnx.ValueInfoProto]:
    """The outputs of non-maximum suppression as long as they can be: how long they are depends on the picture."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "NonMaxSuppression" and node.input[2] in constants:
            most = onnx.numpy_helper.to_array(constants[node.input[2]]).item()
            yield onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.INT64, (most, 3))


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """Of every tensor of the graph whose number of axes is known; None is an unknown length.

    onnxslim follows lengths through the arithmetic on shapes that open axes leave behind, which in opset 11 onnx's own
    inference does not; onnx knows what Upsample of opset 9 gives, which onnxslim does not.
    """
    own = _declared_shapes(onnx.shape_inference.infer_shapes(model).graph)
    shapes = _declared_shapes(shape_infer(model).graph)  # which writes into the model
    shapes |= {name: shape for name, shape in own.items() if None not in shape}
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def _declared_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int | None, ...]]:
    return {
        value.name: tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if (tensor := value.type.tensor_type).HasField("shape")
    }


def _shape(path: Path, name: str, shapes: Mapping[str, tuple[int | None, ...]]) -> tuple[int, ...]:
    known = [length for length in shapes.get(name, (None,)) if length is not None]
    if name not in shapes or len(known) != len(shapes[name]):
        raise InputError(f"{path}: the shape of {name} cannot be inferred; export the graph with static axes")
    return tuple(known)


def _learned(graph: onnx.GraphProto) -> set[str]:
    """Names of the constants that are parameters, as they are stored: before a transposition, say."""
    sources = {tensor.name: {tensor.name} for tensor in graph.initializer}
    learned: set[str] = set()
    products: set[str] = set()
    for node in graph.node:
        if node.op_type == "Constant":
            sources[node.output[0]] = {node.output[0]}
        elif node.op_type in FREE and all(name in sources for name in node.input):
            for output in node.output:
                sources[output] = set().union(*(sources[name] for name in node.input))
        elif node.op_type == "MatMul":
            products.update(node.output)
        taken = [node.input[number] for number in LEARNED.get(node.op_type, ()) if number < len(node.input)]
        if node.op_type == "Add" and not products.isdisjoint(node.input):  # the bias of a linear layer
            taken.extend(node.input)
        learned.update(*(sources.get(name, ()) for name in taken))
    return learned


def _macs(path: Path, node: onnx.NodeProto, shapes: Mapping[str, tuple[int | None, ...]]) -> int:
    first, second, output = (_shape(path, name, shapes) for name in (*node.input[:2], node.output[0]))
    match node.op_type:
        case "Conv":  # weights are (outputs, inputs / groups, *kernel)
            return math.prod(output) * math.prod(second[1:])
        case "ConvTranspose":  # weights are (inputs, outputs / groups, *kernel)
            return math.prod(first) * math.prod(second[1:])
        case "Gemm":
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return math.prod(output) * first[0 if transposed else 1]
        case _:
            return math.prod(output) * first[-1]


def count_network(network: nn.Module, width: int, height: int) -> NetworkCount:
    """Count ``network`` in evaluation mode for one image of ``width`` × ``height`` pixels, without computing."""
    copied = copy.deepcopy(network).to("meta").eval()
    counted: list[int] = []
    for name, module in copied.named_modules():
        if operations := _operations_per_element(module, _published_as_leaky(network, name)):
            module.register_forward_hook(_counting(counted, operations))
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        copied(torch.empty((1, 3, height, width), device="meta"))
    return NetworkCount(
        parameters=sum(parameter.numel() for parameter in copied.parameters()),
        macs=flops.get_total_flops() // 2,
        beside_macs=sum(counted),
    )


def _counting(counted: list[int], operations: int) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        counted.append(operations * output.numel())

    return count


def _operations_per_element(module: nn.Module, published_as_leaky: bool) -> int:
    """What ``CONVENTION`` counts beside multiply-accumulates for each element of the module's output."""
    match module:
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d() | FrozenBatchNorm2d():
            return 2
        case nn.LeakyReLU():
            return 1
        case nn.ReLU():
            return int(published_as_leaky)
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return int(module.bias is not None)
        case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            return int(module.bias is not None)
        case _:
            return 0


def _published_as_leaky(network: nn.Module, name: str) -> bool:
    """Pytorch_Retinaface writes the activations of its pyramid and context modules as LeakyReLU, of slope 0 if wide.

    With a slope of 0 ``networks.mobilenet.activation`` builds a plain ReLU, which counts nothing: the figures of
    resnet50 would be 0.01 % below the published ones.
    """
    return isinstance(network, RetinaFace) and name.startswith(("fpn.", "ssh"))
