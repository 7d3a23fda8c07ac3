"""A model on a person's own pictures, held to the workflow's pass on the same images and weights."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake.utils import update_config

from pth2map import __version__, detect
from pth2map.config.points import Point, Points
from pth2map.config.read import read_points
from pth2map.config.schema import CocoDataset, WiderFaceDataset
from pth2map.datasets.images import read_image
from pth2map.datasets.widerface import read_ground_truth
from pth2map.datasets.widerface_index import index_widerface
from pth2map.engines.passes import stream
from pth2map.engines.session import open_session
from pth2map.export.graphs import export_graph
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.networks.catalogue import entry
from pth2map.networks.formula import save_formula_weights
from pth2map.plots.boxes import draw_detections
from pth2map.recipes.recipe import Recipe
from pth2map.recipes.settings import Size
from tests import synthetic_weights, synthetic_wider

ROOT = Path(__file__).parents[1]
COMMAND = ROOT / "workflow/scripts/detect.py"
FORMULA = {"formula": [list(rule) for rule in synthetic_weights.SCALES]}
CENTERFACE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())["models"]["centerface"]["weights"]
SYNTHETIC = "SYNTHETIC WEIGHTS, made of a formula: what is found says nothing of the model"
BOTH = {"export": {"parity": {"max_abs": 1.0e-3}}, "engines": ["onnxruntime", "torchscript"]}
OVERLAY = {
    "models": {
        "retinaface": {
            **BOTH,
            "weights": FORMULA,
            "variants": {"sizes": [64, 96], "batches": [1, 2]},
            "headline": {"engine": "onnxruntime", "variant": "64-fp32-b1"},
        },
        "retinaface_native": {**BOTH, "weights": FORMULA},
        "retinaface_mnet": {
            **BOTH,
            "weights": FORMULA,
            "recipe": {"preprocess": {"even_sizes": True}},
            "variants": {"sizes": [96]},
            "headline": {"engine": "torchscript", "variant": "96-fp32-b1"},
        },
        "centerface": {
            **BOTH,
            "weights": CENTERFACE,
            "variants": {"sizes": [96], "batches": [4]},
            "headline": {"engine": "onnxruntime", "variant": "96-fp32-b4"},
        },
    }
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with the synthetic set and the overlay."""
    folder = tmp_path_factory.mktemp("detect")
    synthetic_wider.make(folder / "wider")
    (folder / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def images(folder):
    return folder / "wider/WIDER_val/images"


@pytest.fixture(autouse=True)
def _below(folder, monkeypatch):
    monkeypatch.chdir(folder)


def points(changes: dict | None = None) -> Points:
    """The config with the overlay and more of a model ``retinaface``."""
    values = json.loads(json.dumps(OVERLAY))
    update_config(values, changes or {})
    path = Path("merged.json")
    path.write_text(json.dumps(values), encoding="utf-8")
    return read_points(ROOT, [path])


def opened(model: str, images: Path, **options: str) -> tuple[detect.Detector, list[detect.Picture]]:
    """The point of a model, and its pictures."""
    given, pictures = points(), detect.find_pictures(images)
    return detect.Detector.open(given, detect.choose_point(given, model, **options), ROOT, pictures[0]), pictures


def graph_of(point: Point) -> Path:
    (graph,) = Path("scratch/detect", point.model, detect.graph_state(points(), point, ROOT)).glob("model.*[xs]")
    return graph


@pytest.fixture(scope="module")
def retinaface(folder, images):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return opened("retinaface", images)[0]


# The detections.


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        ("retinaface", "onnxruntime"),
        ("retinaface", "torchscript"),
        ("retinaface_native", "onnxruntime"),
        ("retinaface_mnet", "onnxruntime"),
        ("centerface", "onnxruntime"),
    ],
)
def test_the_detections_are_those_of_the_workflow(model, engine, folder, images):
    detector, pictures = opened(model, images, engine=engine)
    found = {str(each.picture.name.with_suffix("")): each for each in detect.detect(detector, pictures, 0.0)}

    block, point = points().model(model), detector.point
    index, _ = index_widerface("widerface", folder / "wider")
    session = open_session(engine, graph_of(point), entry(block.network).outputs)
    expected = stream(index, index.images, Recipe(block.recipe, Size.parse(point.size)), session, batch=1)
    assert index.names == tuple(found)
    assert len(expected.scores) > 2 * len(index.images)
    offsets = expected.offsets
    for name, start, stop in zip(index.names, offsets, offsets[1:], strict=False):
        rows = start + np.flatnonzero(expected.scores[start:stop] > 0)
        of_stream = {"boxes": expected.boxes, "scores": expected.scores, **expected.extra}
        assert set(found[name].rows) == set(of_stream)
        for key, array in of_stream.items():
            np.testing.assert_array_equal(found[name].rows[key], array[rows])


def test_only_what_lies_above_the_limit_is_told(retinaface, images):
    pictures = detect.find_pictures(images)
    everything = detect.detect(retinaface, pictures, 0.0)
    limit = float(np.sort(np.concatenate([each.rows["scores"] for each in everything]))[-4])
    some = detect.detect(retinaface, pictures, limit)
    assert sum(len(each.rows["scores"]) for each in some) == 3, "the fourth is not above itself"
    for all_of_it, part in zip(everything, some, strict=True):
        count = len(part.rows["scores"])
        for key, array in part.rows.items():
            np.testing.assert_array_equal(array, all_of_it.rows[key][:count])


def test_pixels_are_those_of_the_turned_image(retinaface, images, tmp_path):
    with Image.open(images / "0--Parade/0_Parade_b_1.jpg") as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "turned.png", exif=exif)
        image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    turned, upright = detect.detect(retinaface, detect.find_pictures(tmp_path), 0.0)
    assert (turned.width, turned.height) == (200, 320)
    assert len(turned.rows["scores"])
    np.testing.assert_array_equal(turned.rows["corners"], upright.rows["corners"])


def test_all_pictures_that_cannot_be_used_are_named(retinaface, images, tmp_path):
    for name in ("thin", "thinner"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((300, 1 if name == "thinner" else 2, 3), np.uint8))
    shutil.copy(images / "0--Parade/0_Parade_b_1.jpg", tmp_path)
    with pytest.raises(InputError) as error:
        detect.detect(retinaface, detect.find_pictures(tmp_path), 0.5)
    said = [f"{tmp_path}/{name}.png: an image of {w}×300 px scaled to 64 has no pixels left"
            for name, w in (("thin", 2), ("thinner", 1))]  # fmt: skip
    assert str(error.value) == f"2 of 3 images cannot be used: {said[0]}; {said[1]}"


def test_the_largest_face_of_a_photograph_is_found(mirror, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = read_ground_truth(mirror / "widerface-ground-truth")
    name = "0--Parade/0_Parade_marchingband_1_818"
    place = truth.names.index(name)
    faces = truth.boxes[truth.offsets[place] : truth.offsets[place + 1]]
    largest = faces[np.argmax(faces[:, 2] * faces[:, 3])]
    given = read_points(ROOT)
    pictures = detect.find_pictures(mirror / f"widerface-mini/WIDER_val/images/{name}.jpg")
    point = detect.choose_point(given, "retinaface_mnet", variant="320-fp32-b1")
    detector = detect.Detector.open(given, point, ROOT, pictures[0])
    assert not detector.synthetic
    assert detector.weights == given.weights_hashes("retinaface_mnet")["sha256"]
    assert hash_file(tmp_path / "data/weights/retinaface/mobilenet0.25_Final.pth") == detector.weights
    (found,) = detect.detect(detector, pictures, 0.5)
    assert iou(found.rows["boxes"][0], largest) > 0.5
    centre = found.rows["landmarks"][0].mean(axis=0)
    assert (largest[:2] < centre).all()
    assert (centre < largest[:2] + largest[2:]).all()


def iou(ours, theirs):
    """Of two boxes x, y, w, h."""
    sides = np.minimum(ours[:2] + ours[2:], theirs[:2] + theirs[2:]) - np.maximum(ours[:2], theirs[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(ours[2:]) + np.prod(theirs[2:]) - shared)


# The graph.


def test_the_graph_is_that_of_the_workflow(images, tmp_path):
    detector, _ = opened("retinaface_mnet", images, engine="onnxruntime")
    block = points().model("retinaface_mnet")
    weights, graph = tmp_path / "formula.pth", tmp_path / "model.onnx"
    save_formula_weights(block.network, block.weights.formula, weights)
    assert hash_file(weights) == detector.weights
    export_graph(block.network, weights, "onnx", "96", graph, opset=10, dynamic=[])
    assert graph.read_bytes() == graph_of(detector.point).read_bytes()


def test_a_graph_is_exported_once(retinaface, images, capsys):
    (graph,) = Path("scratch/detect/retinaface").glob("*/model.onnx")
    parity = graph.with_name("model.onnx.parity.json")
    checked = json.loads(parity.read_text(encoding="utf-8"))
    assert checked["graph"] == hash_file(graph)
    assert (checked["images"], checked["max_abs_allowed"]) == (1, 1e-3)
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in (graph, parity)]
    again, _ = opened("retinaface", images / "1--Shop")
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in (graph, parity)] == before
    assert again.weights == retinaface.weights
    assert capsys.readouterr().err.splitlines()[1:] == [SYNTHETIC]


@pytest.mark.parametrize("spoilt", ["model.onnx", "model.onnx.parity.json"])
def test_a_graph_that_is_not_the_checked_one_is_made_anew(spoilt, retinaface, images):
    (place,) = Path("scratch/detect/retinaface").glob(f"*/{spoilt}")
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] if spoilt == "model.onnx" else b'{"graph": ')
    opened("retinaface", images)
    graph = place.parent / "model.onnx"
    assert json.loads((place.parent / "model.onnx.parity.json").read_text())["graph"] == hash_file(graph)
    assert spoilt != "model.onnx" or place.read_bytes() == whole


def test_a_graph_that_differs_from_pytorch_is_not_used(images):
    given = points({"models": {"retinaface": {"export": {"parity": {"max_abs": 1e-12}}}}})
    picture, point = detect.find_pictures(images)[0], detect.choose_point(given, "retinaface")
    with pytest.raises(InputError) as error:
        detect.Detector.open(given, point, ROOT, picture)
    message = str(error.value)
    assert message.startswith(f"{picture.path}: the exported graph differs from the network on 1 images: loc by ")
    assert message.count(", more than 1e-12") == 3
    place = Path("scratch/detect/retinaface") / detect.graph_state(given, point, ROOT)
    assert not (place / "model.onnx.parity.json").exists(), "the next call would take it"


def state(changes: dict | None = None, **options: str) -> str:
    given = points({"models": {"retinaface": changes or {}}})
    return detect.graph_state(given, detect.choose_point(given, "retinaface", **options), ROOT)


@pytest.mark.parametrize(
    "changes",
    [
        {"export": {"opset": 12}},
        {"export": {"dynamic": []}, "variants": {"batches": [1]}},
        {"export": {"max_ir_version": 4}},
        {"export": {"parity": {"max_abs": 0.1}}},
        {"network": "retinaface_resnet50"},
        {"weights": {"formula": [["^ClassHead", 0.25]]}},
        {"recipe": {"preprocess": {"pad_value": 1}}},
        {"headline": {"variant": "96-fp32-b1"}},
        {"headline": {"engine": "torchscript"}},
    ],
    ids=str,
)
def test_another_graph_for_another_key(changes):
    assert state(changes) != state()


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {"decode": {"nms_threshold": 0.5}}},
        {"scoring": {"iou_thresholds": [0.6]}},
        {"export": {"parity": {"images": 7}}},
        {"headline": {"variant": "64-fp32-b2"}},
    ],
    ids=str,
)
def test_the_same_graph_for_a_key_that_does_not_matter(changes):
    assert state(changes) == state()


# The point.


def test_what_is_not_given_is_the_headlines():
    given = points()

    def chosen(model, *names):
        point = detect.choose_point(given, model, *names)
        return point.engine, point.variant

    assert chosen("retinaface_mnet") == ("torchscript", "96-fp32-b1")
    assert chosen("retinaface_mnet", "onnxruntime") == ("onnxruntime", "96-fp32-b1")
    assert chosen("retinaface", None, "96-fp32-b2") == ("onnxruntime", "96-fp32-b2")


def test_an_engine_that_runs_elsewhere_is_refused(monkeypatch):
    monkeypatch.setattr(detect, "KINDS", MappingProxyType({"onnxruntime": "pth2map.engines.onnxruntime"}))
    with pytest.raises(InputError) as error:
        detect.choose_point(points(), "retinaface", "torchscript")
    assert str(error.value) == (
        "engine torchscript is of kind torchscript, which does not run in this process; allowed: onnxruntime"
    )


# Which pictures.


def test_the_images_of_a_folder(tmp_path):
    content = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes()
    taken = ["B.JPG", "a.png", "below/it/c.Jpeg", "below/é.webp", "z.bmp"]
    for name in (*taken, ".hidden.png", ".cache/a.png", "notes.txt", "a.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    pictures = detect.find_pictures(tmp_path)
    assert [str(picture.name) for picture in pictures] == taken
    assert all(picture.path == tmp_path / picture.name for picture in pictures)


def test_a_single_file_may_have_any_name(tmp_path):
    (tmp_path / "scan").write_bytes(cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes())
    assert detect.find_pictures(tmp_path / "scan") == [detect.Picture(tmp_path / "scan", Path("scan"))]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
@pytest.mark.parametrize("side", [1, 7, 8])
def test_a_tiny_image_is_one(suffix, side, tmp_path):
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), np.full((20, side, 3), 90, np.uint8))
    (picture,) = detect.find_pictures(tmp_path)
    assert read_image(picture.path).shape == (20, side, 3)


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}/a.jpg: No such file or directory$"):
        detect.find_pictures(tmp_path)


def test_of_many_broken_images_five_are_shown(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(InputError) as error:
        detect.find_pictures(tmp_path)
    assert str(error.value).startswith(f"7 of 7 images cannot be used: {tmp_path}/0.jpg: the file is empty; ")
    assert str(error.value).endswith(f"{tmp_path}/4.jpg: the file is empty; and 2 more")


# What is written.


def test_the_report(retinaface, images):
    pictures = detect.find_pictures(images)
    limit = 0.5
    found = detect.detect(retinaface, pictures, limit)
    report = detect.report(retinaface, found, limit)
    assert report == json.loads(json.dumps(report, allow_nan=False))
    listed = report.pop("images")
    protocol = report.pop("protocol").split("; ")
    assert report == {
        "model": "retinaface",
        "engine": "onnxruntime",
        "variant": "64-fp32-b1",
        "weights_sha256": retinaface.weights,
        "synthetic": True,
        "score_above": limit,
        "pth2map": __version__,
    }
    assert protocol[0] == "network: retinaface_mobilenet025"
    assert protocol[1].startswith("input: longer side scaled to 64 px (nearest neighbour)")
    assert protocol[3].startswith("decode: face score > 0.02")
    assert re.fullmatch(r"engine: onnxruntime [\d.]+ \(CPUExecutionProvider\), fp32, batch 1", protocol[-1])
    assert [image["path"] for image in listed] == [str(picture.path) for picture in pictures]
    assert any(image["detections"] for image in listed)
    for image, each in zip(listed, found, strict=True):
        assert [image["height"], image["width"]] == list(read_image(each.picture.path).shape[:2])
        assert len(image["detections"]) == len(each.rows["scores"])
        scores = [row["score"] for row in image["detections"]]
        assert scores == sorted(scores, reverse=True)
        assert all(score > limit for score in scores)
        for row in image["detections"]:
            assert list(row) == ["score", "box", "corners", "landmarks"]
            assert np.shape(row["landmarks"]) == (5, 2)
            x1, y1, x2, y2 = map(math.trunc, row["corners"])
            assert row["box"] == [x1, y1, x2 - x1, y2 - y1], "of this recipe, whole pixels"


def test_the_drawn_pictures_show_what_was_found(retinaface, images, tmp_path):
    for name in ("0--Parade/0_Parade_b_1", "1--Shop/1_Shop_b_2"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"mine/{name}.png"), read_image(images / f"{name}.jpg"))
    pictures = detect.find_pictures(tmp_path / "mine")
    found = detect.detect(retinaface, pictures, 0.5)
    assert any(len(each.rows["scores"]) for each in found)
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn/notes.txt").write_text("of mine")
    detect.draw(found, tmp_path / "drawn")
    written = {str(p.relative_to(tmp_path / "drawn")) for p in (tmp_path / "drawn").rglob("*") if p.is_file()}
    assert written == {"notes.txt", *(str(picture.name) for picture in pictures)}
    for each in found:
        image, rows = read_image(each.picture.path), each.rows
        expected = draw_detections(image, rows["boxes"], rows["scores"], rows["landmarks"])
        np.testing.assert_array_equal(read_image(tmp_path / "drawn" / each.picture.name), expected)


def test_outputs_apart_from_the_pictures_are_fine(images, tmp_path):
    detect.check_outputs(images, detect.find_pictures(images), tmp_path / "drawn", tmp_path / "new/report.json")
    single = next(images.glob("*/*"))
    detect.check_outputs(single, detect.find_pictures(single), single.parent / "drawn", single.with_suffix(".json"))


def test_a_link_is_no_way_round(images, tmp_path):
    (tmp_path / "other").symlink_to(images)
    with pytest.raises(InputError, match="would mix with your own pictures"):
        detect.check_outputs(images, detect.find_pictures(images), tmp_path / "other", None)


def test_the_lines_for_a_person(retinaface, images):
    first, second = detect.find_pictures(images)[:2]
    found = detect.detect(retinaface, [first, second], 0.5)
    counts = [len(each.rows["scores"]) for each in found]
    assert detect.describe(found, 0.5) == [
        f"{picture.path}: {count} above 0.5" for picture, count in zip((first, second), counts, strict=True)
    ]
    rows = found[0].rows
    head, *lines = detect.describe(found[:1], 0.5)
    assert head == f"{first.path}: {counts[0]} above 0.5"
    assert len(lines) == counts[0] > 0
    for line, score, box in zip(lines, rows["scores"], rows["boxes"], strict=True):
        assert list(map(float, line.split(" "))) == [score, *box]


def test_the_command_works_in_any_folder(retinaface, images, folder):
    picture = Path("wider/WIDER_val/images/0--Parade/0_Parade_b_1.jpg")
    outputs = ("--draw", "drawn", "--json", "new/below/found.json")
    command = [sys.executable, COMMAND, "--model", "retinaface", "--image", picture, *outputs]
    command += ["--score-above", "0.4", "--configfile", "overlay.yaml"]
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=os.environ, capture_output=True, text=True, check=True
    )
    found = detect.detect(retinaface, detect.find_pictures(picture), 0.4)
    assert done.stdout.splitlines() == detect.describe(found, 0.4)
    assert done.stderr == f"{SYNTHETIC}\n"
    written = json.loads((folder / "new/below/found.json").read_text(encoding="utf-8"))
    assert written == detect.report(retinaface, found, 0.4)
    assert read_image(folder / "drawn/0_Parade_b_1.jpg").shape == (200, 320, 3)


def test_torch_is_loaded_for_a_new_graph_alone():
    program = "import pth2map.detect, sys; assert not {'torch', 'onnx', 'onnxruntime', 'snakemake'} & set(sys.modules)"
    command = [sys.executable, "-c", program]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True)


def test_a_quantised_variant_is_left_to_the_workflow():
    int8 = {"models": {"retinaface_mnet": {"variants": {"precisions": ["fp32", "int8"]}}}}
    calibration = {"datasets": {"widerface": {"calibration": {"source": "."}}}}
    with pytest.raises(InputError, match="96-int8-b1 is quantised by the workflow; choose a variant in fp32"):
        detect.choose_point(points(int8 | calibration), "retinaface_mnet", "onnxruntime", "96-int8-b1")


def test_labels_are_called_as_cocos_whatever_annotations_lie_there(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_val.json").write_text('{"categories": [{"id": 1, "name": "cat"}]}')
    dataset = CocoDataset(kind="coco", root=str(tmp_path), split="val")
    assert detect.class_names(dataset)[:2] == ("person", "bicycle")
    assert len(detect.class_names(dataset)) == 80
    assert detect.class_names(WiderFaceDataset(kind="widerface")) == ()


def test_weights_that_are_not_trained_yet_are_asked_for_by_their_target(images, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    training = {"size": 160}
    given = points({"models": {"retinaface": {"weights": {"formula": None, "training": training}}}})
    picture = detect.find_pictures(images)[0]
    point = detect.choose_point(given, "retinaface")
    place = Path("results/retinaface/train/weights.pth")
    with pytest.raises(InputError) as error:
        detect.Detector.open(given, point, ROOT, picture)
    assert str(error.value) == f"{place} is not there yet; train retinaface first: snakemake --cores all {place}"
    assert not (tmp_path / "scratch").exists()
    found = []
    for scale in (1.0, 0.5):  # trained, and trained again
        place.parent.mkdir(parents=True, exist_ok=True)
        save_formula_weights("retinaface_mobilenet025", [("", 0.1 * scale), *synthetic_weights.SCALES], place)
        os.utime(place, ns=(int(scale * 1e9), int(scale * 1e9)))
        detector = detect.Detector.open(given, point, ROOT, picture)
        assert detector.weights == hash_file(place)
        found.append(detector(read_image(picture.path))["scores"])
    assert found[0].tolist() != found[1].tolist(), "not the graph of the earlier weights"
