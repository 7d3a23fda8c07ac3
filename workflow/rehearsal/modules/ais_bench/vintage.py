"""The ages of ais_bench: what one changed against another. The variable of the environment chooses."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "PTH2MAP_REHEARSAL_AIS_BENCH"


@dataclass(frozen=True)
class Vintage:
    """``makes_parents`` False: the folder of outputs must not be there and its parent must.

    ``summary`` follows the path of that folder; ``batchsize`` is the default, None for that of the model, which
    ``batchsize_name`` stands for in the line of the throughput.
    """

    model_flags: tuple[str, ...]
    loop_flags: tuple[str, ...]
    device_flags: tuple[str, ...]
    batchsize: int | None
    batchsize_name: str
    makes_parents: bool
    summary: str


_SHORT = {"model_flags": ("--model", "--om"), "loop_flags": ("--loop", "-r"), "device_flags": ("--device",)}
VINTAGES: Mapping[str, Vintage] = {
    "2022-09": Vintage(**_SHORT, batchsize=1, batchsize_name="batchsize", makes_parents=False, summary="/sumary.json"),
    "2022-11": Vintage(**_SHORT, batchsize=1, batchsize_name="batchsize", makes_parents=True, summary="_summary.json"),
    "2023-06": Vintage(
        model_flags=("--model", "-m"),
        loop_flags=("--loop", "-l"),
        device_flags=("--device", "-d"),
        batchsize=None,
        batchsize_name="batchsize.mean",
        makes_parents=True,
        summary="_summary.json",
    ),
}
"""Ascend/tools at 63a74de, 4ce01e3 and 9d6da90."""


def of_environment() -> Vintage:
    """Raises ``ValueError`` for an age that is not rehearsed."""
    name = os.environ.get(VARIABLE) or "2022-11"
    if name not in VINTAGES:
        raise ValueError(f"{VARIABLE} is {name!r}; it can be {', '.join(VINTAGES)}")
    return VINTAGES[name]
