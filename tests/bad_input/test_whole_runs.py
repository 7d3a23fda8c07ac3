"""What a person meets in a run of Snakemake as a whole."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch
from tests import synthetic_wider
from tests.bad_input.case import ROOT, Area, Case, Said, on_a_disk_of, shared_folder, tree
from tests.bad_input.page import hold

from pth2map.networks.catalogue import build
from pth2map.networks.formula import formula_state_dict

AREA = Area("In a run of Snakemake")
TARGET = "results/retinaface/onnxruntime/64-fp32-b1/map.json"
OVERLAY = """
datasets:
  widerface: {root: wider, shards: 1}
models:
  retinaface:
    weights: {path: formula.pth}
    engines: [onnxruntime]
    variants: {sizes: [64]}
    export: {parity: {max_abs: 1.0e-3, images: 1}}
    headline: {engine: onnxruntime, variant: 64-fp32-b1}
"""


def snakemake(folder: Path, *arguments: str, before: Sequence[str] = ()) -> Said:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", *arguments]
    done = subprocess.run(
        [*before, *command],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stdout + done.stderr)


@cache
def made() -> Path:
    """A folder in which a small result has been made, to be copied."""
    folder = shared_folder("made")
    synthetic_wider.make(folder / "wider")
    torch.save(formula_state_dict(build("retinaface_mobilenet025")), folder / "formula.pth")
    (folder / "mine.yaml").write_text(OVERLAY, encoding="utf-8")
    said = snakemake(folder, "--configfile", "mine.yaml", "--", TARGET)
    assert said.status == 0, said.text
    return folder


def stopped(folder: Path, spoil: Callable[[Path], None], remedy: Callable[[Path], None] | None = None) -> str:
    """What a second run says once something was spoilt; the result of the first stays as it is.

    With a ``remedy`` the run after it makes that result again instead.
    """
    shutil.copytree(made(), folder, dirs_exist_ok=True, symlinks=True)
    spoil(folder)
    results = tree(folder / "results")
    said = snakemake(folder, "--configfile", "mine.yaml", "--", TARGET)
    assert said.status != 0, said.text
    changed = {name for name, content in tree(folder / "results").items() if results.get(name) not in (content, None)}
    assert not changed
    if remedy:
        remedy(folder)
        assert snakemake(folder, "--configfile", "mine.yaml", "--", TARGET).status == 0
    assert (folder / TARGET).read_bytes() == (made() / TARGET).read_bytes()
    return of_the_job(said.text)


def of_the_job(text: str) -> str:
    """The lines that name a failed job, its log and what the log holds."""
    lines = re.findall(r"^(?:Error in rule .*|    log: .*|Logfile .*|error: .*(?:\n  .*)*)$", text, re.MULTILINE)
    assert any(line.startswith("error: ") for line in lines), text
    return "\n".join(line.strip() for line in lines)


def refused(folder: Path, *arguments: str) -> str:
    said = snakemake(folder, *arguments)
    assert said.status != 0
    assert not (folder / "results").exists()
    return said.text


def between(text: str, start: str, end: str) -> str:
    """From the line that begins with ``start`` to the one with ``end`` in it, less the numbers of lines of a file."""
    found = re.search(rf"^{start}.*?{end}[^\n]*$", text, re.MULTILINE | re.DOTALL)
    assert found, text
    return re.sub(r", line \d+", ", line ...", found[0])


@AREA.case("a mistake in the config", "Mend what the indented lines name; nothing has run.")
def config(folder: Path) -> str:
    (folder / "mine.yaml").write_text("models: {retinaface: {datset: x}}", encoding="utf-8")
    text = refused(folder, "--configfile", "mine.yaml", "--", "results/retinaface/map.txt")
    return between(text, "WorkflowError", "models.retinaface.datset")


@AREA.case("a target that the config does not offer", "Take one that is allowed; nothing has run.")
def target(folder: Path) -> str:
    return between(refused(folder, "--", "results/retinafce/map.txt"), "InputFunctionException", "InputError")


@AREA.case("an overlay that is not there, in Snakemake's words", "Correct its name.")
def overlay_missing(folder: Path) -> str:
    return between(refused(folder, "--configfile", "mine.yaml"), "FileNotFoundError", "mine.yaml")


@AREA.case(
    "an overlay that is empty, a list or one value, in Snakemake's words",
    "`python workflow/scripts/check_config.py FILE` says where.",
)
def overlay_list(folder: Path) -> str:
    (folder / "mine.yaml").write_text("- tensor_shards: 2\n", encoding="utf-8")
    return between(refused(folder, "--configfile", "mine.yaml"), "WorkflowError", "keys at top level")


@AREA.case("an image that went missing after a first run", "Put it back; the result of the first run is still there.")
def image(folder: Path) -> str:
    return stopped(folder, lambda f: (f / "wider/WIDER_val/images/1--Shop/1_Shop_a_1.jpg").unlink())


@AREA.case("weights that were spoilt after a first run", "Put the right ones there; the result is still there.")
def weights(folder: Path) -> str:
    said = stopped(folder, lambda f: (f / "formula.pth").write_bytes(b"<html>Sign in</html>"))
    errors = {line for line in said.splitlines() if line.startswith("error: ")}
    assert len(errors) == 1, "of the export or of the network in PyTorch, or of both"
    return errors.pop()


@AREA.case(
    "a graph that was replaced after a first run",
    "Remove it; what needs it exports it anew, and the result is still there.",
)
def graph(folder: Path) -> str:
    def replace(f: Path) -> None:
        path = f / "results/retinaface/export/64/model.onnx"
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])

    return stopped(folder, replace)


@AREA.case(
    "a shard in `scratch/` that was spoilt after a first run",
    "Remove the file that is named, and run again: it is made again, and the results with it.",
)
def shard(folder: Path) -> str:
    def spoil(f: Path) -> None:
        (path,) = (f / "scratch/retinaface").rglob("detections.npz")
        path.write_bytes(path.read_bytes()[:500])

    def remove(f: Path) -> None:
        (path,) = (f / "scratch/retinaface").rglob("detections.npz")
        path.unlink()

    said = stopped(folder, spoil, remove)
    return re.sub(r"/[0-9a-f]{12}/", "/<state>/", said)


@AREA.case("a working folder on a disk for reading only, in Snakemake's words", "Work in another folder.")
def read_only(folder: Path) -> str:
    there = OVERLAY.replace("root: wider", f"root: {made()}/wider").replace("path: formula", f"path: {made()}/formula")
    (folder / "mine.yaml").write_text(there, encoding="utf-8")
    (folder / "disk").mkdir()
    before = on_a_disk_of(folder / "disk", "ro", 'cd "$disk" && "$@"')
    said = snakemake(folder, "--configfile", f"{folder}/mine.yaml", "--", TARGET, before=before)
    assert said.status != 0
    return between(said.text, "OSError", "Read-only file system")


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
