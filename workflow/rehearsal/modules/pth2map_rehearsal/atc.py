"""atc, rehearsed: the command line, files and words of CANN's compiler; the graph stays one of ONNX."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as states

from pth2map_rehearsal.aipp import insert_aipp, read_aipp
from pth2map_rehearsal.casts import take_out_roi_casts
from pth2map_rehearsal.environment import missing_library
from pth2map_rehearsal.errors import AtcError, CommandLineError, coded, invalid, not_rehearsed, unknown_error
from pth2map_rehearsal.flags import NOT_REHEARSED, USAGE, no_framework, parse
from pth2map_rehearsal.half import round_weights
from pth2map_rehearsal.om import CompiledModel, Tensor, write_om
from pth2map_rehearsal.session import open_graph

FAILED, NO_LIBRARY = 255, 127
SOCS = frozenset(
    f"Ascend{chip}"
    for chip in (
        *("310", "310P1", "310P3", "310B1", "310B4"),
        *("910", "910A", "910B", "910ProA", "910ProB", "910PremiumA", "910B1", "910B2", "910B3", "910B4"),
    )
)
"""Public names of chips, in the form ``--soc_version`` takes them."""

_PATH = re.compile(r"[A-Za-z0-9_./\-\u4e00-\u9fa5]+")
_GEARS = ("dynamic_batch_size", "dynamic_image_size", "dynamic_dims")
_LAYOUTS = ("NCHW", "NCDHW", "ND")
_HALF = frozenset({"force_fp16", "fp16"})
_FULL = frozenset({"force_fp32", "must_keep_origin_dtype", "origin"})
_OUTPUT_TYPES = {"FP32": "float32", "FP16": "float16"}
_NOT_REHEARSED_TYPES = re.compile(r"(UINT8|INT8|INT16|UINT16|INT32|UINT32|INT64|UINT64|DOUBLE|BF16|.+:\d+:\w+)$")
_UNLOADABLE = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)
_NO_OPERATOR = ("No Op registered for", "is not a registered function/op")  # of ONNX Runtime


@dataclass(frozen=True)
class Order:
    """A checked command line. ``outputs`` are nodes and ports, none for those of the graph; ``om`` has its suffix."""

    model: Path
    om: Path
    soc: str
    layout: str
    shapes: Mapping[str, tuple[int, ...]]
    outputs: tuple[tuple[str, int], ...]
    output_dtype: str | None
    aipp: Path | None
    precision: str


def main(arguments: list[str]) -> int:
    """Status 0 or 255, the verdict on stdout; 127 where ``set_env.sh`` was not sourced."""
    if (missing := missing_library("libge_compiler.so")) is not None:
        print(f"atc.bin: error while loading shared libraries: {missing}", file=sys.stderr)
        return NO_LIBRARY
    print("ATC start working now, please wait for a moment.", flush=True)
    try:
        flags = parse(arguments)
    except CommandLineError as error:
        for line in error.args:
            print(f"ERROR: {line}", file=sys.stderr)
        return _failed(unknown_error("Look at the lines on stderr."))
    except AtcError as error:
        return _failed(error)
    if "help" in flags:
        print(USAGE)
        return 0
    try:
        order = check(flags)
        _write(order.om, compile_model(order))
    except AtcError as error:
        print("...")
        return _failed(error)
    print("...\nATC run success, welcome to the next use.")
    return 0


def _failed(error: AtcError) -> int:
    print("ATC run failed, Please check the detail log, Try 'atc --help' for more information")
    print(error)
    return FAILED


def check(flags: Mapping[str, str]) -> Order:
    """What the flags ask for, checked in the order of CANN's atc. Raises ``AtcError``."""
    if "framework" not in flags:
        raise no_framework()
    for name, only in (("framework", "5"), ("mode", "0")):
        if flags.get(name, only) != only:
            raise not_rehearsed(f"--{name}={flags[name]}")
    for name in ("soc_version", "output", "model"):
        if not flags.get(name):
            raise coded("E10054", f"The required parameter [--{name}] is empty.", "Is it missing, or a text unquoted?")
    model = _input_file("model", flags["model"])
    _check_path("output", flags["output"])
    if flags["output"].endswith("/"):
        raise coded("E10022", f"Path [{flags['output']}] of [--output] has no file name.", "Add a name to the path.")
    precision = _precision(flags)
    shapes = _shapes(flags.get("input_shape", ""), _gear(flags))
    layout = flags.get("input_format", "NCHW")
    if layout not in _LAYOUTS:
        raise invalid("--input_format", layout, "An ONNX model takes NCHW, NCDHW or ND.")
    aipp = _input_file("insert_op_conf", flags["insert_op_conf"]) if flags.get("insert_op_conf") else None
    _check_small_channel(flags.get("enable_small_channel", "0"))
    outputs = _out_nodes(flags.get("out_nodes", ""))
    output_dtype = _output_dtype(flags["output_type"]) if flags.get("output_type") else None
    for name in flags.keys() & NOT_REHEARSED:
        raise not_rehearsed(f"--{name}")
    if flags["soc_version"] not in SOCS:
        raise unknown_error(f"The compiler knows no chip [{flags['soc_version']}].")
    om = Path(f"{flags['output']}.om")
    return Order(model, om, flags["soc_version"], layout, shapes, outputs, output_dtype, aipp, precision)


def _check_path(name: str, value: str) -> None:
    if not _PATH.fullmatch(value):
        raise invalid(f"--{name}", value, "A path has letters, digits and the characters _ - . / alone.")


def _input_file(name: str, value: str) -> Path:
    _check_path(name, value)
    if not Path(value).is_file():
        raise invalid(f"--{name}", value, "There is no such file.")
    return Path(value)


def _precision(flags: Mapping[str, str]) -> str:
    if "precision_mode" in flags and "precision_mode_v2" in flags:
        raise coded("E10055", "[--precision_mode] and [--precision_mode_v2] exclude each other.", "Give one of them.")
    mode = flags.get("precision_mode") or flags.get("precision_mode_v2") or "force_fp16"
    if mode not in _HALF | _FULL:
        raise not_rehearsed(f"precision {mode}")
    return "fp16" if mode in _HALF else "fp32"


def _gear(flags: Mapping[str, str]) -> str | None:
    gears = [name for name in _GEARS if flags.get(name)]
    if len(gears) > 1:
        names = " and ".join(f"[--{name}]" for name in gears)
        raise coded("E10009", f"{names} exclude each other.", "Give one of them.")
    return gears[0] if gears else None


def _shapes(text: str, gear: str | None) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for part in text.split(";") if text else ():
        name, _, numbers = part.rpartition(":")
        if not name or not re.fullmatch(r"-?\d+(~-?\d+)?(,-?\d+(~-?\d+)?)*", numbers):
            raise coded(
                "E10002",
                f"Value [{text}] for parameter [--input_shape] is invalid: [{part}] is no input with its shape.",
                "Write name:n,c,h,w and put ; between inputs, all of it in quotes.",
            )
        if "~" in numbers:
            raise not_rehearsed(f"a range of shapes ({part})")
        shapes[name] = tuple(int(number) for number in numbers.split(","))
    if gear is not None:
        raise not_rehearsed(f"--{gear}")
    for name, shape in shapes.items():
        if min(shape) < 1:
            raise coded(
                "E10011",
                f"Shape {list(shape)} of [{name}] in [--input_shape] has a side that is not positive.",
                "Fix every side, or give one of the --dynamic flags.",
            )
    return shapes


def _check_small_channel(value: str) -> None:
    if not value.isdigit():
        raise coded("E10003", f"Value [{value}] for parameter [--enable_small_channel] is no int32.", "Give 0 or 1.")
    if value not in ("0", "1"):
        raise coded("E10006", f"Value [{value}] for parameter [--enable_small_channel] is not 0 or 1.", "Give 0 or 1.")


def _out_nodes(text: str) -> tuple[tuple[str, int], ...]:
    outputs = []
    for part in text.split(";") if text else ():
        name, _, port = part.rpartition(":")
        if not name or not port.isdigit():
            raise invalid("--out_nodes", part, "It is no node:port.", "Write node:0 and put ; between nodes.")
        outputs.append((name, int(port)))
    return tuple(outputs)


def _output_dtype(value: str) -> str:
    if _NOT_REHEARSED_TYPES.match(value):
        raise not_rehearsed(f"--output_type={value}")
    if value not in _OUTPUT_TYPES:
        raise invalid("--output_type", value, "It is no type of an output.")
    return _OUTPUT_TYPES[value]


def compile_model(order: Order) -> CompiledModel:
    """The graph of ``order`` with fixed shapes and its own outputs, and run once on zeros. Raises ``AtcError``."""
    model = _load(order.model)
    graph = model.graph
    images = _fix_shapes(graph, order.shapes)
    take_out_roi_casts(graph, order.precision)
    if order.precision == "fp16":
        round_weights(model)
    names = [_output_of(graph, node, port) for node, port in order.outputs] or [each.name for each in graph.output]
    del graph.output[:], graph.value_info[:]  # of other outputs, shapes and types
    graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    aipp = read_aipp(order.aipp) if order.aipp else None
    if aipp:
        insert_aipp(graph, images[0], aipp)
    layouts = ["NHWC" if aipp and number == 0 else order.layout for number in range(len(images))]
    inputs = tuple(_input_tensor(image, layout) for image, layout in zip(images, layouts, strict=True))
    content = model.SerializeToString(deterministic=True)
    arrays = _run_on_zeros(content, inputs, names)
    outputs = tuple(
        Tensor(name, array.shape, _host_dtype(array.dtype, order.output_dtype), "ND")
        for name, array in zip(names, arrays, strict=True)
    )
    return CompiledModel(inputs, outputs, aipp, order.soc, order.precision, content)


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path, format="protobuf")
    except (DecodeError, OSError, onnx.checker.ValidationError):
        model = onnx.ModelProto()
    if not model.graph.node:
        raise coded("E10041", f"No model can be loaded from [{path}].", "Is it a whole ONNX file, with its weights?")
    return model


def _fix_shapes(graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
    """Fix the open sides of the inputs, which are returned."""
    constants = {tensor.name for tensor in graph.initializer}
    images = [image for image in graph.input if image.name not in constants]
    for name in shapes.keys() - {image.name for image in images}:
        known = ", ".join(image.name for image in images)
        raise coded("E10016", f"[{name}] of [--input_shape] is not in the model.", f"The inputs are {known}.")
    for image in images:
        sides = image.type.tensor_type.shape.dim
        own = [side.dim_value if side.HasField("dim_value") else None for side in sides]
        shape = shapes.get(image.name, tuple(side or -1 for side in own))
        if len(shape) != len(own) or any(a not in (None, b) for a, b in zip(own, shape, strict=True)):
            raise invalid(
                "--input_shape",
                f"{image.name}:{','.join(map(str, shape))}",
                f"The model has this input fixed at {['open' if side is None else side for side in own]}.",
                "Export the model with the shape it is compiled for, or with open sides.",
            )
        if min(shape, default=1) < 1:
            raise invalid(
                "--input_shape",
                image.name,
                f"The model leaves sides of this input open: {own}.",
                "Fix them with --input_shape.",
            )
        for side, length in zip(sides, shape, strict=True):
            side.dim_value = length
    return images


def _output_of(graph: onnx.GraphProto, name: str, port: int) -> str:
    node = next((node for node in graph.node if node.name == name), None)
    if node is None:
        raise coded("E10016", f"[{name}] of [--out_nodes] is not in the model.", "Name a node of the model.")
    if port >= len(node.output):
        raise invalid("--out_nodes", f"{name}:{port}", f"This node has {len(node.output)} outputs, counted from 0.")
    return str(node.output[port])


def _input_tensor(image: onnx.ValueInfoProto, layout: str) -> Tensor:
    kind = image.type.tensor_type
    shape = tuple(side.dim_value for side in kind.shape.dim)
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)).name
    return Tensor(image.name, shape, dtype, layout if len(shape) == len(layout) else "ND")


def _run_on_zeros(graph: bytes, inputs: tuple[Tensor, ...], names: list[str]) -> list[np.ndarray]:
    """What the graph gives for zeros: nothing else tells every shape, and a graph that cannot run is none."""
    try:
        session = open_graph(graph)
        arrays: list[np.ndarray] = session.run(names, {each.name: np.zeros(each.shape, each.dtype) for each in inputs})
    except _UNLOADABLE as error:
        reason = str(error).strip().splitlines()[0]
        if any(words in reason for words in _NO_OPERATOR):
            raise coded("E19010", f"There is no parser for an operator: {reason}", "Export without it.") from error
        raise unknown_error(reason) from error
    return arrays


def _host_dtype(dtype: np.dtype, wanted: str | None) -> str:
    """The dtype in which an output leaves the device: no int64, and floats as ``wanted``."""
    if dtype == np.int64:
        return "int32"
    return wanted if wanted and dtype == np.float32 else dtype.name


def _write(path: Path, model: CompiledModel) -> None:
    try:
        write_om(model, path)
    except OSError as error:
        raise coded("E13001", f"File [{path}] cannot be opened: {error.strerror}.", "Give another --output.") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
