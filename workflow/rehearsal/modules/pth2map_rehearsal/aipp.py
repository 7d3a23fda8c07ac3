"""Static AIPP: the file that ``--insert_op_conf`` names, and what it puts before a graph."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from pth2map_rehearsal.errors import AtcError, coded, not_rehearsed
from pth2map_rehearsal.om import Aipp

_CHANNELS = range(3)
# What the rehearsal takes of a file, and the values it can have: None where any number will do.
_TAKEN: Mapping[str, tuple[str, ...] | None] = {
    "aipp_mode": ("static",),
    "input_format": ("RGB888_U8",),
    "related_input_rank": ("0",),
    "crop": ("false",),
    "csc_switch": ("false",),
    "rbuv_swap_switch": ("false",),
    "src_image_size_w": None,
    "src_image_size_h": None,
    **{f"{key}_{channel}": None for key in ("mean_chn", "min_chn", "var_reci_chn") for channel in _CHANNELS},
}
_KNOWN = re.compile(
    r"(ax_swap_switch|single_line_mode|crop_size_[wh]|load_start_pos_[wh]|resize(_\w+)?|padding(_\w+)?|cpadding_value"
    r"|matrix_r[0-2]c[0-2]|(input|output)_bias_[0-2]|(mean|min|var_reci)_chn_3|max_src_image_size|support_rotation"
    r"|input_edge_idx|raw_\w+|input_name)$"
)
_INTEGERS = re.compile(r"(src_image_size_[wh]|mean_chn_\d)$")


def read_aipp(path: Path) -> Aipp:
    """Raises ``AtcError`` (E10052) for a file that is none, and for keys and values that are not rehearsed."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8", errors="replace"))
    block = re.fullmatch(r"\s*aipp_op\s*:?\s*\{([^{}]*)\}\s*", text)
    if block is None:
        if re.fullmatch(r"(\s*aipp_op\s*:?\s*\{[^{}]*\}\s*){2,}", text):
            raise not_rehearsed("AIPP of more than one input")
        raise _wrong(f"{path} holds no block aipp_op {{ ... }}")
    entries: dict[str, str] = {}
    for key, value in _entries(path, block.group(1)):
        if key in entries:
            raise _wrong(f"{path} gives {key} twice")
        entries[key] = _checked(key, value)
    for key in ("aipp_mode", "input_format", "src_image_size_w", "src_image_size_h"):
        if key not in entries:
            raise _wrong(f"{path} gives no {key}")
    mean, least, factor = (
        tuple(float(entries.get(f"{key}_{channel}", default)) for channel in _CHANNELS)
        for key, default in (("mean_chn", 0), ("min_chn", 0), ("var_reci_chn", 1))
    )
    return Aipp(int(entries["src_image_size_w"]), int(entries["src_image_size_h"]), mean, least, factor)


def _entries(path: Path, body: str) -> list[tuple[str, str]]:
    entry = re.compile(r"\s*(\w+)\s*:\s*(\"[^\"]*\"|[^\s,;]+)[,;]?")
    found, place = [], 0
    while body[place:].strip():
        match = entry.match(body, place)
        if match is None:
            raise _wrong(f"{path} cannot be read at {body[place:].split(maxsplit=1)[0]!r}")
        found.append((match.group(1), match.group(2)))
        place = match.end()
    return found


def _checked(key: str, value: str) -> str:
    if key not in _TAKEN:
        raise not_rehearsed(f"{key} of AIPP") if _KNOWN.match(key) else _wrong(f"AIPP has no key {key}")
    allowed = _TAKEN[key]
    if allowed is not None:
        if value not in allowed:
            raise not_rehearsed(f"{key}: {value} of AIPP")
        return value
    form = r"\d+" if _INTEGERS.match(key) else r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?f?"
    if not re.fullmatch(form, value):
        raise _wrong(f"{key} is {value}, which is no {'whole ' if _INTEGERS.match(key) else ''}number")
    return value.rstrip("f")


def insert_aipp(graph: onnx.GraphProto, image: onnx.ValueInfoProto, aipp: Aipp) -> None:
    """Let ``image`` of ``graph``, float32 ``(N, 3, H, W)``, be uint8 ``(N, H, W, 3)``, and AIPP come first."""
    batch, *rest = (dim.dim_value for dim in image.type.tensor_type.shape.dim)
    expected = [len(_CHANNELS), aipp.height, aipp.width]
    if rest != expected or image.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise _wrong(f"it is for a float32 input of {expected} behind the batch, [{image.name}] has {rest}")
    for node in graph.node:
        for number, name in enumerate(node.input):
            if name == image.name:
                node.input[number] = "aipp/out"
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array(values, dtype=np.float32).reshape(3, 1, 1), f"aipp/{name}")
        for name, values in (("mean", aipp.mean), ("min", aipp.min), ("var_reci", aipp.var_reci))
    )
    steps = [
        onnx.helper.make_node("Transpose", [image.name], ["aipp/nchw"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Cast", ["aipp/nchw"], ["aipp/float"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Sub", ["aipp/float", "aipp/mean"], ["aipp/centred"]),
        onnx.helper.make_node("Sub", ["aipp/centred", "aipp/min"], ["aipp/lifted"]),
        onnx.helper.make_node("Mul", ["aipp/lifted", "aipp/var_reci"], ["aipp/out"]),
    ]
    for number, step in enumerate(steps):
        graph.node.insert(number, step)
    shape = (batch, aipp.height, aipp.width, len(_CHANNELS))
    image.CopyFrom(onnx.helper.make_tensor_value_info(image.name, onnx.TensorProto.UINT8, shape))


def _wrong(reason: str) -> AtcError:
    return coded("E10052", f"The AIPP configuration is invalid: {reason}.", "Correct the file of --insert_op_conf.")
