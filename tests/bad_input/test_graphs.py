"""Exported graphs that are broken, of another network, or of another shape."""

import tempfile
from functools import cache
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from tests import synthetic_wider
from tests.bad_input.case import Area, Case, refused, works
from tests.bad_input.page import hold

from pth2map.datasets.widerface_index import index_widerface
from pth2map.engines.torchscript import quiet_jit
from pth2map.export.graphs import export_graph
from pth2map.networks.catalogue import build
from pth2map.networks.formula import formula_state_dict

AREA = Area("Graphs")
NETWORK = "retinaface_mobilenet025"
RECIPE = '{"kind": "retinaface", "preprocess": {"resize": "long_side"}}'
FORMATS = {"onnx": "onnxruntime", "ts": "torchscript"}


@cache
def exported(suffix: str) -> bytes:
    """The network at 64 x 64, every dimension of the ONNX graph fixed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(formula_state_dict(build(NETWORK)), folder / "weights.pth")
        graph_format = "onnx" if suffix == "onnx" else "torchscript"
        export_graph(NETWORK, folder / "weights.pth", graph_format, "64", folder / "graph")
        return (folder / "graph").read_bytes()


def write_index(folder: Path) -> Path:
    index, _ = index_widerface("widerface", synthetic_wider.make(folder / "wider"))
    index.save(folder / "index.json")
    return folder / "index.json"


def detect(folder: Path, graph: Path, *more: str, size: str = "64") -> str:
    """What `stream` says that runs the graph."""
    kind = FORMATS["ts" if graph.suffix == ".ts" else "onnx"]
    outputs = (folder / "detections.npz", folder / "run.json")
    return refused(
        "stream",
        *("--kind", kind, "--graph", graph, "--network", NETWORK, "--index", write_index(folder), "--shard", "1-of-1"),
        *("--recipe", RECIPE, "--size", size, "--detections", outputs[0], "--run", outputs[1]),
        *more,
        outputs=outputs,
        folder=folder,
    )


def given(folder: Path, content: bytes, name: str = "model.onnx") -> str:
    (folder / name).write_bytes(content)
    return detect(folder, folder / name)


def small_graph(
    inputs: int = 1, outputs: tuple[str, ...] = ("boxes", "labels"), kind: int = TensorProto.FLOAT
) -> bytes:
    """A graph that hands its input through."""
    values = [helper.make_tensor_value_info(f"image{n}", kind, [1, 3, 64, 64]) for n in range(inputs)]
    results = [helper.make_tensor_value_info(name, kind, [1, 3, 64, 64]) for name in outputs]
    nodes = [helper.make_node("Identity", ["image0"], [name]) for name in outputs]
    graph = helper.make_graph(nodes, "small", values, results)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6).SerializeToString()


@AREA.case("no such graph", "Give the command again: Snakemake exports it anew.")
def missing(folder: Path) -> str:
    return detect(folder, folder / "model.onnx")


@AREA.case("an ONNX graph that ends early", "Remove it and give the command again.")
def truncated_onnx(folder: Path) -> str:
    return given(folder, exported("onnx")[:100_000])


@AREA.case("a file that is no ONNX graph", "Remove it and give the command again.")
def no_onnx(folder: Path) -> str:
    return given(folder, b"<!DOCTYPE html><html><body>Sign in</body></html>")


@AREA.case("an empty ONNX file", "Remove it and give the command again.")
def empty_onnx(folder: Path) -> str:
    return given(folder, b"")


@AREA.case("an ONNX graph of another network", "Remove it and give the command again, or correct `network:`.")
def other_outputs(folder: Path) -> str:
    return given(folder, small_graph())


@AREA.case("an ONNX graph of two inputs", "Remove it and give the command again.")
def two_inputs(folder: Path) -> str:
    return given(folder, small_graph(2, ("loc", "conf", "landms")))


@AREA.case("an ONNX graph whose input is not float32", "Remove it and give the command again.")
def half_precision(folder: Path) -> str:
    return given(folder, small_graph(1, ("loc", "conf", "landms"), TensorProto.FLOAT16))


@AREA.case("outputs of other shapes under the right names", "Remove it and give the command again.")
def other_output_shapes(folder: Path) -> str:
    return given(folder, small_graph(1, ("loc", "conf", "landms")))


@AREA.case("an ONNX graph of another size", "Give the command again: Snakemake exports one of this size.")
def other_size(folder: Path) -> str:
    (folder / "model.onnx").write_bytes(exported("onnx"))
    return detect(folder, folder / "model.onnx", size="96")


@AREA.case("a batch on a graph that was exported for one image", "Add `batch` to `export.dynamic`.")
def fixed_batch(folder: Path) -> str:
    path = folder / "model.onnx"
    path.write_bytes(exported("onnx"))
    return detect(folder, path, "--batch", "4")


@AREA.case("an ONNX graph without the file of its weights", "Put that file back beside it.")
def external_data(folder: Path) -> str:
    model = onnx.load_from_string(exported("onnx"))
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.data", size_threshold=0)
    (folder / "model.data").unlink()
    return detect(folder, folder / "model.onnx")


@AREA.case("a TorchScript program that ends early", "Remove it and give the command again.")
def truncated_torchscript(folder: Path) -> str:
    return given(folder, exported("ts")[:100_000], "model.ts")


@AREA.case("a checkpoint in place of a TorchScript program", "Export it; `weights:` is where checkpoints go.")
def checkpoint_as_program(folder: Path) -> str:
    torch.save({"a": torch.zeros(1)}, folder / "model.ts")
    return detect(folder, folder / "model.ts")


@AREA.case("a TorchScript program of another network", "Remove it and give the command again, or correct `network:`.")
def other_program(folder: Path) -> str:
    with quiet_jit():
        program = torch.jit.trace(torch.nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 64, 64))
        torch.jit.save(program, folder / "model.ts")
    return detect(folder, folder / "model.ts")


@AREA.case("an execution provider that is not installed", "Take one that is offered, or install its package.")
def provider(folder: Path) -> str:
    (folder / "model.onnx").write_bytes(exported("onnx"))
    said = detect(folder, folder / "model.onnx", "--options", '{"providers": ["CUDAExecutionProvider"]}')
    return said.split(" offers ")[0] + " offers ..."


@AREA.case("a graph that was replaced after it was checked", "Remove graph and check: Snakemake makes both anew.")
def replaced(folder: Path) -> str:
    (folder / "model.onnx").write_bytes(exported("onnx"))
    (folder / "model.onnx.parity.json").write_text(f'{{"graph": "{"0" * 64}"}}', encoding="utf-8")
    return detect(folder, folder / "model.onnx", "--checked", str(folder / "model.onnx.parity.json"))


@AREA.case("a graph of other weights", "Remove the graph: Snakemake exports it anew.")
def other_weights(folder: Path) -> str:
    (folder / "model.onnx").write_bytes(exported("onnx"))
    weights = formula_state_dict(build(NETWORK), [("ClassHead", 0.5)])
    torch.save(weights, folder / "weights.pth")
    index = write_index(folder)
    recipe = ("--recipe", RECIPE, "--size", "64")
    network = ("--network", NETWORK, "--weights", folder / "weights.pth", "--images", "1")
    works("run_network", *network, *recipe, "--index", index, "--reference", folder / "reference.npz")
    return refused(
        "check_export",
        *("--kind", "onnxruntime", "--graph", folder / "model.onnx", "--network", NETWORK, "--index", index),
        *("--reference", folder / "reference.npz", *recipe, "--parity", folder / "parity.json"),
        outputs=[folder / "parity.json"],
        folder=folder,
    )


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
