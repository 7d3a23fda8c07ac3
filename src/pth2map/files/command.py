"""What every command of ``workflow/scripts`` does around its one library call."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pth2map.files.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Call ``main``; what a person can mend ends it with one sentence and status 2.

    That is an ``InputError``, a file that cannot be used, a lack of memory. An interruption ends it with status 130.
    """
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        sentence = str(error)
    except MemoryError as error:
        sentence = f"not enough memory{f' ({error})' if str(error) else ''}; run fewer jobs at once or give it more"
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # whoever reads has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        if error.filename is None:
            sentence = f"cannot write: {error.strerror}" if error.errno == errno.ENOSPC else ""
            if not sentence:
                raise
        else:
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
