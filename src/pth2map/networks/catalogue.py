"""The networks a config can name. Importing this does not import torch."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

from pth2map.files.errors import InputError, nearest

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Entry:
    """Where a network is built, and the names of its outputs in their order."""

    module: str
    constructor: str
    outputs: tuple[str, ...]
    rows: Literal["fixed", "open"] | None = None
    """None: outputs have a batch axis. Otherwise they are rows of one image, by falling score and without that axis:
    always as many, or as many as the picture gives."""
    graphs: tuple[str, ...] = ("onnx", "torchscript")
    """Formats that it can be exported to."""
    opsets: tuple[int, int] = (9, 20)
    """The lowest and the highest opset of its ONNX graph that is right."""
    rois: bool = False
    """Whether its graph has RoIAlign, whose RoIs ATC wants cast."""
    trainable: bool = False
    """Whether it can be trained here."""


RETINAFACE = "pth2map.networks.retinaface"
RETINAFACE_OUTPUTS = ("loc", "conf", "landms")
RETINAMASK = "pth2map.networks.retinamask"
RETINAMASK_OUTPUTS = ("bboxs", "labels", "scores", "masks")

NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        "retinaface_mobilenet025": Entry(RETINAFACE, "RetinaFace.mobilenet025", RETINAFACE_OUTPUTS, trainable=True),
        "retinaface_resnet50": Entry(RETINAFACE, "RetinaFace.resnet50", RETINAFACE_OUTPUTS, trainable=True),
        "centerface": Entry("pth2map.networks.centerface", "CenterFace", ("hm", "wh", "hm_offset", "landmarks")),
        "retinamask": Entry(RETINAMASK, "RetinaMask", RETINAMASK_OUTPUTS, "fixed", ("onnx",), (11, 20), rois=True),
        "retinamask_kept_masks": Entry(
            RETINAMASK, "RetinaMask.with_kept_masks", RETINAMASK_OUTPUTS, "open", ("onnx",), (11, 20), rois=True
        ),
    }
)
TRAINABLE = tuple(name for name, network in NETWORKS.items() if network.trainable)
"""Those that can be trained here."""


def entry(name: str) -> Entry:
    """Raises ``InputError`` for a name that is not in ``NETWORKS``."""
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; {nearest(name, list(NETWORKS))}")
    return NETWORKS[name]


def build(name: str) -> "nn.Module":
    """The named network with random weights."""
    found = entry(name)
    constructor = attrgetter(found.constructor)(importlib.import_module(found.module))
    return cast("nn.Module", constructor())
