"""A stand-in for the vendor's torch_aie, for rehearsals on machines without an Ascend card.

A compiled module computes what TorchScript computes on one thread of the CPU. Calls are held to what is documented of
torch_aie 6.3 and of its successor, MindIE Torch 1.0: what a card's module might not take, this one refuses.
"""

from torch_aie import _enums, npu
from torch_aie._card import finalize, set_device
from torch_aie._compile import Input, compile
from torch_aie._enums import TensorFormat

__version__ = "rehearsal"
__all__ = ["Input", "TensorFormat", "_enums", "compile", "finalize", "npu", "set_device"]
