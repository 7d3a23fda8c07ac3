"""What is written of figures on WIDER FACE."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.widerface import OFFICIAL_IMAGES
from pth2map.evaluation.results import PublishedSet, images_clause, shown
from pth2map.evaluation.widerface import THRESHOLDS, Evaluation

PUBLISHED = PublishedSet("WIDER FACE val", "WIDER FACE", OFFICIAL_IMAGES)
_NAME = re.compile(r"(\d+)--[^/]+/\1_")
"""Its events have numbers, with which the names of their images begin."""


@dataclass(frozen=True)
class WiderFaceScores:
    """AP of the subsets of WIDER FACE; ``evaluations`` differ in the IoU threshold alone, that of the result first."""

    evaluations: Sequence[Evaluation]

    def to_json(self) -> dict[str, Any]:
        first = self.evaluations[0]
        return {
            "metrics": dict(first.metrics),
            "iou_threshold": first.iou_threshold,
            "metrics_at_iou": {f"{each.iou_threshold:g}": dict(each.metrics) for each in self.evaluations},
        }

    def table(self) -> list[str]:
        """AP by subset; a label says of which IoU."""
        rows = [f"{'AP':<18}" + "".join(f"{name:>10}" for name in self.evaluations[0].metrics)]
        for each in self.evaluations:
            for unit, factor, digits in (("%", 100, 2), ("fraction", 1, 6)):
                cells = "".join(f"{shown(value, factor, digits):>10}" for value in each.metrics.values())
                rows.append(f"{f'IoU {each.iou_threshold:g} {unit}':<18}{cells}")
        return rows

    def title(self) -> str:
        return f"AP at IoU {self.evaluations[0].iou_threshold:g}"

    def clauses(self, index: DatasetIndex) -> list[str]:
        first, *others = (f"{each.iou_threshold:g}" for each in self.evaluations)
        beside = f" and beside it at {', '.join(others)}" if others else ""
        return [
            images_clause(index, PUBLISHED, all(map(_NAME.match, index.names))),
            f"evaluator: WIDER FACE, AP at IoU {first}{beside} (sides counted +1 px), {len(THRESHOLDS):,} "
            f"thresholds, scores scaled to 0…1 over all images, {self.evaluations[0].mode} mode",
        ]

    def notes(self) -> list[str]:
        return list(self.evaluations[0].notes)
