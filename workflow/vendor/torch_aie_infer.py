"""Run a traced network on an Ascend card through torch_aie: a folder of .npy inputs to raw float32 outputs.

It runs in the vendor's own interpreter (Python 3.9, torch 2.0.1), so it stands alone and keeps to the syntax of Python
3.7. The network is compiled at each start, as on the Ascend page of RetinaFace. Of the two rates that were published of
it both are measured: of forwards alone, between synchronisations of a stream and after the warm-up, and of the whole
loop, in which inputs are read and outputs written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(f"error: {missing}; run this with the interpreter that torch_aie is installed for", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


class Times(NamedTuple):
    """Seconds: of each forward in the order of the inputs, and of the whole loop."""

    forwards: list[float]
    loop: float


def fail(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def take_card(owner: str, device: int) -> Any:
    """The module torch_aie, once the card was taken by the call of ``owner``."""
    try:
        if owner == "torch_npu":
            import torch_npu  # noqa: PLC0415
        import torch_aie  # noqa: PLC0415
    except (ImportError, OSError) as missing:  # OSError: one of its libraries
        fail(
            f"{missing}; source the toolkit's set_env.sh, and run this with the interpreter torch_aie is installed for"
        )
    if owner == "torch_npu":
        torch_npu.npu.set_device(f"npu:{device}")
    else:
        torch_aie.set_device(device)
    return torch_aie


def list_inputs(folder: Path, limit: int | None) -> list[Path]:
    """The inputs, sorted by name."""
    if not folder.is_dir():
        fail(f"{folder}: no such folder of inputs")
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        fail(f"{folder}: holds no input; expected files <stem>.npy")
    return paths[:limit]


def load_network(path: Path) -> Any:
    if not path.is_file():
        fail(f"{path}: no such file; expected a traced network (.ts)")
    try:
        return torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        fail(
            f"{path}: torch {torch.__version__} cannot load it ({first_line(error)}); a newer torch wrote it, or it is "
            "no whole TorchScript file: `trace: vendor` makes it in this interpreter"
        )


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".:")


def compile_network(torch_aie: Any, network: Any, shape: Sequence[int], precision: str) -> Any:
    """For ``fp32`` nothing is passed, as on the page: torch_aie prefers float32 then."""
    options = {"precision_policy": torch_aie._enums.PrecisionPolicy.FP16} if precision == "fp16" else {}
    return torch_aie.compile(network, inputs=[torch_aie.Input(shape, dtype=torch.float)], **options)


def read_input(path: Path, shape: Sequence[int]) -> np.ndarray:
    try:
        array = np.load(str(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        fail(f"{path}: not a readable .npy file ({first_line(error)}); run the prepare stage again")
    if array.shape != tuple(shape) or array.dtype != np.float32:
        fail(f"{path}: holds {array.dtype} {array.shape}, expected float32 {tuple(shape)}")
    return np.ascontiguousarray(array)


def write_outputs(folder: Path, stem: str, outputs: Sequence[Any], numbers: Sequence[int]) -> None:
    """``<stem>_<number>.bin`` each, in C order; float16, which holds no more than float32, is widened."""
    if len(outputs) != len(numbers):
        fail(f"the network has {len(outputs)} outputs, and --numbers has {len(numbers)}: {join(numbers)}")
    for output, number in zip(outputs, numbers):  # noqa: B905  Python 3.9 has no strict
        if not output.is_floating_point():
            fail(f"output {number} of {stem} is {output.dtype}; expected are floating-point numbers")
        output.float().contiguous().numpy().tofile(str(folder / f"{stem}_{number}.bin"))


def join(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def run(torch_aie: Any, compiled: Any, paths: Sequence[Path], args: argparse.Namespace) -> Times:
    place = f"npu:{args.device}"
    stream = torch_aie.npu.Stream(place)
    forwards = []
    start = time.perf_counter()
    with torch.no_grad(), torch_aie.npu.stream(stream):
        for path in paths:
            image = torch.from_numpy(read_input(path, args.shape)).to(place)
            stream.synchronize()
            before = time.perf_counter()
            outputs = compiled(image)
            stream.synchronize()
            forwards.append(time.perf_counter() - before)
            outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
            write_outputs(args.outputs, path.stem, [output.to("cpu") for output in outputs], args.numbers)
    return Times(forwards, time.perf_counter() - start)


def describe(times: Times, warmup: int) -> dict[str, Any]:
    """Both rates in images per second and the forwards after ``warmup`` in milliseconds, which may be none."""
    images = len(times.forwards)
    measured: dict[str, Any] = {
        "images": images,
        "warmup": warmup,
        "loop_seconds": times.loop,
        "loop_images_per_s": images / times.loop,
        "forward_images_per_s": None,
        "forward_ms": None,
    }
    milliseconds = 1000 * np.array(times.forwards[warmup:])
    if not milliseconds.size:
        measured["note"] = f"{images} images are no more than the warm-up of {warmup}: no forward was left to measure"
        return measured
    p50, p90, p99 = np.percentile(milliseconds, [50, 90, 99])
    least, most, mean = milliseconds.min(), milliseconds.max(), milliseconds.mean()
    latency = {"mean": mean, "p50": p50, "p90": p90, "p99": p99, "min": least, "max": most}
    measured["forward_images_per_s"] = float(1000 / mean)
    measured["forward_ms"] = {name: float(value) for name, value in latency.items()}
    return measured


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


def shape_of(text: str) -> tuple[int, ...]:
    shape = tuple(int(part) for part in text.split(","))
    if len(shape) != 4 or shape[:2] != (1, 3) or min(shape) < 1:
        raise ValueError
    return shape


def numbers_of(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ValueError
    return numbers


def natural(text: str) -> int:
    if int(text) < 0:
        raise ValueError
    return int(text)


def positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ts", required=True, type=Path, help="traced network")
    parser.add_argument("--inputs", required=True, type=Path, help="folder of <stem>.npy, float32 of --shape each")
    parser.add_argument("--outputs", required=True, type=Path, help="folder for <stem>_<number>.bin, float32")
    parser.add_argument(
        "--numbers", required=True, type=numbers_of, help="number of each output of the network in the names of files"
    )
    parser.add_argument("--shape", required=True, type=shape_of, help="of an input: 1,3,H,W")
    parser.add_argument("--precision", choices=["fp32", "fp16"], default="fp32", help="default: fp32")
    parser.add_argument("--device", type=natural, default=0, help="number of the card (default: 0)")
    parser.add_argument(
        "--set-device",
        required=True,
        choices=["torch_npu", "torch_aie"],
        help="whose set_device takes the card: torch_npu's, as published, or torch_aie's, as in later revisions",
    )
    parser.add_argument("--warmup", type=natural, default=5, help="first forwards that are not measured (default: 5)")
    parser.add_argument("--limit", type=positive, help="only so many inputs, the first by name")
    parser.add_argument("--report", required=True, type=Path, help="rates and versions (.json)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)  # newer torch
    paths = list_inputs(args.inputs, args.limit)
    torch_aie = take_card(args.set_device, args.device)
    network = load_network(args.ts)
    start = time.perf_counter()
    compiled = compile_network(torch_aie, network, args.shape, args.precision)
    compile_seconds = time.perf_counter() - start
    args.outputs.mkdir(parents=True, exist_ok=True)
    measured = describe(run(torch_aie, compiled, paths, args), args.warmup)
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_aie": getattr(torch_aie, "__version__", None),
        "numpy": np.__version__,
    }
    report = {
        "shape": args.shape,
        "precision": args.precision,
        "device": args.device,
        "set_device": args.set_device,
        "numbers": args.numbers,
        "compile_seconds": compile_seconds,
        "versions": versions,
        "rehearsal": bool(os.environ.get("PTH2MAP_REHEARSAL")),
    }
    report.update(measured)
    write_json(args.report, report)


if __name__ == "__main__":
    main()
