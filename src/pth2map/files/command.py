"""What every command of ``workflow/scripts`` does around its one library call."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from pth2map.files.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Call ``main``; an ``InputError``, a file that cannot be used or a lack of memory ends it with one sentence and
    status 2."""
    try:
        main()
    except InputError as error:
        sentence = str(error)
    except MemoryError as error:
        sentence = f"not enough memory{f': {error}' if str(error) else ''}; run fewer jobs at once, or give it more"
    except OSError as error:
        if error.filename is None:
            raise
        sentence = f"{os.fsdecode(error.filename)}: {error.strerror}"
    else:
        return
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def put_python_first() -> None:
    """Let ``python`` in child processes be this interpreter, whether its environment is activated or not.

    Under ``--sdm conda`` the environment of a rule is activated later and comes before it.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
