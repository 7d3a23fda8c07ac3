"""ONNX graphs in ONNX Runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from pth2map.files.errors import InputError

UNLOADABLE = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)
ONLY_FATAL = 4


@dataclass(frozen=True)
class Options:
    """Threads inside an operator (operators run one after another), and execution providers by preference.

    Processes of one thread each do as well as threads on idle cores, and better on shared ones.
    """

    threads: int = 1
    providers: Sequence[str] = ("CPUExecutionProvider",)


class OnnxRuntimeSession:
    def __init__(self, session: onnxruntime.InferenceSession, output_names: tuple[str, ...], path: Path) -> None:
        self._session = session
        self._output_names = output_names
        self._path = path
        self._input = session.get_inputs()[0]

    def run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raises ``InputError`` if the graph was exported for another shape."""
        expected = self._input.shape
        fits = len(expected) == images.ndim and all(
            size == length for size, length in zip(expected, images.shape, strict=True) if isinstance(size, int)
        )
        if not fits:
            raise InputError(f"{self._path} takes images of shape {expected}, these are {list(images.shape)}")
        return tuple(self._session.run(self._output_names, {self._input.name: images}))


def load(path: Path, output_names: tuple[str, ...], options: Options) -> OnnxRuntimeSession:
    """Raises ``InputError`` for a provider that is not there, a damaged graph, and one with other names."""
    _check_providers(options.providers)
    try:
        session = onnxruntime.InferenceSession(path, _session_options(options), providers=list(options.providers))
    except UNLOADABLE as error:
        raise InputError(f"ONNX Runtime cannot load {path}: {str(error).strip().splitlines()[0]}") from error
    _check_provider_in_use(session, options.providers[0])
    _check_names(session, output_names, path)
    return OnnxRuntimeSession(session, output_names, path)


def _session_options(options: Options) -> onnxruntime.SessionOptions:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.enable_mem_pattern = False  # planned memory comes on top of the arena's: 5.2 GB instead of 2.9, no faster
    settings.log_severity_level = ONLY_FATAL
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


def _check_providers(providers: Sequence[str]) -> None:
    available = onnxruntime.get_available_providers()
    if not providers or any(provider not in available for provider in providers):
        raise InputError(
            f"ONNX Runtime has no execution provider {', '.join(providers) or '(none named)'}; "
            f"this installation offers {', '.join(available)}"
        )


def _check_provider_in_use(session: onnxruntime.InferenceSession, wanted: str) -> None:
    """A provider whose libraries are missing gives way to the CPU without an error."""
    if (used := session.get_providers()[0]) != wanted:
        raise InputError(f"ONNX Runtime could not start {wanted} and fell back to {used}: are its libraries installed?")


def _check_names(session: onnxruntime.InferenceSession, output_names: tuple[str, ...], path: Path) -> None:
    outputs = [output.name for output in session.get_outputs()]
    if any(name not in outputs for name in output_names):
        raise InputError(f"{path} has the outputs {', '.join(outputs)}; expected are {', '.join(output_names)}")
    inputs = [(entry.name, entry.type) for entry in session.get_inputs()]
    if [kind for _, kind in inputs] != ["tensor(float)"]:
        raise InputError(f"{path} has the inputs {inputs}; expected is one of float32")
