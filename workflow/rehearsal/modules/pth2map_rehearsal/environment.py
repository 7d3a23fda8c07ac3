"""What a shell must have sourced before CANN's tools start."""

import os


def missing_library(library: str) -> str | None:
    """The loader's message for ``library`` of the toolkit, or None where ``set_env.sh`` was sourced."""
    if os.environ.get("ASCEND_TOOLKIT_HOME"):
        return None
    return f"{library}: cannot open shared object file: No such file or directory"
