"""What the tensor files of all recipes share: names by stem, and raw arrays.

A route over files writes what a vendor's runner reads, and reads what that runner writes. Names carry the stem alone,
so stems must be distinct in a dataset.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import DTypeLike

from pth2map.files.errors import InputError, some


def stem_of(name: str) -> str:
    """The stem of image ``name`` (``event/stem``) up to its first dot, where Ascend's runners cut it."""
    return whole_stem_of(name).partition(".")[0]


def whole_stem_of(name: str) -> str:
    """The stem of image ``name`` (``event/stem``), dots and all."""
    return PurePosixPath(name).name


def names_by_stem(names: Sequence[str], stem_of: Callable[[str], str] = stem_of) -> dict[str, str]:
    """Stem → name of each image (``event/stem``). Raises ``InputError`` when two share a stem."""
    name_of: dict[str, str] = {}
    clashes = []
    for name in names:
        stem = stem_of(name)
        if stem in name_of:
            clashes.append(f"{name_of[stem]} and {name}")
        name_of[stem] = name
    if clashes:
        raise InputError(
            f"images share a file name, which tensor files cannot tell apart: {some(clashes)}; use route: stream, or "
            "leave one of each out by a subset"
        )
    return name_of


def write_raw_outputs(
    folder: Path,
    name: str,
    numbers: Sequence[int],
    outputs: Sequence[np.ndarray],
    dtypes: Sequence[DTypeLike] | None = None,
) -> None:
    """Write each output of an image as the raw bytes ``<stem>_<number>.bin`` in C order.

    ``dtypes`` are those of the files, float32 unless told otherwise.
    """
    for number, output, dtype in zip(numbers, outputs, _dtypes(dtypes, numbers), strict=True):
        if output.dtype != dtype:
            raise InputError(f"{name}: output {number} is {output.dtype}, the raw files hold {dtype}")
        (folder / f"{stem_of(name)}_{number}.bin").write_bytes(output.tobytes())


def read_raw_outputs(
    folder: Path,
    name: str,
    numbers: Sequence[int],
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Sequence[DTypeLike] | None = None,
) -> list[np.ndarray]:
    """Read what :func:`write_raw_outputs` or a runner wrote of an image whose outputs have these ``shapes``."""
    outputs = []
    for number, (output, shape), dtype in zip(numbers, shapes.items(), _dtypes(dtypes, numbers), strict=True):
        path = folder / f"{stem_of(name)}_{number}.bin"
        what = f"output {output} {shape} of {name}"
        outputs.append(read_raw(path, shape, what, f"the engine wrote no output {output} for {name}", dtype))
    return outputs


def read_raw(path: Path, shape: tuple[int, ...], what: str, absent: str, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A raw file of ``dtype`` in C order. Raises ``InputError`` when it is not there or of another length."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {absent}") from None
    stored = np.dtype(dtype).newbyteorder("<")
    expected = int(np.prod(shape)) * stored.itemsize
    if len(content) != expected:
        raise InputError(f"{path}: {len(content)} bytes, expected {expected} for {what}")
    return np.frombuffer(content, dtype=stored).reshape(shape)


def raw_output_bytes(
    numbers: Sequence[int], shapes: Mapping[str, tuple[int, ...]], dtypes: Sequence[DTypeLike] | None = None
) -> dict[int, int]:
    """Bytes of each raw output file of an image, by its number."""
    lengths = [math.prod(shape) for shape in shapes.values()]
    parts = zip(numbers, lengths, _dtypes(dtypes, numbers), strict=True)
    return {number: length * dtype.itemsize for number, length, dtype in parts}


def _dtypes(dtypes: Sequence[DTypeLike] | None, numbers: Sequence[int]) -> list[np.dtype]:
    return [np.dtype(dtype) for dtype in dtypes or [np.float32] * len(numbers)]
