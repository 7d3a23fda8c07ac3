"""Disks, permissions, memory, paths, and a Python that is too old."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from tests import synthetic_wider
from tests.bad_input.case import (
    COMMANDS,
    EARLIER,
    ROOT,
    Area,
    Case,
    Said,
    Unavailable,
    in_process,
    in_shell,
    on_a_disk_of,
    one_sentence,
    refused,
    tree,
    without_privileges,
    works,
)
from tests.bad_input.page import hold
from tests.bad_input.test_graphs import NETWORK, RECIPE, exported, write_index
from tests.bad_input.test_result_texts import DETECTIONS, write_truth
from tests.bad_input.test_stages import Shards, found

from pth2map.datasets.index import DatasetIndex
from pth2map.recipes.detections import load_detections, save_detections, write_texts

AREA = Area("Disk, memory, permissions, paths")


def score(folder: Path, *more: str | Path) -> tuple[str | Path, ...]:
    """Arguments of a call that would work."""
    save_detections(folder / "detections.npz", DETECTIONS)
    return ("--detections", folder / "detections.npz", "--ground-truth", write_truth(folder), *more)


def on_a_full_disk(folder: Path, kilobytes: int, output: str, command: str, *arguments: str | Path) -> str:
    """Call a command whose outputs lie on a disk that is too small, where an earlier ``output`` lies."""
    (folder / "disk").mkdir()
    script = f"""printf '{EARLIER.decode()}' > "$disk/{output}"
        "$@"; status=$?
        ls -A "$disk"; cat "$disk/{output}"
        exit $status
    """
    call = [sys.executable, str(COMMANDS / f"{command}.py"), *map(str, arguments)]
    before = on_a_disk_of(folder / "disk", f"size={kilobytes}k", script)
    done = subprocess.run([*before, *call], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert done.stdout == f"{output}\n{EARLIER.decode()}", "something else was left there"
    return one_sentence(done.stderr)


@AREA.case("a disk that is full", "Make room, and give the command again.")
def full_disk(folder: Path) -> str:
    curves = ("--json", folder / "ap.json", "--curves", folder / "disk/curves.npz")
    return on_a_full_disk(folder, 24, "curves.npz", "score_widerface", *score(folder), *curves)


@AREA.case("a disk that is full, for a folder of result texts", "Make room, and give the command again.")
def full_disk_for_a_folder(folder: Path) -> str:
    shards = Shards(folder)
    outputs = ("--detections", folder / "detections.npz", "--texts", folder / "disk/text")
    shard = ("--recipe", RECIPE, "--size", "64", "--index", shards.index, "--shards", *shards.paths)
    return on_a_full_disk(folder, 8, "earlier.txt", "gather", *shard, *outputs)


@AREA.case("standard output on a full disk", "Make room.")
def full_stdout(folder: Path) -> str:
    command = [sys.executable, COMMANDS / "score_widerface.py", *score(folder, "--json", folder / "ap.json")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(list(map(str, command)), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    return one_sentence(done.stderr)


@AREA.case("a folder of results that may not be written to", "`chmod u+w` it, or work in another folder.")
def forbidden(folder: Path) -> str:
    arguments = score(folder, "--json", folder / "results/ap.json")
    (folder / "results").mkdir(mode=0o555)
    with without_privileges(folder):
        return refused("score_widerface", *arguments, folder=folder)


@AREA.case("a folder in which none may be made", "`chmod u+w` it, or work in another folder.")
def forbidden_parent(folder: Path) -> str:
    arguments = score(folder, "--json", folder / "shared/results/ap.json")
    (folder / "shared").mkdir(mode=0o555)
    with without_privileges(folder):
        return refused("score_widerface", *arguments, folder=folder)


@AREA.case("a disk that is mounted for reading only", "Work in another folder.")
def read_only(folder: Path) -> str:
    (folder / "disk").mkdir()
    before = on_a_disk_of(folder / "disk", "ro", '"$@"')
    arguments = score(folder, "--json", folder / "disk/ap.json")
    return refused(
        "score_widerface", *arguments, folder=folder, call=lambda *call: in_shell(call[0], *call[1:], before=before)
    )


@AREA.case("a folder where a file of results goes", "Move it away.")
def folder_for_file(folder: Path) -> str:
    (folder / "ap.json").mkdir()
    (folder / "ap.json/mine.txt").touch()
    return refused("score_widerface", *score(folder, "--json", folder / "ap.json"), folder=folder)


@AREA.case("a file where a folder of results goes", "Move it away.")
def file_for_folder(folder: Path) -> str:
    shards = Shards(folder)
    (folder / "text").write_bytes(EARLIER)
    outputs = ("--detections", folder / "detections.npz", "--texts", folder / "text")
    shard = ("--recipe", RECIPE, "--size", "64", "--index", shards.index, "--shards", *shards.paths)
    return refused("gather", *shard, *outputs, folder=folder)


@AREA.case("a file where a folder on the way to the results goes", "Move it away.")
def file_on_the_way(folder: Path) -> str:
    (folder / "results").write_bytes(EARLIER)
    return refused("score_widerface", *score(folder, "--json", folder / "results/mine/ap.json"), folder=folder)


@AREA.case("a name that is longer than the file system takes", "Take a shorter one (255 bytes, often fewer).")
def long_name(folder: Path) -> str:
    said = refused("score_widerface", *score(folder, "--json", folder / f"{'long' * 60}.json"), folder=folder)
    return said.replace("long" * 60, "longlong…long")


@AREA.case("images whose names are as long as names can be", "Nothing.")
def longest_names(folder: Path) -> str:
    names = [f"{'e' * 255}/{'i' * 251}"]
    write_texts(folder / "text", found(names))
    assert (folder / "text" / f"{names[0]}.txt").read_text(encoding="utf-8").startswith("i" * 251)
    return "works"


@AREA.case("blanks, quotes, line ends and letters of any language in paths", "Nothing.")
def odd_paths(folder: Path) -> str:
    odd = folder / "Größe 検出 'a\" $HOME\n;#%"
    root = synthetic_wider.make(odd / "wider")
    outputs = ("--index", odd / "index.json", "--ground-truth", odd / "truth.npz")
    works("index_widerface", "--dataset", "widerface", "--root", root, *outputs)
    index = DatasetIndex.load(odd / "index.json")
    save_detections(odd / "1-of-1.npz", found(list(index.names)))
    shard = ("--recipe", RECIPE, "--size", "64", "--index", odd / "index.json", "--shards", odd / "1-of-1.npz")
    works("gather", *shard, "--detections", odd / "all.npz", "--texts", odd / "text")
    assert load_detections(odd / "all.npz").names == index.names
    return "works"


@AREA.case("too little memory", "Run fewer jobs at once (`--cores`), or give the process more.")
def memory(folder: Path) -> str:
    if shutil.which("prlimit") is None:
        raise Unavailable("no prlimit")
    root = synthetic_wider.make(folder / "wider")
    cv2.imwrite(str(root / "WIDER_val/images/1--Shop/1_Shop_a_1.png"), np.zeros((11000, 12000, 3), np.uint8))
    path = root / "WIDER_val/images/1--Shop/1_Shop_a_1.jpg"
    path.with_suffix(".png").rename(path)
    outputs = ("--index", folder / "index.json", "--ground-truth", folder / "truth.npz")
    arguments = ("--dataset", "widerface", "--root", root, *outputs)
    before = ["prlimit", f"--as={500 << 20}"]
    return refused(
        "index_widerface", *arguments, folder=folder, call=lambda *call: in_shell(call[0], *call[1:], before=before,
        OPENBLAS_NUM_THREADS="1")
    )  # fmt: skip


@AREA.case("no HOME, no TMPDIR, a closed terminal", "Nothing.")
def bare(folder: Path) -> str:
    arguments = score(folder, "--json", folder / "ap.json")
    before = ["env", "-i", f"PATH={os.environ['PATH']}", f"TMPDIR={folder}/gone"]
    assert in_shell("score_widerface", *arguments, before=before) == Said(0, "")
    return "works"


@AREA.case("no shared memory (`/dev/shm`), as in some containers", "Nothing.")
def no_shared_memory(folder: Path) -> str:
    (folder / "model.onnx").write_bytes(exported("onnx"))
    before = on_a_disk_of(Path("/dev/shm"), "ro", '"$@"')
    said = in_shell(
        "stream",
        *("--kind", "onnxruntime", "--graph", folder / "model.onnx", "--network", NETWORK, "--shard", "1-of-1"),
        *("--index", write_index(folder), "--recipe", RECIPE, "--size", "64", "--run", folder / "run.json"),
        *("--detections", folder / "detections.npz"),
        before=before,
    )
    assert said.status == 0, said
    assert load_detections(folder / "detections.npz").names == DatasetIndex.load(folder / "index.json").names
    return "works"


@AREA.case("a picture is asked for where HOME may not be written to", "Nothing.")
def no_home(folder: Path) -> str:
    arguments = score(folder, "--json", folder / "ap.json", "--picture", folder / "curves.png")
    said = in_shell("score_widerface", *arguments, HOME="/proc", XDG_CONFIG_HOME=None, XDG_CACHE_HOME=None)
    assert said.status == 0
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "Traceback" not in said.text
    return "works"


@AREA.case("an input that may not be read", "`chmod a+r` it, or ask who owns it.")
def unreadable(folder: Path) -> str:
    arguments = score(folder, "--json", folder / "ap.json")
    (folder / "detections.npz").chmod(0)
    with without_privileges(folder):
        said = in_process("score_widerface", *arguments)
    assert said.status == 2
    assert str(folder / "ap.json") not in tree(folder)
    return one_sentence(said.text)


@AREA.case("no Python 3.11", "Install it, or name it: `make setup PYTHON=/path/to/python3.11`.")
def no_python(folder: Path) -> str:
    for name in ("Makefile", "requirements.in", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    before = tree(folder)
    done = subprocess.run(
        ["make", "setup", "PYTHON=python3.11-gone"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert tree(folder) == before
    return one_sentence("\n".join(line for line in done.stderr.splitlines() if not line.startswith("make")))


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
