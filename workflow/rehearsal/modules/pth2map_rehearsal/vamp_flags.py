"""The command line of vamp, as the parser reads it whose help it prints (VastStreamX-Samples, common/cmdline.hpp)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


class CommandLineError(Exception):
    """A command line that is none; the text is the line above the usage."""


@dataclass(frozen=True)
class Flag:
    """``default`` None: a switch without a value. Where not ``rehearsed``, only the default will do."""

    name: str
    short: str | None
    default: str | None
    rehearsed: bool
    help: str


FLAGS = (
    Flag("model_prefix", "m", "", True, "path of the model without its extension"),
    Flag("model_json", None, "", False, "file of the model"),
    Flag("model_param", None, "", False, "file of the model"),
    Flag("model_lib", None, "", False, "file of the model"),
    Flag("hwconfig", None, "", False, "hardware configuration"),
    Flag("vdsp_params", None, "", True, "JSON file of the preprocessing"),
    Flag("vdsp_parameters", None, "", False, "older name of it"),
    Flag("batch_size", "b", "1", True, "pictures a run"),
    Flag("force_batch_size", None, "0", False, "take the batch size although the model has less"),
    Flag("instance", "i", "1", True, "instances a die, or a range as 1:4"),
    Flag("processes", "p", "1", True, "processes"),
    Flag("device_id", "d", "0", True, "dies: 0, 0:3 or [0,2]"),
    Flag("shape", "s", "", True, "shape of generated pictures, as [3,640,640]; that of the model by default"),
    Flag("dtype", None, "uint8", False, "dtype of pictures"),
    Flag("iterations", None, "1024", True, "runs without a datalist"),
    Flag("forward_time", "t", "0", False, "seconds to run"),
    Flag("forward_mode", None, "0", True, "0 asynchronous, 1 synchronous"),
    Flag("datalist", None, "", True, "text file with the path of an npz file a line"),
    Flag("path_output", None, "", True, "folder of results, with a datalist"),
    Flag("cache_input", None, "0", False, "keep inputs on the card"),
    Flag("cache_input_host", None, "0", False, "keep inputs on the host"),
    Flag("cache_output", None, "0", False, "keep outputs on the card"),
    Flag("file_report", "f", "", False, "YAML report"),
    Flag("config", "c", "", False, "YAML file with these names as keys"),
    Flag("percentiles", None, "[50,90,95,99]", False, "percentiles of latencies"),
    Flag("backend", None, "", False, "vsx or vastpipe"),
    Flag("producer_mode", None, "", False, "how inputs are made"),
    Flag("none_vaml", None, None, False, "leave the state of the card alone"),
    Flag("freqlist", None, "", False, "frequencies"),
    Flag("verbose", None, None, False, "more words"),
    Flag("help", "?", None, True, "print this message"),
)
"""Beside them vamp has -g and -v, whose long names are not known."""

_BY_NAME = {flag.name: flag for flag in FLAGS}
_BY_LETTER = {flag.short: flag for flag in FLAGS if flag.short}


def usage() -> str:
    lines = ["usage: vamp [options] ...", "options:"]
    for flag in FLAGS:
        letter = f"-{flag.short}," if flag.short else "   "
        value = "" if flag.default is None else f" (string [={flag.default}])"
        lines.append(f"  {letter} --{flag.name:<20}{flag.help}{value}")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """The value of each flag that has one, and of switches the given ones. Stray words are ignored.

    Raises ``CommandLineError`` for what is no flag of vamp, or a flag without its value. ``help`` comes before them.
    """
    values = {flag.name: flag.default for flag in FLAGS if flag.default is not None}
    rest, errors = list(arguments), list[str]()
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            flag = _BY_NAME.get(name)
            if flag is None:
                errors.append(f"undefined option: --{name}")
                continue
            given = value if equals else None
        elif word.startswith("-") and len(word) > 1:
            for letter in word[1:-1]:
                if letter not in _BY_LETTER:
                    errors.append(f"undefined short option: -{letter}")
                elif (switch := _BY_LETTER[letter]).default is None:
                    values[switch.name] = ""
                else:
                    errors.append(f"option needs value: --{switch.name}")
            flag, given = _BY_LETTER.get(word[-1]), None
            if flag is None:
                errors.append(f"undefined short option: -{word[-1]}")
                continue
        else:
            continue
        if flag.default is None:
            values[flag.name] = ""
        elif given is None and not rest:
            errors.append(f"option needs value: --{flag.name}")
        else:
            values[flag.name] = rest.pop(0) if given is None else given
    if errors and "help" not in values:
        raise CommandLineError(errors[0])
    return values


def changed(values: dict[str, str]) -> list[str]:
    """Flags that are not rehearsed and have another value than by default."""
    return [flag.name for flag in FLAGS if not flag.rehearsed and values.get(flag.name) not in (None, flag.default)]


def whole(values: dict[str, str], name: str, least: int) -> int:
    """Raises ``CommandLineError``."""
    text = values[name]
    if not re.fullmatch(r"[0-9]+", text) or int(text) < least:
        raise CommandLineError(f"option value is invalid: --{name}={text}")
    return int(text)


def whole_range(values: dict[str, str], name: str, least: int) -> range:
    """``3`` or ``1:4``, both ends in it. Raises ``CommandLineError``."""
    first, colon, last = values[name].partition(":")
    ends = [whole({name: text}, name, least) for text in ([first, last] if colon else [first, first])]
    if ends[0] > ends[1]:
        raise CommandLineError(f"option value is invalid: --{name}={values[name]}")
    return range(ends[0], ends[1] + 1)


def whole_list(values: dict[str, str], name: str) -> tuple[int, ...]:
    """``[3,640,640]``. Raises ``CommandLineError``."""
    if not re.fullmatch(r"\[\d+(,\d+)*\]", text := values[name].replace(" ", "")):
        raise CommandLineError(f"option value is invalid: --{name}={values[name]}")
    return tuple(int(number) for number in text[1:-1].split(","))
