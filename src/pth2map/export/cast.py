"""RoIs in float16: what ATC wants of a graph whose RoIAlign it computes in half precision.

Compiled for half precision, one part of the RoIs (the image numbers, a constant) comes to their Concat in float16 and
the other (the boxes) in float32, and the compiler gives up. The page of RetinaMask therefore casts both to float16 in
front of it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, get_args

import onnx

from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError

Form = Literal["cast", "cast_back"]
"""``cast``: as on the page, for ATC alone: RoIAlign gets float16 RoIs beside float32 features, which ONNX forbids.
``cast_back``: float32 again behind the Concat, a valid graph whose RoIs are rounded to float16."""
FORMS = get_args(Form)

# What may stand between the RoIs and the RoIAlign that takes them: nodes that move values.
_MOVES = frozenset({"Cast", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
_ROIS, _IMAGES = 1, 2  # inputs of RoiAlign


def write_cast(graph: Path, form: Form, path: Path) -> None:
    """Write the ONNX file ``graph`` with the casts of ``form`` as ``path``.

    Raises ``InputError`` for a graph without RoIAlign, and for one whose RoIs are not put together by one Concat.
    """
    model = onnx.load(graph, format="protobuf")
    try:
        cast_rois(model, form)
    except InputError as error:
        raise InputError(f"{graph}: {error}") from None
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def cast_rois(model: onnx.ModelProto, form: Form) -> None:
    """Put the casts of ``form`` into ``model``. Raises ``InputError`` as :func:`write_cast` does."""
    nodes = model.graph.node
    concat, between = _concat_of_rois(nodes)
    stale = {name for node in (concat, *between) for name in node.output}  # their types change
    place = list(nodes).index(concat)
    if form == "cast_back":
        output = concat.output[0]
        concat.output[0] = f"{output}_float16"
        nodes.insert(place + 1, _cast(concat.output[0], output, onnx.TensorProto.FLOAT))
        stale = set()
    for number, name in enumerate(concat.input):
        cast = _cast(name, f"{name}_float16", onnx.TensorProto.FLOAT16)
        concat.input[number] = cast.output[0]
        nodes.insert(place + number, cast)
    kept = [value for value in model.graph.value_info if value.name not in stale]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def _cast(name: str, output: str, to: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [name], [output], name=f"Cast_{output}", to=to)


def _concat_of_rois(nodes: Iterable[onnx.NodeProto]) -> tuple[onnx.NodeProto, list[onnx.NodeProto]]:
    """The Concat of image numbers and boxes that every RoIAlign of a graph takes, and the nodes between them."""
    made_by = {output: node for node in nodes for output in node.output}
    aligns = [node for node in nodes if node.op_type == "RoiAlign"]
    if not aligns:
        raise InputError("no RoiAlign in this graph; casts of RoIs are for networks with a second stage")
    found: dict[str, onnx.NodeProto] = {}
    between: dict[str, onnx.NodeProto] = {}
    for align in aligns:
        for number in (_ROIS, _IMAGES):
            *moves, origin = _upstream(align.input[number], made_by)
            found[origin.output[0]] = origin
            between.update((node.output[0], node) for node in moves)
    concat = next(iter(found.values()))
    if len(found) > 1 or concat.op_type != "Concat" or len(concat.input) != 2:
        origins = ", ".join(f"{node.op_type} {node.name}" for node in found.values())
        raise InputError(f"the RoIs come from {origins}; expected one Concat of image numbers and boxes")
    return concat, list(between.values())


def _upstream(name: str, made_by: Mapping[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes that move a value, back to the one that makes it, which is the last."""
    path = []
    while name in made_by:
        path.append(made_by[name])
        if path[-1].op_type not in _MOVES:
            return path
        name = path[-1].input[0]
    raise InputError(f"the RoIs are {name}, an input or a constant of the graph; expected those of a network")
