"""The chips that Ascend's ``npu-smi info`` lists."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pth2map.engines.tool_output import lines, tail
from pth2map.files.errors import InputError

_ID = r"(\d{1,9})"
_NUMBER = r"(\d{1,9}|NA|-)"
_USAGE = rf"{_NUMBER}\s*/\s*{_NUMBER}"
_NPU = re.compile(rf"{_ID}\s+(\S+)")
_HEALTH = re.compile(r"[A-Za-z]+")
_CHIP = re.compile(rf"{_ID}(?:\s+{_ID})?")
_BUS = re.compile(r"NA|-|[0-9A-Fa-f:.]+")
_LOAD = re.compile(rf"{_NUMBER}\s+(?:{_USAGE}\s+)?{_USAGE}")

_FIT = ("OK", "Warning")


@dataclass(frozen=True)
class Chip:
    """A chip as the two rows of the table show it; None where they hold no value (``NA``)."""

    npu: int
    """Number of the card, any."""
    name: str
    """Such as ``310P3``."""
    health: str
    """``OK``, ``Warning``, ``Alarm``, ``Critical`` or ``UNKNOWN``."""
    chip: int
    """Number on its card."""
    logic: int | None
    """The number by which programs ask for it; tables of some cards have no such column."""
    bus: str | None
    aicore_percent: int | None
    memory_used_mb: int | None
    """Of the device's memory: HBM where the table has such a column."""
    memory_total_mb: int | None


def chips(text: str) -> list[Chip]:
    """The chips in what ``npu-smi info`` printed, in its order.

    A row of name and health is followed by one of bus and load; widths, the version's line and the table of processes
    do not matter. Raises ``InputError`` when there is no chip, whatever the exit status was, and for a first row
    without its second.
    """
    printed = lines(text)
    rows = iter([cell.strip() for cell in line[1:-1].split("|")] for line in printed if re.fullmatch(r"\|.*\|", line))
    found = [
        _chip(npu, row[1], next(rows, ()))  # the second row may look like a first one, with NA in the place of health
        for row in rows
        if len(row) == 3 and (npu := _NPU.fullmatch(row[0])) and _HEALTH.fullmatch(row[1])
    ]
    if not found:
        driver = "; is the driver loaded, and may this user use it?" if "dcmi module" in text else ""
        raise InputError(f"npu-smi info lists no chip: {tail(printed)}{driver}")
    return found


def soc_version(chips: Sequence[Chip], device: int) -> str:
    """What ``atc --soc_version`` calls the chip ``device``: ``Ascend`` and its name.

    ``device`` is a logic id, or a place in the table where it has none. Raises ``InputError`` when there is no such
    chip or more than one, when its health is neither ``OK`` nor ``Warning``, and for a chip whose row gives the family
    alone (``Ascend910``).
    """
    numbers = [place if chip.logic is None else chip.logic for place, chip in enumerate(chips)]
    if numbers.count(device) != 1:
        there = ", ".join(map(str, numbers)) or "none"
        raise InputError(f"npu-smi info has no single device {device}; devices there: {there}")
    chip = chips[numbers.index(device)]
    if chip.health not in _FIT:
        raise InputError(f"device {device} ({chip.name}) is in the state {chip.health}; expected {' or '.join(_FIT)}")
    if chip.name.startswith("Ascend"):
        raise InputError(
            f"device {device} is listed as {chip.name}, which is no --soc_version; name the chip by hand, from Chip "
            f"Name and NPU Name of npu-smi info -t board -i {chip.npu} -c {chip.chip}"
        )
    return f"Ascend{chip.name}"


def _chip(npu: re.Match[str], health: str, row: Sequence[str]) -> Chip:
    cells = row if len(row) == 3 else ("", "", "")
    chip, bus, load = _CHIP.fullmatch(cells[0]), _BUS.fullmatch(cells[1]), _LOAD.fullmatch(cells[2])
    if not chip or not bus or not load:
        raise InputError(
            f"npu-smi info: expected chip, bus and load of NPU {npu[1]} ({npu[2]}) below its row, found "
            f"{' | '.join(row) or 'nothing'}"
        )
    percent, *_, used, total = load.groups()
    return Chip(
        npu=int(npu[1]),
        name=npu[2],
        health=health,
        chip=int(chip[1]),
        logic=_number(chip[2]),
        bus=None if bus[0] in ("NA", "-") else bus[0],
        aicore_percent=_number(percent),
        memory_used_mb=_number(used),
        memory_total_mb=_number(total),
    )


def _number(word: str | None) -> int | None:
    return None if word in (None, "NA", "-") else int(word)
