"""Engines of vendors and of one's own, on two images of noise: what they need is looked for, what fails says so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests import synthetic_weights, synthetic_wider

from pth2map.recipes.detections import load_detections

from .conftest import ROOT, Run, run_snakemake

OVERLAY = """
datasets:
  widerface: {{root: "{root}", subset: {{first: 2}}, shards: 3}}
engines:
  by_files: {{kind: onnxruntime, route: files}}
  atc:
    {{kind: ascend, setup: workflow/rehearsal/set_env.sh, python: python, chip: 310P3, rehearsal: true, loops: 3}}
  aie: {{kind: torch_aie, setup: workflow/rehearsal/set_env.sh, python: python, rehearsal: true}}
  opencv: {{kind: opencv, rules: "{rules}"}}
models:
  retinaface:
    weights: {{path: "{weights}"}}
    recipe: {{decode: {{confidence_threshold: 0.45}}}}
    export: {{parity: {{max_abs: 1.0e-3}}}}
    engines: [onnxruntime, by_files, atc, aie, opencv]
    variants: {{sizes: [320], precisions: [fp32]}}
    headline: {{engine: onnxruntime, variant: 320-fp32-b1}}
"""
ENGINES = ("by_files", "atc", "aie", "opencv")
POINT = "320-fp32-b1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three shards of two images: one has none."""
    folder = tmp_path_factory.mktemp("vendor")
    root = synthetic_wider.make(folder / "wider")
    weights = folder / "formula.pth"
    synthetic_weights.save(weights)
    rules = Path(__file__).parent / "opencv/opencv.smk"
    (folder / "overlay.yaml").write_text(OVERLAY.format(root=root, weights=weights, rules=rules), encoding="utf-8")
    run = call(folder, *(f"results/retinaface/{engine}/{POINT}/map.json" for engine in ENGINES))
    assert run.status == 0, run.output
    return folder


def call(folder: Path, *targets: str, change: str = "{}", options: tuple[str, ...] = ()) -> Run:
    """Run with one more overlay; PATH holds no vendor's command."""
    (folder / "change.yaml").write_text(change)
    return run_snakemake(ROOT, folder, *options, "--configfile", "overlay.yaml", "change.yaml", "--", *targets)


def test_every_engine_finds_the_same(folder):
    found = {
        engine: load_detections(folder / f"results/retinaface/{engine}/{POINT}/detections/detections.npz")
        for engine in ENGINES
    }
    expected = found["by_files"]
    assert expected.counts.sum() > 20
    for each in found.values():
        np.testing.assert_array_equal(each.counts, expected.counts)
        np.testing.assert_allclose(each.scores, expected.scores, rtol=0, atol=1e-5)
        ours, theirs = (np.sort(one.extra["corners"], axis=0) for one in (each, expected))  # rows of near ties may swap
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_all_shards_ran_in_the_same_surroundings(folder):
    for engine in ENGINES:
        (infer,) = json.loads((folder / f"results/retinaface/{engine}/{POINT}/provenance.json").read_text())["infer"]
        assert infer["jobs"] == 3


def test_an_engine_of_ones_own_is_named_in_the_protocol(folder):
    result = json.loads((folder / f"results/retinaface/opencv/{POINT}/map.json").read_text())
    assert re.search(r"engine: OpenCV \S+, dnn, fp32, batch 1", result["protocol"])
    assert (result["kind"], result["rehearsal"]) == ("opencv", False)
    again = call(folder, f"results/retinaface/opencv/{POINT}/map.json", options=("-n",))
    assert again.jobs == {}, again.output


def test_a_key_of_an_engine_that_decides_nothing_hides_no_other_change(folder):
    """A job with a reason of its own would hide those of what waits for it by an ancient input."""
    change = "{engines: {atc: {loops: 4}}, models: {retinaface: {recipe: {decode: {nms_threshold: 0.3}}}}}"
    run = call(folder, f"results/retinaface/atc/{POINT}/map.txt", change=change, options=("-n",))
    assert run.jobs == {"prepare_shard": 3, "infer_ascend": 3, "decode_shard": 3, "score_widerface_point": 1}


def test_what_was_found_of_an_engine_counts_by_its_content(folder):
    target = f"results/retinaface/atc/{POINT}/map.txt"
    (folder / "scratch/engines/atc/ready.json").touch()
    assert call(folder, target, options=("-n",)).jobs == {}
    probed_again = call(folder, target, options=("-n", "--forcerun", "probe_engine")).jobs
    assert {"compile_ascend": 1, "infer_ascend": 3, "score_widerface_point": 1}.items() <= probed_again.items()


def shown_command(run: Run, rule: str) -> str:
    """The shell command of a job of a dry-run."""
    blocks = re.split(r"^\[.*\]$", run.output, flags=re.MULTILINE)
    (command,) = {found[1] for block in blocks if (found := re.search(rf"^Shell command: (.*{rule}.*)$", block, re.M))}
    return command


def test_a_printed_command_can_be_pasted(folder):
    target = f"results/retinaface/atc/{POINT}/model.om"
    made = (folder / target).read_bytes()
    run = call(folder, target, options=("-n", "-p", "--forcerun", "compile_ascend"))
    command = shown_command(run, "atc --framework=5")
    expected = (
        "atc --framework=5 --model=results/retinaface/export/320/model.onnx "
        f"--output=results/retinaface/atc/{POINT}/model.$$ --input_format=NCHW --input_shape=image:1,3,320,320 "
        "--log=error --soc_version=Ascend310P3 --precision_mode=force_fp32 "
        f"--insert_op_conf=results/retinaface/atc/{POINT}/aipp.cfg --enable_small_channel=1 "
        "'--out_nodes=landms:0;conf:0;loc:0')"
    )
    assert expected in command
    (folder / target).unlink()
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / target).read_bytes() == made


NOT_HERE = "{engines: {atc: {setup: %s}, aie: {setup: %s}}}"


def test_all_that_is_missing_is_said_together_and_before_anything_else(folder, tmp_path):
    (tmp_path / "overlay.yaml").write_text((folder / "overlay.yaml").read_text())
    change = NOT_HERE % ("[]", "/no/set_env.sh")
    change = change.replace("}}}", "}}, models: {retinaface: {engines: [onnxruntime, atc, aie]}}}")
    change = change.replace("setup: []", "setup: [], rehearsal: false, chip: null")
    targets = [f"results/retinaface/{engine}/{POINT}/map.txt" for engine in ("atc", "aie")]
    for _ in range(2):  # the second call looks again
        run = call(tmp_path, *targets, change=change)
        assert run.status != 0
        assert set(re.findall(r"^Job \d+: (.*)$", run.output, re.MULTILINE)) <= {
            "atc: look for what it needs",
            "aie: look for what it needs",
            "atc: may it be used?",
            "aie: may it be used?",
        }
        for sentence in (
            "error: this machine cannot run aie and atc yet",
            "atc not found: source the vendor's set_env.sh or name it in engines.atc.setup",
            "python has no module ais_bench",
            "npu-smi not found",
            "or name the chip in engines.atc.chip",
            "engines.aie.setup: no such file /no/set_env.sh",
        ):
            assert sentence in run.output
    assert not (tmp_path / "results").exists()
    mended = call(tmp_path, "scratch/engines/atc/ready.json")
    assert mended.status == 0, mended.output
    assert json.loads((tmp_path / "scratch/engines/atc/ready.json").read_text())["soc_version"] == "Ascend310P3"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("{engines: {atc: {chip: 910B3}}}", "engines.atc.chip: found 910B3, npu-smi tells of 310P3"),
        (
            "{engines: {atc: {device: 3, chip: null}}}",
            "engines.atc.device: npu-smi info has no single device 3; devices there: 0",
        ),
        (
            "{engines: {atc: {rehearsal: false}}}",
            "engines.atc.rehearsal: found false, but the rehearsal's stand-ins are at work",
        ),
        ("{engines: {atc: {python: /no/python3.9}}}", "engines.atc.python: /no/python3.9 does not run"),
    ],
)
def test_an_engine_that_is_set_up_wrongly(folder, change, sentence):
    run = call(folder, f"results/retinaface/atc/{POINT}/map.txt", change=change)
    assert run.status != 0
    assert sentence in run.output
    assert "retinaface on atc" not in run.output, "no job of the engine was begun"


def test_a_tensor_file_that_was_cut_short_is_found(folder):
    target = f"results/retinaface/atc/{POINT}/map.txt"
    change = "{models: {retinaface: {recipe: {preprocess: {pad_value: 7}}}}}"
    planned = call(folder, target, change=change, options=("-n",)).output
    inputs = re.search(rf"scratch/retinaface/atc/{POINT}/\w+/1-of-3/inputs", planned)[0]
    prepared = call(folder, inputs, change=change)
    assert prepared.status == 0, prepared.output
    (tensors,) = (folder / inputs / "prep").iterdir()
    tensors.write_bytes(tensors.read_bytes()[:1000])
    run = call(folder, target, change=change)
    assert run.status != 0
    assert "not match" in run.output
    assert "the input files are of another size or type than the model's" in run.output
    assert re.search(r"all it printed: logs/retinaface/atc/\S+/ais_bench-\d-of-3\.txt", run.output)
    assert not list((folder / "scratch/retinaface/atc").rglob("ais_bench.*"))


def test_what_atc_refuses_reaches_the_reader_as_one_sentence(folder, monkeypatch):
    """A card newer than the compiler."""
    monkeypatch.setenv("PTH2MAP_REHEARSAL_CHIP", "999X1")
    run = call(folder, f"results/retinaface/atc/{POINT}/model.om", change="{engines: {atc: {chip: 999X1}}}")
    assert run.status != 0
    (sentence,) = re.findall(r"^error: (.*)$", run.output, re.MULTILINE)
    assert sentence.startswith("atc failed (status 255): E19999")
    assert sentence.endswith(f"; all it printed: logs/retinaface/atc/{POINT}/atc.txt")
    assert not list((folder / f"results/retinaface/atc/{POINT}").glob("model.*"))


def doctor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pth2map", "doctor", *arguments],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_doctor_says_what_runs_here_and_why_not_the_rest():
    done = doctor("--configfile", ROOT / "config/rehearsal.yaml")
    assert done.returncode == 0, done.stderr
    verdicts = dict(re.findall(r"^(\w+) +\w+ +(yes|no)", done.stdout, re.MULTILINE))
    assert verdicts == {
        "onnxruntime": "yes",
        "torchscript": "yes",
        "ascend": "no",
        "torch_aie": "no",
        "vastai": "no",
        "ascend_rehearsal": "yes",
        "torch_aie_rehearsal": "yes",
        "vastai_rehearsal": "yes",
    }
    assert "soc_version Ascend310P3; a rehearsal, no hardware" in done.stdout
    assert "    atc not found: source the vendor's set_env.sh or name it in engines.ascend.setup" in done.stdout


def test_the_doctor_asked_for_one_engine_has_a_status():
    assert (doctor("ascend").returncode, doctor("onnxruntime").returncode) == (1, 0)
    asked = doctor("ascnd")
    assert asked.returncode == 2
    assert "unknown engine 'ascnd'; did you mean ascend?" in asked.stderr
