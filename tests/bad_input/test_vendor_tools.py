"""What vendors' tools print and write when something is wrong, and engines that are not there."""

import json
from pathlib import Path

import numpy as np
from tests.bad_input.case import Area, Case, refused
from tests.bad_input.page import hold

from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.recipes.card_form import OUTPUTS

AREA = Area("Vendors' tools")
START = "ATC start working now, please wait for a moment.\n...\n"
FAILED = "ATC run failed, Please check the detail log, Try 'atc --help' for more information\n"
NO_INPUT = "E10016: Value [input] for parameter [input_shape] is invalid. Reason: no such input in the model.\n"
RECIPE = json.dumps({"kind": "centerface"})
SETTINGS = json.dumps({"kind": "ascend", "rehearsal": False})
MAP = 16 * 16 * 4
BYTES = {0: MAP, 1: 2 * MAP, 2: 2 * MAP, 3: 10 * MAP}
SUMMARY = """[INFO] get filesperbatch files0 size:49152 tensor0size:49152 filesperbatch:1 runcount:2
[INFO] -----------------Performance Summary------------------
[INFO] NPU_compute_time (ms): min = 1.0, max = 3.0, mean = 2.0, median = 2.0, percentile(99%) = 3.0
[INFO] throughput 1000*batchsize(1)/NPU_compute_time.mean(2.0): 500.0
"""


def atc(folder: Path, printed: str, status: int) -> str:
    (folder / "atc.txt").write_text(printed)
    where = ("--printed", folder / "atc.txt", "--made", folder / "made.om", "--om", folder / "model.om")
    call = ("--status", str(status), "--settings", SETTINGS, *where)
    return refused("accept_atc", *call, outputs=[folder / "model.om"])


@AREA.case("a name that the graph does not have, told to atc", "The sentence behind the code says how.")
def other_input_name(folder: Path) -> str:
    return atc(folder, START + FAILED + NO_INPUT, 255)


@AREA.case("an atc that finds no kernel for an operator", "Look which chip `npu-smi info` shows; update CANN.")
def no_kernel(folder: Path) -> str:
    text = "EZ3003: No supported Ops kernel and engine are found for [RoiAlign_1], optype [RoiAlign].\n"
    return atc(folder, START + FAILED + text, 255)


@AREA.case("an atc that is not on the path", "Name the `set_env.sh` of CANN in `engines.<name>.setup`.")
def no_atc(folder: Path) -> str:
    return atc(folder, "bash: line 1: atc: command not found\n", 127)


@AREA.case("an atc that was killed", "Give it more memory, or compile fewer graphs at once.")
def killed_atc(folder: Path) -> str:
    return atc(folder, START, 137)


@AREA.case("an atc that reports success and leaves no model", "Look for space on the disk and at the whole log.")
def no_model(folder: Path) -> str:
    return atc(folder, START + "ATC run success, welcome to the next use.\n", 0)


@AREA.case(
    "stand-ins at work where the vendor's tools were meant",
    "A shell in which the rehearsal's `set_env.sh` was sourced: open another, or say `rehearsal: true`.",
)
def stand_ins(folder: Path) -> str:
    (folder / "made.om").write_bytes(b"PTH2MAP-REHEARSAL-OM".ljust(256, b"\0"))
    return atc(folder, START + "ATC run success, welcome to the next use.\n", 0)


def ais_bench(folder: Path, printed: str, status: int = 0, lose: str = "", cut: str = "") -> str:
    images = tuple(IndexedImage(f"0--A/{stem}", f"{stem}.jpg", 64, 64, "0" * 64) for stem in ("0_a", "0_b"))
    DatasetIndex("widerface", str(folder), images, "0" * 64, None, False).save(folder / "index.json")
    made = folder / "ais_bench.1"
    (made / "outputs").mkdir(parents=True)
    for stem in ("0_a", "0_b"):
        for number, length in BYTES.items():
            (made / f"outputs/{stem}_{number}.bin").write_bytes(bytes(length))
    summary = {
        "NPU_compute_time": {"min": 1.0, "max": 3.0, "mean": 2.0, "median": 2.0, "percentile(99%)": 3.0},
        "throughput": 500.0,
        "npu_compute_time_list": [1.0, 3.0],
    }
    (made / "outputs_summary.json").write_text(json.dumps(summary))
    if lose:
        (made / lose).unlink()
    if cut:
        (made / cut).write_bytes(b"cut")
    (folder / "ais_bench.txt").write_text(printed)
    (folder / "ready.json").write_text(json.dumps({"soc_version": "Ascend310P3"}))
    outputs = (folder / "run.json",)
    return refused(
        "accept_ais_bench",
        *("--status", str(status), "--printed", folder / "ais_bench.txt", "--made", made, "--settings", SETTINGS),
        *("--ready", folder / "ready.json", "--index", folder / "index.json", "--shard", "1-of-1"),
        *("--recipe", RECIPE, "--size", "64", "--batch", "1"),
        *("--outputs", folder / "outputs", "--run", outputs[0]),
        outputs=outputs,
    )


@AREA.case("an interpreter without ais_bench", "Name the vendor's interpreter in `engines.<name>.python`.")
def no_module(folder: Path) -> str:
    return ais_bench(folder, "/opt/python3.9/bin/python3: No module named ais_bench\n", 1)


@AREA.case("a card that cannot be opened", "`npu-smi info` shows which there are; `engines.<name>.device` names one.")
def no_device(folder: Path) -> str:
    printed = "[INFO] acl init success\n[ERROR] acl open device 3 failed\nRuntimeError: [507033][ACL: failed]\n"
    return ais_bench(folder, printed, 1)


@AREA.case("tensor files of another type than the model's", "Compile and prepare by one config: remove both.")
def other_type(folder: Path) -> str:
    return ais_bench(folder, SUMMARY.replace("filesperbatch:1 runcount:2", "filesperbatch:4 runcount:1"))


@AREA.case("an ais_bench that ends without a summary", "Look at the whole log.")
def no_summary(folder: Path) -> str:
    return ais_bench(folder, "[INFO] acl init success\n[INFO] open device 0 success\n")


@AREA.case("a summary file that is gone", "Run it again.")
def lost_summary(folder: Path) -> str:
    return ais_bench(folder, SUMMARY, lose="outputs_summary.json")


@AREA.case("an output file that is missing", "Run it again; look for space on the disk.")
def lost_output(folder: Path) -> str:
    return ais_bench(folder, SUMMARY, lose="outputs/0_b_2.bin")


@AREA.case("an output file that was cut short", "Run it again; look for space on the disk.")
def cut_output(folder: Path) -> str:
    return ais_bench(folder, SUMMARY, cut="outputs/0_a_3.bin")


@AREA.case("a throughput that contradicts the mean time", "The log was changed, or is of two runs: run it again.")
def contradiction(folder: Path) -> str:
    return ais_bench(folder, SUMMARY.replace(": 500.0", ": 50.0"))


CARD = json.dumps({"kind": "retinaface_letterbox", "decode": {"form": "card"}})
VASTAI = json.dumps({"kind": "vastai", "rehearsal": False})


def vamc(folder: Path, printed: str, status: int, files: tuple[str, ...]) -> str:
    made = folder / "vamc.1/compiled"
    made.mkdir(parents=True)
    for name in files:
        (made / name).write_bytes(b"compiled")
    (folder / "vamc.txt").write_text(printed)
    call = ("--status", str(status), "--printed", folder / "vamc.txt", "--settings", VASTAI)
    return refused("accept_vamc", *call, "--made", made.parent, "--compiled", folder / "compiled")


@AREA.case("a vamc that leaves a model without one of its files", "Look for space on the disk and at the whole log.")
def broken_model(folder: Path) -> str:
    return vamc(folder, "compile done\n", 0, ("mod.so", "mod.json"))


@AREA.case("a vamc that dumps core at an operator", "Another version of vamc, or a graph without the operator.")
def core_dump(folder: Path) -> str:
    text = "terminate called\nTVMError: CheckOutsidePipelineOps:78: softmax operators is outside of pipeline\n"
    return vamc(folder, text + "Aborted (core dumped)\n", 134, ())


def vamp(folder: Path, lose: int | None = None, swap: bool = False) -> str:
    images = tuple(IndexedImage(f"0--A/{stem}", f"{stem}.jpg", 64, 64, "0" * 64) for stem in ("0_a", "0_b"))
    DatasetIndex("widerface", str(folder), images, "0" * 64, None, False).save(folder / "index.json")
    inputs, made = folder / "inputs", folder / "vamp.1/outputs"
    inputs.mkdir()
    made.mkdir(parents=True)
    lines = [f"/inputs/{stem}.npz\n" for stem in ("0_a", "0_b")]
    (inputs / "datalist.txt").write_text("".join(reversed(lines) if swap else lines))
    for number in range(2):
        arrays = {key: np.full(shape, -1, np.float16) for key, shape in OUTPUTS.items()}
        np.savez(made / f"output_{number:06d}.npz", **arrays)
    if lose is not None:
        (made / f"output_{lose:06d}.npz").unlink()
    (folder / "vamp.txt").write_text("")
    (folder / "ready.json").write_text("{}")
    return refused(
        "accept_vamp",
        *("--status", "0", "--printed", folder / "vamp.txt", "--made", made.parent, "--settings", VASTAI),
        *("--ready", folder / "ready.json", "--index", folder / "index.json", "--shard", "1-of-1"),
        *("--recipe", CARD, "--size", "64", "--inputs", inputs, "--outputs", folder / "outputs"),
        *("--run", folder / "run.json"),
    )


@AREA.case("a result file of vamp that is missing", "Run it again; no result is taken for another's.")
def lost_result(folder: Path) -> str:
    return vamp(folder, lose=0)


@AREA.case("a list of inputs in another order", "It was made or sorted by hand: make the inputs again.")
def other_order(folder: Path) -> str:
    return vamp(folder, swap=True)


def required(folder: Path, problems: list[str]) -> str:
    (folder / "ascend").mkdir()
    probe = {"engine": "ascend", "kind": "ascend", "run": None, "facts": {}, "problems": problems}
    (folder / "ascend/probe.json").write_text(json.dumps(probe))
    outputs = (folder / "ascend/ready.json", folder / "ascend/soc_version")
    where = ("--probe", folder / "ascend/probe.json", "--ready", outputs[0], "--soc-version", outputs[1])
    return refused("require_engine", *where, outputs=outputs, folder=folder)


@AREA.case("an engine whose tools are not installed", "Install them, or run the rehearsal: docs/rehearsal.md.")
def not_installed(folder: Path) -> str:
    remedy = "source the vendor's set_env.sh or name it in engines.ascend.setup"
    return required(folder, [f"atc not found: {remedy}", f"npu-smi not found: {remedy}"])


@AREA.parametrize()
def test_vendor_tools(case: Case) -> None:
    hold(AREA, case)
