"""Files that come out: one for each input file and output of the model."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ais_bench.inputs import PADDING, Run
from ais_bench.log import error, info
from ais_bench.summary import FilesInfo
from ais_bench.vintage import Vintage


def make_folder(parent: str, name: str | None, vintage: Vintage) -> str:
    """The folder of outputs, made as ``vintage`` makes it."""
    folder = os.path.join(parent, name or time.strftime("%Y_%m_%d-%H_%M_%S"))  # noqa: PTH118  printed as it is given
    if vintage.makes_parents:
        Path(folder).mkdir(0o755, parents=True, exist_ok=True)
    else:
        Path(folder).mkdir(0o755)
    info(f"output path:{folder}")
    return folder


def save(
    outputs: Sequence[np.ndarray], folder: str, run: Run, number: int, suffix: str, axis: int, files_info: FilesInfo
) -> None:
    """Split ``outputs`` of run ``number`` along ``axis`` into the parts of its files and write those of real ones.

    The name is that of the first input's file up to the first dot; equal names overwrite each other. Raises
    ``RuntimeError`` where an output cannot be split.
    """
    parts = len(run[0])
    for place, output in enumerate(outputs):
        if axis >= output.ndim:
            shape = f"ndata.shape:{output.shape} len:{output.ndim}"
            error(f"error i:{place} {shape} <= output_batchsize_axis:{axis}  is invalid")
            raise RuntimeError
        if parts > 1 and output.shape[axis] % parts:
            error(
                f"save out files error array shape:{output.shape} filesinfo:{run} files_count_perbatch:{parts} "
                f"ndata.shape{axis}:{output.shape[axis]}"
            )
            raise RuntimeError
        for part, values in enumerate(np.array_split(output, parts, axis)):
            files = [listing[part] for listing in run]
            if files[0] == PADDING:
                continue
            path = f"{folder}/{Path(files[0]).name.split('.')[0]}_{place}.{suffix}"
            files_info.add(number * parts + part, files, path)
            _write(Path(path), values)


def _write(path: Path, values: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".txt":
        form = "%f" if values.dtype.kind == "f" else "%d"
        rows = values.reshape(-1, values.shape[-1])
        path.write_text("".join("".join(f"{form % value} " for value in row) + "\n" for row in rows))
    else:
        values.tofile(path)
