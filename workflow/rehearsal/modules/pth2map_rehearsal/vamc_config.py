"""The YAML file of ``vamc compile``: which keys and values there are, and which of them are rehearsed.

Keys and values are those of the files of VastModelZOO. What vamc does with others is not known; here they are refused.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class ConfigError(ValueError):
    """A key or value that is not vamc's, or not rehearsed."""


Check = Callable[[str, Any], None]
Schema = Mapping[str, "Check | Schema"]


def not_rehearsed(what: str) -> ConfigError:
    """The real vamc may well take it."""
    return ConfigError(f"REHEARSAL: {what} is not rehearsed; only Vastai's own vamc can take it")


def _refuse(path: str, _: Any) -> None:
    raise not_rehearsed(path)


def _one_of(rehearsed: Sequence[Any], others: Sequence[Any] = ()) -> Check:
    def check(path: str, value: Any) -> None:
        if value in others:
            raise not_rehearsed(f"{path}: {value}")
        if not any(type(value) is type(each) and value == each for each in rehearsed):
            raise ConfigError(f"{path}: found {value!r}, expected {' or '.join(map(str, (*rehearsed, *others)))}")

    return check


def _is(what: str, test: Callable[[Any], bool]) -> Check:
    def check(path: str, value: Any) -> None:
        if not test(value):
            raise ConfigError(f"{path}: found {value!r}, expected {what}")

    return check


def _numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(type(each) in (int, float) for each in value)


def _whole(value: Any, least: int = 1) -> bool:
    return type(value) is int and value >= least


_text = _is("a text", lambda value: isinstance(value, str) and value != "")
_name = _is("the name of a folder", lambda v: isinstance(v, str) and v not in ("", ".", "..") and "/" not in v)
_boolean = _is("true or false", lambda value: isinstance(value, bool))
_fraction = _is("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1)
_count = _is("a whole number above 0", _whole)
_three = _is("three numbers", lambda value: _numbers(value, 3))
_divisors = _is("three numbers other than 0", lambda value: _numbers(value, 3) and 0 not in value)
_anchor = _is(
    "six whole numbers above 0", lambda value: isinstance(value, list) and len(value) == 6 and all(map(_whole, value))
)
_shapes = _is(
    "a shape of whole numbers for each input",
    lambda v: (
        isinstance(v, dict)
        and bool(v)
        and all(isinstance(shape, list) and shape and all(map(_whole, shape)) for shape in v.values())
    ),
)
_size = _is(
    "[height, width], or [side, -1] with adaptive_side: long",
    lambda v: isinstance(v, list) and len(v) == 2 and _whole(v[0]) and (_whole(v[1]) or v[1] == -1),
)


def _list(path: str, value: Any) -> None:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{path}: expected a list of operations")


_SCHEMA: Schema = {
    "name": _name,
    "frontend": {
        "type": _one_of(["onnx"], ["pytorch", "keras", "tensorflow", "darknet", "huggingface"]),
        "checkpoint": _text,
        "shape": _shapes,
        "dtype": _one_of(["fp32"], ["int64"]),
        "model_kwargs": _refuse,
    },
    "backend": {
        "type": _one_of(["tvm_vacc"]),
        "dtype": _one_of(["fp16", "int8"]),
        "compile": {
            "cluster_mode": _one_of([0, 1]),
            "data_transport_mode": _one_of([1, 3]),
            **dict.fromkeys(
                (
                    *("data_type", "opt_level", "stream_mode", "mem_inplace", "enable_float_to_half"),
                    *("enable_graph_partition", "output_layout", "output_ddr"),
                ),
                _refuse,
            ),
        },
        "merge_params": _refuse,
        "remove_params": _refuse,
        "dynamic_params": _refuse,
        "quantize": {
            "calibrate_mode": _one_of(["max", "percentile", "kl_divergence"], ["mse"]),
            "quantize_per_channel": _boolean,
            **dict.fromkeys(
                (
                    *("calibrate_range", "calibrate_chunk_by", "overflow_adaptive", "skip_conv_layers"),
                    *("skip_matmul_layers", "exclude_layers", "weight_scale"),
                ),
                _refuse,
            ),
        },
    },
    "graph": {
        "extra_ops": {
            "type": _one_of(
                ["retinaface_nms"],
                [
                    *("softmax", "yolov4_nms", "yolov5_nms", "yolov8_nms", "yolo11_nms", "yolox_nms"),
                    *("centerpoint_nms", "insert_odma"),
                ],
            ),
            "params": {
                "num_classes": _one_of([1]),
                "nms_threshold": _fraction,
                "confidence_threshold": _fraction,
                "anchor": _anchor,
                "strides": _refuse,
            },
        },
    },
    "dataset": {
        "type": _one_of(["tvm"]),
        "path": _text,
        "sampler": {"suffix": _text, "get_data_num": _count},
        "process_ops": _list,
    },
    "workspace": {
        "path": _text,
        **dict.fromkeys(("enable_ir", "env_recheck", "save_log", "work_dir", "workers"), _refuse),
    },
}
_OPERATIONS: Mapping[str, Schema | None] = {
    "DecodeImage": {"backend": _refuse, "cv2_flags": _refuse},
    "CvtColor": {"code": _one_of(["COLOR_RGB2BGR", "COLOR_BGR2RGB"], ["COLOR_RGB2YCrCb"])},
    "Resize": {
        "size": _size,
        "adaptive_side": _one_of(["long"]),
        "backend": _refuse,
        "interpolation": _refuse,
    },
    "Pad": {"pad_to_square": _one_of([True])},
    "Normalize": {"mean": _three, "std": _divisors, "div255": _boolean, "norm_type": _refuse},
    "ToTensor": {},
    "CenterCrop": None,
    "ChannelSplit": None,
}
"""None: not rehearsed."""
_NEEDED = (
    *("name", "frontend.type", "frontend.checkpoint", "frontend.shape", "frontend.dtype"),
    *("backend.type", "backend.dtype", "workspace.path"),
)
_NEEDED_BY_INT8 = (
    *("backend.quantize.calibrate_mode", "dataset.type", "dataset.path", "dataset.sampler.suffix"),
    *("dataset.sampler.get_data_num", "dataset.process_ops"),
)
_NEEDED_BY_NMS = tuple(
    f"graph.extra_ops.{key}"
    for key in ("type", "params.num_classes", "params.nms_threshold", "params.confidence_threshold", "params.anchor")
)
_NEEDED_BY_OPERATION: Mapping[str, Sequence[str]] = {
    "CvtColor": ("code",),
    "Resize": ("size",),
    "Pad": ("pad_to_square",),
    "Normalize": ("mean", "std", "div255"),
}


def check(config: Any) -> None:
    """Raises ``ConfigError`` for the first thing that is wrong, by its path in the file."""
    _check_block("", config, _SCHEMA)
    for number, operation in enumerate(_found(config, "dataset.process_ops") or ()):
        _check_operation(f"dataset.process_ops[{number}]", operation)
    _check_order([each["type"] for each in _found(config, "dataset.process_ops") or ()])
    needed = [*_NEEDED]
    needed += _NEEDED_BY_INT8 if _found(config, "backend.dtype") == "int8" else ()
    needed += _NEEDED_BY_NMS if _found(config, "graph.extra_ops") is not None else ()
    for path in needed:
        if _found(config, path) is None:
            raise ConfigError(f"{path}: missing")


def _found(config: Mapping[str, Any], path: str) -> Any:
    block: Any = config
    for key in path.split("."):
        block = block.get(key) if isinstance(block, Mapping) else None
    return block


def _check_block(path: str, block: Any, schema: Schema) -> None:
    if not isinstance(block, dict):
        raise ConfigError(f"{path or 'the file'}: expected keys with their values")
    for key, value in block.items():
        inner = f"{path}.{key}" if path else str(key)
        if key not in schema:
            near = difflib.get_close_matches(str(key), list(schema), n=1, cutoff=0)
            raise ConfigError(f"{inner}: there is no such key" + (f"; the nearest is {near[0]}" if near else ""))
        entry = schema[key]
        if isinstance(entry, Mapping):
            _check_block(inner, value, entry)
        else:
            entry(inner, value)


def _check_operation(path: str, operation: Any) -> None:
    name = str(operation.get("type")) if isinstance(operation, dict) else str(operation)
    if name not in _OPERATIONS:
        near = difflib.get_close_matches(name, list(_OPERATIONS), n=1, cutoff=0)
        raise ConfigError(f"{path}.type: found {name!r}; the nearest is {near[0]}")
    schema = _OPERATIONS[name]
    if schema is None:
        raise not_rehearsed(f"{path}.type: {name}")
    arguments = {key: value for key, value in operation.items() if key != "type"}
    _check_block(path, arguments, schema)
    for key in _NEEDED_BY_OPERATION.get(name, ()):
        if key not in arguments:
            raise ConfigError(f"{path}.{key}: missing")
    if name == "Resize" and (arguments["size"][1] == -1) != ("adaptive_side" in arguments):
        has = "with" if "adaptive_side" in arguments else "without"
        raise not_rehearsed(f"{path}: a size of {arguments['size']} {has} adaptive_side")


def _check_order(names: Sequence[str]) -> None:
    if not names:
        return
    for name, place in (("DecodeImage", 0), ("ToTensor", len(names) - 1)):
        if [number for number, each in enumerate(names) if each == name] != [place]:
            raise not_rehearsed(
                f"dataset.process_ops: {name} in another place than {'behind' if place else 'before'} all others"
            )
