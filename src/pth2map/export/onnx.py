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
from typing import Any

import onnx
import onnxslim
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError

DYNAMIC_AXES: Mapping[str, int] = {"batch": 0, "height": 2, "width": 3}
OPSETS = range(9, 21)
SIZES_SINCE = 11  # before, Upsample (9) and Resize (10) take factors, which miss odd sizes (63 to 125)


@dataclass(frozen=True)
class OnnxGraph:
    """What stands in the file: the default operator set, the file format's version, the number of nodes."""

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
    max_ir_version: int | None = None,
    open_rows: bool = False,
) -> OnnxGraph:
    """Write ``network``, in evaluation mode, as an ONNX graph of one float32 input ``(N, 3, H, W)``.

    ``dynamic`` names the axes left open, out of ``DYNAMIC_AXES``; an output axis that follows the batch alone
    is named ``batch`` as well. The node that makes an output has the output's name. With ``open_rows`` the first axis
    of each output is ``rows``, as many as the picture gives. The network is traced with ``example``, or zeros. The file
    declares at most ``max_ir_version`` as its format. Equal weights and arguments give equal bytes, and no path of this
    machine is among them.

    Below opset 11 a network that enlarges maps must do so at this size by whole factors and nearest neighbours,
    with height and width fixed: nothing else means the same to all who read such a graph.

    Raises ``InputError`` for an opset, IR version, axis or size that cannot be had, and for a graph that is not
    as asked.
    """
    _check_arguments(opset, dynamic, max_ir_version)
    example = torch.zeros(tuple(input_shape)) if example is None else example
    if example.shape != tuple(input_shape):
        raise ValueError(f"the example is of shape {tuple(example.shape)}, not {tuple(input_shape)}")
    enlargements = _enlargements(network, input_shape) if opset < SIZES_SINCE else ()
    _check_enlargements(enlargements, input_shape, opset, dynamic)
    output_dims = _output_dims(network, output_names, input_shape, dynamic)
    if open_rows:
        output_dims = [["rows", *dims[1:]] for dims in output_dims]
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
        _name_output_nodes(model)
        _declare_outputs(model, output_dims)
        inferred = _with_inferred_shapes(model)
        if opset < SIZES_SINCE:
            _check_factors(inferred, enlargements)
        if not dynamic:
            model = inferred  # onnxslim gives names to lengths behind an Upsample, even to a batch of one
        if max_ir_version is not None:
            model.ir_version = min(model.ir_version, max_ir_version)
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        return _read_back(temporary, opset, [input_name], list(output_names))


def _check_arguments(opset: int, dynamic: Collection[str], max_ir_version: int | None) -> None:
    if opset not in OPSETS:
        raise InputError(f"cannot export to ONNX opset {opset}: {OPSETS[0]} to {OPSETS[-1]} are possible")
    if unknown := sorted(set(dynamic) - DYNAMIC_AXES.keys()):
        raise InputError(f"unknown dynamic axes {', '.join(unknown)}: expected some of {', '.join(DYNAMIC_AXES)}")
    if max_ir_version is not None and max_ir_version < (needed := _needed_ir_version(opset)):
        lower = [other for other in OPSETS if _needed_ir_version(other) <= max_ir_version]
        raise InputError(
            f"ONNX opset {opset} needs IR version {needed}, but at most {max_ir_version} is allowed: allow {needed}"
            + (f", or choose opset {lower[-1]} or below" if lower else "")
        )


def _needed_ir_version(opset: int) -> int:
    """The version of the file format that came with ``opset``, the lowest that may hold it."""
    return onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])


@dataclass(frozen=True)
class _Enlargement:
    """A map brought to another size, in pixels ``(height, width)``."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    mode: str = "nearest"

    @property
    def by_whole_factors(self) -> bool:
        return all(after % before == 0 for before, after in zip(self.before, self.after, strict=True))


class _NoteEnlargements(TorchFunctionMode):
    """Notes, while it is entered, what ``interpolate`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[_Enlargement] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is functional.interpolate:
            assert kwargs is not None  # interpolate hands on all but its input by name
            self.seen.append(_Enlargement(tuple(args[0].shape[2:]), tuple(result.shape[2:]), kwargs["mode"]))
        return result


def _enlargements(network: nn.Module, input_shape: Sequence[int]) -> list[_Enlargement]:
    notes = _NoteEnlargements()
    with notes:
        _output_shapes(network, input_shape)
    return notes.seen


def _check_enlargements(
    enlargements: Collection[_Enlargement], input_shape: Sequence[int], opset: int, dynamic: Collection[str]
) -> None:
    """Before opset 11 the operators do not say which pixel a fraction falls on, and take no size."""
    mend = f"or opset {SIZES_SINCE} or above"
    if enlargements and (still_open := sorted(set(dynamic) - {"batch"})):
        raise InputError(
            f"cannot export to ONNX opset {opset} with {' and '.join(still_open)} open: the network enlarges maps by "
            f"factors that depend on the size; choose a fixed size, {mend}"
        )
    for enlargement in enlargements:
        if enlargement.mode != "nearest" or not enlargement.by_whole_factors:
            raise InputError(
                f"cannot export to ONNX opset {opset} at {_pixels(input_shape[2:])}: the network enlarges a map of "
                f"{_pixels(enlargement.before)} to {_pixels(enlargement.after)} ({enlargement.mode}), and only nearest "
                f"neighbours by whole factors are possible; choose another size, {mend}"
            )


def _pixels(size: Sequence[int]) -> str:
    return "x".join(str(length) for length in reversed(size))


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
        # What it warns of below opset 11 was refused before.
        warnings.filterwarnings("ignore", "You are trying to export the model with onnx:(Upsample|Resize)", UserWarning)
        yield


def _strip(model: onnx.ModelProto) -> None:
    """Remove what could tell of the machine or the moment of the export."""
    for holder in (model, model.graph, *model.graph.node):
        holder.doc_string = ""
        del holder.metadata_props[:]


def _name_output_nodes(model: onnx.ModelProto) -> None:
    """Call the node that makes an output like the output, so that compilers can be told of it by a name that stays."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    for output in model.graph.output:
        if len(made_by[output.name].output) == 1:
            made_by[output.name].name = output.name


def _declare_outputs(model: onnx.ModelProto, dims: list[list[int | str]]) -> None:
    """Give the outputs their dimensions; the exporter forgets most once an axis is open."""
    for output, wanted in zip(model.graph.output, dims, strict=True):
        declared = onnx.helper.make_tensor_type_proto(output.type.tensor_type.elem_type, wanted)
        output.type.CopyFrom(declared)


def _with_inferred_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes of all values as they follow from the nodes alone."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(bare, strict_mode=True)


def _check_factors(model: onnx.ModelProto, enlargements: Collection[_Enlargement]) -> None:
    """Each constant factor, times the length it finds, must be exactly the length the network enlarges to.

    The exporter divides shapes within the graph. When onnxslim folds that at opset 9 it divides whole numbers, 5 by 3
    to a factor of 1, and leaves a division of 1 by 1 in the graph.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    lengths = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.value_info)
    }
    for node in model.graph.node:
        if node.op_type in ("Upsample", "Resize"):
            before, constant = lengths.get(node.input[0], []), constants.get(node.input[1])
            factors = [] if constant is None else onnx.numpy_helper.to_array(constant).tolist()
            after = [length * factor for length, factor in zip(before, factors, strict=False)]
            if factors[:2] != [1, 1] or _Enlargement(tuple(before[2:]), tuple(after[2:])) not in enlargements:
                raise InputError(
                    f"the factors of {node.name} in the exported graph are not those of the network at this size; "
                    f"choose another size, or opset {SIZES_SINCE} or above"
                )


def _read_back(path: Path, opset: int, inputs: list[str], outputs: list[str]) -> OnnxGraph:
    model = onnx.load(path, format="protobuf")
    onnx.checker.check_model(model, full_check=True)
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found != {"": opset}:
        raise InputError(f"asked for ONNX opset {opset}, the exporter wrote {found}")
    names = [value.name for value in model.graph.input], [value.name for value in model.graph.output]
    if names != (inputs, outputs):
        raise InputError(f"the exported graph has inputs and outputs {names}, expected {(inputs, outputs)}")
    return OnnxGraph(opset, model.ir_version, len(model.graph.node))
