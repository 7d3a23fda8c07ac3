"""The results of a model's points, a row each, for a program or a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pth2map.datasets.widerface import SUBSETS
from pth2map.evaluation.coco import FIGURES

_STAMPS = ("synthetic", "rehearsal", "trained_on_evaluation", "calibrated_on_evaluation")


def points_table(results: Sequence[Mapping[str, Any]], costs: Mapping[str, Mapping[str, Any]]) -> str:
    """A TSV of the contents of ``map.json`` of each point and, by size, of ``complexity.json``.

    AP is a fraction with six decimals, empty where there is none; columns of other IoU thresholds than the result's say
    so (``easy@0.4``), those of COCO are named ``bbox_AP`` and so on. ``weights`` is where they come from: ``declared``
    in the config, the user's ``own``, ``trained`` here, or ``synthetic``, made of a formula: such figures say nothing
    of the model. ``comparable`` says whether all images of the published set were scored, with other weights than the
    last, on the real engine, and not with int8 calibrated on them: ``rehearsal`` says whether stand-ins computed in its
    place. What an image costs is empty at size ``native``, and where the block has no ONNX graph.
    """
    table = io.StringIO()
    rows = [_row(result, costs) for result in results]
    writer = csv.DictWriter(table, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def _row(result: Mapping[str, Any], costs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    size, precision, batch = result["variant"].rsplit("-", 2)
    cost = costs.get(size, {})
    figures = _of_widerface(result) if "metrics_at_iou" in result else _of_coco(result)
    metrics = {name: "" if value is None else f"{value:.6f}" for name, value in figures.items()}
    return {
        "model": result["model"],
        "engine": result["engine"],
        "kind": result["kind"],
        "size": size,
        "precision": precision,
        "batch": batch.removeprefix("b"),
        "iou": f"{result['iou_threshold']:g}" if "iou_threshold" in result else "0.50:0.95",
        **metrics,
        "images": result["images"],
        "comparable": "yes" if result["full_dataset"] and not any(result[stamp] for stamp in _STAMPS) else "no",
        "rehearsal": "yes" if result["rehearsal"] else "no",
        "weights": "synthetic" if result["synthetic"] else result["weights"],
        **{key: cost.get(key, "") for key in ("parameters", "macs", "operations")},
    }


def _of_widerface(result: Mapping[str, Any]) -> dict[str, float | None]:
    first = result["iou_threshold"]
    return {
        name if float(iou) == first else f"{name}@{iou}": value
        for iou, values in sorted(result["metrics_at_iou"].items(), key=lambda pair: float(pair[0]) != first)
        for name, value in sorted(values.items(), key=lambda pair: SUBSETS.index(pair[0]))
    }


def _of_coco(result: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        f"{kind}_{name}": values[name]
        for kind, values in sorted(result["metrics"].items())
        for name in sorted(values, key=list(FIGURES).index)
    }
