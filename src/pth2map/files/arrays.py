"""Arrays that come from files: of the dtype and shape they must have, or refused with a sentence."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pth2map.files.errors import InputError, some


def expect_array(what: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    """Raise ``InputError`` unless ``array`` is of this dtype and shape."""
    if array.dtype != dtype or array.shape != shape:
        expected = f"{np.dtype(dtype)} {shape}"
        raise InputError(f"{what} is {array.dtype} {array.shape}, expected {expected} for these images")


def widened(array: np.ndarray) -> np.ndarray:
    """Integers as int64, real numbers as float64: the same values; anything else as it is."""
    wide = {"i": np.int64, "u": np.int64, "f": np.float64}.get(array.dtype.kind)
    return array if wide is None else array.astype(wide)


def read_npz(path: Path, required: Sequence[str]) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``. Raises ``InputError`` when it is unreadable or lacks one of ``required``."""
    try:
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise InputError(f"{path}: a single array, expected an .npz with {', '.join(required)}")
            arrays = {key: content[key] for key in content.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{path}: not an .npz of plain arrays, expected {', '.join(required)}") from None
    except (EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole .npz file ({error}); make it again") from None
    lacking = [key for key in required if key not in arrays]
    if lacking:
        raise InputError(f"{path}: no array {some(lacking)}; it holds {some(sorted(arrays)) or 'none'}")
    return arrays
