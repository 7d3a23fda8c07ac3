"""npu-smi, rehearsed: one card with one chip, whose name is ``PTH2MAP_REHEARSAL_CHIP``, 310P3 by default."""

import sys

from pth2map_rehearsal.environment import chip_name

_USAGE = """\
Usage: npu-smi info [-l | -m]
  info       the cards of this machine and their state
  info -l    their number
  info -m    their chips"""
_WIDTHS = (19, 17, 54)


def main(arguments: list[str]) -> int:
    """Status 0, or 1 and the usage on stderr for everything but ``info``, ``info -l`` and ``info -m``."""
    chip = chip_name()
    texts = {("info",): _table(chip), ("info", "-l"): _list(), ("info", "-m"): _mapping(chip)}
    text = texts.get(tuple(arguments))
    if text is None:
        print(_USAGE, file=sys.stderr)
        return 1
    print(text)
    return 0


def _table(chip: str) -> str:
    line, double = (f"+{'+'.join(mark * width for width in _WIDTHS)}+" for mark in "-=")
    return "\n".join(
        (
            f"+{'-' * (sum(_WIDTHS) + 2)}+",
            f"|{' npu-smi 22.0.0   Version: 22.0.2':{sum(_WIDTHS) + 2}}|",
            line,
            _row("NPU     Name", "Health", "Power(W)     Temp(C)           Hugepages-Usage(page)"),
            _row("Chip    Device", "Bus-Id", "AICore(%)    Memory-Usage(MB)"),
            double,
            _row(f"0       {chip}", "OK", "15.8         42                0    / 0"),
            _row("0       0", "0000:82:00.0", "0            1074 / 21534"),
            double,
        )
    )


def _row(*cells: str) -> str:
    return f"|{'|'.join(f' {cell:{width - 1}}' for cell, width in zip(cells, _WIDTHS, strict=True))}|"


def _list() -> str:
    return "\n".join(
        f"\t{name:<23}: {number}" for name, number in (("Total Count", 1), ("NPU ID", 0), ("Chip Count", 1))
    )


def _mapping(chip: str) -> str:
    rows = (
        ("NPU ID", "Chip ID", "Chip Logic ID", "Chip Name"),
        ("0", "0", "0", f"Ascend {chip}"),
        ("0", "1", "-", "Mcu"),
    )
    return "\n".join(f"\t{''.join(f'{cell:<31}' for cell in row)}".rstrip() for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
