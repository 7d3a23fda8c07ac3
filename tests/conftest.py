"""Where the tests find real data; without it they are skipped and say why."""

import os
from pathlib import Path

import pytest

# One thread a process: two workers with unpinned threads each are slower than one.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PTH2MAP_PROGRESS"] = "off"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left alone with one of them in the end."""
    long = ("workflow/test_kills.py", "workflow/")
    items.sort(key=lambda item: next((n for n, part in enumerate(long) if part in item.nodeid), len(long)))


def _folder(variable: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set")
    if not Path(folder).is_dir():
        pytest.skip(f"{variable}={folder} is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden values."""
    return _folder("PTH2MAP_GOLDEN")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of data sets and weights."""
    return _folder("PTH2MAP_MIRROR")
