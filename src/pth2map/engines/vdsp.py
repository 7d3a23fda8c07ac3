"""What a Vastai card does to a picture before the network: the parameter file of its letterbox, for ``--vdsp_params``.

Written from VastModelZOO's files for RetinaFace and VastStreamX-Samples' for the same op; keys as the card spells them.
"""

import json
from dataclasses import dataclass
from typing import Literal

from pth2map.files.errors import InputError
from pth2map.recipes.centerface_letterbox_settings import CenterFaceLetterboxSettings
from pth2map.recipes.letterbox_settings import LetterboxSettings
from pth2map.recipes.recipe import Recipe
from pth2map.recipes.settings import Size, SizedSettings, require_size

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class LetterboxOp:
    """From RGB planes, uint8 ``(3, h, w)`` of any size, to the network's input ``(3, H, W)``.

    The picture is scaled to fit (bilinear), centred, and padded; then channels are swapped, then numbers change. So
    ``mean`` and ``std`` are in the order of the network's channels, ``padding`` in that of the picture.
    """

    width: int
    height: int
    mean: Triple
    std: Triple
    colour: Literal["RGB2BGR", "NO_CHANGE"]
    norm: Literal["MINUSMEAN_DIVSTD", "DIV255_MINUSMEAN_DIVSTD"]
    padding: tuple[int, int, int] | None = None
    """Grey levels of red, green, blue around the picture; None: the card's own, which is taken to be 0."""


def letterbox_op(recipe: Recipe) -> LetterboxOp:
    """The op that does on a card what ``recipe`` does on the host.

    Raises ``InputError`` for a recipe whose preprocessing the op cannot do. ``even_sizes`` is nothing to it: who reads
    the picture evens its sides.
    """
    settings = recipe.settings
    if isinstance(settings, LetterboxSettings):
        before = settings.preprocess
        width, height = _sides(before, recipe.size)
        if before.resize != "letterbox":
            raise InputError(
                f"recipe.preprocess.resize: found {before.resize}, but a Vastai card keeps proportions; expected "
                "letterbox"
            )
        padding = _padding(before.mean_bgr if before.pad == "mean" else (before.pad,) * 3)
        return LetterboxOp(width, height, before.mean_bgr, (1.0, 1.0, 1.0), "RGB2BGR", "MINUSMEAN_DIVSTD", padding)
    if isinstance(settings, CenterFaceLetterboxSettings):
        within = settings.preprocess
        width, height = _sides(within, recipe.size)
        padding = _padding((within.pad,) * 3)
        return LetterboxOp(
            width, height, within.mean_bgr, within.std_bgr, "RGB2BGR", "DIV255_MINUSMEAN_DIVSTD", padding
        )
    raise InputError(
        f"recipe {settings.kind} has no preprocessing that a Vastai card could do; expected retinaface_letterbox or "
        "centerface_letterbox"
    )


def vdsp_json(op: LetterboxOp) -> str:
    """The text of the parameter file: one JSON object, its keys in the order of the published files.

    The input's sides are placeholders there (pictures of any size are fed), and the same as the output's.
    """
    config = {
        "IimageFormat": "RGB_PLANAR",
        "IimageWidth": op.width,
        "IimageHeight": op.height,
        "OimageWidth": op.width,
        "OimageHeight": op.height,
        "IimageWidthPitch": op.width,
        "IimageHeightPitch": op.height,
        "Mean": [float(value) for value in op.mean],
        "Std": [float(value) for value in op.std],
        "NormaType": op.norm,
        "ColorCvtCode": op.colour,
        "ResizeType": "BILINEAR_CV",
        **({"Padding": list(op.padding)} if op.padding else {}),
    }
    content = {"OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR", "OpConfig": config}
    return json.dumps(content, indent=4, allow_nan=False) + "\n"


def _sides(settings: SizedSettings, size: Size) -> tuple[int, int]:
    require_size(settings, size)
    assert size.width is not None and size.height is not None
    return size.width, size.height


def _padding(bgr: Triple) -> tuple[int, int, int] | None:
    """Grey levels in the order of RGB planes; black is left out, as in the published files."""
    if bgr == (0, 0, 0):
        return None
    if broken := [level for level in bgr if not float(level).is_integer() or not 0 <= level <= 255]:
        raise InputError(
            f"recipe.preprocess.pad: a card pads with whole grey levels from 0 to 255, found {broken[0]}; name a level"
        )
    blue, green, red = map(int, bgr)
    return red, green, blue
