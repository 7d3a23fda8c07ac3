"""What the readers of vendor tools share, of what a tool prints and of what it writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pth2map.files.errors import InputError, some


def lines(text: str) -> list[str]:
    """The lines of what a tool printed, without blanks around them and without empty ones.

    A carriage return ends a line too: each state of a progress bar is one.
    """
    return [line for each in text.splitlines() if (line := each.strip())]


def tail(printed: Sequence[str]) -> str:
    """The last three lines for the end of a sentence; states of a progress bar are left out."""
    kept = [line for line in printed if "%|" not in line]
    return " | ".join(kept[-3:]) or "it printed nothing"


def ended(tool: str, status: int) -> str:
    """How a tool came to its end, for the beginning of a sentence; ``status`` as bash or ``subprocess`` gives it."""
    if status == 127:
        return f"{tool} was not found, or lacks a library (status 127)"
    if status in (137, -9):
        return f"{tool} was killed (status {status}), as the system does when memory runs out"
    return f"{tool} failed (status {status})"


def require_outputs(
    folder: Path, stems: Sequence[str], bytes_of: Mapping[int, int], besides: Sequence[str] = ()
) -> None:
    """Raise ``InputError`` unless ``folder`` holds the raw outputs of all images, of their lengths, and nothing else.

    The outputs are ``<stem>_<number>.bin``, ``bytes_of`` each number long. Files called as in ``besides`` are let be.
    """
    expected = {f"{stem}_{number}.bin": length for stem in stems for number, length in bytes_of.items()}
    try:
        there = {path.name: path.lstat().st_size for path in folder.iterdir() if path.name not in besides}
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}, expected a folder of outputs") from None
    faults = {
        "missing": sorted(expected.keys() - there.keys()),
        "not expected": sorted(there.keys() - expected.keys()),
        "of another length": [
            f"{name} ({there[name]} bytes instead of {length})"
            for name, length in sorted(expected.items())
            if name in there and there[name] != length
        ],
    }
    if any(faults.values()):
        listed = "; ".join(f"{len(names)} {fault}: {some(names)}" for fault, names in faults.items() if names)
        raise InputError(f"{folder}: expected {len(expected)} outputs of {len(stems)} images; {listed}")
