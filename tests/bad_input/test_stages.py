"""What one stage of the workflow left for the next: broken, of another run, or of another set."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from tests import synthetic_wider
from tests.bad_input.case import Area, Case, refused, shared_folder, works
from tests.bad_input.page import hold

from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.widerface_index import index_widerface
from pth2map.recipes.detections import Detections, save_detections
from pth2map.recipes.recipe import Recipe

AREA = Area("What stages leave for the next (`scratch/`)")
AGAIN = "Remove the file that is named and give the command again: Snakemake makes it anew."
RECIPE = '{"kind": "retinaface", "preprocess": {"resize": "long_side"}}'
CENTERFACE = '{"kind": "centerface"}'
CARD = '{"kind": "retinaface_letterbox", "decode": {"form": "card"}}'
PRIORS = 168  # of 64 x 64


class Shards:
    """The synthetic set, indexed, and detections in two shards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index.json"
        index, truth = index_widerface("widerface", synthetic_wider.make(folder / "wider"))
        index.save(self.index)
        truth.save(folder / "ground_truth.npz")
        self.paths = [folder / f"{number}-of-2/detections.npz" for number in (1, 2)]
        for number, path in enumerate(self.paths, start=1):
            save_detections(path, found([image.name for image in index.shard(number, 2)]))

    def gather(self) -> str:
        outputs = (self.folder / "results/detections.npz", self.folder / "results/text")
        return refused(
            "gather",
            *("--recipe", RECIPE, "--size", "64", "--index", self.index, "--shards", *self.paths),
            *("--detections", outputs[0], "--texts", outputs[1]),
            outputs=outputs[:1],
            folder=self.folder,
        )


def found(names: list[str]) -> Detections:
    """One detection in each image."""
    count = len(names)
    return Detections(tuple(names), np.ones(count, np.int64), np.full((count, 4), 5.0), np.full(count, 0.5))


@AREA.case("a shard's detections that end early", AGAIN)
def truncated_shard(folder: Path) -> str:
    shards = Shards(folder)
    shards.paths[1].write_bytes(shards.paths[1].read_bytes()[:500])
    return shards.gather()


@AREA.case("a shard's detections that are empty", AGAIN)
def empty_shard(folder: Path) -> str:
    shards = Shards(folder)
    shards.paths[1].write_bytes(b"")
    return shards.gather()


@AREA.case("a shard with flipped bits", AGAIN)
def flipped_bits(folder: Path) -> str:
    shards = Shards(folder)
    content = bytearray(shards.paths[1].read_bytes())
    content[content.index(b"NUMPY", 600) + 130] ^= 0xFF
    shards.paths[1].write_bytes(content)
    return shards.gather()


@AREA.case("a shard of another set of images", AGAIN)
def shard_of_another_set(folder: Path) -> str:
    shards = Shards(folder)
    save_detections(shards.paths[1], found(["0--Parade/another_1", "0--Parade/another_2"]))
    return shards.gather()


@AREA.case("the same shard twice", AGAIN)
def shard_twice(folder: Path) -> str:
    shards = Shards(folder)
    shutil.copy(*shards.paths)
    return shards.gather()


@AREA.case("a shard that lacks an image", AGAIN)
def shard_lacks_an_image(folder: Path) -> str:
    shards = Shards(folder)
    save_detections(shards.paths[1], found(["0--Parade/0_Parade_b_1"]))
    return shards.gather()


@AREA.case("a shard without scores", AGAIN)
def shard_without_scores(folder: Path) -> str:
    shards = Shards(folder)
    with np.load(shards.paths[1]) as arrays:
        np.savez(shards.paths[1], **{key: arrays[key] for key in ("names", "counts", "boxes")})
    return shards.gather()


@AREA.case("an index that ends early", AGAIN)
def truncated_index(folder: Path) -> str:
    shards = Shards(folder)
    shards.index.write_text(shards.index.read_text(encoding="utf-8")[:300], encoding="utf-8")
    return shards.gather()


@AREA.case("an index without images", AGAIN)
def empty_index(folder: Path) -> str:
    shards = Shards(folder)
    shards.index.write_text("{}", encoding="utf-8")
    return shards.gather()


def score(shards: Shards, spoil: str, content: bytes) -> str:
    """What scoring says when the file ``spoil`` holds ``content``."""
    folder = shards.folder
    index = DatasetIndex.load(shards.index)
    save_detections(folder / "detections.npz", found(list(index.names)))
    parity = {"weights": {"sha256": "0" * 64, "synthetic": False}}
    (folder / "parity.json").write_text(json.dumps(parity), encoding="utf-8")
    run = {"time": "", "kind": "onnxruntime", "options": {}, "packages": {"onnxruntime": "1"}, "seconds": 1.0}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    outputs = [folder / name for name in ("map.txt", "map.json", "provenance.json", "curves.npz")]
    point = {
        "engine": {"kind": "onnxruntime"},
        "precision": "fp32",
        "batch": 1,
        "weights": "declared",
        "training": None,
        "rehearsal": False,
    }
    leaf = json.dumps({**point, "scoring": {"iou_thresholds": [0.5]}})
    arguments = (
        *("--model", "mine", "--network", "mine", "--engine", "onnxruntime", "--variant", "64-fp32-b1"),
        *("--recipe", RECIPE, "--size", "64", "--leaf", leaf, "--leaf-hash", "0", "--code", "0"),
        *("--index", shards.index, "--ground-truth", folder / "ground_truth.npz", "--parity", folder / "parity.json"),
        *("--detections", folder / "detections.npz", "--runs", folder / "run.json"),
        *("--text", outputs[0], "--json", outputs[1], "--provenance", outputs[2], "--curves", outputs[3]),
    )
    works("score_widerface_point", *arguments)
    (folder / spoil).write_bytes(content)
    return refused("score_widerface_point", *arguments, outputs=outputs, folder=folder)


@AREA.case("ground truth of the index that ends early", AGAIN)
def truncated_truth(folder: Path) -> str:
    shards = Shards(folder)
    return score(shards, "ground_truth.npz", (folder / "ground_truth.npz").read_bytes()[:400])


@AREA.case("the record of a run that ends early", AGAIN)
def truncated_run(folder: Path) -> str:
    return score(Shards(folder), "run.json", b'{"kind": "onnxr')


@AREA.case("a parity check that ends early", AGAIN)
def truncated_parity(folder: Path) -> str:
    return score(Shards(folder), "parity.json", b"")


@AREA.case("curves that end early", AGAIN)
def truncated_curves(folder: Path) -> str:
    (folder / "curves.npz").write_bytes(b"PK\x03\x04")
    picture = folder / "curves.png"
    return refused(
        "plot_curves",
        *("--curves", folder / "curves.npz", "--title", "mine", "--picture", picture),
        outputs=[picture],
        folder=folder,
    )


@cache
def tensors(recipe: str) -> Path:
    """Tensor files of the synthetic set and outputs of zeros for them, to be copied."""
    folder = shared_folder("tensors")
    index, _ = index_widerface("widerface", synthetic_wider.make(folder / "wider"))
    index.save(folder / "index.json")
    works("prepare", *shard(folder, recipe), "--inputs", folder / "inputs")
    (folder / "outputs").mkdir()
    parsed = Recipe.parse(recipe, "64")
    files, decode, preprocess = parsed.files(), parsed.decode(), parsed.preprocess()
    network = Recipe.parse(recipe.replace("card", "host"), "64").decode()
    for number, image in enumerate(index.images):
        placement = preprocess.placement(image.height, image.width)
        outputs = [np.zeros(shape, np.float32) for shape in network.output_shapes(placement).values()]
        files.write_outputs(folder / "outputs", number, image.name, decode.device_outputs(outputs, placement))
    return folder


def shard(folder: Path, recipe: str) -> tuple[str | Path, ...]:
    return ("--index", folder / "index.json", "--shard", "1-of-1", "--recipe", recipe, "--size", "64")


def decode(folder: Path, spoil: Callable[[Path], object], recipe: str = RECIPE) -> str:
    """What the decode says when the files of one image are spoilt."""
    for name in ("inputs", "outputs"):
        shutil.copytree(tensors(recipe) / name, folder / name)
    shutil.copy(tensors(recipe) / "index.json", folder)
    spoil(folder)
    files = ("--inputs", folder / "inputs", "--outputs", folder / "outputs")
    output = folder / "detections.npz"
    return refused("decode", *shard(folder, recipe), *files, "--detections", output, outputs=[output], folder=folder)


@AREA.case("an output file of an engine that is missing", "See the engine's log; run it again.")
def output_missing(folder: Path) -> str:
    return decode(folder, lambda f: (f / "outputs/1_Shop_a_1_0.bin").unlink())


@AREA.case("an output file of another length", "See the engine's log; was the graph of another size or precision?")
def output_of_another_length(folder: Path) -> str:
    return decode(folder, lambda f: (f / "outputs/1_Shop_a_1_2.bin").write_bytes(bytes(100)))


@AREA.case("an output that is not finite", "See the engine's log; a precision too low for the network?")
def output_not_finite(folder: Path) -> str:
    values = np.full((PRIORS, 2), np.nan, np.float32)
    return decode(folder, lambda f: (f / "outputs/1_Shop_a_1_1.bin").write_bytes(values.tobytes()))


@AREA.case("the scale of an image that is missing", AGAIN)
def scale_missing(folder: Path) -> str:
    return decode(folder, lambda f: (f / "inputs/prep_info/1--Shop/1_Shop_a_1.bin").unlink())


@AREA.case("the scale of an image that is not finite", AGAIN)
def scale_not_finite(folder: Path) -> str:
    path = "inputs/prep_info/1--Shop/1_Shop_a_1.bin"
    return decode(folder, lambda f: (f / path).write_bytes(np.float32(np.nan).tobytes()))


@AREA.case("an output file of CenterFace that is cut short", "See the engine's log; run it again.")
def centerface_output_cut(folder: Path) -> str:
    return decode(folder, lambda f: (f / "outputs/1_Shop_a_1_0.bin").write_bytes(bytes(100)), CENTERFACE)


@AREA.case("a heat map that is not finite", "See the engine's log; a precision too low for the network?")
def heat_map_not_finite(folder: Path) -> str:
    values = np.full((16, 16), np.inf, np.float32)
    return decode(folder, lambda f: (f / "outputs/1_Shop_a_1_0.bin").write_bytes(values.tobytes()), CENTERFACE)


@AREA.case("a result of the card that is missing", "See the runner's log; run it again into an empty folder.")
def card_output_missing(folder: Path) -> str:
    return decode(folder, lambda f: (f / "outputs/output_000002.npz").unlink(), CARD)


@AREA.case("more results of the card than lines in the datalist", "Empty the folder and run the card again.")
def card_output_surplus(folder: Path) -> str:
    source = "outputs/output_000002.npz"
    return decode(folder, lambda f: shutil.copy(f / source, f / "outputs/output_000099.npz"), CARD)


@AREA.case("a datalist that lost a line", AGAIN)
def datalist_cut(folder: Path) -> str:
    def cut(f: Path) -> None:
        lines = (f / "inputs/datalist.txt").read_text().splitlines(keepends=True)
        (f / "inputs/datalist.txt").write_text("".join(lines[1:]))

    return decode(folder, cut, CARD)


@AREA.case("a result of the card that is no `.npz`", "See the runner's log; run it again into an empty folder.")
def card_output_damaged(folder: Path) -> str:
    return decode(folder, lambda f: (f / "outputs/output_000002.npz").write_bytes(b"PK\x03\x04"), CARD)


@AREA.case("a result of a graph that was compiled without `retinaface_nms`", "Compile it with `graph.extra_ops`.")
def card_output_of_another_graph(folder: Path) -> str:
    rows = {f"output_{number}": np.zeros((PRIORS, k), np.float16) for number, k in enumerate((4, 2, 10))}
    return decode(folder, lambda f: np.savez(f / "outputs/output_000002.npz", **rows), CARD)


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)
