"""vamp, rehearsed: run a compiled model over npz files, or over generated pictures, and time it."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from pth2map_rehearsal import vdsp
from pth2map_rehearsal.vacc import MAX_BATCH, Model, NoCompiledModel, open_model
from pth2map_rehearsal.vamp_flags import CommandLineError, changed, parse, usage, whole, whole_list, whole_range
from pth2map_rehearsal.vamp_report import Statistics, banner, block, head, of_environment

NO_LIBRARY = 127
_KEY = "input_0"
Load = Callable[[int], np.ndarray]


class VampError(Exception):
    """The run cannot be done."""


@dataclass(frozen=True)
class Order:
    """A checked command line. ``datalist`` None: pictures are generated, of ``shape`` or that of the model."""

    prefix: str
    vdsp_params: str
    batch_size: int
    instances: range
    processes: int
    shape: tuple[int, ...] | None
    iterations: int
    synchronous: bool
    datalist: Path | None
    path_output: Path | None


def main(arguments: list[str]) -> int:
    """Status 0 or 1; refusals on stderr, as the usage is. 127 where ``set_env.sh`` was not sourced."""
    if not os.environ.get("VASTPIPE_ROOT"):
        print(
            "vamp: error while loading shared libraries: libvastpipe.so: cannot open shared object file: "
            "No such file or directory",
            file=sys.stderr,
        )
        return NO_LIBRARY
    dialect = of_environment()
    try:
        values = parse(arguments)
        if not arguments or "help" in values:
            print(usage(), file=sys.stderr)
            return 0
        order = check(values)
    except CommandLineError as error:
        print(f"{error}\n{usage()}", file=sys.stderr)
        return 1
    except VampError as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 1
    try:
        preprocessing = vdsp.load(order.vdsp_params)
        model = open_model(order.prefix)
        print(head(dialect, order.prefix, model), flush=True)
        samples, load = _pictures(order, model)
        for instances in order.instances:
            start = _now()
            statistics = _measure(order, instances, model, preprocessing, samples, load)
            print(banner(dialect, instances, samples, order.processes, start, _now()), end="")
            print(block(dialect, statistics), flush=True)
    except (VampError, NoCompiledModel, vdsp.VdspError, OSError) as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 1
    return 0


def check(values: dict[str, str]) -> Order:
    """Raises ``CommandLineError`` for a value that cannot be read, ``VampError`` for what cannot be run."""
    batch_size, iterations = whole(values, "batch_size", 1), whole(values, "iterations", 1)
    instances, processes = whole_range(values, "instance", 1), whole(values, "processes", 1)
    mode = whole(values, "forward_mode", 0)
    shape = whole_list(values, "shape") if values["shape"] else None
    if mode > 1:
        raise CommandLineError(f"option value is invalid: --forward_mode={mode}")
    for name in changed(values):
        raise VampError(f"REHEARSAL: --{name} is not rehearsed; only Vastai's own vamp can take it")
    for name in ("model_prefix", "vdsp_params"):
        if not values[name]:
            raise VampError(f"--{name} is missing")
    if values["device_id"] not in ("0", "[0]", "0:0"):
        raise VampError(f"--device_id {values['device_id']}: there is device 0 alone")
    if processes > instances[0]:
        raise VampError(f"--processes {processes}: one die takes no more processes than instances ({instances[0]})")
    if batch_size > MAX_BATCH:
        raise VampError(f"--batch_size {batch_size}: the model takes at most {MAX_BATCH}")
    if values["path_output"] and not values["datalist"]:
        raise VampError("--path_output needs --datalist")
    return Order(
        prefix=values["model_prefix"],
        vdsp_params=values["vdsp_params"],
        batch_size=batch_size,
        instances=instances,
        processes=processes,
        shape=shape,
        iterations=iterations,
        synchronous=mode == 1,
        datalist=Path(values["datalist"]) if values["datalist"] else None,
        path_output=Path(values["path_output"]) if values["path_output"] else None,
    )


def _pictures(order: Order, model: Model) -> tuple[int, Load]:
    """The number of pictures, and what gives each: a line of the datalist, or one picture again and again."""
    if order.datalist is None:
        picture = _generated(order.shape or model.inputs[0].shape[1:])
        return order.iterations * order.batch_size, lambda number: picture
    lines = order.datalist.read_text(encoding="utf-8").splitlines()
    if not lines:
        raise VampError(f"{order.datalist} lists nothing")
    return len(lines), lambda number: _read(Path(lines[number]))


def _generated(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _read(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if _KEY not in arrays:
                raise VampError(f"{path} has no {_KEY}, but {', '.join(arrays) or 'nothing'}")
            picture: np.ndarray = arrays[_KEY]
    except (OSError, ValueError, BadZipFile) as error:
        raise VampError(f"{path} cannot be read: {error}") from error
    if picture.dtype != np.uint8 or picture.ndim != 3:
        raise VampError(f"{path}: {_KEY} is {picture.dtype} {list(picture.shape)}, expected uint8 [3, h, w]")
    return picture


def _measure(
    order: Order, instances: int, model: Model, preprocessing: vdsp.Vdsp, samples: int, load: Load
) -> Statistics:
    """Run all pictures, as many runs at once as there are instances, and write what comes of them.

    Pictures are read before a run is handed over, and outputs written behind it: the forward time has neither.
    """
    if order.path_output is not None:
        order.path_output.mkdir(parents=True, exist_ok=True)
    forward_time, e2e, model_times = 0.0, list[float](), list[float]()
    at_once = 1 if order.synchronous else instances
    with ThreadPoolExecutor(at_once) as card:
        starts = range(0, samples, order.batch_size)
        for first in range(0, len(starts), 2 * at_once):  # a queue as long as the instances waits behind them
            batches = [range(at, min(at + order.batch_size, samples)) for at in starts[first : first + 2 * at_once]]
            pictures = [[load(number) for number in batch] for batch in batches]
            begun = time.perf_counter()
            if order.synchronous:
                runs = [_run(model, preprocessing, each, time.perf_counter()) for each in pictures]
            else:
                futures = [card.submit(_run, model, preprocessing, each, begun) for each in pictures]
                runs = [future.result() for future in futures]
            forward_time += time.perf_counter() - begun
            for batch, run in zip(batches, runs, strict=True):
                e2e.append(run.e2e)
                model_times.append(run.model)
                for number, outputs in zip(batch, run.outputs, strict=True):
                    if order.path_output is not None:
                        _save(order.path_output, number, outputs)
    return Statistics(instances, order.batch_size, samples, forward_time, e2e, model_times)


@dataclass(frozen=True)
class _Run:
    outputs: Sequence[Sequence[np.ndarray]]
    e2e: float
    model: float


def _run(model: Model, preprocessing: vdsp.Vdsp, pictures: Sequence[np.ndarray], handed_over: float) -> _Run:
    begun = time.perf_counter()
    outputs = model.run(pictures, preprocessing)
    ended = time.perf_counter()
    return _Run(outputs, ended - handed_over, ended - begun)


def _save(folder: Path, number: int, outputs: Sequence[np.ndarray]) -> None:
    arrays = {f"output_{place}": array for place, array in enumerate(outputs)}
    np.savez(folder / f"output_{number:06d}.npz", allow_pickle=False, **arrays)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
