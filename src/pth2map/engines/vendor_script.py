"""The scripts of ``workflow/vendor``, which run in a vendor's interpreter: why a run of one failed."""

from pth2map.engines.tool_output import ended, lines, tail
from pth2map.files.errors import InputError

_SENTENCE = "error: "


def judge(tool: str, log: str, status: int) -> None:
    """Raise ``InputError`` unless the exit status is 0; ``log`` is stdout and stderr of the script that runs ``tool``.

    What the script says itself is the sentence; of anything else, such as a traceback of the vendor's modules, the last
    lines.
    """
    if status == 0:
        return
    printed = lines(log)
    said = [line.removeprefix(_SENTENCE) for line in printed if line.startswith(_SENTENCE)]
    raise InputError(said[-1] if said else f"{ended(tool, status)}: {tail(printed)}")
