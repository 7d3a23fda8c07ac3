"""Streams, which order and time what the card does. The rehearsal works in step: nothing is ever left to wait for."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch_aie._card import index_of, require_device


class Stream:
    """A queue of the card named by ``device``, such as ``npu:0``."""

    def __init__(self, device: str) -> None:
        require_device()
        index_of(device)

    def synchronize(self) -> None:
        require_device()


@contextmanager
def stream(chosen: Stream) -> Iterator[None]:
    """What is called in the block goes to this stream."""
    if not isinstance(chosen, Stream):
        raise TypeError(f"expected a torch_aie.npu.Stream, got {chosen!r}")
    yield
