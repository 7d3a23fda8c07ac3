"""``python -m ais_bench``: run a compiled model over files, or over made-up data, and time it."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ais_bench.arguments import parse
from ais_bench.inputs import Run, array_of, runs_of
from ais_bench.log import error, info
from ais_bench.outputs import make_folder, save
from ais_bench.summary import FilesInfo, Times, report, write
from ais_bench.vintage import Vintage, of_environment
from pth2map_rehearsal.environment import chip_name, missing_library
from pth2map_rehearsal.om import NoCompiledModel, read_om
from pth2map_rehearsal.session import Session


def main(arguments: Sequence[str]) -> int:
    """Status 0; 1 by an uncaught ``RuntimeError``, as in ais_bench, or what is not rehearsed; 2 from argparse."""
    if (missing := missing_library("libascendcl.so")) is not None:
        raise ImportError(missing)
    vintage = of_environment()
    args = parse(arguments, vintage)
    if isinstance(args.device, list):
        return _many_devices(args.device)
    session = _open(args)
    _benchmark(session, args, vintage, arguments)
    info("unload model success, model Id is 1")
    info("end to destroy context")
    info(f"end to reset device is {args.device}")
    info("end to finalize acl")
    return 0


def _many_devices(devices: list[int]) -> int:
    """The machine of a rehearsal has device 0 alone, so a list never comes to an end that is good."""
    info(f"multidevice:{devices} run begin")
    for device in devices:
        if device:
            error(f"acl open device {device} failed")
    if not any(devices):
        error(f"--device {','.join(map(str, devices))}: one device twice is not rehearsed")
    info("multidevice run end qsize:0 result:1")
    return 1


def _open(args: argparse.Namespace) -> Session:
    info("acl init success")
    if args.device:
        error(f"acl open device {args.device} failed")
        raise RuntimeError("[507033][ACL: open device failed]")
    info("open device 0 success")
    try:
        model = read_om(Path(args.model))
        if model.soc != f"Ascend{chip_name()}":
            raise NoCompiledModel(f"{args.model} was compiled for {model.soc}")
    except NoCompiledModel as no_model:
        error(f"load model from file failed, model file is {args.model}")
        raise RuntimeError("[1][ACL: invalid parameter]") from no_model
    session = Session(model)
    info(f"load model {args.model} success")
    info("create model description success")
    if args.batchsize is None:
        args.batchsize = model.inputs[0].shape[0]
        info(f"try get model batchsize:{args.batchsize}")
    return session


def _benchmark(session: Session, args: argparse.Namespace, vintage: Vintage, arguments: Sequence[str]) -> None:
    folder = None if args.output is None else make_folder(args.output, args.output_dirname, vintage)
    runs = runs_of(args.input, session.model.inputs)
    for _ in range(args.warmup_count):
        session.execute(_arrays(session, runs[0], args))
    info(f"warm up {args.warmup_count} done")
    times, files_info = Times(), FilesInfo()
    for number, run in enumerate(tqdm(runs, file=sys.stdout, desc="Inference array Processing")):
        outputs = _execute(session, run, args, times)
        if folder is not None:
            save(outputs, folder, run, number, args.outfmt.lower(), args.output_batchsize_axis, files_info)
    said = report(times, args.batchsize, vintage.batchsize_name, args.display_all_summary)
    if folder is not None:
        write(Path(f"{folder}{vintage.summary}"), said, files_info, [__file__, *arguments])


def _arrays(session: Session, run: Run, args: argparse.Namespace) -> list[np.ndarray]:
    tensors = session.model.inputs
    return [array_of(files, tensor, args.pure_data_type) for files, tensor in zip(run, tensors, strict=True)]


def _execute(session: Session, run: Run, args: argparse.Namespace, times: Times) -> list[np.ndarray]:
    start = time.perf_counter()
    arrays = _arrays(session, run, args)
    times.to_device.append(_milliseconds(start))
    if args.loop > 1:
        print(flush=True)
    for count in range(1, args.loop + 1):
        start = time.perf_counter()
        computed = session.execute(arrays)
        times.compute.append(_milliseconds(start))
        if args.loop > 1:
            print(f"\rloop inference exec: ({count}/{args.loop})", end="\n" if count == args.loop else "", flush=True)
    start = time.perf_counter()
    outputs = session.to_host(computed)
    times.to_host.append(_milliseconds(start))
    return outputs


def _milliseconds(start: float) -> float:
    """Since ``start``, as a float of 32 bits, in which ais_bench keeps times."""
    return float(np.float32(1000 * (time.perf_counter() - start)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
