"""The one error a person is meant to read."""

import difflib
from collections.abc import Sequence


class InputError(ValueError):
    """Something given to pth2map is wrong: a file, a folder, a config value.

    The message is one or two sentences: what, where, what was expected, how to mend it. Commands print it without a
    traceback and exit with status 2; nothing has been written.
    """


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first names of a list for a sentence, and how many more there are.

    >>> some(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def nearest(name: str, allowed: Sequence[str]) -> str:
    """What is allowed instead of ``name``, the nearest first, for the end of a sentence.

    >>> nearest("widreface", ["coco", "widerface"])
    'did you mean widerface? allowed: coco, widerface'
    """
    listed = f"allowed: {', '.join(allowed) or 'nothing yet'}"
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f"did you mean {close[0]}? {listed}" if close else listed
