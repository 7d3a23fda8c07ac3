"""COCO's result records: of detections, and as the JSON file that COCO's tools read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pth2map.datasets.coco import CocoTruth
from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError, some
from pth2map.files.json_input import collector_paused, read_json_input
from pth2map.recipes.detections import Detections

_RECORDS_AT_ONCE = 1000


def records_of(detections: Detections, truth: CocoTruth) -> list[dict[str, Any]]:
    """A record of each row, image after image as the detections have them.

    ``image_id``, ``category_id``, ``bbox`` ``[x, y, w, h]``, ``score``; where the detections have ``masks``,
    ``segmentation`` with ``size`` ``[h, w]`` of the image and ``counts``, a string. Label n is the n-th of the
    categories.

    Raises ``InputError`` for detections without labels, a label that is no category, an image that ``truth`` does not
    have, and a number that is not finite. Whether the masks are sound is the evaluator's to check.
    """
    images = {image.name: image for image in truth.images}
    unknown = [name for name in detections.names if name not in images]
    if unknown:
        raise InputError(
            f"detections of {len(unknown)} images that the annotations do not have: {some(unknown)}; their images are "
            f"called {some(truth.names, 2)}"
        )
    labels = detections.extra.get("labels")
    if labels is None or labels.dtype != np.int64 or labels.ndim != 1:
        raise InputError("detections: no labels, expected the number of its category, int64, for each row")
    row_names = np.repeat(np.array(detections.names, dtype=object), detections.counts).tolist()
    strange = np.flatnonzero((labels < 1) | (labels > len(truth.categories)))
    if len(strange):
        raise InputError(
            f"detections: {row_names[strange[0]]} has label {labels[strange[0]]}, expected 1 to "
            f"{len(truth.categories)}, a category of the annotations ({len(strange)} such rows in all)"
        )
    broken = np.flatnonzero(~(np.isfinite(detections.boxes).all(axis=1) & np.isfinite(detections.scores)))
    if len(broken):
        row = " ".join(f"{value:g}" for value in (*detections.boxes[broken[0]], detections.scores[broken[0]]))
        raise InputError(
            f"detections: {row_names[broken[0]]} has x y w h score = {row}, expected finite numbers "
            f"({len(broken)} such rows in all)"
        )
    masks = _mask_strings(detections)
    with collector_paused():
        rows = zip(row_names, labels.tolist(), detections.boxes.tolist(), detections.scores.tolist(), strict=True)
        records = [
            {
                "image_id": images[name].id,
                "category_id": truth.categories[label - 1].id,
                "bbox": box,
                "score": score,
            }
            for name, label, box, score in rows
        ]
        for record, name, counts in zip(records, row_names, masks, strict=bool(masks)):
            record["segmentation"] = {"size": [images[name].height, images[name].width], "counts": counts}
    return records


def _mask_strings(detections: Detections) -> list[str]:
    """The run lengths of each row; empty where the detections have no masks."""
    masks = detections.extra["masks"].tolist() if "masks" in detections.extra else []
    if not all(isinstance(mask, bytes) and mask.isascii() for mask in masks):
        raise InputError("detections: masks holds something else than compressed RLE, expected bytes of ASCII")
    return [mask.decode("ascii") for mask in masks]


def read_records(path: Path) -> list[dict[str, Any]]:
    """The list in a results file; what is in it is the evaluator's to check.

    As pycocotools it takes a list alone, no object with the list in it. Raises ``InputError`` for a file that is
    missing, broken, or holds something else.
    """
    expected = "a list of COCO result records"
    records = read_json_input(path, expected)
    if not isinstance(records, list):
        raise InputError(f"{path}: holds {_kind(records)}, expected {expected}")
    return records


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        keys = some([repr(key) for key in value]) or "nothing"
        return f"an object of {keys}"
    return "a single value"


def write_records(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """A results file, one record a line; equal records give equal bytes, and every number reads back as it was.

    Raises ``InputError`` for a number that is not finite.
    """
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
        file.write("[")
        for start in range(0, len(records), _RECORDS_AT_ONCE):
            try:
                lines = ",\n".join(map(encode, records[start : start + _RECORDS_AT_ONCE]))
            except ValueError as error:
                raise InputError(f"{path}: records {start + 1} and following cannot be written ({error})") from None
            file.write(f"{',' if start else ''}\n{lines}")
        file.write("\n]\n")
