"""Average precision as the WIDER FACE evaluator of biubug6/Pytorch_Retinaface computes it.

The published evaluator walks through 1,000 thresholds in every image, three times. Three facts make array
operations of it: which face a row finds does not depend on the subset; of the rows that find a face the
first in file order is the hit; and what counts at a threshold is every row up to the last one that reaches
it. So each row has one first threshold, and a curve is the running sum of whole numbers over thresholds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pth2map.datasets.widerface import SUBSETS, GroundTruth
from pth2map.files.errors import InputError, nearest, some
from pth2map.recipes.detections import Detections

Mode = Literal["strict", "reference", "centerface"]

EVALUATOR = "widerface"
THRESHOLDS = np.array([1 - (t + 1) / 1000 for t in range(1000)])
"""Normalised scores at which a curve is sampled, falling from 0.999 to 0."""
_PAIRS_AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class Evaluation:
    """AP and curves of S subsets."""

    ap: dict[str, float]
    """Per subset a fraction of 1; NaN where the subset counts no face."""
    curves: np.ndarray
    """``(S, 1000, 2)`` float64: precision, recall at :data:`THRESHOLDS`; NaN where the evaluator has 0/0."""
    notes: list[str]
    """What a reader of the figures should know."""
    images: int
    """Images scored."""
    counted_faces: dict[str, int]
    """Per subset the faces that recall is measured against."""
    iou_threshold: float
    mode: Mode

    @property
    def metrics(self) -> dict[str, float | None]:
        """AP per subset as JSON can hold it: None where there is none."""
        return {subset: None if math.isnan(ap) else ap for subset, ap in self.ap.items()}


def curve_arrays(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """What is kept of the curves: ``subsets`` ``(S,)``, their ``ap``, the 1,000 ``thresholds``, ``curves``."""
    return {
        "subsets": np.array(list(evaluation.ap)),
        "ap": np.array(list(evaluation.ap.values())),
        "thresholds": THRESHOLDS,
        "curves": evaluation.curves,
    }


def evaluate(
    detections: Detections,
    ground_truth: GroundTruth,
    iou_threshold: float | None = None,
    mode: Mode = "strict",
    subsets: Sequence[str] = SUBSETS,
) -> Evaluation:
    """Score detections.

    Scores are first mapped to 0…1 over all images together: (s - min) / (max - min), where max is at least
    0 and min at most 1. Sides are counted in pixels (w + 1). In the order of the file each row goes to the
    face of highest IoU, the first on ties, if that reaches ``iou_threshold``; a face that does not count in
    the subset takes the row out, one found before makes it a false positive. The rows of an image that has
    no face at all are left out. AP is the area below the monotone envelope of precision over recall.

    ``subsets`` may hold ``"all"``: a face counts if it does in any subset, and, as in CenterFace's evaluator,
    recall is measured against the sum over the three, so that it stays well below 1.

    On well-formed input the modes agree. They differ in

    =================  ============================  ==============================  =======================
    what               strict                        reference                       centerface
    =================  ============================  ==============================  =======================
    default IoU        0.5                           0.5                             0.4
    NaN, infinity      error                         as Python's max and min have    as reference
                                                     it, images in sorted order
    negative size      error                         overlaps nothing                as reference
    rows not by score  sorted, ties kept; note       as they come                    as reference
    all scores equal   count at every threshold if   0/0: AP 0                       as reference
                       normalising is 0/0; note
    image missing      error                         error                           left out, faces and
                                                                                     all; a whole event: error
    image unknown      error                         takes part in normalising only  as reference
    =================  ============================  ==============================  =======================

    Raises ``InputError`` that names images, rows and values.
    """
    iou_threshold = _checked_options(iou_threshold, mode, subsets)
    notes = list(detections.notes)
    places = _places(detections, ground_truth, mode, notes)
    if mode == "strict":
        _check_rows(detections)
        detections = _sorted_by_score(detections, notes)
    else:
        notes += _oddities(detections)
    if not len(detections.scores):
        notes.append("no detections at all: AP is 0")
    image = np.repeat(places, detections.counts)
    threshold = _first_thresholds(_normalise(detections, mode, notes), detections.counts)
    face = _best_faces(detections.boxes, image, ground_truth, iou_threshold)
    hits = _first_rows(face, len(ground_truth.boxes))
    # Index -1, no image or no face, reads the value appended.
    judged = np.append(ground_truth.counts, 0)[image] > 0
    scored = np.isin(np.arange(len(ground_truth.names)), places)
    face_scored = np.repeat(scored, ground_truth.counts)

    ap, curves, counted_faces = {}, [], {}
    for subset in subsets:
        flags = [ground_truth.counted[each] for each in (SUBSETS if subset == "all" else [subset])]
        counted = np.logical_or.reduce(flags)
        faces = sum(int(np.count_nonzero(each & face_scored)) for each in flags)
        found = _running_sum(threshold[hits[counted[face[hits]]]])
        proposals = _running_sum(threshold[judged & np.append(counted, True)[face]])
        with np.errstate(invalid="ignore"):
            precision, recall = found / proposals, found / np.int64(faces)
        ap[subset] = _average_precision(precision, recall) if faces else math.nan
        curves.append(np.stack([precision, recall], axis=1))
        counted_faces[subset] = faces
    undefined = [subset for subset in subsets if not counted_faces[subset]]
    if undefined:
        notes.append(f"{some(undefined)}: no face counts, so there is no AP")
    if "all" in subsets:
        notes.append("all: a face is counted once for every subset it belongs to, as CenterFace does")
    return Evaluation(
        ap=ap,
        curves=np.array(curves).reshape(-1, len(THRESHOLDS), 2),
        notes=notes,
        images=int(scored.sum()),
        counted_faces=counted_faces,
        iou_threshold=iou_threshold,
        mode=mode,
    )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of an image above a score: boxes ``(n, 4)`` float64 x, y, w, h."""

    name: str
    found: np.ndarray
    """Detections that find a face, each the first that finds it."""
    missed: np.ndarray
    """Faces that none of them finds."""
    false: np.ndarray
    """Detections that find no face, or one that was found already."""


def outcomes(
    detections: Detections, ground_truth: GroundTruth, iou_threshold: float, score_above: float, subset: str = "hard"
) -> list[Outcome]:
    """What :func:`evaluate` counts in strict mode of the rows with a score above a limit, image by image.

    Faces are those that count in ``subset``; rows that find another are left out, as are those of images that have no
    face at all. So precision is found of found and false, recall is found of found and missed. Images are in the order
    of the ground truth. Raises ``InputError`` as :func:`evaluate` does.
    """
    places = _places(detections, ground_truth, "strict", [])
    _check_rows(detections)
    detections = _sorted_by_score(detections, [])
    image = np.repeat(places, detections.counts)
    face = _best_faces(detections.boxes, image, ground_truth, iou_threshold)
    first = np.zeros(len(face), dtype=bool)
    first[_first_rows(face, len(ground_truth.boxes))] = True
    counted = ground_truth.counted[subset]
    judged = (detections.scores > score_above) & (ground_truth.counts[image] > 0) & np.append(counted, True)[face]
    missed = counted.copy()
    missed[face[judged & first]] = False
    rows, faces = detections.offsets, ground_truth.offsets
    found = []
    for place, number in sorted((place, number) for number, place in enumerate(places.tolist())):
        of_image, of_truth = slice(*rows[number : number + 2]), slice(*faces[place : place + 2])
        boxes, shown, hits = detections.boxes[of_image], judged[of_image], first[of_image]
        missing = ground_truth.boxes[of_truth][missed[of_truth]]
        found.append(Outcome(ground_truth.names[place], boxes[shown & hits], missing, boxes[shown & ~hits]))
    return found


def _checked_options(iou_threshold: float | None, mode: str, subsets: Sequence[str]) -> float:
    """The IoU threshold, the mode's own if none is given."""
    if mode not in get_args(Mode):
        raise InputError(f"mode {mode!r}; {nearest(mode, get_args(Mode))}")
    for subset in subsets:
        if subset not in (*SUBSETS, "all"):
            raise InputError(f"subset {subset!r}; {nearest(subset, (*SUBSETS, 'all'))}")
    if iou_threshold is None:
        return 0.4 if mode == "centerface" else 0.5
    if not 0 < iou_threshold <= 1:
        raise InputError(f"IoU threshold {iou_threshold}, expected more than 0 and at most 1")
    return iou_threshold


def _places(detections: Detections, ground_truth: GroundTruth, mode: Mode, notes: list[str]) -> np.ndarray:
    """Index of each image of the detections in the ground truth, -1 where it is unknown."""
    place = {name: i for i, name in enumerate(ground_truth.names)}
    unknown = [name for name in detections.names if name not in place]
    if unknown:
        if mode == "strict":
            raise InputError(
                f"detections of {len(unknown)} images that the ground truth does not have: {some(unknown)}; its images "
                f"are called {some(ground_truth.names, 2)}"
            )
        notes.append(f"{len(unknown)} images unknown to the ground truth only take part in normalising scores")
    known = set(detections.names)
    missing = [name for name in ground_truth.names if name not in known]
    if missing and mode != "centerface":
        raise InputError(
            f"no detections for {len(missing)} of {len(place)} images of the ground truth: {some(missing)}; "
            "an image in which nothing was found needs an entry with zero rows"
        )
    gone = sorted({_event(name) for name in missing} - {_event(name) for name in known})
    if gone:
        raise InputError(f"no detections for any image of {len(gone)} events: {some(gone)}")
    if missing:
        notes.append(f"{len(missing)} images without detections are left out with their faces: {some(missing)}")
    return np.array([place.get(name, -1) for name in detections.names], dtype=np.int64)


def _event(name: str) -> str:
    return name.partition("/")[0]


def _check_rows(detections: Detections) -> None:
    boxes, scores, offsets = detections.boxes, detections.scores, detections.offsets
    faults = {
        "is not finite": ~(np.isfinite(boxes).all(axis=1) & np.isfinite(scores)),
        "has a negative width or height": (boxes[:, 2:] < 0).any(axis=1),
    }
    for fault, wrong in faults.items():
        rows = np.flatnonzero(wrong)
        if len(rows):
            image = int(np.searchsorted(offsets, rows[0], side="right")) - 1
            where = f"{detections.names[image]}, row {rows[0] - offsets[image] + 1}"
            values = " ".join(f"{value:g}" for value in (*boxes[rows[0]], scores[rows[0]]))
            raise InputError(
                f"{where}: x y w h score = {values} {fault} ({len(rows)} such rows in all); "
                "mode reference computes with it"
            )


def _oddities(detections: Detections) -> list[str]:
    """What strict mode would mend or refuse, for the reader of a figure of another mode."""
    boxes, scores = detections.boxes, detections.scores
    rising = _rising_images(scores, np.repeat(np.arange(len(detections.names)), detections.counts))
    found = {
        "images have rows that are not by falling score, taken as they come": len(rising),
        "rows hold a value that is not finite": np.count_nonzero(
            ~(np.isfinite(boxes).all(axis=1) & np.isfinite(scores))
        ),
        "rows have a negative width or height": np.count_nonzero((boxes[:, 2:] < 0).any(axis=1)),
    }
    return [f"{count} {what}" for what, count in found.items() if count]


def _sorted_by_score(detections: Detections, notes: list[str]) -> Detections:
    """Rows by falling score inside each image, ties in their order."""
    row_image = np.repeat(np.arange(len(detections.names)), detections.counts)
    rising = _rising_images(detections.scores, row_image)
    if not len(rising):
        return detections
    names = [detections.names[i] for i in rising]
    notes.append(f"rows of {len(names)} images were not by falling score and have been sorted: {some(names)}")
    order = np.lexsort((-detections.scores, row_image))
    return Detections(detections.names, detections.counts, detections.boxes[order], detections.scores[order])


def _rising_images(scores: np.ndarray, row_image: np.ndarray) -> np.ndarray:
    """Images in which some score is above the one before it."""
    return np.unique(row_image[1:][(scores[1:] > scores[:-1]) & (row_image[1:] == row_image[:-1])])


def _normalise(detections: Detections, mode: Mode, notes: list[str]) -> np.ndarray:
    scores, filled = detections.scores, np.flatnonzero(detections.counts)
    starts = detections.offsets[filled]
    highest: float = 0
    lowest: float = 1
    if len(starts):
        # With a NaN, max and min depend on the order: here that of sorted folders and files.
        order = sorted(range(len(filled)), key=lambda i: f"{detections.names[filled[i]]}.txt".split("/"))
        for top in np.maximum.reduceat(scores, starts)[order].tolist():
            highest = max(top, highest)
        for bottom in np.minimum.reduceat(scores, starts)[order].tolist():
            lowest = min(bottom, lowest)
    if highest == lowest and mode == "strict":
        notes.append(f"all scores are {highest:g}: every detection counts at every threshold")
        return np.ones_like(scores)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        normalised: np.ndarray = (scores - lowest) / np.float64(highest - lowest)
    return normalised


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _best_faces(boxes: np.ndarray, image: np.ndarray, ground_truth: GroundTruth, iou_threshold: float) -> np.ndarray:
    """For each row the face of highest IoU in its image, the first on ties; -1 if below the threshold.

    ``boxes`` ``(N, 4)`` float64 x, y, w, h; ``image`` ``(N,)`` index into the ground truth or -1.
    Returns ``(N,)`` int64.

    IoU >= t needs an intersection as wide as t times either box. So a face starts at most (1 - t) w to the
    right of the row and at most (1/t - 1) w to its left: with the faces of an image in order of x, only
    those in that window are looked at.
    """
    best = np.full(len(boxes), -1, dtype=np.int64)
    if not len(boxes) or not len(ground_truth.boxes):
        return best
    face_image = np.repeat(np.arange(len(ground_truth.names)), ground_truth.counts)
    by_x = np.lexsort((ground_truth.boxes[:, 0], face_image))
    rows, faces = _corners(boxes), _corners(ground_truth.boxes[by_x])
    # One sorted axis for all images: each has a stretch of its own with room at both ends.
    left = faces[0].min() - 3
    stretch = faces[0].max() + 3 - left
    position = face_image * stretch + (faces[0] - left)
    width = rows[2] - rows[0] + 1
    low = rows[0] - width * (1 / iou_threshold - 1) - 1  # a pixel more than rounding can take
    high = rows[0] + width * (1 - iou_threshold) + 1
    first = np.searchsorted(position, image * stretch + np.clip(low - left, 0, stretch), side="left")
    last = np.searchsorted(position, image * stretch + np.clip(high - left, 0, stretch), side="right")
    # NaN sorts behind every face: an empty window.
    pairs = np.where(image < 0, 0, np.maximum(last - first, 0))

    ends = np.cumsum(pairs)
    begins = ends - pairs
    cuts = np.searchsorted(ends, np.arange(_PAIRS_AT_ONCE, ends[-1], _PAIRS_AT_ONCE)).tolist()
    for start, stop in zip([0, *cuts], [*cuts, len(boxes)], strict=True):
        row = np.repeat(np.arange(start, stop), pairs[start:stop])
        face = first[row] - begins[row] + np.arange(begins[start], begins[start] + len(row))
        row, face, iou = _overlapping(rows, faces, row, face, iou_threshold)
        if len(row):
            starts = np.flatnonzero(np.diff(row, prepend=-1))
            highest = np.repeat(np.maximum.reduceat(iou, starts), np.diff(starts, append=len(row)))
            original = np.where(iou == highest, by_x[face], len(by_x))
            best[row[starts]] = np.minimum.reduceat(original, starts)
    return best


def _corners(boxes: np.ndarray) -> np.ndarray:
    """``(N, 4)`` x, y, w, h → ``(4, N)`` x1, y1, x2, y2, in the evaluator's arithmetic."""
    x, y, w, h = boxes.T
    return np.stack([x, y, x + w, y + h])


def _overlapping(
    rows: np.ndarray, faces: np.ndarray, row: np.ndarray, face: np.ndarray, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the pairs (row, face), corners ``(4, N)`` and ``(4, M)``, those of at least this IoU, and it."""
    height = np.minimum(rows[3][row], faces[3][face]) - np.maximum(rows[1][row], faces[1][face]) + 1
    near = height > 0
    row, face, height = row[near], face[near], height[near]
    (x1, y1, x2, y2), (fx1, fy1, fx2, fy2) = rows[:, row], faces[:, face]
    width = np.minimum(x2, fx2) - np.maximum(x1, fx1) + 1
    # The published order of operations: a last bit can decide at the threshold and between two faces.
    shared = width * height
    union = (x2 - x1 + 1) * (y2 - y1 + 1) + (fx2 - fx1 + 1) * (fy2 - fy1 + 1) - shared
    iou = shared / union
    reached = (width > 0) & (iou >= iou_threshold)
    return row[reached], face[reached], iou[reached]


def _first_rows(face: np.ndarray, faces: int) -> np.ndarray:
    """Of the rows that go to the same face the first in file order; ``face`` ``(N,)`` is -1 for none.

    These are the hits of a subset in which the face counts.
    """
    rows = np.flatnonzero(face >= 0)[::-1]
    first = np.full(faces, -1, dtype=np.int64)
    first[face[rows]] = rows  # of equal indices the last assignment stays
    return first[first >= 0]


def _first_thresholds(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For each row the index of the first threshold at which it counts, 1000 for none.

    ``scores`` ``(N,)`` are normalised. At a threshold an image gives all rows up to the last that reaches
    it, so a row counts as soon as it or one behind it does. A NaN reaches none.
    """
    reach = np.where(np.isnan(scores), -np.inf, scores)
    ends = np.cumsum(counts)
    for image in _rising_images(reach, np.repeat(np.arange(len(counts)), counts)):
        rows = slice(ends[image] - counts[image], ends[image])
        reach[rows] = np.maximum.accumulate(reach[rows][::-1])[::-1]
    return len(THRESHOLDS) - np.searchsorted(THRESHOLDS[::-1], reach, side="right")


def _running_sum(threshold: np.ndarray) -> np.ndarray:
    """How many of the rows count at each threshold: ``(1000,)`` int64."""
    return np.cumsum(np.bincount(threshold, minlength=len(THRESHOLDS) + 1)[:-1])


def _average_precision(precision: np.ndarray, recall: np.ndarray) -> float:
    """Area below the monotone envelope of the curve, summed over the steps of recall (VOC 2010)."""
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(np.concatenate([precision, [0.0]])[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(np.sum((recall[steps + 1] - recall[steps]) * envelope[steps]))
