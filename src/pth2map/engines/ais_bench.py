"""Ascend's ``ais_bench``, which runs a compiled graph over tensor files: its figures, its outputs and its failures.

What it prints and writes changed several times (Ascend/tools from May 2022 on, later MindStudio's msit); all of it is
read here.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pth2map.engines.tool_output import ended, lines, tail
from pth2map.files.errors import InputError
from pth2map.files.json_input import read_json_input

_NAMES: Mapping[str, str] = MappingProxyType(
    {"min": "min_ms", "max": "max_ms", "mean": "mean_ms", "median": "median_ms", "percentile(99%)": "p99_ms"}
)
_TIMES = re.compile(r"NPU_compute_time \(ms\): " + ", ".join(rf"{re.escape(name)} = (\S+)" for name in _NAMES) + "$")
_THROUGHPUT = re.compile(
    r"throughput (?:1000\*batchsize(?:\.mean)?\((?P<batch>\S+?)\)/NPU_compute_time\.mean\(\S+?\)"
    r"|\(1000\*batchsize/NPU_compute_time\)|(?P<inverted>\(1000/NPU_compute_time/batchsize\))): (?P<value>\S+)$"
)
_OUTPUT = re.compile(r"\[INFO\] output path:(.+)$")
_GROUPS = re.compile(r"get filesperbatch files0 size:\d+ tensor0size:\d+ filesperbatch:(\d{1,9}) runcount:(\d{1,9})$")
OLD_SUMMARY = "sumary.json"  # its spelling
"""Inside the folder of outputs, before November 2022."""

_ERROR = re.compile(r"\[ERROR\]|^[\w.]*(?:Error|Exception)(?::|$)|^\S+: error: ")
_ABSENT = re.compile(
    r"^(?:ModuleNotFoundError: |(?P<interpreter>.*): )No module named '?(?P<module>ais_bench|aclruntime)\b"
)
_HINTS: Mapping[str, str] = MappingProxyType(
    {
        r"lib(ascendcl|ascend_hal)\S*: cannot open": "source CANN's set_env.sh: name it in engines.<name>.setup",
        r"load model from file failed": "the .om is missing, damaged, or compiled for another chip or by a newer CANN",
        r"acl open device \d+ failed": "npu-smi info shows which devices there are and how they are",
        r"tensorsize: ?\d+ filesize: ?\d+ not match": "the input files are of another size or type than the model's",
    }
)


@dataclass(frozen=True)
class Figures:
    """What ais_bench measured of the device alone: milliseconds of a run, without copies and files."""

    throughput: float
    """Images a second, 1000 · ``batch`` / ``mean_ms``; what fills up the last run counts as images too."""
    mean_ms: float
    min_ms: float
    max_ms: float
    median_ms: float
    p99_ms: float
    batch: float
    """Images of a run."""
    output_path: str | None
    """The folder it wrote to, as a log names it; None when it wrote nothing."""
    files_per_batch: int | None
    """Input files that it put into a run, as a log names them; None when it was given none."""
    runs: int | None
    """Of all input files, as a log names them."""


@dataclass(frozen=True)
class Summary:
    """The summary file: figures, and the milliseconds of each run, where that age of the tool writes them."""

    figures: Figures
    milliseconds: tuple[float, ...] | None


def read_log(text: str, batch: float | None = None) -> Figures:
    """The figures in what ais_bench printed, progress bars and all.

    ``batch`` is that of the compiled graph; it has to be given where the log does not name it (before September 2022),
    and is held to the log where it does. The throughput of May 2022 is divided by the batch where it should be
    multiplied: for these logs it is computed anew.

    Raises ``InputError`` when there is no summary or more than one, for a figure that is not positive, and for a
    throughput more than 1 % off what batch and mean time give.
    """
    printed = lines(text)
    times = [found for line in printed if (found := _TIMES.search(line))]
    throughputs = [found for line in printed if (found := _THROUGHPUT.search(line))]
    if not times or not throughputs:
        raise InputError(f"ais_bench printed no performance summary: {tail(printed)}")
    if len(times) > 1 or len(throughputs) > 1:
        count = max(len(times), len(throughputs))
        raise InputError(
            f"ais_bench printed {count} performance summaries, expected one; run one device and one shape at a time"
        )
    (time,), (throughput,) = times, throughputs
    if throughput["batch"]:
        named = _positive(throughput["batch"], "ais_bench: batchsize")
        if batch not in (None, named):
            raise InputError(f"ais_bench printed figures for the batch {named:g}, expected {batch:g}")
        batch = named
    if batch is None:
        raise InputError(
            "ais_bench printed a throughput without its batch, as it did before September 2022; name the batch"
        )
    of_a_run = _times(dict(zip(_NAMES, time.groups(), strict=True)), "ais_bench")
    value = _positive(throughput["value"], "ais_bench: throughput")
    inverted = throughput["inverted"] is not None
    _require_agreement(value, 1 / batch if inverted else batch, of_a_run["mean_ms"], "ais_bench")
    output = next((found[1].strip() for line in printed if (found := _OUTPUT.search(line))), None)
    groups = next((found for line in printed if (found := _GROUPS.search(line))), None)
    return Figures(
        throughput=1000 * batch / of_a_run["mean_ms"] if inverted else value,
        batch=batch,
        output_path=output,
        files_per_batch=int(groups[1]) if groups else None,
        runs=int(groups[2]) if groups else None,
        **of_a_run,
    )


def find_summary(parent: Path, dirname: str) -> Path:
    """The summary file of ``--output parent --output_dirname dirname``.

    It lies beside the folder, or in it (before November 2022). Raises ``InputError`` when it is at neither place.
    """
    places = (parent / f"{dirname}_summary.json", parent / dirname / OLD_SUMMARY)
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"ais_bench wrote no summary: neither {places[0]} nor {places[1]}")


def read_summary(path: Path, batch: float) -> Summary:
    """The figures of the summary file ``path``, which names no ``batch``, and the milliseconds of its runs.

    Raises ``InputError`` for a file that is no whole summary, and as :func:`read_log` does.
    """
    content = read_json_input(path, "a summary of ais_bench")
    times = content.get("NPU_compute_time") if isinstance(content, dict) else None
    if not isinstance(times, dict):
        raise InputError(f"{path}: no NPU_compute_time in it, expected a summary of ais_bench")
    of_a_run = _times(times, f"{path}: NPU_compute_time")
    throughput = _positive(content.get("throughput"), f"{path}: throughput")
    _require_agreement(throughput, batch, of_a_run["mean_ms"], str(path))
    figures = Figures(throughput=throughput, batch=batch, output_path=None, files_per_batch=None, runs=None, **of_a_run)
    return Summary(figures, _milliseconds(path, content.get("npu_compute_time_list"), figures.mean_ms))


def judge(log: str, status: int) -> None:
    """Raise ``InputError`` unless the exit status is 0; ``log`` is stdout and stderr of ais_bench.

    The sentence holds its error lines (or its last ones) and what to do about those that a person can mend.
    """
    if status == 0:
        return
    printed = lines(log)
    if absent := next((found for line in printed if (found := _ABSENT.search(line))), None):
        interpreter = f"the interpreter {absent['interpreter']}" if absent["interpreter"] else "the interpreter"
        raise InputError(
            f"{interpreter} has no {absent['module']}; install its wheel there, or name another interpreter"
        )
    errors = [line for line in printed if _ERROR.search(line)]
    hint = next((hint for pattern, hint in _HINTS.items() if re.search(pattern, log)), None)
    raise InputError(f"{ended('ais_bench', status)}: {tail(errors or printed)}{f'; {hint}' if hint else ''}")


def check_grouping(figures: Figures, files: int, batch: int) -> None:
    """Raise ``InputError`` unless each run took ``batch`` of the ``files``.

    ais_bench divides the bytes of the model's input by those of the first file and knows no types: four uint8 images
    fit into the float32 input of one.
    """
    runs = math.ceil(files / batch)
    if (figures.files_per_batch, figures.runs) == (batch, runs):
        return
    if figures.files_per_batch is None:
        raise InputError("ais_bench did not print how it groups its input files; was it given --input?")
    raise InputError(
        f"ais_bench put {figures.files_per_batch} files into each of {figures.runs} runs, expected {batch} in each of "
        f"{runs} ({files} files); a file has other bytes than one image of the model: is one uint8, the other float32?"
    )


def _times(words: Mapping[str, Any], where: str) -> dict[str, float]:
    return {field: _positive(words.get(name), f"{where}: {name}") for name, field in _NAMES.items()}


def _positive(value: Any, what: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{what} is {value}, expected a number above 0")
    return number


def _require_agreement(throughput: float, factor: float, mean: float, where: str) -> None:
    expected = 1000 * factor / mean
    if not math.isclose(throughput, expected, rel_tol=0.01):
        raise InputError(
            f"{where}: a throughput of {throughput:g} contradicts the mean of {mean:g} ms, which gives {expected:g}"
        )


def _milliseconds(path: Path, values: Any, mean: float) -> tuple[float, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list) or not values:
        raise InputError(f"{path}: npu_compute_time_list holds no times, expected the milliseconds of each run")
    times = tuple(_positive(value, f"{path}: a time of npu_compute_time_list") for value in values)
    if not math.isclose(math.fsum(times) / len(times), mean, rel_tol=0.01):
        raise InputError(f"{path}: the mean of npu_compute_time_list contradicts the mean of {mean:g} ms")
    return times
