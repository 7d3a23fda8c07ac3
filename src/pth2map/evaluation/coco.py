"""Average precision and recall of COCO, of boxes and of masks, computed by faster-coco-eval.

Its C++ trusts what it is given, so everything is checked here first, and it is given nothing but entries of our own
making: no ids of the files (pycocotools takes a match with an annotation of id 0 for none), no fields of a record
beside those that count. Its figures then are those of pycocotools; of what it computes only the arrays of precision and
recall are used.
"""

import math
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

import faster_coco_eval
import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as coco_mask

from pth2map.datasets.coco import Category, CocoImage, CocoTruth, bytes_of
from pth2map.datasets.rle import read_rles
from pth2map.files.errors import InputError, nearest, some
from pth2map.files.json_input import collector_paused

SegmArea = Literal["box", "mask"]
Record = Mapping[str, Any]
Entry = dict[str, Any]

EVALUATOR = f"faster-coco-eval {faster_coco_eval.__version__}"
MOST_DETECTIONS = 100
"""Of one category in one image: of more, those of the highest scores count."""
_LARGEST = 1e100
"""Coordinates are smaller, so that an area is finite."""


@dataclass(frozen=True)
class Figure:
    """What one of COCO's twelve figures is the mean of, over categories and IoU thresholds."""

    of: Literal["precision", "recall"]
    iou: float | None = None
    """None for all of .50, .55 … .95."""
    area: str = "all"
    """``small`` below 32², ``large`` above 96² pixels; both limits also belong to ``medium``."""
    detections: int = MOST_DETECTIONS
    """Of one category in one image."""


FIGURES: Mapping[str, Figure] = {
    "AP": Figure("precision"),
    "AP50": Figure("precision", iou=0.5),
    "AP75": Figure("precision", iou=0.75),
    "APs": Figure("precision", area="small"),
    "APm": Figure("precision", area="medium"),
    "APl": Figure("precision", area="large"),
    "AR1": Figure("recall", detections=1),
    "AR10": Figure("recall", detections=10),
    "AR100": Figure("recall"),
    "ARs": Figure("recall", area="small"),
    "ARm": Figure("recall", area="medium"),
    "ARl": Figure("recall", area="large"),
}
_CURVES = {"IoU 0.50:0.95": "AP", "IoU 0.50": "AP50", "IoU 0.75": "AP75"}


@dataclass(frozen=True, eq=False)
class CocoEvaluation:
    """Figures and curves of boxes and, if the records have them, of masks."""

    metrics: dict[str, dict[str, float | None]]
    """For ``bbox`` and ``segm`` the values of :data:`FIGURES`: fractions; None where there is nothing to measure."""
    ap: dict[str, float]
    """AP of each of S curves, those of what was evaluated, by its label; NaN where there is none. It is the mean of the
    curve's precision."""
    curves: np.ndarray
    """``(S, 101, 2)`` float64: precision, the mean over the categories that have objects, and recall."""
    notes: list[str]
    """What a reader of the figures should know."""
    images: int
    """Images scored: all of the ground truth."""
    segm_area: SegmArea


def curve_arrays(evaluation: CocoEvaluation) -> dict[str, np.ndarray]:
    """What is kept of the curves: ``subsets`` ``(S,)``, their ``ap``, ``curves``."""
    return {
        "subsets": np.array(list(evaluation.ap)),
        "ap": np.array(list(evaluation.ap.values())),
        "curves": evaluation.curves,
    }


def evaluate(records: Sequence[Record], truth: CocoTruth, segm_area: SegmArea = "box") -> CocoEvaluation:
    """Score result records on all images of ``truth``, with the protocol and the numbers of pycocotools 2.0.11.

    A record is a ``dict`` with ``image_id``, ``category_id``, ``score``, and ``bbox`` (x, y, w, h in pixels),
    ``segmentation`` (``size``: height and width of the image, ``counts``: compressed RLE) or both, all records alike;
    other fields do not count. Each category of each image is matched for itself, by falling score, ties in the order of
    the records, at most :data:`MOST_DETECTIONS`. What is matched to a crowd, or to an object outside the range of
    areas, does not count, nor does what is matched to nothing and itself lies outside the range.

    ``segm_area`` says what, for masks, the area of a record is: that of its ``box``, as pycocotools has it for records
    with a box, or that of its ``mask``, as pycocotools has it for records without, and COCO's server for files of
    masks. It shifts the figures of small, medium and large; the others hardly depend on it (only through records of
    more than 10¹⁰ pixels).

    A box of negative width or height, which regression can give, is computed with as pycocotools does, and noted. Where
    objects of the ground truth have no masks the figures of masks are None, which is noted too.

    Raises ``InputError`` that names the record for an unknown image or category, a score or box that is not finite, a
    mask that is no compressed RLE (polygons, run lengths in a list), malformed, or of another size than its image, and
    for records of which some have a box or a mask and others do not, or that have masks alone where the ground truth
    has none.
    """
    if segm_area not in get_args(SegmArea):
        raise InputError(f"segm_area {segm_area!r}; {nearest(segm_area, get_args(SegmArea))}")
    with collector_paused():
        columns = _columns(records, truth)
        if columns.boxes is None and segm_area == "box":
            raise InputError("the records have no bbox, so their area is that of the mask; choose segm_area mask")
        notes = _notes(columns, truth)
        maskless = [str(each["id"]) for each in truth.annotations if "segmentation" not in each]
        measured = [kind for kind in columns.kinds if kind == "bbox" or not maskless]
        if not measured:
            raise InputError(
                f"the records have masks alone, but annotation {some(maskless)} of the ground truth has none; give the "
                "records a bbox to score their boxes"
            )
        found = _evaluated(columns, truth, segm_area, measured)
    metrics = {
        kind: {name: _mean(figure, found[kind]) if kind in found else None for name, figure in FIGURES.items()}
        for kind in columns.kinds
    }
    for kind, values in metrics.items():
        undefined = [name for name, value in values.items() if value is None]
        if kind not in found:
            notes.append(f"{kind}: {_no_masks(maskless, len(truth.annotations))}, so there are no figures of masks")
        elif undefined:
            notes.append(f"{kind}: no object to measure {some(undefined, len(undefined))} on")
    # Those that a picture of four lines shows come first.
    drawn = sorted(((kind, label) for kind in found for label in _CURVES), key=lambda pair: pair[1] == "IoU 0.75")
    values = {f"{kind} {label}": metrics[kind][_CURVES[label]] for kind, label in drawn}
    return CocoEvaluation(
        metrics=metrics,
        ap={label: math.nan if value is None else value for label, value in values.items()},
        curves=np.array([_curve(FIGURES[_CURVES[label]], found[kind]) for kind, label in drawn]),
        notes=notes,
        images=len(truth.images),
        segm_area=segm_area,
    )


def evaluation_text(evaluation: CocoEvaluation) -> str:
    """The result file of the RetinaMask scripts: for each kind of figures the lines that pycocotools prints."""
    return "".join(
        f"{kind}_info: \n " + "\n".join(_line(FIGURES[name], value) for name, value in values.items()) + "\n \n\n"
        for kind, values in evaluation.metrics.items()
    )


def _line(figure: Figure, value: float | None) -> str:
    title = "Average Precision  (AP)" if figure.of == "precision" else "Average Recall     (AR)"
    iou = "0.50:0.95" if figure.iou is None else f"{figure.iou:.2f}"
    limits = f"IoU={iou:<9} | area={figure.area:>6} | maxDets={figure.detections:>3}"
    return f" {title} @[ {limits} ] = {-1 if value is None else value:.3f}"


@dataclass(frozen=True, eq=False)
class _Columns:
    """N records that have been checked."""

    image: np.ndarray
    """``(N,)`` int64: index among the images by rising id."""
    category: np.ndarray
    """``(N,)`` int64: index among the categories by rising id."""
    scores: list[float]
    boxes: np.ndarray | None
    """``(N, 4)`` float64."""
    masks: list[bytes] | None
    mask_areas: np.ndarray
    """``(N,)`` int64; empty without masks."""

    @property
    def kinds(self) -> list[str]:
        return [*(["bbox"] if self.boxes is not None else []), *(["segm"] if self.masks is not None else [])]


def _columns(records: Sequence[Record], truth: CocoTruth) -> _Columns:
    image_of, category_of = _places(truth.images), _places(truth.categories)
    _refuse([i for i, each in enumerate(records) if not isinstance(each, dict)], lambda i: "not an object of fields")
    _expect(records, "image_id", "an image of the ground truth", lambda value: type(value) is int and value in image_of)
    _expect(records, "category_id", "one of its categories", lambda value: type(value) is int and value in category_of)
    _expect(records, "score", "a finite number", _is_finite)
    with_box = [each.get("bbox") not in (None, []) for each in records]  # pycocotools takes an empty one for none
    with_mask = [each.get("segmentation") not in (None, []) for each in records]  # what wrote no masks may write it
    _expect_alike(with_box, "a bbox")
    _expect_alike(with_mask, "a segmentation")
    if not any(with_box) and not any(with_mask) and records:
        raise InputError("the records have neither bbox nor segmentation; expected x, y, w, h or a mask of each object")
    image = np.array([image_of[each["image_id"]] for each in records], dtype=np.int64)
    masks, mask_areas = None, np.zeros(0, np.int64)
    if any(with_mask) or not records:
        masks, mask_areas = _masks(records, truth, image)
    return _Columns(
        image=image,
        category=np.array([category_of[each["category_id"]] for each in records], dtype=np.int64),
        scores=[float(each["score"]) for each in records],
        boxes=_boxes(records) if any(with_box) or not records else None,
        masks=masks,
        mask_areas=mask_areas,
    )


def _places(entries: Sequence[CocoImage | Category]) -> dict[int, int]:
    """The index of each id among all by rising id, the order in which COCO goes through them."""
    return {id_: place for place, id_ in enumerate(sorted(each.id for each in entries))}


def _boxes(records: Sequence[Record]) -> np.ndarray:
    _expect(records, "bbox", "four finite numbers x, y, w, h", _is_box)
    return np.array([each["bbox"] for each in records], dtype=np.float64).reshape(-1, 4)


def _masks(records: Sequence[Record], truth: CocoTruth, image: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    _expect(records, "segmentation", "compressed RLE: size and counts, a string", _is_compressed)
    sizes = _sizes(truth)[image]
    given = [each["segmentation"]["size"] for each in records]
    _refuse(
        [i for i, (size, expected) in enumerate(zip(given, sizes.tolist(), strict=True)) if size != expected],
        lambda i: f"the mask is of size {reprlib.repr(given[i])}, its image is {sizes[i].tolist()} (height, width)",
    )
    counts = [each["segmentation"]["counts"] for each in records]
    masks = [each if isinstance(each, bytes) else bytes_of(each) for each in counts]
    areas, faults = read_rles(masks, sizes)
    _refuse(sorted(faults), lambda i: f"the run-length mask {faults[i]}")
    return masks, areas


def _sizes(truth: CocoTruth) -> np.ndarray:
    """``(n_images, 2)`` int64: height and width of the images by rising id."""
    sizes = [(image.height, image.width) for image in sorted(truth.images, key=lambda image: image.id)]
    return np.array(sizes, dtype=np.int64)


def _is_finite(value: Any) -> bool:
    return type(value) in (float, int) and abs(value) <= sys.float_info.max


def _is_box(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == 4
        and {float, int}.issuperset(map(type, value))
        and max(value) < _LARGEST
        and min(value) > -_LARGEST
        and not math.isnan(sum(value))  # what lies behind a NaN does not compare
    )


def _is_compressed(value: Any) -> bool:
    return type(value) is dict and "size" in value and type(value.get("counts")) in (str, bytes)


def _expect(records: Sequence[Record], key: str, expected: str, fits: Callable[[Any], bool]) -> None:
    missing = object()
    wrong = [i for i, each in enumerate(records) if not fits(each.get(key, missing))]
    _refuse(
        wrong,
        lambda i: f"{key} is {reprlib.repr(records[i][key]) if key in records[i] else 'missing'}, expected {expected}",
    )


def _expect_alike(present: Sequence[bool], what: str) -> None:
    if any(present) and not all(present):
        with_it, without = (present.index(has_it) + 1 for has_it in (True, False))
        raise InputError(f"record {with_it} has {what}, record {without} has none; expected all alike")


def _refuse(wrong: Sequence[int], fault: Callable[[int], str]) -> None:
    """Raise ``InputError`` if there are any ``wrong`` records (from 0), with what is wrong with the first."""
    if wrong:
        more = f" ({len(wrong)} such records in all)" if len(wrong) > 1 else ""
        raise InputError(f"record {wrong[0] + 1}: {fault(wrong[0])}{more}")


def _notes(columns: _Columns, truth: CocoTruth) -> list[str]:
    notes = []
    if not columns.scores:
        notes.append("no records at all: whatever can be measured is 0")
    together = np.unique(columns.image * len(truth.categories) + columns.category, return_counts=True)[1]
    many = int(np.count_nonzero(together > MOST_DETECTIONS))
    if many:
        notes.append(
            f"more than {MOST_DETECTIONS} records of one category in one image ({many} times, up to {together.max()}): "
            f"only the best {MOST_DETECTIONS} count"
        )
    negative = 0 if columns.boxes is None else int(np.count_nonzero((columns.boxes[:, 2:] < 0).any(axis=1)))
    if negative:
        notes.append(
            f"{negative} boxes have a negative width or height: they match nothing, and those of negative area are no "
            "false positives either, as pycocotools has it (corners instead of x, y, w, h?)"
        )
    ignored = sum("ignore" in each for each in truth.annotations)
    if ignored:
        notes.append(f"{ignored} annotations are marked ignore, which COCO's evaluator does not heed; iscrowd it does")
    if any(each["id"] == 0 for each in truth.annotations):
        notes.append("an annotation has the id 0: pycocotools would take what matches it for a false positive")
    return notes


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """What COCO's evaluator found, and what for; -1 stands for a category without objects of the area."""

    precision: np.ndarray
    """``(10, 101, n_categories, 4, 3)``: IoU thresholds, points of recall, …, areas, numbers of detections."""
    recall: np.ndarray
    """``(10, n_categories, 4, 3)``."""
    params: Any


def _no_masks(maskless: Sequence[str], objects: int) -> str:
    if len(maskless) == objects:
        return "the ground truth has no masks"
    return f"{len(maskless)} of {objects} objects of the ground truth have no mask (annotation {some(maskless)})"


def _evaluated(columns: _Columns, truth: CocoTruth, segm_area: SegmArea, kinds: Sequence[str]) -> dict[str, _Evaluated]:
    """Each category by itself, on the images that have something of it.

    All together the evaluator makes four entries for every image and category, most of them empty, and takes twice the
    memory.
    """
    areas = {kind: _areas(kind, columns, segm_area) for kind in kinds}
    sides = zip(_objects(truth), _detections(columns, truth), strict=True)
    done = [_evaluated_category(*side, areas) for side in sides]
    return {
        kind: _Evaluated(
            precision=np.concatenate([each[kind].precision for each in done], axis=2),
            recall=np.concatenate([each[kind].recall for each in done], axis=1),
            params=done[0][kind].params,
        )
        for kind in areas
    }


def _evaluated_category(
    objects: list[Entry], detections: list[Entry], areas: Mapping[str, list[float]]
) -> dict[str, _Evaluated]:
    images = [{"id": place} for place in sorted({each["image_id"] for each in chain(objects, detections)})]
    truth, found = (
        COCO({"images": images, "categories": [{"id": 0}], "annotations": entries}) for entries in (objects, detections)
    )
    done = {}
    for kind in areas:
        for each in detections:
            each["area"] = areas[kind][each["id"] - 1]
        evaluator = _Evaluator(truth, found, kind, rle_iou_max_workers=1)  # jobs share the cores
        evaluator.params.compute_rle = False
        evaluator.evaluate()
        evaluator.accumulate()
        done[kind] = _Evaluated(evaluator.eval["precision"], evaluator.eval["recall"], evaluator.params)
    return done


class _Evaluator(COCOeval_faster):  # type: ignore[misc]  # the library has no types
    """Compares masks as the entries have them: of itself it would first decode and encode every one again."""

    def computeIoU(self, imgId: int, catId: int) -> Any:
        """IoU of the detections, by falling score, with the objects of one image."""
        if self.params.iouType == "bbox":
            return super().computeIoU(imgId, catId)
        objects, detections = (side.get(imgId, catId) for side in (self.gt_dataset, self.dt_dataset))
        best = sorted(detections, key=lambda each: -each["score"])[:MOST_DETECTIONS]
        masks = ([each["segmentation"] for each in entries] for entries in (best, objects))
        return coco_mask.iou(*masks, [each["iscrowd"] for each in objects])


def _areas(kind: str, columns: _Columns, segm_area: SegmArea) -> list[float]:
    """Of each record, as it counts among small, medium and large."""
    if columns.boxes is None or (kind == "segm" and segm_area == "mask"):
        areas = columns.mask_areas
    else:
        areas = columns.boxes[:, 2] * columns.boxes[:, 3]
    return [float(area) for area in areas]


def _objects(truth: CocoTruth) -> list[list[Entry]]:
    """The annotations of each category as the evaluator wants them."""
    image_of, category_of = _places(truth.images), _places(truth.categories)
    objects: list[list[Entry]] = [[] for _ in category_of]
    for number, each in enumerate(truth.annotations, start=1):
        fields = {key: each[key] for key in ("bbox", "area", "iscrowd", "segmentation") if key in each}
        entry = {"id": number, "image_id": image_of[each["image_id"]], "category_id": 0, **fields}
        objects[category_of[each["category_id"]]].append(entry)
    return objects


def _detections(columns: _Columns, truth: CocoTruth) -> list[list[Entry]]:
    """The records of each category as the evaluator wants them, but for their areas."""
    boxes = np.zeros((len(columns.scores), 4)) if columns.boxes is None else columns.boxes
    rows = zip(columns.image.tolist(), boxes.tolist(), columns.scores, strict=True)
    entries: list[Entry] = [
        {"id": number, "image_id": image, "category_id": 0, "bbox": box, "score": score, "iscrowd": 0}
        for number, (image, box, score) in enumerate(rows, start=1)
    ]
    if columns.masks is not None:
        sizes = _sizes(truth).tolist()
        for entry, mask in zip(entries, columns.masks, strict=True):
            entry["segmentation"] = {"size": sizes[entry["image_id"]], "counts": mask}
    detections: list[list[Entry]] = [[] for _ in truth.categories]
    for entry, category in zip(entries, columns.category.tolist(), strict=True):
        detections[category].append(entry)
    return detections


def _mean(figure: Figure, evaluated: _Evaluated) -> float | None:
    values = _values(figure, evaluated)
    measured = values[values > -1]
    return float(np.mean(measured)) if len(measured) else None


def _curve(figure: Figure, evaluated: _Evaluated) -> np.ndarray:
    """``(101, 2)``: precision, NaN where no category has objects, and recall."""
    precision = _values(figure, evaluated)  # (thresholds, 101, n_categories)
    measured = precision[:, :, precision[0, 0] > -1]
    recall = np.asarray(evaluated.params.recThrs)
    mean = measured.mean(axis=(0, 2)) if measured.size else np.full(len(recall), np.nan)
    return np.stack([mean, recall], axis=1)


def _values(figure: Figure, evaluated: _Evaluated) -> np.ndarray:
    """What a figure is the mean of: thresholds × (for precision: 101 points of recall) × categories."""
    params = evaluated.params
    values = evaluated.precision if figure.of == "precision" else evaluated.recall
    thresholds = slice(None) if figure.iou is None else [params.iouThrs.tolist().index(figure.iou)]
    area, detections = params.areaRngLbl.index(figure.area), params.maxDets.index(figure.detections)
    chosen: np.ndarray = values[thresholds][..., area, detections]
    return chosen
