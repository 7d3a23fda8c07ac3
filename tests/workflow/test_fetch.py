"""Everything from a server: weights, images and ground truth come into an empty folder by themselves."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from tests import synthetic_weights, synthetic_wider
from tests.http_server import file, held, serving, text

from .conftest import ROOT, run_snakemake

PARTS = ("face", "easy", "medium", "hard")
TARGET = "results/retinaface/map.json"
CALL = ("--configfile", "overlay.yaml", "--", TARGET)
FETCHED = {"fetch_file": 5, "fetch_folder": 1}


class Origin:
    """What the server has: the weights, a zip of the images, a zip of the ground truth among other files."""

    def __init__(self, folder: Path) -> None:
        root = synthetic_wider.make(folder / "wider")
        synthetic_weights.save(folder / "formula.pth")
        self.weights = (folder / "formula.pth").read_bytes()
        self.images = zipped(folder / "images.zip", root, root / "WIDER_val", "WIDER_val/license.txt")
        self.tools = zipped(
            folder / "tools.zip", folder / "wider", root / "ground_truth", "wider_eval.m", "eval_tools/"
        )
        self.truth = {part: (root / f"ground_truth/wider_{part}_val.mat").read_bytes() for part in PARTS}

    def overlay(self, address: str) -> str:
        """The shipped declarations with this server's addresses, sizes and hashes."""
        files = {
            "retinaface_mobilenet025": declared(self.weights, [f"{address}/gone.pth", f"{address}/formula.pth"]),
            "widerface_val_zip": declared(self.images, [f"{address}/images.zip"]) | {"md5": None},
            "widerface_eval_tools": {"urls": [f"{address}/tools.zip"]},
            **{f"widerface_val_{'faces' if p == 'face' else p}": declared(self.truth[p]) for p in PARTS},
        }
        block = {
            "recipe": {"decode": {"confidence_threshold": 0.45}},
            "export": {"parity": {"max_abs": 1e-3}},
            "engines": ["onnxruntime"],
            "variants": {"sizes": [320]},
            "headline": {"variant": "320-fp32-b1"},
        }
        values = {
            "files": files,
            "folders": {"widerface_val_images": {"files": len(synthetic_wider.NAMES)}},
            "datasets": {"widerface": {"shards": 1}},
            "models": {"retinaface": block, "retinaface_r50": {"weights": "retinaface_mobilenet025"}},
        }
        return yaml.safe_dump(values)


def zipped(path: Path, root: Path, folder: Path, other: str, prefix: str = "") -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(prefix + other, "another file")
        for entry in sorted(folder.rglob("*.*")):
            archive.write(entry, prefix + entry.relative_to(root).as_posix())
    return path.read_bytes()


def declared(content: bytes, urls: list[str] | None = None) -> dict[str, object]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} | ({"urls": urls} if urls else {})


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    return Origin(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="module")
def fetched(origin, tmp_path_factory):
    """A folder in which the result was made out of nothing but the server."""
    folder = tmp_path_factory.mktemp("fetched")
    with serving() as server:
        server.put("/formula.pth", file(origin.weights))
        server.put("/images.zip", file(origin.images, upto=len(origin.images) // 2), file(origin.images))
        server.put("/tools.zip", text(503, Retry_After=0), file(origin.tools))
        (folder / "overlay.yaml").write_text(origin.overlay(server.address))
        run = run_snakemake(ROOT, folder, *CALL, PTH2MAP_MIRROR=None)
        assert run.status == 0, run.output
        assert run.jobs.items() >= FETCHED.items()
        assert server.ranges("/images.zip") == [None, f"bytes={len(origin.images) // 2}-"]
        assert len(server.requests("/tools.zip")) == 2, "four files out of it, one download"
        assert len(server.requests("/gone.pth")) == 1
    return folder


def test_everything_comes_by_itself_and_no_piece_is_left(fetched):
    data = fetched / "data"
    assert (data / "widerface/ground_truth/wider_hard_val.mat").is_file()
    assert len(list((data / "widerface/WIDER_val/images").glob("*/*.jpg"))) == len(synthetic_wider.NAMES)
    assert [path.name for path in data.rglob(".*")] == [".fetched"]
    assert not (data / "widerface/WIDER_val/license.txt").exists()


def test_a_second_call_does_nothing_without_the_server(fetched):
    run = run_snakemake(ROOT, fetched, *CALL, PTH2MAP_MIRROR=None)
    assert "Nothing to be done" in run.output


def test_the_archives_may_be_removed_afterwards(fetched, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(fetched, folder, copy_function=shutil.copy2, symlinks=True)
    shutil.rmtree(folder / "data/archives")
    run = run_snakemake(ROOT, folder, *CALL, PTH2MAP_MIRROR=None)
    assert "Nothing to be done" in run.output


def test_another_address_fetches_nothing_again(fetched):
    (fetched / "elsewhere.yaml").write_text("{files: {retinaface_mobilenet025: {urls: ['https://example.org/a.pth']}}}")
    run = run_snakemake(
        ROOT, fetched, "--configfile", "overlay.yaml", "elsewhere.yaml", "--", TARGET, PTH2MAP_MIRROR=None
    )
    assert "Nothing to be done" in run.output


def test_the_target_fetch_gets_everything_and_nothing_else(fetched, tmp_path):
    """On a machine with the network; another, without, then runs from the data folder as a mirror."""
    (tmp_path / "overlay.yaml").write_text((fetched / "overlay.yaml").read_text())
    run = run_snakemake(
        ROOT, tmp_path, "--configfile", "overlay.yaml", "--", "fetch", PTH2MAP_MIRROR=str(fetched / "data")
    )
    assert run.status == 0, run.output
    assert run.jobs == {**FETCHED, "fetch": 1}


def test_removed_images_are_fetched_again_when_a_stage_needs_them(fetched):
    before = (fetched / TARGET).read_bytes()
    shutil.rmtree(fetched / "data/widerface/WIDER_val")
    assert "Nothing to be done" in run_snakemake(ROOT, fetched, *CALL, PTH2MAP_MIRROR=None).output
    run = run_snakemake(ROOT, fetched, "--forcerun", "stream_onnxruntime", *CALL, PTH2MAP_MIRROR=None)
    assert run.status == 0, run.output
    assert run.jobs["fetch_folder"] == 1
    assert "fetch_file" not in run.jobs, "the archive is still there"
    assert len(list((fetched / "data/widerface/WIDER_val/images").glob("*/*.jpg"))) == len(synthetic_wider.NAMES)
    assert (fetched / TARGET).read_bytes() == before


def test_removing_all_outputs_removes_no_data(fetched, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(fetched, folder, copy_function=shutil.copy2)
    run = run_snakemake(ROOT, folder, "--delete-all-output", *CALL, PTH2MAP_MIRROR=None)
    assert run.status == 0, run.output
    assert not (folder / TARGET).exists()
    for path in (fetched / "data").rglob("*.*"):
        if ".fetched" not in path.parts:
            assert (folder / path.relative_to(fetched)).exists() or path.is_dir()


@pytest.mark.parametrize("again", [("-F", "fetch"), ("-R", "fetch_folder", "fetch_file", "--", "fetch")])
def test_what_is_in_place_is_no_trouble_when_it_is_asked_for_again(fetched, again):
    before = sorted((path, path.stat().st_mtime_ns) for path in (fetched / "data/widerface").rglob("*.*"))
    run = run_snakemake(ROOT, fetched, "--configfile", "overlay.yaml", "--cores", "2", *again, PTH2MAP_MIRROR=None)
    assert run.status == 0, run.output
    assert sorted((path, path.stat().st_mtime_ns) for path in (fetched / "data/widerface").rglob("*.*")) == before
    assert "Nothing to be done" in run_snakemake(ROOT, fetched, *CALL, PTH2MAP_MIRROR=None).output


def test_another_declaration_is_asked_for_until_it_is_met(fetched):
    (fetched / "newer.yaml").write_text(f"{{files: {{widerface_val_hard: {{sha256: {'a' * 64}}}}}}}")
    for _ in range(2):
        run = run_snakemake(
            ROOT, fetched, "--configfile", "overlay.yaml", "newer.yaml", "--", TARGET, PTH2MAP_MIRROR=None
        )
        assert run.status != 0
        assert "wider_hard_val.mat is not the declared file: its sha256 begins" in run.output
    assert "Nothing to be done" in run_snakemake(ROOT, fetched, *CALL, PTH2MAP_MIRROR=None).output


def test_wrong_ground_truth_put_there_by_hand_is_refused(fetched, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(fetched, folder, copy_function=shutil.copy2)
    path = folder / "data/widerface/ground_truth/wider_easy_val.mat"
    path.write_bytes(path.read_bytes() + b" ")
    run = run_snakemake(ROOT, folder, *CALL, PTH2MAP_MIRROR=None)
    assert run.status != 0
    assert "wider_easy_val.mat is not the declared file" in run.output


def test_what_cannot_be_had_is_said_in_one_sentence(origin, tmp_path):
    with serving() as server:
        (tmp_path / "overlay.yaml").write_text(origin.overlay(server.address))
        run = run_snakemake(
            ROOT, tmp_path, "--configfile", "overlay.yaml", "--", "results/retinaface/export/320/model.onnx",
            PTH2MAP_MIRROR=None,
        )  # fmt: skip
    assert run.status != 0
    (sentence,) = [line for line in run.output.splitlines() if line.startswith("error: ")]
    place = "data/weights/retinaface/mobilenet0.25_Final.pth"
    for part in (
        "mobilenet0.25_Final.pth could not be fetched: PTH2MAP_MIRROR is not set; ",
        "/gone.pth ",
        "404",
        place,
    ):
        assert part in sentence
    assert not list((tmp_path / "data").rglob("*.pth"))


def test_a_killed_download_is_taken_up_where_it_was(origin, tmp_path):
    half = len(origin.weights) // 2
    gate = threading.Event()
    with serving() as server:
        server.put("/formula.pth", held(origin.weights, half, gate), file(origin.weights))
        (tmp_path / "overlay.yaml").write_text(origin.overlay(server.address))
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1", *CALL[:3]]
        target = "results/retinaface/export/320/model.onnx"
        weights = tmp_path / "data/weights/retinaface/mobilenet0.25_Final.pth"
        environment = {**os.environ, "PTH2MAP_MIRROR": ""}
        first = subprocess.Popen(
            [*map(str, command), target], cwd=tmp_path, env=environment, process_group=0, stderr=subprocess.DEVNULL
        )
        part = weights.with_name(f".{weights.name}.part")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (part.is_file() and part.stat().st_size == half):
            time.sleep(0.05)
        assert part.stat().st_size == half
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        gate.set()
        run = run_snakemake(ROOT, tmp_path, *CALL[:3], target, PTH2MAP_MIRROR=None)
        assert run.status == 0, run.output
        assert server.ranges("/formula.pth") == [None, f"bytes={half}-"]
    assert weights.read_bytes() == origin.weights
    assert not part.exists()
