"""From a checkpoint to a graph file."""

from collections.abc import Collection
from pathlib import Path

import torch

from pth2map.export.onnx import export_onnx
from pth2map.export.torchscript import export_torchscript
from pth2map.files.errors import InputError, nearest
from pth2map.networks.catalogue import build, entry
from pth2map.networks.checkpoints import load_weights
from pth2map.recipes.settings import Size

# Only traced with: a graph for images of any size has no size of its own.
_NATIVE_EXAMPLE = (640, 480)


def export_graph(
    network: str,
    weights: Path,
    graph_format: str,
    size: str,
    path: Path,
    opset: int = 11,
    dynamic: Collection[str] = (),
    max_ir_version: int | None = None,
) -> str:
    """Write the graph of ``network`` with ``weights`` at ``size`` and say in words what was written.

    ``opset``, ``dynamic`` and ``max_ir_version`` are of ONNX; a TorchScript trace keeps every dimension open.
    Raises ``InputError`` for a format that the network cannot become.
    """
    described = entry(network)
    if graph_format not in described.graphs:
        raise InputError(f"network {network} cannot become {graph_format}; {nearest(graph_format, described.graphs)}")
    module = build(network).eval()
    loaded = load_weights(module, weights)
    parsed = Size.parse(size)
    width, height = parsed.width or _NATIVE_EXAMPLE[0], parsed.height or _NATIVE_EXAMPLE[1]
    shape = (1, 3, height, width)
    what = f"{network}, {loaded.entries} entries of {weights}"
    if graph_format == "torchscript":
        export_torchscript(module, path, torch.zeros(shape))
        return f"{what}: TorchScript"
    written = export_onnx(
        module,
        path,
        shape,
        described.outputs,
        opset=opset,
        dynamic=dynamic,
        max_ir_version=max_ir_version,
        open_rows=described.rows == "open",
    )
    return f"{what}: ONNX opset {written.opset}, IR {written.ir_version}, {written.nodes} nodes"
