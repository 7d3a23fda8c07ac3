"""A stand-in for the vendor's torch_npu beside that of torch_aie: the card is named and taken, nothing more."""

from torch_npu import npu

__all__ = ["npu"]
