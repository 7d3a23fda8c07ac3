"""vamc, rehearsed: ``vamc compile CONFIG.yaml`` of Vastai's compiler; the graph stays one of ONNX."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as states

from pth2map_rehearsal import vamc_config
from pth2map_rehearsal.calibration import Calibration, CalibrationError, calibration_files, quantised
from pth2map_rehearsal.half import round_weights
from pth2map_rehearsal.retinaface_nms import ROWS, RetinaFaceNms
from pth2map_rehearsal.session import open_graph
from pth2map_rehearsal.vacc import CompiledModel, Tensor, write_model
from pth2map_rehearsal.vamc_config import ConfigError, not_rehearsed

_USAGE = """\
usage: vamc compile CONFIG.yaml

This is the rehearsal's stand-in. It knows build, run and quant of Vastai's vamc and refuses them."""
_OTHER_COMMANDS = ("build", "run", "quant")
_UNLOADABLE = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)


class VamcError(Exception):
    """The model cannot be compiled."""


def main(arguments: list[str]) -> int:
    """Status 0 or 1. Whether it went well, the files say; words go to stdout, refusals to stderr."""
    if arguments in (["-h"], ["--help"]):
        print(_USAGE)
        return 0
    try:
        if arguments and arguments[0] in _OTHER_COMMANDS:
            raise not_rehearsed(f"vamc {arguments[0]}")
        if len(arguments) != 2 or arguments[0] != "compile":
            print(_USAGE, file=sys.stderr)
            return 1
        config = _read(Path(arguments[1]))
        vamc_config.check(config)
        prefix = f"{config['workspace']['path'].rstrip('/') or '/'}/{config['name']}/mod"
        print(f"compile {config['frontend']['checkpoint']} for {config['backend']['dtype']}", flush=True)
        write_model(compile_model(config), prefix)
    except (VamcError, ConfigError, CalibrationError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    print(f"saved {prefix}.so, {prefix}.json, {prefix}.params")
    return 0


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise VamcError(f"{path} cannot be read: {error}") from error


def compile_model(config: Mapping[str, Any]) -> CompiledModel:
    """The model of a checked file, run once on zeros. Raises ``VamcError``, ``ConfigError``, ``CalibrationError``."""
    frontend, dtype = config["frontend"], config["backend"]["dtype"]
    model = _load(Path(frontend["checkpoint"]))
    image = _fix_shape(model.graph, frontend["shape"])
    nms = _nms(config.get("graph", {}))
    if dtype == "fp16":
        round_weights(model)
    else:
        model = _int8(model, config)
    graph = model.SerializeToString(deterministic=True)
    arrays = _run_on_zeros(graph, image)
    if nms is None:
        shapes = [array.shape for array in arrays]
    else:
        _check_heads([array.shape for array in arrays], len(nms.priors(*image.shape[2:])))
        shapes = [(1, ROWS, length) for length in (1, 4, 10)]
    outputs = tuple(Tensor(f"output_{number}", shape, "float16") for number, shape in enumerate(shapes))
    return CompiledModel(config["name"], dtype, (image,), outputs, nms, graph)


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise VamcError(f"frontend.checkpoint: there is no file {path}")
    try:
        model = onnx.load(path, format="protobuf")
    except (DecodeError, OSError, onnx.checker.ValidationError):
        model = onnx.ModelProto()
    if not model.graph.node:
        raise VamcError(f"frontend.checkpoint: {path} is no ONNX model")
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)  # constants among the inputs, as old files have them, could not be folded
    return model


def _fix_shape(graph: onnx.GraphProto, shapes: Mapping[str, Sequence[int]]) -> Tensor:
    """Fix the open sides of the input, which is returned."""
    known = [each.name for each in graph.input]
    for name in shapes:
        if name not in known:
            raise VamcError(f"frontend.shape.{name}: the model has no such input; it has {', '.join(known)}")
    for name in known:
        if name not in shapes:
            raise VamcError(f"frontend.shape.{name}: missing")
    if len(known) != 1:
        raise not_rehearsed(f"a model of {len(known)} inputs")
    (image,), shape = graph.input, tuple(shapes[known[0]])
    sides = image.type.tensor_type.shape.dim
    own = [side.dim_value if side.HasField("dim_value") else None for side in sides]
    if len(shape) != len(own) or any(a not in (None, b) for a, b in zip(own, shape, strict=True)):
        raise VamcError(
            f"frontend.shape.{image.name}: found {list(shape)}, the model has "
            f"{['open' if side is None else side for side in own]}"
        )
    if image.type.tensor_type.elem_type != onnx.TensorProto.FLOAT or len(shape) != 4 or shape[:2] != (1, 3):
        raise not_rehearsed(f"an input of {list(shape)} other than one float32 picture [1, 3, h, w]")
    for side, length in zip(sides, shape, strict=True):
        side.dim_value = length
    return Tensor(image.name, shape, "float32")


def _nms(graph: Mapping[str, Any]) -> RetinaFaceNms | None:
    if "extra_ops" not in graph:
        return None
    params = graph["extra_ops"]["params"]
    return RetinaFaceNms(params["nms_threshold"], params["confidence_threshold"], tuple(params["anchor"]))


def _int8(model: onnx.ModelProto, config: Mapping[str, Any]) -> onnx.ModelProto:
    quantize, dataset = config["backend"]["quantize"], config["dataset"]
    sampler = dataset["sampler"]
    calibration = Calibration(
        mode=quantize["calibrate_mode"],
        per_channel=quantize.get("quantize_per_channel", True),
        files=calibration_files(Path(dataset["path"]), sampler["suffix"], sampler["get_data_num"]),
        operations=tuple((operation["type"], operation) for operation in dataset["process_ops"]),
    )
    print(f"calibrate with {len(calibration.files)} pictures, {calibration.mode}", flush=True)
    try:
        return quantised(model, calibration)
    except _UNLOADABLE as error:
        raise VamcError(_first_line(error)) from error


def _run_on_zeros(graph: bytes, image: Tensor) -> list[np.ndarray]:
    """What the graph gives for zeros: nothing else tells every shape, and a graph that cannot run is none."""
    try:
        arrays: list[np.ndarray] = open_graph(graph).run(None, {image.name: np.zeros(image.shape, np.float32)})
    except _UNLOADABLE as error:
        raise VamcError(_first_line(error)) from error
    for number, array in enumerate(arrays):
        if array.dtype != np.float32:
            raise not_rehearsed(f"output {number} of {array.dtype}")
    return arrays


def _first_line(error: Exception) -> str:
    return f"the compiler cannot take the model: {str(error).strip().splitlines()[0]}"


def _check_heads(shapes: Sequence[tuple[int, ...]], priors: int) -> None:
    expected = [(1, priors, length) for length in (4, 2, 10)]
    if list(shapes) != expected:
        raise VamcError(
            f"graph.extra_ops: retinaface_nms takes outputs of {[list(each) for each in expected]} (boxes, class "
            f"scores, points), the model has {[list(each) for each in shapes]}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
