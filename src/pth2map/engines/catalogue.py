"""The kinds of engine that run in our own process, and the module of each. Importing this imports no runtime."""

from collections.abc import Mapping
from types import MappingProxyType

KINDS: Mapping[str, str] = MappingProxyType(
    {"onnxruntime": "pth2map.engines.onnxruntime", "torchscript": "pth2map.engines.torchscript"}
)
