"""int8: what a graph becomes by static quantisation with the pictures of a folder."""

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

METHODS = {
    "max": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "kl_divergence": CalibrationMethod.Entropy,
}
_OPERATORS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]
_PER_CHANNEL_SINCE = 13  # DequantizeLinear has an axis


class CalibrationError(ValueError):
    """The pictures are not there, or what is done to them does not give the network's input."""


@dataclass(frozen=True)
class Calibration:
    """``operations`` are pairs of a type and its arguments, in order."""

    mode: str
    per_channel: bool
    files: tuple[Path, ...]
    operations: tuple[tuple[str, Mapping[str, Any]], ...]


def calibration_files(folder: Path, suffix: str, count: int) -> tuple[Path, ...]:
    """The first ``count`` files of ``folder`` by name that end in ``.suffix``. Raises ``CalibrationError`` for fewer.

    Which ones the vendor's sampler takes is not known.
    """
    if not folder.is_dir():
        raise CalibrationError(f"dataset.path: there is no folder {folder}")
    files = sorted(path for path in folder.iterdir() if path.name.endswith(f".{suffix}") and path.is_file())
    if len(files) < count:
        raise CalibrationError(
            f"dataset.sampler.get_data_num: {count} pictures are asked for, {folder} holds {len(files)} of .{suffix}"
        )
    return tuple(files[:count])


def prepared(path: Path, operations: Sequence[tuple[str, Mapping[str, Any]]]) -> np.ndarray:
    """The picture ``path`` after ``operations``: ``(3, h, w)`` float32.

    They work as the vendor's names say: DecodeImage gives RGB; Pad centres the picture on a square of zeros; ToTensor
    puts channels first and leaves values as they are. Raises ``CalibrationError`` for a file that is no picture.
    """
    pixels: np.ndarray = np.empty(0)
    for name, arguments in operations:
        if name == "DecodeImage":
            decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if decoded is None:
                raise CalibrationError(f"dataset.path: {path} is no picture")
            pixels = decoded[:, :, ::-1]
        elif name == "CvtColor":
            pixels = pixels[:, :, ::-1]
        elif name == "Resize":
            pixels = _resized(path, pixels, *arguments["size"])
        elif name == "Pad":
            pixels = _squared(pixels)
        elif name == "Normalize":
            pixels = pixels.astype(np.float32) / np.float32(255 if arguments["div255"] else 1)
            pixels = (pixels - np.array(arguments["mean"], np.float32)) / np.array(arguments["std"], np.float32)
        else:
            pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _resized(path: Path, pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """``width`` -1: to ``height`` px on the long side, as ``adaptive_side: long`` has it."""
    if width == -1:
        scale = height / max(pixels.shape[:2])
        height, width = (round(side * scale) for side in pixels.shape[:2])
    if min(height, width) < 1:
        raise CalibrationError(f"dataset.process_ops: Resize leaves nothing of {path}")
    return cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_LINEAR)


def _squared(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(pixels, ((top, side - height - top), (left, side - width - left), (0, 0)))


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Pictures one by one: the calibrators of ONNX Runtime keep all maps of a range in memory."""

    def __init__(self, calibration: Calibration, name: str, shape: tuple[int, ...]) -> None:
        self._calibration, self._name, self._shape = calibration, name, shape
        self._range: Iterator[Path] = iter(())

    def __len__(self) -> int:
        return len(self._calibration.files)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._range = iter(self._calibration.files[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        path = next(self._range, None)
        if path is None:
            return None
        tensor = prepared(path, self._calibration.operations)[None]
        if tensor.shape != self._shape:
            raise CalibrationError(
                f"dataset.process_ops: they make {list(tensor.shape)} of {path}, the model takes {list(self._shape)}"
            )
        return {self._name: tensor}


def quantised(model: onnx.ModelProto, calibration: Calibration) -> onnx.ModelProto:
    """``model``, of one input of fixed shape, with convolutions and matrix products in int8 (QDQ, signed).

    Raises ``CalibrationError``.
    """
    (image,) = model.graph.input
    pictures = _Pictures(calibration, image.name, tuple(side.dim_value for side in image.type.tensor_type.shape.dim))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source, target = Path(folder) / "source.onnx", Path(folder) / "int8.onnx"
        _fold(raised(model), source)
        folded = onnx.load(source)
        add_pre_process_metadata(folded)
        quantize_static(
            folded,
            target,
            pictures,
            quant_format=QuantFormat.QDQ,
            per_channel=calibration.per_channel,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[calibration.mode],
            op_types_to_quantize=_OPERATORS,
            extra_options={"CalibStridedMinMax": 1},  # of every method, despite its name
        )
        return onnx.load(target)


def raised(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` in the least opset in which weights can be quantised by channel."""
    (opset,) = (each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if opset >= _PER_CHANNEL_SINCE:
        return model
    return onnx.version_converter.convert_version(model, _PER_CHANNEL_SINCE)


def _fold(model: onnx.ModelProto, path: Path) -> None:
    """Write ``model`` with constants and batch normalisation folded, so that weights are quantised as they count."""
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.optimized_model_filepath = str(path)
    settings.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
