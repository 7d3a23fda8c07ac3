"""Vastai's ``vamp``, which runs a compiled model on a card: its figures, its outputs and its failures.

What it prints differs by version (2.1.0, 2.4 and 2.5 are known, from logs on VastModelZOO's pages), in order and indent
above all, so it is read key by key.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from pth2map.engines.tool_output import ended, lines, tail
from pth2map.files.arrays import read_npz
from pth2map.files.errors import InputError, some
from pth2map.recipes.card_files import list_card_outputs, read_datalist
from pth2map.recipes.card_form import without_ones

_INSTANCES = re.compile(r"(?:-|\*+)?\s*number of instances in each device:\s*([^\s*]+)\s*\**")
_DEVICES = re.compile(r"-?\s*devices: \[\s*(\d{1,9}(?:,\s*\d{1,9})*)\s*\]")
_SAMPLES, _SECONDS, _THROUGHPUT = "samples", "forwad time (s)", "throughput (qps)"  # its spelling
_READINGS: Mapping[str, str] = MappingProxyType(
    {
        "ai utilize (%)": "utilisation_percent",
        "temperature (°C)": "temperature_celsius",
        "card power (W)": "power_watt",
        "die memory used (MB)": "memory_mb",
    }
)
_KEYS = ("batch size", _SAMPLES, _SECONDS, _THROUGHPUT, *_READINGS)
_FIGURE = re.compile(rf"-?\s*({'|'.join(map(re.escape, _KEYS))}):\s*(\S+)")
_SECTION = re.compile(r"-?\s*(e2e|model) latency \(us\):\s*(.*)")
_TIME = re.compile(r"(avg|min|max|p\d{1,3}) latency: ([^\s,;]+)")
_TIMES = re.compile(rf"(?:{_TIME.pattern}[\s,;]*)+")

_ERROR = re.compile(
    r"run err\b|err code: ?\d+"
    r"|^(?:undefined|ambiguous|need)(?: short)? option: |^(?:short )?option needs value: |^option value is invalid: "
)
_HINTS: Mapping[str, str] = MappingProxyType(
    {
        r"err code: ?803012": "the card cannot run this graph, as is known of CenterFace in int8; compile it for fp16",
    }
)


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a run."""

    mean_ms: float
    min_ms: float | None
    max_ms: float | None
    percentiles_ms: Mapping[int, float]
    """By percent; empty where the version prints none."""


@dataclass(frozen=True)
class Block:
    """What vamp measured with so many instances."""

    instances: int
    """On each device."""
    devices: tuple[int, ...]
    batch: int
    throughput: float
    """Images a second, all devices and instances together."""
    samples: int | None = None
    """Images that were run. Like ``seconds`` not told by 2.1.0."""
    seconds: float | None = None
    utilisation_percent: float | None = None
    temperature_celsius: float | None = None
    power_watt: float | None = None
    """Of the card, which may hold several devices."""
    memory_mb: float | None = None
    """Of the device."""
    end_to_end: Latency | None = None
    """From the call to the result. Without ``--forward_mode 1`` most of it is waiting in line, so that it is no
    measure of one picture."""
    model: Latency | None = None
    """Of the network on the device alone."""


def read_log(text: str) -> list[Block]:
    """The figures in what vamp printed: a block for each number of instances (``-i 1:4``), in its order.

    Raises ``InputError`` when there is none, for a block without its instances, devices, batch or throughput or with
    one twice, for a count, time or throughput that is not positive or a reading that is not finite, and for a
    throughput more than 1 % off samples / time, where the version prints both.
    """
    printed = lines(text)
    drafts = _drafts(printed)
    if not drafts:
        raise InputError(f"vamp printed no figures: {tail(printed)}")
    return [
        draft.block(f"vamp, block {number}" if len(drafts) > 1 else "vamp") for number, draft in enumerate(drafts, 1)
    ]


def judge(log: str, status: int) -> None:
    """Raise ``InputError`` unless vamp succeeded; ``log`` is its stdout and stderr.

    Which status a failed run has is not known: an error in the log counts whatever the status. The sentence holds the
    error lines, or the last ones, and what to do about those that a person can mend.
    """
    printed = lines(log)
    errors = [line for line in printed if _ERROR.search(line)]
    if status == 0 and not errors:
        return
    hint = next((hint for pattern, hint in _HINTS.items() if re.search(pattern, log)), None)
    if status == 127:
        hint = "source the activate.sh of vaststreamx and of vastpipe"
    what = ended("vamp", status) if status else "vamp ended with status 0, but met an error"
    raise InputError(f"{what}: {tail(errors or printed)}{f'; {hint}' if hint else ''}")


def check_outputs(
    folder: Path, datalist: Path, names: Sequence[str], outputs: Mapping[str, tuple[tuple[int, ...], DTypeLike]]
) -> None:
    """Raise ``InputError`` unless ``folder`` holds what vamp writes for all images, and nothing else.

    ``names`` (``event/stem``) are the images in the order in which the prepare stage listed them, and the datalist must
    have kept it. There must be one ``output_%06d.npz`` for each line, and in it exactly the arrays ``outputs``, key →
    shape for one image and dtype; axes of length one, such as the batch's, may be more or fewer.
    """
    for line, (listed, expected) in enumerate(zip(read_datalist(datalist, names), names, strict=True), 1):
        if listed != expected:
            raise InputError(
                f"{datalist}, line {line}: lists {listed}, expected {expected}, as the prepare stage does; make the "
                "inputs again"
            )
    for name, path in zip(names, list_card_outputs(folder, datalist, names), strict=True):
        arrays = read_npz(path, list(outputs))
        if unknown := sorted(arrays.keys() - outputs.keys()):
            raise InputError(f"{path} ({name}): holds {some(unknown)}, expected {some(list(outputs))} alone")
        for key, (shape, dtype) in outputs.items():
            array = arrays[key]
            if array.dtype != dtype or without_ones(array.shape) != without_ones(shape):
                raise InputError(
                    f"{path} ({name}): {key} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}; was "
                    "the model compiled from another graph?"
                )


@dataclass
class _Draft:
    """A block as it is read: the words of its lines."""

    instances: str | None = None
    devices: str | None = None
    figures: dict[str, str] = field(default_factory=dict)
    latencies: dict[str, dict[str, str]] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    @property
    def begun(self) -> bool:
        return bool(self.devices or self.figures or self.latencies)

    def put(self, where: dict[str, Any], key: str, word: Any) -> None:
        if key in where:
            self.repeated.append(key)
        where[key] = word

    def block(self, where: str) -> Block:
        if self.repeated:
            raise InputError(f"{where}: {some(self.repeated)} is there twice, expected once for each block")
        lacking = [
            what
            for what, word in {
                "number of instances": self.instances,
                "devices": self.devices,
                "batch size": self.figures.get("batch size"),
                _THROUGHPUT: self.figures.get(_THROUGHPUT),
            }.items()
            if word is None
        ]
        if self.instances is None or self.devices is None or lacking:
            raise InputError(f"{where}: no {', '.join(lacking)}; does its output break off?")
        samples, seconds = self.figures.get(_SAMPLES), self.figures.get(_SECONDS)
        block = Block(
            instances=_count(self.instances, f"{where}: number of instances"),
            devices=tuple(map(int, self.devices.split(","))),
            batch=_count(self.figures["batch size"], f"{where}: batch size"),
            throughput=_positive(self.figures[_THROUGHPUT], f"{where}: {_THROUGHPUT}"),
            samples=None if samples is None else _count(samples, f"{where}: {_SAMPLES}"),
            seconds=None if seconds is None else _positive(seconds, f"{where}: {_SECONDS}"),
            end_to_end=self._latency("e2e", where),
            model=self._latency("model", where),
            **{
                name: _finite(self.figures[key], f"{where}: {key}")
                for key, name in _READINGS.items()
                if key in self.figures
            },
        )
        if block.samples is not None and block.seconds is not None:
            expected = block.samples / block.seconds
            if not math.isclose(block.throughput, expected, rel_tol=0.01):
                raise InputError(
                    f"{where}: a throughput of {block.throughput:g} contradicts {block.samples} samples in "
                    f"{block.seconds:g} s, which give {expected:g}"
                )
        return block

    def _latency(self, section: str, where: str) -> Latency | None:
        if section not in self.latencies:
            return None
        times = {
            name: _positive(word, f"{where}: {name} {section} latency") / 1000
            for name, word in self.latencies[section].items()
        }
        if "avg" not in times:
            raise InputError(f"{where}: no avg {section} latency; does its output break off?")
        percentiles = {int(name[1:]): time for name, time in times.items() if name.startswith("p")}
        return Latency(times["avg"], times.get("min"), times.get("max"), percentiles)


def _drafts(printed: Sequence[str]) -> list[_Draft]:
    """Lines, sorted into blocks. A block begins with its instances, which some versions print twice in a row."""
    drafts: list[_Draft] = []
    draft, section = _Draft(), None
    for line in printed:
        if found := _INSTANCES.fullmatch(line):
            if draft.begun:
                drafts.append(draft)
                draft, section = _Draft(), None
            draft.instances = found[1]
        elif found := _DEVICES.fullmatch(line):
            if draft.devices is not None:
                draft.repeated.append("devices")
            draft.devices = found[1]
        elif found := _FIGURE.fullmatch(line):
            draft.put(draft.figures, found[1], found[2])
        elif found := _SECTION.fullmatch(line):
            if not found[2] or _TIMES.fullmatch(found[2]):
                section = found[1]
                draft.put(draft.latencies, section, {})
                for name, word in _TIME.findall(found[2]):
                    draft.put(draft.latencies[section], name, word)
        elif section and _TIMES.fullmatch(line):
            for name, word in _TIME.findall(line):
                draft.put(draft.latencies[section], name, word)
    announced = drafts and draft.instances is not None
    return [*drafts, draft] if draft.begun or announced else drafts


def _finite(word: str, what: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{what} is {word}, expected a number")
    return number


def _positive(word: str, what: str) -> float:
    number = _finite(word, what)
    if number <= 0:
        raise InputError(f"{what} is {word}, expected a number above 0")
    return number


def _count(word: str, what: str) -> int:
    number = _positive(word, what)
    if not number.is_integer():
        raise InputError(f"{what} is {word}, expected a whole number")
    return int(number)
