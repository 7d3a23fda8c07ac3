"""What every command of ``workflow/scripts`` does around its one library call."""

import sys
from collections.abc import Callable

from pth2map.files.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Call ``main``; an ``InputError`` ends the process with its sentence on stderr and exit status 2."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
