"""The kinds of recipe: the settings of each, and the modules that compute, none of which this imports."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from pth2map.recipes.centerface_letterbox_settings import CenterFaceLetterboxSettings
from pth2map.recipes.centerface_settings import CenterFaceSettings
from pth2map.recipes.letterbox_settings import LetterboxSettings
from pth2map.recipes.retinaface_settings import RetinaFaceSettings
from pth2map.recipes.retinamask_settings import RetinaMaskSettings

RecipeSettings = Annotated[
    RetinaFaceSettings | LetterboxSettings | CenterFaceSettings | CenterFaceLetterboxSettings | RetinaMaskSettings,
    Field(discriminator="kind"),
]
"""A recipe block of the config."""


@dataclass(frozen=True)
class Entry:
    """The modules that hold the ``Preprocess``, the ``Decode`` and the tensor ``Files`` of a kind of recipe."""

    outputs: tuple[str, ...]
    """Of the networks that it is for, in their order."""
    preprocess: str
    decode: str
    files: str
    dataset: str = "widerface"
    """Kind of dataset whose evaluator takes what it finds."""


RETINAFACE_OUTPUTS = ("loc", "conf", "landms")
CENTERFACE_OUTPUTS = ("hm", "wh", "hm_offset", "landmarks")

RECIPES: Mapping[str, Entry] = MappingProxyType(
    {
        "retinaface": Entry(
            RETINAFACE_OUTPUTS,
            "pth2map.recipes.retinaface_preprocess",
            "pth2map.recipes.retinaface_decode",
            "pth2map.recipes.retinaface_files",
        ),
        "retinaface_letterbox": Entry(
            RETINAFACE_OUTPUTS,
            "pth2map.recipes.letterbox_preprocess",
            "pth2map.recipes.letterbox_decode",
            "pth2map.recipes.card_row_files",
        ),
        "centerface": Entry(
            CENTERFACE_OUTPUTS,
            "pth2map.recipes.centerface_preprocess",
            "pth2map.recipes.centerface_decode",
            "pth2map.recipes.centerface_files",
        ),
        "centerface_letterbox": Entry(
            CENTERFACE_OUTPUTS,
            "pth2map.recipes.centerface_letterbox_preprocess",
            "pth2map.recipes.centerface_decode",
            "pth2map.recipes.card_map_files",
        ),
        "retinamask": Entry(
            ("bboxs", "labels", "scores", "masks"),
            "pth2map.recipes.retinamask_preprocess",
            "pth2map.recipes.retinamask_decode",
            "pth2map.recipes.retinamask_files",
            dataset="coco",
        ),
    }
)
