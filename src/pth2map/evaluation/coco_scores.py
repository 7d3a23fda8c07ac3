"""What is written of figures on COCO, or on a set in its format."""

from dataclasses import dataclass
from typing import Any

from pth2map.datasets.coco import OFFICIAL_IMAGES
from pth2map.datasets.index import DatasetIndex
from pth2map.evaluation.coco import EVALUATOR, FIGURES, MOST_DETECTIONS, CocoEvaluation
from pth2map.evaluation.results import PublishedSet, images_clause, shown

PUBLISHED = PublishedSet("COCO val2017", "COCO", OFFICIAL_IMAGES)


@dataclass(frozen=True)
class CocoScores:
    """The twelve figures of COCO, of boxes and of masks."""

    evaluation: CocoEvaluation
    of_val2017: bool
    """Whether the images are called as those of COCO val2017."""

    def to_json(self) -> dict[str, Any]:
        return {"metrics": {kind: dict(values) for kind, values in self.evaluation.metrics.items()}}

    def table(self) -> list[str]:
        """A line for each figure."""
        kinds = self.evaluation.metrics
        head = "".join(f"{kind + ' %':>10}" for kind in kinds) + "".join(f"{kind + ' fraction':>17}" for kind in kinds)
        rows = [f"{'COCO':<6}{head}"]
        for name in FIGURES:
            values = [figures[name] for figures in kinds.values()]
            percent = "".join(f"{shown(value, 100, 2):>10}" for value in values)
            rows.append(f"{name:<6}{percent}" + "".join(f"{shown(value, 1, 6):>17}" for value in values))
        return rows

    def title(self) -> str:
        return "COCO, mean of the categories"

    def clauses(self, index: DatasetIndex) -> list[str]:
        area = {"box": "its box", "mask": "the mask itself"}[self.evaluation.segm_area]
        return [
            images_clause(index, PUBLISHED, self.of_val2017),
            f"evaluator: COCO ({EVALUATOR}), AP over IoU 0.50:0.95, 101 recall points, at most {MOST_DETECTIONS} "
            f"detections of an image and category; the area of a detected mask is that of {area}",
        ]

    def notes(self) -> list[str]:
        return list(self.evaluation.notes)
