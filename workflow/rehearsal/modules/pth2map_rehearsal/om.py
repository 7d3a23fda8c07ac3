"""The rehearsal's compiled model: a file of its own kind, which no real runtime and no ONNX reader opens."""

import json
import math
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"PTH2MAP-REHEARSAL-OM"
VERSION = 1
HEADER_BYTES = 256
_HEADER = struct.Struct("<20sIQQ")  # magic, version, bytes of the facts, bytes of the graph


class NoCompiledModel(ValueError):
    """The file was not written by the rehearsal's atc, or is not whole."""


@dataclass(frozen=True)
class Tensor:
    """An input or output as the host sees it; ``layout`` is NCHW, NHWC or ND."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Aipp:
    """Static AIPP of three channels: (input - mean - min) * var_reci, from uint8 NHWC to float32 NCHW."""

    width: int
    height: int
    mean: tuple[float, ...]
    min: tuple[float, ...]
    var_reci: tuple[float, ...]


@dataclass(frozen=True)
class CompiledModel:
    """``precision`` is fp16 or fp32; ``graph`` is the ONNX file that ONNX Runtime computes."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    aipp: Aipp | None
    soc: str
    precision: str
    graph: bytes


def write_om(model: CompiledModel, path: Path) -> None:
    """Write ``path`` whole or not at all. Raises ``OSError`` where that cannot be."""
    facts = json.dumps({name: value for name, value in asdict(model).items() if name != "graph"}).encode()
    graph = zlib.compress(model.graph, level=1)  # more levels take seconds for a few percent
    header = _HEADER.pack(MAGIC, VERSION, len(facts), len(graph)).ljust(HEADER_BYTES, b"\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(header + facts + graph)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_om(path: Path) -> CompiledModel:
    """Raises ``NoCompiledModel`` for every other file, a real ``.om`` (its first bytes are ``IMOD``) among them."""
    content = path.read_bytes() if path.is_file() else b""
    if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
        raise NoCompiledModel(f"{path} was not written by the rehearsal's atc")
    _, version, facts_bytes, graph_bytes = _HEADER.unpack_from(content)
    if version != VERSION or len(content) != HEADER_BYTES + facts_bytes + graph_bytes:
        raise NoCompiledModel(f"{path} is not whole, or of another version of the rehearsal; run atc again")
    facts = json.loads(content[HEADER_BYTES : HEADER_BYTES + facts_bytes])
    return CompiledModel(
        inputs=tuple(_tensor(entry) for entry in facts["inputs"]),
        outputs=tuple(_tensor(entry) for entry in facts["outputs"]),
        aipp=None if facts["aipp"] is None else Aipp(**{k: _frozen(v) for k, v in facts["aipp"].items()}),
        soc=facts["soc"],
        precision=facts["precision"],
        graph=zlib.decompress(content[HEADER_BYTES + facts_bytes :]),
    )


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    return Tensor(**{key: _frozen(value) for key, value in entry.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
