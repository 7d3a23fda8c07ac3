"""The choice of the card."""

from torch_aie import _card


def set_device(device: str | int) -> None:
    """Take the card named ``npu:0``, or by its number, for this process."""
    _card.set_device(_card.index_of(device) if isinstance(device, str) else device)
