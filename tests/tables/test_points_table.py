import csv
import io

from pth2map.evaluation.coco import FIGURES
from pth2map.tables.points import points_table

COST = {"parameters": 426608, "macs": 245286400, "operations": 254329600, "convention": "some"}


def result(**changes: object) -> dict[str, object]:
    content = {
        "model": "m",
        "engine": "e",
        "kind": "onnxruntime",
        "variant": "320-fp32-b1",
        "images": 24,
        "full_dataset": False,
        "synthetic": False,
        "rehearsal": False,
        "trained_on_evaluation": False,
        "calibrated_on_evaluation": False,
        "weights": "declared",
        "iou_threshold": 0.5,
        "metrics_at_iou": {"0.5": {"easy": 0.5, "hard": None, "medium": 0.123456789}},
    }
    return content | changes


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_a_row_for_a_person_who_sorts_by_size_and_precision():
    assert points_table([result()], {"320": COST}) == (
        "model\tengine\tkind\tsize\tprecision\tbatch\tiou\teasy\tmedium\thard\timages\tcomparable\trehearsal\tweights\t"
        "parameters\tmacs\toperations\n"
        "m\te\tonnxruntime\t320\tfp32\t1\t0.5\t0.500000\t0.123457\t\t24\tno\tno\tdeclared\t"
        "426608\t245286400\t254329600\n"
    )


def test_other_thresholds_have_columns_that_say_so():
    at_iou = {"0.4": {"easy": 0.75, "medium": 0.5, "hard": 0.25}, "0.5": {"easy": 0.5, "medium": 0.25, "hard": 0.0}}
    (row,) = rows(points_table([result(metrics_at_iou=at_iou, synthetic=True, full_dataset=True)], {}))
    assert (row["iou"], row["easy"], row["easy@0.4"], row["hard@0.4"]) == ("0.5", "0.500000", "0.750000", "0.250000")
    assert (row["weights"], row["comparable"]) == ("synthetic", "no")
    names = list(row)
    assert names[names.index("iou") + 1 : names.index("images")] == [
        *("easy", "medium", "hard"),
        *("easy@0.4", "medium@0.4", "hard@0.4"),
    ]


def test_a_rehearsal_is_never_comparable():
    (row,) = rows(points_table([result(rehearsal=True, full_dataset=True)], {}))
    assert (row["comparable"], row["rehearsal"]) == ("no", "yes")
    (row,) = rows(points_table([result(calibrated_on_evaluation=True, full_dataset=True)], {}))
    assert row["comparable"] == "no"
    (row,) = rows(points_table([result(full_dataset=True)], {}))
    assert row["comparable"] == "yes"


def test_every_point_has_the_cost_of_its_size_and_native_none():
    variants = ("320-fp32-b4", "640x480-fp16-b1", "native-fp32-b1")
    found = rows(points_table([result(variant=v) for v in variants], {"320": COST, "640x480": COST | {"macs": 7}}))
    assert [(row["size"], row["precision"], row["batch"]) for row in found] == [
        ("320", "fp32", "4"),
        ("640x480", "fp16", "1"),
        ("native", "fp32", "1"),
    ]
    assert [row["macs"] for row in found] == ["245286400", "7", ""]


def test_coco_has_a_column_for_each_figure():
    metrics = {"segm": dict.fromkeys(FIGURES, 0.5), "bbox": {**dict.fromkeys(FIGURES, 0.25), "APs": None}}
    of_coco = {key: value for key, value in result(metrics=metrics).items() if not key.endswith(("iou", "threshold"))}
    (row,) = rows(points_table([of_coco], {}))
    names = list(row)
    figures = names[names.index("iou") + 1 : names.index("images")]
    assert figures == [f"{kind}_{name}" for kind in ("bbox", "segm") for name in FIGURES]
    assert (row["iou"], row["bbox_AP"], row["bbox_APs"], row["segm_AR1"]) == ("0.50:0.95", "0.250000", "", "0.500000")
