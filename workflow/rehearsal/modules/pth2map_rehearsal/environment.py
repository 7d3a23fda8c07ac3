"""What the machine of a rehearsal has: its chip, and what a shell must have sourced before CANN's tools start."""

import os


def missing_library(library: str) -> str | None:
    """The loader's message for ``library`` of the toolkit, or None where ``set_env.sh`` was sourced."""
    if os.environ.get("ASCEND_TOOLKIT_HOME"):
        return None
    return f"{library}: cannot open shared object file: No such file or directory"


def chip_name() -> str:
    """Of the one chip, as npu-smi calls it."""
    return os.environ.get("PTH2MAP_REHEARSAL_CHIP") or "310P3"
