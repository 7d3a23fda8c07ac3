"""A compiled model at work: ONNX Runtime in one thread."""

from collections.abc import Sequence

import numpy as np
import onnxruntime

from pth2map_rehearsal.half import rounded
from pth2map_rehearsal.om import CompiledModel

_ONLY_FATAL = 4


def open_graph(graph: bytes) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    settings.enable_mem_pattern = False  # planned memory comes on top of the arena's
    settings.add_session_config_entry("session.disable_quant_qdq", "1")  # some processors cut sums of int8 at 16 bits
    settings.log_severity_level = _ONLY_FATAL
    return onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])


class Session:
    def __init__(self, model: CompiledModel) -> None:
        self.model = model
        self._session = open_graph(model.graph)

    def execute(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the device computes, of arrays of the shapes and dtypes of the model's inputs."""
        feeds = {tensor.name: array for tensor, array in zip(self.model.inputs, inputs, strict=True)}
        outputs: list[np.ndarray] = self._session.run([tensor.name for tensor in self.model.outputs], feeds)
        return outputs

    def to_host(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the host gets of :meth:`execute`: rounded as the precision says, in the dtypes of the outputs."""
        half = self.model.precision == "fp16"
        arrays = [rounded(array) if half and array.dtype == np.float32 else array for array in outputs]
        return [array.astype(t.dtype, copy=False) for t, array in zip(self.model.outputs, arrays, strict=True)]
