"""A network as one ONNX file that vendor compilers take.

The exporter is torch's older, tracing one: it writes the opset asked for and a single file. Its successor
stays at opset 18 when asked for less.
"""

import copy
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxslim
import torch
from torch import Tensor, nn

from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError

DYNAMIC_AXES: Mapping[str, int] = {"batch": 0, "height": 2, "width": 3}
OPSETS = range(11, 21)  # before 11 Resize takes factors, which miss odd sizes (63 to 125)


@dataclass(frozen=True)
class OnnxGraph:
    """What was written: the default operator set, the file format's version, the number of nodes."""

    opset: int
    ir_version: int
    nodes: int


def export_onnx(
    network: nn.Module,
    path: Path,
    input_shape: Sequence[int],
    output_names: Sequence[str],
    *,
    opset: int,
    input_name: str = "image",
    dynamic: Collection[str] = (),
    example: Tensor | None = None,
) -> OnnxGraph:
    """Write ``network``, in evaluation mode, as an ONNX graph of one float32 input ``(N, 3, H, W)``.

    ``dynamic`` names the axes left open, out of ``DYNAMIC_AXES``; an output axis that follows the batch alone
    is named ``batch`` as well. The network is traced with ``example``, or zeros. Equal weights and arguments
    give equal bytes, and no path of this machine is among them.

    Raises ``InputError`` for an opset or axis that cannot be had, and for a graph that is not as asked.
    """
    _check_arguments(opset, dynamic)
    example = torch.zeros(tuple(input_shape)) if example is None else example
    if example.shape != tuple(input_shape):
        raise ValueError(f"the example is of shape {tuple(example.shape)}, not {tuple(input_shape)}")
    output_dims = _output_dims(network, output_names, input_shape, dynamic)
    with replacing(path) as temporary:
        with _quiet_exporter(), torch.no_grad():
            torch.onnx.export(
                network,
                (example,),
                temporary,
                dynamo=False,
                opset_version=opset,
                input_names=[input_name],
                output_names=list(output_names),
                dynamic_axes={input_name: {DYNAMIC_AXES[name]: name for name in sorted(dynamic)}},
            )
        model = onnxslim.slim(onnx.load(temporary, format="protobuf"))
        _strip(model)
        _declare_outputs(model, output_dims)
        onnx.checker.check_model(model, full_check=True)
        graph = _read_back(model, opset, [input_name], list(output_names))
        temporary.write_bytes(model.SerializeToString(deterministic=True))
    return graph


def _check_arguments(opset: int, dynamic: Collection[str]) -> None:
    if opset not in OPSETS:
        raise InputError(f"cannot export to ONNX opset {opset}: {OPSETS[0]} to {OPSETS[-1]} are possible")
    if unknown := sorted(set(dynamic) - DYNAMIC_AXES.keys()):
        raise InputError(f"unknown dynamic axes {', '.join(unknown)}: expected some of {', '.join(DYNAMIC_AXES)}")


def _output_dims(
    network: nn.Module, output_names: Sequence[str], input_shape: Sequence[int], dynamic: Collection[str]
) -> list[list[int | str]]:
    """The dimensions of each output: a length, or a name where it follows an axis left open."""
    shapes = _output_shapes(network, input_shape)
    if len(shapes) != len(output_names):
        raise InputError(f"the network has {len(shapes)} outputs, but {len(output_names)} are named")
    dims: list[list[int | str]] = [list(shape) for shape in shapes]
    for open_axis in sorted(dynamic):
        larger = list(input_shape)
        larger[DYNAMIC_AXES[open_axis]] *= 2
        for number, after in enumerate(_output_shapes(network, larger)):
            for axis, (before, length) in enumerate(zip(shapes[number], after, strict=True)):
                if length != before:
                    name = f"{output_names[number]}_axis{axis}"
                    dims[number][axis] = open_axis if open_axis == "batch" else name
    return dims


def _output_shapes(network: nn.Module, input_shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Shapes alone, without computing: on the meta device."""
    outputs = copy.deepcopy(network).to("meta")(torch.empty(tuple(input_shape), device="meta"))
    return [tuple(output.shape) for output in outputs]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning, r"torch\.onnx\.")
        yield


def _strip(model: onnx.ModelProto) -> None:
    """Remove what could tell of the machine or the moment of the export."""
    for holder in (model, model.graph, *model.graph.node):
        holder.doc_string = ""
        del holder.metadata_props[:]


def _declare_outputs(model: onnx.ModelProto, dims: list[list[int | str]]) -> None:
    """Give the outputs their dimensions; the exporter forgets most once an axis is open."""
    for output, wanted in zip(model.graph.output, dims, strict=True):
        declared = onnx.helper.make_tensor_type_proto(output.type.tensor_type.elem_type, wanted)
        output.type.CopyFrom(declared)


def _read_back(model: onnx.ModelProto, opset: int, inputs: list[str], outputs: list[str]) -> OnnxGraph:
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found != {"": opset}:
        raise InputError(f"asked for ONNX opset {opset}, the exporter wrote {found}")
    names = [value.name for value in model.graph.input], [value.name for value in model.graph.output]
    if names != (inputs, outputs):
        raise InputError(f"the exported graph has inputs and outputs {names}, expected {(inputs, outputs)}")
    return OnnxGraph(opset, model.ir_version, len(model.graph.node))
