"""RoIs in half precision: what atc asks of a graph with RoiAlign.

In half precision the compiler has one part of the RoIs (their image numbers) in float16 and the other (the boxes) in
float32 where both meet in a Concat, and gives up. A graph that casts both to float16 passes.
"""

from collections.abc import Iterator

import onnx

from pth2map_rehearsal.errors import AtcError

_FLOAT, _HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
_PASS_ON = ("Cast", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")


def take_out_roi_casts(graph: onnx.GraphProto, precision: str) -> None:
    """Remove the casts around the Concat of RoIs, with which ONNX Runtime would not compute the graph.

    Raises ``AtcError`` if the precision is fp16 and an input of that Concat is not cast to float16.
    """
    for concat in list(_roi_concats(graph)):
        for number, name in enumerate(concat.input):
            cast = _maker(graph, name)
            if cast is None or _casts_to(cast) != _HALF:
                if precision != "fp16":
                    continue
                raise AtcError(
                    f"EZ9999: Inner Error!\n        Data types of the inputs of node [{concat.name}] differ, "
                    f"float16 and float32: input {number} [{name}] feeds RoiAlign and is not cast to float16."
                )
            concat.input[number] = cast.input[0]
            if not _readers(graph, name):
                graph.node.remove(cast)
        for back in _readers(graph, concat.output[0]):
            if _casts_to(back) == _FLOAT:
                for reader in _readers(graph, back.output[0]):
                    reader.input[:] = [concat.output[0] if each == back.output[0] else each for each in reader.input]
                graph.node.remove(back)


def _roi_concats(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Each Concat from which a RoiAlign takes its boxes or their image numbers, once."""
    seen = set()
    for align in graph.node:
        for name in align.input[1:3] if align.op_type == "RoiAlign" else ():
            node = _maker(graph, name)
            while node is not None and node.op_type in _PASS_ON:
                node = _maker(graph, node.input[0])
            if node is not None and node.op_type == "Concat" and node.output[0] not in seen:
                seen.add(node.output[0])
                yield node


def _maker(graph: onnx.GraphProto, name: str) -> onnx.NodeProto | None:
    return next((node for node in graph.node if name in node.output), None)


def _readers(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if name in node.input]


def _casts_to(node: onnx.NodeProto) -> int | None:
    if node.op_type != "Cast":
        return None
    return next(int(each.i) for each in node.attribute if each.name == "to")
