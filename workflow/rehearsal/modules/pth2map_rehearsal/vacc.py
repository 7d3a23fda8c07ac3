"""The rehearsal's model for a Vastai card: the three files that vamc leaves, and running them.

``mod.json`` holds the facts, ``mod.params`` the graph, ``mod.so`` a mark; each names the build, so that files of two
builds are not taken for a model. No real runtime opens them, and nothing here opens real ones.
"""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pth2map_rehearsal.retinaface_nms import RetinaFaceNms
from pth2map_rehearsal.session import open_graph
from pth2map_rehearsal.vdsp import Vdsp

MAGIC = "PTH2MAP-REHEARSAL-VACC"
MAX_BATCH = 64
"""Pictures that one run takes at most: a number of our own, as some card's memory would set one."""
_VERSION = 1
_BUILD = len(hashlib.sha256().hexdigest())


class NoCompiledModel(ValueError):
    """The three files are not all there, not written by the rehearsal's vamc, or not of one build."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of one picture, the batch of 1 in front."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class CompiledModel:
    """``inputs`` and ``outputs`` are those of the card; ``graph`` is the ONNX file that ONNX Runtime computes.

    ``dtype`` is fp16 or int8; ``nms`` comes behind the graph.
    """

    name: str
    dtype: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nms: RetinaFaceNms | None
    graph: bytes


class Model:
    """A model in the memory of the card; several threads may run it at once."""

    def __init__(self, compiled: CompiledModel) -> None:
        self.inputs, self.outputs = compiled.inputs, compiled.outputs
        self._nms = compiled.nms
        self._session = open_graph(compiled.graph)

    @property
    def batch(self) -> int:
        """The batch it was compiled for, which runs of more pictures do not mind."""
        return self.inputs[0].shape[0]

    def run(self, pictures: Sequence[np.ndarray], vdsp: Vdsp) -> list[list[np.ndarray]]:
        """What the card gives for ``pictures``, uint8 ``(3, h, w)`` RGB of any size: the outputs of each, float16.

        Raises ``VdspError`` for a picture or size that the preprocessing does not take, ``ValueError`` for more than
        ``MAX_BATCH`` pictures.
        """
        if len(pictures) > MAX_BATCH:
            raise ValueError(f"a run takes at most {MAX_BATCH} pictures, not {len(pictures)}")
        return [self._run_one(picture, vdsp) for picture in pictures]

    def _run_one(self, picture: np.ndarray, vdsp: Vdsp) -> list[np.ndarray]:
        image = self.inputs[0]
        height, width = image.shape[2:]
        arrays = self._session.run(None, {image.name: vdsp.tensor(picture, height, width)[None]})
        if self._nms is not None:
            return self._nms(arrays, height, width)
        with np.errstate(over="ignore"):
            return [array.astype(np.float16) for array in arrays]


def open_model(prefix: str) -> Model:
    """The model of ``DIR/mod``, whose files are ``DIR/mod.so`` and so on. Raises ``NoCompiledModel``."""
    return Model(read_model(prefix))


def write_model(model: CompiledModel, prefix: str) -> None:
    """Write the three files of ``prefix`` and the folder they lie in. Raises ``OSError`` where that cannot be."""
    facts = {name: value for name, value in asdict(model).items() if name != "graph"}
    text = json.dumps({"made_by": MAGIC, "version": _VERSION, **facts}, indent=2)
    build = hashlib.sha256(text.encode() + model.graph).hexdigest()
    so, facts_file, params = _files(prefix)
    so.parent.mkdir(parents=True, exist_ok=True)
    so.write_bytes(_mark("so", build))
    facts_file.write_text(json.dumps({**json.loads(text), "build": build}, indent=2) + "\n", encoding="utf-8")
    params.write_bytes(_mark("params", build) + zlib.compress(model.graph, level=1))


def read_model(prefix: str) -> CompiledModel:
    """Raises ``NoCompiledModel``."""
    so, facts_file, params = _files(prefix)
    missing = [path.name for path in (so, facts_file, params) if not path.is_file()]
    if missing:
        raise NoCompiledModel(f"{prefix}: there is no {', '.join(missing)} in {so.parent}")
    facts = _facts(facts_file)
    build = str(facts.pop("build"))
    graph = _after(params, "params", build)
    if _after(so, "so", build):
        raise NoCompiledModel(f"{so} is not whole")
    nms = facts.pop("nms")
    inputs, outputs = (tuple(_tensor(each) for each in facts.pop(name)) for name in ("inputs", "outputs"))
    try:
        content = zlib.decompress(graph)
    except zlib.error as error:
        raise NoCompiledModel(f"{params} is not whole") from error
    return CompiledModel(
        inputs=inputs,
        outputs=outputs,
        nms=None if nms is None else RetinaFaceNms(**{**nms, "anchor": tuple(nms["anchor"])}),
        graph=content,
        **facts,
    )


def _files(prefix: str) -> tuple[Path, Path, Path]:
    return Path(f"{prefix}.so"), Path(f"{prefix}.json"), Path(f"{prefix}.params")


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NoCompiledModel(f"{path} was not written by the rehearsal's vamc") from error
    if not isinstance(facts, dict) or facts.pop("made_by", None) != MAGIC:
        raise NoCompiledModel(f"{path} was not written by the rehearsal's vamc")
    if facts.pop("version") != _VERSION:
        raise NoCompiledModel(f"{path} is of another version of the rehearsal; run vamc again")
    return facts


def _mark(kind: str, build: str) -> bytes:
    return f"{MAGIC} {kind} {build}\n".encode()


def _after(path: Path, kind: str, build: str) -> bytes:
    """What stands in ``path`` behind its mark."""
    content, mark = path.read_bytes(), _mark(kind, build)
    if not content.startswith(mark[: -_BUILD - 1]):
        raise NoCompiledModel(f"{path} was not written by the rehearsal's vamc")
    if not content.startswith(mark):
        raise NoCompiledModel(f"{path} is not of the build of the others; run vamc again")
    return content[len(mark) :]


def _tensor(entry: dict[str, Any]) -> Tensor:
    return Tensor(entry["name"], tuple(entry["shape"]), entry["dtype"])
