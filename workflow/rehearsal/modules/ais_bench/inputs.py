"""Files that go in: which, in what order, and how many a run. Only bytes are counted, as ais_bench does."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ais_bench.log import error, info
from pth2map_rehearsal.om import Tensor

PURE = "pure_infer_data"
"""Stands for a file where no input is given."""
PADDING = "padding_infer_fake_file"
"""Stands for a file in the last group of a listing."""
_SUFFIXES = (".npy", ".NPY", ".bin", ".BIN")

Run = list[list[str]]
"""The files of a run: a list for each input of the model."""


def runs_of(text: str | None, tensors: Sequence[Tensor]) -> list[Run]:
    """The runs that ``--input`` asks for. Raises ``RuntimeError`` after a line that says why it cannot be."""
    if text is None:
        return [[[PURE] for _ in tensors]]
    listings = _listings(text.split(","), tensors)
    size, wanted = _content(listings[0][0]).nbytes, tensors[0].nbytes
    if size == 0 or wanted % size:
        raise _refused(f"arg0 tensorsize: {wanted} filesize: {size} not match")
    files = wanted // size
    count = math.ceil(len(listings[0]) / files)
    info(f"get filesperbatch files0 size:{size} tensor0size:{wanted} filesperbatch:{files} runcount:{count}")
    groups = [_groups(listing, files) for listing in listings]
    return [[groups_of_input[number] for groups_of_input in groups] for number in range(count)]


def _listings(paths: list[str], tensors: Sequence[Tensor]) -> list[list[str]]:
    if Path(paths[0]).is_file():
        for number, path in enumerate(paths):
            if not Path(path).is_file():
                raise _refused(f"Invalid input args.--input:{paths} input[{number}]:{path} {path} not exist")
        if len(paths) % len(tensors):
            raise _refused(f"fileslist:{len(paths)} intensor:{len(tensors)} not match")
        return _groups(paths, len(paths) // len(tensors))
    if not Path(paths[0]).is_dir():
        raise _refused(f"Invalid args. {paths[0]}  of --input is invalid")
    if len(paths) != len(tensors):
        raise _refused(f"Invalid args. args input dir num:{len(paths)} not equal to model inputs num:{len(tensors)}")
    return [_files_of(path) for path in paths]


def _files_of(folder: str) -> list[str]:
    if not Path(folder).is_dir():
        raise _refused(f"Invalid args. {folder} of input args is not a real dir path")
    names = [path.name for path in Path(folder).iterdir() if path.name.endswith(_SUFFIXES)]
    found = sorted(os.path.join(folder, name) for name in names)  # noqa: PTH118  told as it is given
    if not found:
        raise _refused(
            f"{folder} of input args not find valid file,valid file format:[{' '.join(f'*{end}' for end in _SUFFIXES)}]"
        )
    return sorted(found, key=_natural)


def _natural(path: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part.lower() for part in re.split("([0-9]+)", path)]


def _groups(files: list[str], size: int) -> list[list[str]]:
    padded = files + [PADDING] * (-len(files) % size)
    return [padded[start : start + size] for start in range(0, len(padded), size)]


def _content(path: str) -> np.ndarray:
    if path.endswith((".npy", ".NPY")):
        return np.frombuffer(np.load(path).tobytes(), dtype=np.uint8)
    return np.fromfile(path, dtype=np.uint8)


def array_of(files: list[str], tensor: Tensor, pure_data_type: str) -> np.ndarray:
    """The files of one input of a run as its tensor: their bytes one after another, whatever they mean."""
    parts = []
    for path in files:
        if path == PURE:
            parts.append(_pure(tensor.nbytes, pure_data_type))
        else:
            parts.append(_content(files[0] if path == PADDING else path))
    content = np.concatenate(parts)
    if len(parts) > 1 and content.nbytes != tensor.nbytes:
        raise _refused(f"ndata size:{content.nbytes} not match {tensor.nbytes}")
    if content.nbytes != tensor.nbytes:
        error(f"Check i:0 name:{tensor.name} in size:{content.nbytes} needsize:{tensor.nbytes} not match")
        raise RuntimeError("[1][ACL: invalid parameter]")
    return content.view(tensor.dtype).reshape(tensor.shape)


def _pure(size: int, kind: str) -> np.ndarray:
    if kind == "random":
        return np.random.default_rng().integers(0, 256, size, dtype=np.uint8)
    return np.zeros(size, dtype=np.uint8)


def _refused(text: str) -> RuntimeError:
    error(text)
    return RuntimeError()
