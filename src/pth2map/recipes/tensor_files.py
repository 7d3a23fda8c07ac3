"""Tensor files of the RetinaFace route over files: what a vendor's runner reads and writes for one image.

Inputs: ``prep/<stem>.npy``, ``(1, 3, H, W)`` float32 in C order, and ``prep_info/<event>/<stem>.bin``, the scale as
four bytes float32. Outputs: raw float32 ``<stem>_0.bin`` landmarks, ``<stem>_1.bin`` scores, ``<stem>_2.bin`` boxes:
the numbering of the published scripts. Names carry the stem alone, so stems must be distinct in a dataset.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from pth2map.files.errors import InputError, some
from pth2map.geometry.placement import Placement

_OUTPUT_NUMBERS = {"landms": 0, "conf": 1, "loc": 2}


def names_by_stem(names: Sequence[str]) -> dict[str, str]:
    """Stem → name of each image (``event/stem``). Raises ``InputError`` when two share a stem."""
    name_of: dict[str, str] = {}
    clashes = []
    for name in names:
        stem = PurePosixPath(name).name
        if stem in name_of:
            clashes.append(f"{name_of[stem]} and {name}")
        name_of[stem] = name
    if clashes:
        raise InputError(
            f"images share a file name, which tensor files cannot tell apart: {some(clashes)}; use route: stream, or "
            "leave one of each out by a subset"
        )
    return name_of


def write_input(folder: Path, name: str, tensor: np.ndarray, placement: Placement) -> None:
    """Write the input ``(3, H, W)`` float32 of image ``name`` (``event/stem``) and its scale below ``folder``."""
    image = PurePosixPath(name)
    prep, info = folder / "prep", folder / "prep_info" / image.parent
    prep.mkdir(parents=True, exist_ok=True)
    info.mkdir(parents=True, exist_ok=True)
    np.save(prep / f"{image.name}.npy", tensor[None], allow_pickle=False)
    (info / f"{image.name}.bin").write_bytes(np.float32(placement.scale).tobytes())


def read_input(folder: Path, name: str) -> np.ndarray:
    """The input of image ``name``: ``(1, 3, H, W)`` float32."""
    path = folder / "prep" / f"{PurePosixPath(name).name}.npy"
    try:
        tensor: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy file ({error}); run the prepare stage again") from None
    if tensor.dtype != np.float32 or tensor.ndim != 4 or tensor.shape[:2] != (1, 3):
        raise InputError(f"{path}: holds {tensor.dtype} {tensor.shape}, expected float32 (1, 3, H, W)")
    return tensor


def read_scale(folder: Path, name: str) -> np.float32:
    """The scale kept for image ``name``."""
    path = folder / "prep_info" / f"{name}.bin"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the prepare stage again") from None
    if len(content) != 4:
        raise InputError(f"{path}: {len(content)} bytes, expected the 4 of one float32; run the prepare stage again")
    scale = np.float32(np.frombuffer(content, dtype="<f4")[0])
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"{path}: holds {scale}, expected a scale above 0; run the prepare stage again")
    return scale


def write_outputs(folder: Path, name: str, output_names: Sequence[str], outputs: Sequence[np.ndarray]) -> None:
    """Write the outputs of one image, each ``(P, k)`` float32, as raw bytes in C order."""
    stem = PurePosixPath(name).name
    for output_name, output in zip(output_names, outputs, strict=True):
        if output.dtype != np.float32:
            raise InputError(f"{name}: output {output_name} is {output.dtype}, the raw files hold float32")
        (folder / f"{stem}_{_OUTPUT_NUMBERS[output_name]}.bin").write_bytes(output.tobytes())


def read_outputs(folder: Path, name: str, shapes: Mapping[str, tuple[int, ...]]) -> list[np.ndarray]:
    """The outputs of one image in the order and shapes of ``shapes`` (name → shape), float32."""
    stem = PurePosixPath(name).name
    outputs = []
    for output_name, shape in shapes.items():
        path = folder / f"{stem}_{_OUTPUT_NUMBERS[output_name]}.bin"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; the engine wrote no output {output_name} for {name}") from None
        expected = int(np.prod(shape)) * 4
        if len(content) != expected:
            raise InputError(
                f"{path}: {len(content)} bytes, expected {expected} for output {output_name} {shape} of {name}"
            )
        outputs.append(np.frombuffer(content, dtype="<f4").reshape(shape))
    return outputs
