"""Vastai's ``vamc``, which compiles a graph for a card: what it is told, and whether it has made a model.

Keys and values of the configuration are those of VastModelZOO's files for ``vamc compile`` (VAMC 3.x).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml  # type: ignore[import-untyped]

from pth2map.engines.tool_output import ended, lines, tail
from pth2map.engines.vdsp import LetterboxOp, Triple
from pth2map.files.errors import InputError, some
from pth2map.geometry.priors import MIN_SIZES
from pth2map.recipes.letterbox_settings import LetterboxSettings
from pth2map.recipes.recipe import Recipe

CalibrateMode = Literal["kl_divergence", "percentile", "max", "mse"]

MODEL_PREFIX = "mod"
"""Of the files of a compiled model: what a runner is given is ``<folder>/mod``."""

_REHEARSED = b"PTH2MAP-REHEARSAL"
_FILES = tuple(f"{MODEL_PREFIX}.{ending}" for ending in ("so", "json", "params"))
_CHECK = re.compile(r"(\w+:\d+: .*operators is outside of pipeline|Check failed: .*)")
_CORE_DUMPED = re.compile(r"\(core dumped\)|\(核心已转储\)")
_ABORTED = (134, 139, -6, -11)


@dataclass(frozen=True)
class ExtraOp:
    """What the compiler puts behind the network."""

    type: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Calibration:
    """Pictures by which the compiler finds the ranges of int8, and what it does to them first."""

    folder: str
    """It holds the pictures and no folders."""
    images: int
    op: LetterboxOp
    """What the card does to a picture."""
    mode: CalibrateMode = "kl_divergence"
    per_channel: bool | None = None
    """A scale for each channel of the weights; None: as the compiler does unless told."""
    suffix: str = "jpg"


@dataclass(frozen=True)
class Compilation:
    """One run of the compiler: an ONNX graph of float32 to a model in the folder ``<workspace>/<name>``."""

    name: str
    checkpoint: str
    """The graph; like all paths here it counts from the working directory."""
    input_name: str
    shape: tuple[int, ...]
    dtype: Literal["fp16", "int8"]
    workspace: str
    data_transport_mode: int = 3
    cluster_mode: int = 0
    extra_op: ExtraOp | None = None
    calibration: Calibration | None = None


def compile_yaml(compilation: Compilation) -> str:
    """The text of the configuration, for ``vamc compile``; keys in the order of the published files.

    Without a calibration there is no ``backend.quantize`` and no ``dataset``. Raises ``InputError`` for int8 without
    one.
    """
    calibration = compilation.calibration
    if compilation.dtype == "int8" and calibration is None:
        raise InputError(f"{compilation.name}: int8 needs calibration images; name them, or compile fp16")
    backend: dict[str, Any] = {
        "type": "tvm_vacc",
        "dtype": compilation.dtype,
        "compile": {
            "data_transport_mode": compilation.data_transport_mode,
            "cluster_mode": compilation.cluster_mode,
        },
    }
    content: dict[str, Any] = {
        "name": compilation.name,
        "frontend": {
            "shape": {compilation.input_name: list(compilation.shape)},
            "type": "onnx",
            "checkpoint": compilation.checkpoint,
            "dtype": "fp32",
        },
        "backend": backend,
    }
    if extra := compilation.extra_op:
        content["graph"] = {"extra_ops": {"type": extra.type, "params": dict(extra.params)}}
    if calibration:
        backend["quantize"] = {"calibrate_mode": calibration.mode}
        if calibration.per_channel is not None:
            backend["quantize"]["quantize_per_channel"] = calibration.per_channel
        content["dataset"] = {
            "type": "tvm",
            "path": calibration.folder,
            "sampler": {"suffix": calibration.suffix, "get_data_num": calibration.images},
            "process_ops": process_ops(calibration.op),
        }
    content["workspace"] = {"path": compilation.workspace}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text


def extra_op(recipe: Recipe) -> ExtraOp | None:
    """What of the recipe's decode the card does: for RetinaFace all of it, where its form is the card's."""
    settings = recipe.settings
    if not isinstance(settings, LetterboxSettings) or not settings.decodes_on_device:
        return None
    return ExtraOp(
        "retinaface_nms",
        {
            "num_classes": 1,
            "nms_threshold": settings.decode.nms_threshold,
            "confidence_threshold": settings.decode.confidence_threshold,
            "anchor": [side for sides in MIN_SIZES for side in sides],
        },
    )


def process_ops(op: LetterboxOp) -> list[dict[str, Any]]:
    """What the compiler does to a calibration picture, so that the network gets in it what it gets from the card.

    Order and words are those of the RetinaFace page, and so is the one difference: ``Pad`` makes the scaled picture a
    square, and nobody says whether in a corner or in the middle, nor with which grey level; it has no key for either.
    The card centres the picture and pads as ``op.padding`` says. Ranges of values hardly know where a picture lies.

    Raises ``InputError`` for an input that is no square, which ``Pad`` cannot make.
    """
    if op.width != op.height:
        raise InputError(
            f"size {op.width}x{op.height}: vamc pads calibration images to a square; give the variant a square size"
        )
    swapped = [{"type": "CvtColor", "code": "COLOR_RGB2BGR"}] if op.colour == "RGB2BGR" else []
    return [
        {"type": "DecodeImage"},
        *swapped,
        {"type": "Resize", "size": [op.width, -1], "adaptive_side": "long"},
        {"type": "Pad", "pad_to_square": True},
        {
            "type": "Normalize",
            "div255": op.norm == "DIV255_MINUSMEAN_DIVSTD",
            "mean": _numbers(op.mean),
            "std": _numbers(op.std),
        },
        {"type": "ToTensor"},
    ]


def model_files(folder: Path) -> list[Path]:
    """The files of the compiled model in ``folder``, by name.

    They are ``mod.so``, ``mod.json`` and ``mod.params`` as far as is known: any three or more that are called ``mod``
    and something will do. Raises ``InputError`` when there are fewer, or one is empty.
    """
    found = sorted(path for path in folder.glob(f"{MODEL_PREFIX}*") if path.is_file())
    empty = [path.name for path in found if not path.stat().st_size]
    if empty or len(found) < len(_FILES):
        what = f"{some(empty)} in it empty" if empty else f"{some([path.name for path in found]) or 'nothing'} in it"
        raise InputError(f"{folder}: {what}, expected a compiled model ({', '.join(_FILES)})")
    return found


def is_rehearsed(folder: Path) -> bool:
    """Whether the compiled model in ``folder`` is of the rehearsal's stand-in: its files begin by saying so."""
    return any(_REHEARSED in path.read_bytes()[:4096] for path in model_files(folder))


def judge(folder: Path, log: str, status: int) -> None:
    """Raise ``InputError`` unless ``vamc compile`` succeeded: status 0, and a whole model in ``folder``.

    ``log`` is its stdout and stderr, in which no verdict is known. The sentence holds the failed check of the compiler
    where there is one, or the last lines.
    """
    printed = lines(log)
    check = next((found[1] for line in printed if (found := _CHECK.search(line))), None)
    reason = _CORE_DUMPED.split(check)[0].strip() if check else tail(printed)
    if status in _ABORTED or _CORE_DUMPED.search(log):
        what = f"vamc dumped core (status {status})"
    elif status != 0:
        what = ended("vamc", status)
    else:
        try:
            model_files(folder)
        except InputError as error:
            raise InputError(
                f"vamc ended with status 0, but made no whole model: {error}; it printed: {reason}"
            ) from None
        return
    raise InputError(f"{what}: {reason}{_hint(check, status)}")


def _hint(check: str | None, status: int) -> str:
    if status == 127:
        return "; activate the environment that has vamc"
    if check and "outside of pipeline" in check:
        return "; this vamc cannot place the operators it names: leave them to the host, or take another version of it"
    return ""


def _numbers(values: Triple) -> list[int | float]:
    """Whole ones as such, as the published files have them."""
    return [int(value) if float(value).is_integer() else float(value) for value in values]
