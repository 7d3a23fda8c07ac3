"""The kinds of recipe and the modules of each. Importing this imports none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Entry:
    """The modules that hold the ``Preprocess`` and the ``Decode`` of a kind of recipe."""

    preprocess: str
    decode: str


RECIPES: Mapping[str, Entry] = MappingProxyType(
    {
        "retinaface": Entry("pth2map.recipes.retinaface_preprocess", "pth2map.recipes.retinaface_decode"),
    }
)
