"""A stand-in for the vendor's vaststreamx, for rehearsals on machines without a Vastai card.

What it computes is what the rehearsal's vamp computes. Calls are held to those of the scripts in VastModelZOO and
VastStreamX-Samples: what a card's module might not take, this one refuses.
"""

from vaststreamx._card import ImageFormat, as_numpy, create_image, set_device
from vaststreamx._graph import Graph, GraphOutputType, Model, ModelOperator, Operator
from vaststreamx._stream import Stream, StreamBalanceMode

__version__ = "rehearsal"
__all__ = [
    "Graph",
    "GraphOutputType",
    "ImageFormat",
    "Model",
    "ModelOperator",
    "Operator",
    "Stream",
    "StreamBalanceMode",
    "as_numpy",
    "create_image",
    "set_device",
]
