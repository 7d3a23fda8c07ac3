"""Run a compiled model on a Vastai card through vaststreamx: a list of .npz pictures to .npz outputs, as vamp does.

It runs in the vendor's own interpreter (Python 3.8), so it stands alone and keeps to the syntax of Python 3.7. One
thread hands pictures over to an asynchronous stream, another takes the results, in step with the published run of
RetinaFace. The rate is that of the whole loop: reading files, copying pictures to the card, running, copying results
back and writing them, at once where they can be. As none of them can be subtracted from it, the rate without files is
measured by itself: pictures that are held in memory go through a second stream.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    import numpy as np
except ImportError as missing:
    print(f"error: {missing}; run this with the interpreter that vaststreamx is installed for", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

KEY = "input_0"
AHEAD = 20
"""Pictures that may be under way, besides one batch: as many as in the published run."""
HELD = 16
"""Pictures that are held in memory for the rate without files."""
PATIENCE = 10
"""Seconds to wait for a stream to close; one that has failed may never do."""


class Refusal(Exception):
    """One sentence for a person."""


class Opened(NamedTuple):
    """A stream that takes pictures, the operator whose results it gives, and what must live as long as both."""

    stream: Any
    output: Any
    parts: tuple[Any, ...]


class Feeder(threading.Thread):
    """Hands pictures over to a stream and closes it behind the last one, or behind the first that fails."""

    def __init__(self, stream: Any, images: Iterator[Any], ahead: int) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self.slots = threading.Semaphore(ahead)
        self._stream = stream
        self._images = images
        self._stopped = False

    def run(self) -> None:
        try:
            try:
                for image in self._images:
                    self.slots.acquire()
                    if self._stopped:
                        break
                    self._stream.run_async([image])
            finally:
                self._stream.close_input()
                self._stream.wait_until_done()
        except Exception as error:  # vaststreamx raises Exception itself
            self.failure = error

    def stop(self) -> None:
        """Let it close the stream, also before the last picture, when it may be waiting for a slot."""
        self._stopped = True
        self.slots.release()
        self.join(PATIENCE)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".:") or type(error).__name__


def load_vaststreamx() -> Any:
    try:
        import vaststreamx  # noqa: PLC0415
    except (ImportError, OSError) as missing:  # OSError: one of its libraries
        raise Refusal(
            f"{missing}; source the activate.sh of vaststreamx, and run this with the interpreter it is installed for"
        ) from None
    return vaststreamx


def take_device(vsx: Any, device: int) -> None:
    try:
        status = vsx.set_device(device)
    except Exception as error:
        status = first_line(error)
    if status != 0:
        raise Refusal(f"device {device}: set_device gave {status}, expected 0; is there such a device?")


def open_stream(vsx: Any, args: argparse.Namespace) -> Opened:
    """From pictures through the operators of the JSON file and the model to the outputs of the model."""
    try:
        model = vsx.Model(args.model_prefix, args.batch)
        output = vsx.ModelOperator(model)
    except Exception as error:
        raise Refusal(f"{args.model_prefix}: vaststreamx cannot open this model ({first_line(error)})") from None
    try:
        operators = vsx.Operator.load_ops_from_json_file(str(args.vdsp_params))
    except Exception as error:
        raise Refusal(f"{args.vdsp_params}: vaststreamx cannot read these operators ({first_line(error)})") from None
    if not operators:
        raise Refusal(f"{args.vdsp_params}: vaststreamx finds no operator in it")
    try:
        graph = vsx.Graph()
        graph.add_operators(*operators, output)
        stream = vsx.Stream(graph, vsx.StreamBalanceMode.ONCE)
        stream.register_operator_output(output)
        stream.build()
    except Exception as error:
        raise Refusal(
            f"vaststreamx cannot build a stream of {args.vdsp_params} and {args.model_prefix} ({first_line(error)})"
        ) from None
    return Opened(stream, output, (model, operators, graph))


def read_list(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text file"
        raise Refusal(f"{path}: cannot be read ({reason}); expected a list of .npz files") from None
    if not lines:
        raise Refusal(f"{path}: lists nothing; expected the path of an .npz file in each line")
    return [Path(line) for line in lines]


def read_picture(path: Path) -> np.ndarray:
    """``(3, h, w)`` uint8 RGB."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = arrays.files
            picture = arrays[KEY] if KEY in names else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        # The last two are of an .npy file, which numpy opens as well.
        raise Refusal(f"{path}: not a readable .npz file ({first_line(error)}); run the prepare stage again") from None
    if picture is None:
        raise Refusal(f"{path}: holds {', '.join(names) or 'nothing'}, expected {KEY}")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] != 3 or not picture.size:
        raise Refusal(f"{path}: {KEY} is {picture.dtype} {picture.shape}, expected uint8 (3, h, w)")
    return np.ascontiguousarray(picture)


def read_pictures(paths: Sequence[Path], seconds: list[float]) -> Iterator[np.ndarray]:
    """Each when it is asked for; ``seconds`` gets the time it took."""
    for path in paths:
        start = time.perf_counter()
        picture = read_picture(path)
        seconds.append(time.perf_counter() - start)
        yield picture


def images_of(vsx: Any, pictures: Iterable[np.ndarray], device: int) -> Iterator[Any]:
    take_device(vsx, device)  # again: it is the feeder's thread that comes here
    for picture in pictures:
        _, height, width = picture.shape
        yield vsx.create_image(picture, vsx.ImageFormat.RGB_PLANAR, width, height, device)


def results_of(opened: Opened, count: int) -> Iterator[Any]:
    """Until the stream ends; ``count`` are expected."""
    taken = 0
    while True:
        try:
            result = opened.stream.get_operator_output(opened.output)
        except ValueError:  # so vaststreamx says that a stream has ended
            return
        except Exception as error:
            raise Refusal(f"vaststreamx failed behind {taken} of {count} results ({first_line(error)})") from None
        if result is not None:  # None: nothing yet
            taken += 1
            yield result


def arrays_of(vsx: Any, result: Sequence[Any]) -> list[np.ndarray]:
    """Outputs of the one picture that ``result`` is of, the axis of the batch in front."""
    if len(result) != 1:
        raise Refusal(f"vaststreamx gave a result of {len(result)} pictures, expected one of each")
    arrays = [vsx.as_numpy(tensor) for tensor in result[0]]
    for number, array in enumerate(arrays):
        if array.ndim == 0 or array.shape[0] != 1:
            raise Refusal(f"output_{number} of a picture is {array.dtype} {array.shape}, expected (1, ...)")
    return arrays


def run(
    vsx: Any,
    args: argparse.Namespace,
    pictures: Iterable[np.ndarray],
    count: int,
    take: Callable[[int, list[np.ndarray]], None],
) -> float:
    """Seconds from the first of ``count`` pictures to the last result; ``take`` gets each with its number from 0.

    Results come in the order of the pictures and do not say whose they are, so there must be one of each.
    """
    opened = open_stream(vsx, args)
    feeder = Feeder(opened.stream, images_of(vsx, pictures, args.device), AHEAD + args.batch)
    start = end = time.perf_counter()
    taken = 0
    feeder.start()
    try:
        for result in results_of(opened, count):
            if taken == count:
                raise Refusal(f"vaststreamx gave more results than the {count} pictures; whose is whose cannot be told")
            take(taken, arrays_of(vsx, result))
            taken += 1
            end = time.perf_counter()
            feeder.slots.release()
    finally:
        feeder.stop()
    if isinstance(feeder.failure, Refusal):
        raise feeder.failure
    if feeder.failure:
        raise Refusal(f"vaststreamx failed behind {taken} of {count} results ({first_line(feeder.failure)})")
    if taken != count:
        raise Refusal(
            f"vaststreamx gave {taken} results of {count} pictures; which are missing cannot be told, so run it again"
        )
    return end - start


def infer(vsx: Any, args: argparse.Namespace, paths: Sequence[Path]) -> dict[str, Any]:
    """Write the outputs of all pictures, and what it took: rates in images per second, of one stream each.

    ``reading_seconds`` and ``writing_seconds`` lie within ``seconds``, while the card worked.
    """
    reading: list[float] = []
    writing: list[float] = []

    def write(number: int, arrays: list[np.ndarray]) -> None:
        start = time.perf_counter()
        named = {f"output_{place}": array for place, array in enumerate(arrays)}
        np.savez(str(args.outputs / f"output_{number:06d}.npz"), **named)
        writing.append(time.perf_counter() - start)

    seconds = run(vsx, args, read_pictures(paths, reading), len(paths), write)
    return {
        "images": len(paths),
        "seconds": seconds,
        "images_per_s": len(paths) / seconds,
        "reading_seconds": sum(reading),
        "writing_seconds": sum(writing),
    }


def infer_from_memory(vsx: Any, args: argparse.Namespace, paths: Sequence[Path]) -> dict[str, Any]:
    """The rate of ``args.iterations`` pictures, the first of the list over and over; None where none was asked for."""
    if not args.iterations:
        return {"memory_images": 0, "memory_images_per_s": None}
    held = [read_picture(path) for path in paths[:HELD]]
    pictures = itertools.islice(itertools.cycle(held), args.iterations)
    seconds = run(vsx, args, pictures, args.iterations, lambda number, arrays: None)
    return {"memory_images": args.iterations, "memory_images_per_s": args.iterations / seconds}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


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
    parser.add_argument("--model-prefix", required=True, help="compiled model: its files without their endings")
    parser.add_argument("--vdsp-params", required=True, type=Path, help="what the card does to a picture (.json)")
    parser.add_argument("--device", type=natural, default=0, help="number of the die (default: 0)")
    parser.add_argument("--batch", type=positive, default=1, help="pictures that the card takes at once (default: 1)")
    parser.add_argument(
        "--datalist", required=True, type=Path, help=f"paths of .npz files, one a line; {KEY}: uint8 (3, h, w) RGB"
    )
    parser.add_argument(
        "--iterations",
        type=natural,
        default=0,
        help=f"then run so many pictures more without files, the first {HELD} over and over (default: 0)",
    )
    parser.add_argument("--outputs", required=True, type=Path, help="folder for output_<line from 0>.npz")
    parser.add_argument("--report", required=True, type=Path, help="rates and versions (.json)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    try:
        paths = read_list(args.datalist)
        vsx = load_vaststreamx()
        take_device(vsx, args.device)
        args.outputs.mkdir(parents=True, exist_ok=True)
        measured = infer(vsx, args, paths)
        measured.update(infer_from_memory(vsx, args, paths))
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        raise SystemExit(2) from None
    versions = {
        "python": platform.python_version(),
        "vaststreamx": getattr(vsx, "__version__", None),
        "numpy": np.__version__,
    }
    report = {
        "batch": args.batch,
        "device": args.device,
        "versions": versions,
        "rehearsal": bool(os.environ.get("PTH2MAP_REHEARSAL")),
    }
    report.update(measured)
    write_json(args.report, report)
    seconds, rate = measured["seconds"], measured["images_per_s"]
    print(f"{measured['images']} images in {seconds} seconds, ({rate} images/second)")


if __name__ == "__main__":
    main()
