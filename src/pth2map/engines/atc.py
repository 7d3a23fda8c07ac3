"""CANN's ``atc``, which compiles a graph for an Ascend card: its verdict, and what it is told of input pixels."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pth2map.engines.tool_output import ended, lines, tail
from pth2map.files.errors import InputError
from pth2map.recipes.settings import Size

# Ages of atc write "E10001: text", "E10007: [PID: 1] <time> text" and "[PID: 1] <time> Title(E10007): text".
_MESSAGE = re.compile(r"(?:^|[\s(])([EW][A-Z0-9]\d{4})\b\)?:?(?:\s+|$)(?:\[PID: *\d+\]\s+\S+\s+)?(.*)$")
_REHEARSED = b"PTH2MAP-REHEARSAL-OM"
_START, _SUCCESS, _FAILURE = "ATC start working", "ATC run success", "ATC run failed"

_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "E10001": "check that the file is there and that paths hold nothing but letters, digits, _ - . and /",
        "E10002": "write --input_shape as name:1,3,800,800, in quotes, with ; between several inputs",
        "E10007": "--framework=5 is ONNX",
        "E10016": "--input_shape has to name the inputs of the graph",
        "E10022": "--output is a path with a file name at its end, without .om",
        "E10054": "a variable is not set, or a value lacks its quotes",
        "E19010": "this CANN does not know the operator in this opset; export with a lower one (export.opset)",
        "E40000": "source CANN's set_env.sh, and install the Python modules that it asks for",
        "EC0010": "source CANN's set_env.sh, and install the Python modules that it asks for",
        "EZ3003": "compare --soc_version with what npu-smi info says; if it is right, this CANN has no kernel for the "
        "operator on that chip",
    }
)


def judge(log: str, status: int) -> None:
    """Raise ``InputError`` unless atc succeeded; ``log`` is its stdout and stderr, ``status`` its exit status.

    Success is status 0 and the verdict line. The sentence holds the first error code with its text and what to do about
    it, or the last lines where atc gives no code. Codes of warnings do not count.
    """
    printed = lines(log)
    succeeded = any(line.startswith(_SUCCESS) for line in printed)
    failed = any(line.startswith(_FAILURE) for line in printed)
    if status == 0 and succeeded and not failed:
        return
    if failed:
        what = f"atc failed (status {status})"
    elif succeeded:
        what = f"atc reports success, yet ended with status {status}"
    elif status == 0:
        what = "atc ended without a verdict (status 0)"
    else:
        what = ended("atc", status)
    code, reason = _first_error(printed)
    hint = _HINTS.get(code) or (_hint_of_setup(log) if status == 127 and not failed else None)
    raise InputError(f"{what}: {reason}{f'; {hint}' if hint else ''}")


def is_rehearsed(om: Path) -> bool:
    """Whether a compiled model is of the rehearsal's stand-in, which begins its files so."""
    with om.open("rb") as file:
        return file.read(len(_REHEARSED)) == _REHEARSED


def warnings(log: str) -> list[str]:
    """The lines of a log that hold a warning of atc, as ``W11001: ...``."""
    return [line for line in lines(log) if (found := _MESSAGE.search(line)) and found[1].startswith("W")]


def aipp(size: Size, mean: Sequence[float], variance_reciprocal: Sequence[float]) -> str:
    """The text of a static AIPP config, for ``--insert_op_conf``: no crop, no swap of channels.

    The input then takes uint8 NHWC, and of channel c the graph gets ``(pixel - mean[c]) * variance_reciprocal[c]``.
    Raises ``InputError`` for a size that is not fixed, and for means that are no whole grey levels, of which alone
    ``mean_chn`` is made.
    """
    if size.native:
        raise InputError("AIPP needs one size for all images, found native; give the variant a size in pixels")
    if broken := [value for value in mean if not float(value).is_integer() or not 0 <= value <= 255]:
        raise InputError(
            f"AIPP subtracts whole grey levels from 0 to 255, found {broken[0]}; subtract on the host instead"
        )
    values = {
        "aipp_mode": "static",
        "input_format": "RGB888_U8",
        "src_image_size_w": size.width,
        "src_image_size_h": size.height,
        **{f"mean_chn_{channel}": int(value) for channel, value in enumerate(mean)},
        **{f"var_reci_chn_{channel}": repr(float(value)) for channel, value in enumerate(variance_reciprocal)},
    }
    return "".join(["aipp_op {\n", *(f"    {key}: {value}\n" for key, value in values.items()), "}\n"])


def _first_error(printed: Sequence[str]) -> tuple[str, str]:
    """The first error code and its text; without one, no code and the last lines.

    A flag that atc does not take has a line of its own, and a code that says nothing.
    """
    if flag := next((line for line in printed if line.startswith("ERROR:")), None):
        return "", flag
    for number, line in enumerate(printed):
        found = _MESSAGE.search(line)
        if not found or not found[1].startswith("E"):
            continue
        code, text = found.groups()
        if not text or text.endswith("Error!"):  # of an internal error the next line says more
            text = " ".join([text, *printed[number + 1 : number + 2]]).strip()
        return code, f"{code}: {text.rstrip('.')}"
    said = [line for line in printed if line != "..." and not line.startswith((_START, _SUCCESS, _FAILURE))]
    return "", "it gives no reason" if printed and not said else tail(said)


def _hint_of_setup(log: str) -> str:
    hint = "source CANN's set_env.sh"
    if "libascend_hal" in log:
        hint += "; without a driver, add its <arch>-linux/devlib to LD_LIBRARY_PATH"
    return hint
