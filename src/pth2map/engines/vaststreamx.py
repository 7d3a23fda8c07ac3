"""Vastai's ``vaststreamx``, by the script that runs in the vendor's interpreter: what it reports of a run."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pth2map.files.atomic import read_json
from pth2map.files.errors import InputError


@dataclass(frozen=True)
class Report:
    """Rates are in images a second, each of one stream."""

    images: int
    seconds: float
    """From the first image to the last result, files read and written in it."""
    images_per_s: float
    memory_images_per_s: float | None
    """Of images held in memory, their results dropped; None where that was not asked for."""
    rehearsal: bool
    versions: dict[str, str | None]


def read_report(path: Path, images: int) -> Report:
    """The report of a run that was given ``images`` images.

    Raises ``InputError`` when it is of another number of images, lacks a figure, or a time or rate is not positive.
    """
    content = read_json(path)
    try:
        found, rehearsal, versions = content["images"], content["rehearsal"], content["versions"]
        seconds, rate, memory = (content[key] for key in ("seconds", "images_per_s", "memory_images_per_s"))
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: no {error} in it, expected the report of vaststreamx_infer.py") from None
    if found != images:
        raise InputError(f"{path}: of {found} images, expected {images}; was the list changed during the run?")
    for key, number in {"seconds": seconds, "images_per_s": rate, "memory_images_per_s": memory}.items():
        if not _positive(number) and (key, number) != ("memory_images_per_s", None):
            raise InputError(f"{path}: {key} is {number}, expected a number above 0")
    return Report(found, seconds, rate, memory, rehearsal, versions)


def _positive(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number) and number > 0
