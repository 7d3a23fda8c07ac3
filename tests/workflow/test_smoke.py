"""The whole road on 24 real images: every engine, both routes, both protocols, and the Ascend routes rehearsed."""

import json
from pathlib import Path

import numpy as np
import pytest

from pth2map.datasets.widerface import read_ground_truth
from pth2map.evaluation.widerface import evaluate
from pth2map.recipes.detections import Detections, load_detections, read_texts

from .conftest import ROOT, Run, run_snakemake

OVERLAY = """
engines:
  onnxruntime_files: {kind: onnxruntime, route: files, threads: 1}
  atc: {kind: ascend, setup: workflow/rehearsal/set_env.sh, python: python, rehearsal: true, loops: 3}
  aie:
    kind: torch_aie
    setup: workflow/rehearsal/set_env.sh
    python: python
    rehearsal: true
    trace: vendor
models:
  retinaface:
    engines: [onnxruntime, onnxruntime_files, torchscript, atc, aie]
  retinaface_native:
    engines: [onnxruntime, onnxruntime_files, torchscript]
datasets:
  widerface: {shards: 2}
tensor_shards: 1
"""
POINTS = [
    ("retinaface", "onnxruntime", "1000-fp32-b1"),
    ("retinaface", "onnxruntime_files", "1000-fp32-b1"),
    ("retinaface", "torchscript", "1000-fp32-b1"),
    ("retinaface_native", "onnxruntime", "native-fp32-b1"),
    ("retinaface_native", "onnxruntime_files", "native-fp32-b1"),
    ("retinaface_native", "torchscript", "native-fp32-b1"),
]
REHEARSED = {"1000-fp16-b1": "atc", "1000-fp32-b1": "aie"}
RECIPES = {"retinaface": "a1000", "retinaface_native": "orig"}


@pytest.fixture(scope="module")
def smoke(mirror, tmp_path_factory) -> tuple[Path, Run]:
    """A folder in which every point has been made."""
    folder = tmp_path_factory.mktemp("smoke run")  # with a blank in its name
    (folder / "routes.yaml").write_text(OVERLAY)
    targets = [f"results/{'/'.join(point)}/map.json" for point in POINTS]
    targets += [f"results/{model}/{file}" for model in RECIPES for file in ("map.txt", "export/parity.json")]
    rehearsed = [f"results/retinaface/{engine}/{variant}" for variant, engine in REHEARSED.items()]
    targets += [f"{point}/{file}" for point in rehearsed for file in ("map.txt", "perf.json")]
    run = run_snakemake(
        ROOT,
        folder,
        "--configfile",
        ROOT / "config/smoke.yaml",
        "routes.yaml",
        "--",
        *targets,
        PTH2MAP_MIRROR=str(mirror),
    )
    assert run.status == 0, run.output
    return folder, run


def point_folder(folder: Path, point: tuple[str, str, str]) -> Path:
    return folder / "results" / "/".join(point)


@pytest.mark.parametrize("point", POINTS, ids="-".join)
def test_ap_is_that_of_the_upstream_detections_on_these_images(smoke, point, golden, mirror):
    folder, _ = smoke
    result = json.loads((point_folder(folder, point) / "map.json").read_text())
    arrays = np.load(golden / "retinaface_wider_subset" / "arrays.npz")
    recipe = RECIPES[point[0]]
    everything = Detections(
        tuple(map(str, arrays["names"])),
        arrays[f"{recipe}_counts"].astype(np.int64),
        arrays[f"{recipe}_boxes"].astype(np.float64),
        arrays[f"{recipe}_scores"],
    )
    ours = load_detections(point_folder(folder, point) / "detections/detections.npz")
    truth = read_ground_truth(mirror / "widerface-mini/ground_truth").subset(ours.names)
    upstream = evaluate(only(everything, ours.names), truth).ap
    assert result["images"] == 24
    assert result["metrics"] == pytest.approx(upstream, abs=0.002)


def only(detections: Detections, names: tuple[str, ...]) -> Detections:
    place = {name: number for number, name in enumerate(detections.names)}
    rows = [np.arange(detections.offsets[place[name]], detections.offsets[place[name] + 1]) for name in names]
    chosen = np.concatenate(rows)
    counts = np.array([len(row) for row in rows])
    return Detections(names, counts, detections.boxes[chosen], detections.scores[chosen])


@pytest.mark.parametrize(
    ("stream", "files"),
    [(POINTS[0], POINTS[1]), (POINTS[3], POINTS[4])],
    ids="-".join,
)
def test_both_routes_give_identical_detections(smoke, stream, files):
    folder, _ = smoke
    paths = [point_folder(folder, point) / "detections/detections.npz" for point in (stream, files)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_file_route_leaves_no_tensor_behind(smoke):
    folder, _ = smoke
    assert not [path for path in (folder / "scratch").rglob("*") if path.suffix in {".npy", ".bin"}]


def test_text_and_binary_give_the_same_ap(smoke, mirror):
    folder, _ = smoke
    detections = point_folder(folder, POINTS[0]) / "detections"
    binary = load_detections(detections / "detections.npz")
    text = read_texts(detections / "text")
    truth = read_ground_truth(mirror / "widerface-mini/ground_truth").subset(binary.names)
    assert evaluate(text, truth).ap == pytest.approx(evaluate(binary, truth).ap, abs=1e-12)
    assert text.content_hash() == binary.content_hash()


def test_detections_have_the_promised_layout(smoke):
    folder, _ = smoke
    arrays = np.load(point_folder(folder, POINTS[0]) / "detections/detections.npz")
    rows = int(arrays["counts"].sum())
    shapes = {name: (arrays[name].dtype.kind, arrays[name].shape) for name in arrays.files}
    assert shapes == {
        "names": ("U", (24,)),
        "counts": ("i", (24,)),
        "boxes": ("f", (rows, 4)),
        "scores": ("f", (rows,)),
        "corners": ("f", (rows, 4)),
        "landmarks": ("f", (rows, 5, 2)),
    }
    assert arrays["boxes"].dtype == arrays["scores"].dtype == np.float64
    assert arrays["names"][0] == "0--Parade/0_Parade_marchingband_1_404"


def test_the_headline_is_the_named_point(smoke):
    folder, _ = smoke
    for point in (POINTS[0], POINTS[3]):
        for name in ("map.txt", "map.json"):
            assert (folder / "results" / point[0] / name).read_bytes() == (
                point_folder(folder, point) / name
            ).read_bytes()


def test_the_result_says_how_it_came_about(smoke):
    folder, _ = smoke
    result = json.loads((folder / "results/retinaface/map.json").read_text())
    assert {key: result[key] for key in ("model", "engine", "variant", "dataset", "full_dataset")} == {
        "model": "retinaface",
        "engine": "onnxruntime",
        "variant": "1000-fp32-b1",
        "dataset": "widerface",
        "full_dataset": False,
    }
    assert result["hashes"]["weights"] == "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"
    assert sorted(result["hashes"]) == ["code", "config", "detections", "ground_truth", "images", "weights"]
    for part in ("1000×1000", "24 of 366 images", "not comparable with published", "IoU 0.5", "1,000 thresholds"):
        assert part in result["protocol"]
    for clause in result["protocol"].split("; not comparable")[0].split("; "):
        assert clause in (folder / "results/retinaface/map.txt").read_text()
    where = json.loads((point_folder(folder, POINTS[0]) / "provenance.json").read_text())
    assert where["point"]["rehearsal"] is False
    (infer,) = where["infer"]  # all shards ran in the same surroundings
    assert infer["jobs"] == 2
    assert infer["packages"]["onnxruntime"]
    assert infer["options"] == {"threads": 1, "providers": ["CPUExecutionProvider"]}
    assert str(folder) not in json.dumps(result)


def test_every_graph_was_held_to_pytorch_on_real_images(smoke):
    folder, _ = smoke
    for model in RECIPES:
        parity = json.loads((folder / "results" / model / "export/parity.json").read_text())
        assert sorted(parity) == ["onnx", "torchscript"]
        for check in parity.values():
            assert check["images"] == 3
            for output in check["outputs"].values():
                assert output["max_abs"] <= 5e-4
                assert output["cosine"] == pytest.approx(1, abs=1e-9)


def test_the_picture_is_a_picture(smoke):
    folder, _ = smoke
    assert (point_folder(folder, POINTS[0]) / "precision_recall.png").read_bytes().startswith(b"\x89PNG")
    curves = np.load(point_folder(folder, POINTS[0]) / "precision_recall.npz")["curves"]
    assert curves.shape == (3, 1000, 2)


def again(folder: Path, mirror: Path, *arguments: str | Path, **environment: str) -> Run:
    return run_snakemake(
        ROOT,
        folder,
        *("--configfile", ROOT / "config/smoke.yaml", "routes.yaml"),
        *arguments,
        PTH2MAP_MIRROR=str(mirror),
        **environment,
    )


def test_a_second_call_does_nothing(smoke, mirror):
    folder, _ = smoke
    run = again(folder, mirror, "--", "results/retinaface/map.txt", "results/retinaface_native/map.txt")
    assert run.status == 0
    assert "Nothing to be done" in run.output


SCORED = {"score_widerface_point": 1, "plot_curves": 1, "report_headline": 1}


@pytest.mark.parametrize(
    ("overlay", "rerun"),
    [
        (
            "{models: {retinaface: {recipe: {decode: {nms_threshold: 0.3}}}}}",
            {"stream_onnxruntime": 2, **SCORED},
        ),
        (
            "{models: {retinaface: {recipe: {preprocess: {pad_value: 1}}}}}",
            {
                "run_network": 1,
                "check_export": 1,
                "stream_onnxruntime": 2,
                **SCORED,
            },
        ),
        ("{models: {retinaface_native: {recipe: {decode: {nms_threshold: 0.3}}}}}", {}),
        ("{engines: {torchscript: {threads: 2}}}", {}),
        ("{files: {retinaface_mobilenet025: {urls: []}}}", {}),
    ],
    ids=["a decode key", "a preprocess key", "another model", "another engine", "an address"],
)
def test_a_changed_key_reruns_just_what_depends_on_it(smoke, mirror, tmp_path, overlay, rerun):
    folder, _ = smoke
    (tmp_path / "change.yaml").write_text(overlay)
    run = again(folder, mirror, tmp_path / "change.yaml", "-n", "--", "results/retinaface/map.txt")
    assert run.status == 0, run.output
    assert run.jobs == rerun


def test_the_file_route_reruns_just_its_decode(smoke, mirror, tmp_path):
    folder, _ = smoke
    (tmp_path / "change.yaml").write_text("{models: {retinaface: {recipe: {decode: {nms_threshold: 0.3}}}}}")
    target = "results/retinaface/onnxruntime_files/1000-fp32-b1/map.txt"
    run = again(folder, mirror, tmp_path / "change.yaml", "-n", "--", target)
    # The tensor files are gone by now, so a new decode needs them again; nothing is exported or checked anew.
    assert run.jobs == {
        "prepare_shard": 2,
        "infer_onnxruntime": 2,
        "decode_shard": 2,
        "score_widerface_point": 1,
    }


# The Ascend routes, rehearsed.


def rehearsed(folder: Path, engine: str) -> Path:
    (point,) = (folder / "results/retinaface" / engine).iterdir()
    return point


def test_the_rehearsal_in_float_finds_what_pytorch_finds(smoke):
    """Over the vendor's files, with a trace made by the vendor's script: to the last bit."""
    folder, _ = smoke
    found = [load_detections(path / "detections/detections.npz") for path in
             (rehearsed(folder, "aie"), point_folder(folder, POINTS[2]))]  # fmt: skip
    assert found[0].content_hash() == found[1].content_hash()
    trace = json.loads((rehearsed(folder, "aie") / "model.ts.parity.json").read_text())
    assert max(output["max_abs"] for output in trace["outputs"].values()) <= 5e-4


def test_the_rehearsal_in_half_precision_has_nearly_the_ap(smoke):
    folder, _ = smoke
    result = json.loads((rehearsed(folder, "atc") / "map.json").read_text())
    expected = json.loads((point_folder(folder, POINTS[0]) / "map.json").read_text())["metrics"]
    assert result["metrics"] == pytest.approx(expected, abs=3e-3)
    assert result["metrics"] != expected, "half precision shows"
    assert result["hashes"]["images"] == "283100b3e65f5613728d4e982bd5ffd34b10aff5584b0f410dbb53aa859a9314"


def test_what_a_rehearsal_made_says_so(smoke):
    folder, _ = smoke
    for engine in REHEARSED.values():
        point = rehearsed(folder, engine)
        assert "REHEARSAL" in (point / "map.txt").read_text()
        assert json.loads((point / "map.json").read_text())["rehearsal"] is True
        provenance = json.loads((point / "provenance.json").read_text())
        assert provenance["point"]["rehearsal"] is True
        (infer,) = provenance["infer"]
        assert infer["rehearsal"] is True
        assert infer["jobs"] == 2
        assert infer["found"]["rehearsal"] is True
        assert json.loads((point / "perf.json").read_text())["rehearsal"] is True
    assert "REHEARSAL" not in (folder / "results/retinaface/map.txt").read_text()


def test_the_rates_of_the_vendors_are_measured(smoke):
    folder, _ = smoke
    atc = json.loads((rehearsed(folder, "atc") / "perf.json").read_text())
    assert atc["runs"] == 3
    assert atc["vendor_throughput"] == pytest.approx(1000 / atc["latency_ms"]["mean"], rel=1e-3)
    assert atc["images_per_s"] == pytest.approx(atc["vendor_throughput"], rel=1e-3)
    aie = json.loads((rehearsed(folder, "aie") / "perf.json").read_text())
    assert (aie["runs"], aie["warmup"]) == (19, 5)
    assert 0 < aie["loop_images_per_s"] < aie["images_per_s"]
    assert aie["images_per_s"] == pytest.approx(1000 / aie["latency_ms"]["mean"])


def test_the_card_subtracts_the_mean(smoke):
    """So its compiled model takes a quarter of the bytes, and the numbers of the outputs are those of the scripts."""
    folder, _ = smoke
    assert "mean_chn_0: 104" in (rehearsed(folder, "atc") / "aipp.cfg").read_text()
    log = next((folder / "logs/retinaface/atc").rglob("ais_bench-1-of-2.txt")).read_text()
    assert "get filesperbatch files0 size:3000000 tensor0size:3000000 filesperbatch:1 runcount:12" in log
