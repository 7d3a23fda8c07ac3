"""What the workflow does besides running: targets, errors, use from elsewhere, reruns after a change of code."""

import json
import re
from pathlib import Path

import pytest
from tests import synthetic_faces

from .conftest import ROOT, copy_project, run_snakemake

SMOKE = ("--configfile", ROOT / "config/smoke.yaml")


def documented_targets() -> list[str]:
    """Targets that README and docs name, with real names in them."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    found = {target for page in pages for target in re.findall(r"(?<=[\s`])results/[\w./-]+", page.read_text())}
    return sorted(target for target in found if "." in target.rsplit("/", 1)[1])


def test_every_documented_target_is_offered(mirror, tmp_path):
    """All in one dry-run; of one that is not there Snakemake says the name."""
    for part in ("train", "val"):  # labels that only a person can get
        synthetic_faces.make(tmp_path / "data/widerface" / part, 1)
    overlays = (*SMOKE, ROOT / "config/alternatives.yaml", ROOT / "config/rehearsal.yaml")
    targets = documented_targets()
    assert len(targets) > 10
    run = run_snakemake(ROOT, tmp_path, *overlays, "-n", "--", *targets, PTH2MAP_MIRROR=str(mirror))
    assert run.status == 0, run.output


def test_models_that_wait_for_a_person_are_left_out_of_all_and_named(mirror, tmp_path):
    data = ("--config", f"datasets={{widerface: {{root: {mirror}/widerface-mini}}}}")
    run = run_snakemake(ROOT, tmp_path, "-n", *data, PTH2MAP_MIRROR=str(mirror))
    assert run.status == 0, run.output
    assert "left out: centerface: model_best.pth can only be fetched by a person" in run.output
    assert "results/retinaface_r50/map.txt" in run.output
    assert "results/centerface" not in run.output


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("results/retinafce/map.txt", "unknown model 'retinafce'; did you mean retinaface?"),
        (
            "results/retinaface/onnxruntime/640-fp32-b1/map.txt",
            "model retinaface has no variant '640-fp32-b1' on onnxruntime; did you mean 1000-fp32-b1?",
        ),
        (
            "results/retinaface/ascend/1000-fp32-b1/map.json",
            "model retinaface has no variant '1000-fp32-b1' on ascend; did you mean 1000-fp16-b1?",
        ),
        (
            "results/retinaface_native/ascend/native-fp32-b1/map.json",
            "model retinaface_native is not offered on engine 'ascend'; allowed: onnxruntime, torchscript",
        ),
    ],
)
def test_a_target_that_is_not_offered_is_named(target, sentence, mirror, tmp_path):
    run = run_snakemake(ROOT, tmp_path, *SMOKE, "--", target, PTH2MAP_MIRROR=str(mirror))
    assert run.status != 0
    assert sentence in run.output
    assert not (tmp_path / "results").exists()


def test_a_wrong_config_is_refused_before_any_job(mirror, tmp_path):
    (tmp_path / "wrong.yaml").write_text("{models: {retinaface: {datset: x}}, engines: {onnxruntime: {threads: four}}}")
    run = run_snakemake(
        ROOT, tmp_path, *SMOKE, "wrong.yaml", "--", "results/retinaface/map.txt", PTH2MAP_MIRROR=str(mirror)
    )
    assert run.status != 0
    assert "the config has 2 errors" in run.output
    assert "models.retinaface.datset: unknown key; did you mean dataset?" in run.output
    assert "engines.onnxruntime.threads: found 'four'; expected a whole number" in run.output
    assert not (tmp_path / "results").exists()


def test_a_missing_variable_of_an_overlay_is_named(tmp_path):
    run = run_snakemake(ROOT, tmp_path, *SMOKE, "--", "results/retinaface/map.txt", PTH2MAP_MIRROR=None)
    assert run.status != 0
    assert "needs the environment variable PTH2MAP_MIRROR, which is not set" in run.output


def test_parsing_the_workflow_imports_no_torch(mirror, tmp_path):
    for name in ("torch", "onnx", "onnxruntime", "cv2", "scipy", "matplotlib"):
        (tmp_path / "traps" / name).mkdir(parents=True)
        (tmp_path / "traps" / name / "__init__.py").write_text(f"raise RuntimeError('{name} was imported')")
    run = run_snakemake(
        ROOT,
        tmp_path,
        *SMOKE,
        "-n",
        "--",
        "results/retinaface/map.txt",
        PTH2MAP_MIRROR=str(mirror),
        PYTHONPATH=str(tmp_path / "traps"),
    )
    assert run.status == 0, run.output


def test_a_stale_lock_is_removed_without_further_options(mirror, tmp_path):
    assert run_snakemake(ROOT, tmp_path, "--unlock", *SMOKE, PTH2MAP_MIRROR=str(mirror)).status == 0


def test_the_workflow_as_a_module_of_another(mirror, tmp_path):
    (tmp_path / "Snakefile").write_text(
        f"""
configfile: "{ROOT}/config/config.yaml"

module pth2map:
    snakefile: "{ROOT}/Snakefile"
    config: config

use rule * from pth2map as detector_*

rule mine:
    input: "results/retinaface/map.json"
    output: "mine.txt"
    default_target: True
    shell: "echo done > {{output}}"
"""
    )
    run = run_snakemake(tmp_path, tmp_path, *SMOKE, PTH2MAP_MIRROR=str(mirror))
    assert run.status == 0, run.output
    assert (tmp_path / "mine.txt").read_text() == "done\n"


def test_a_wrong_file_put_in_place_by_hand_is_refused_and_kept(mirror, tmp_path):
    weights = tmp_path / "data/weights/retinaface/mobilenet0.25_Final.pth"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"\0" * 1789735)
    run = run_snakemake(
        ROOT, tmp_path, *SMOKE, "--", "results/retinaface/export/1000/model.onnx", PTH2MAP_MIRROR=str(mirror)
    )
    assert run.status != 0
    assert "is not the declared file: its sha256 begins" in run.output
    assert weights.read_bytes() == b"\0" * 1789735


@pytest.fixture(scope="module")
def project(mirror, tmp_path_factory) -> Path:
    """A copy of the project with the smoke result made in it."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    run = run_snakemake(folder, folder, *SMOKE, "--", "results/retinaface/map.txt", PTH2MAP_MIRROR=str(mirror))
    assert run.status == 0, run.output
    return folder


SCORE = {"score_widerface_point": 1, "plot_curves": 1, "report_headline": 1}
DETECT = {"stream_onnxruntime": 2, **SCORE}
CHECK = {"check_export": 1, **DETECT}


@pytest.mark.parametrize(
    ("file", "old", "new", "rerun"),
    [
        ("geometry/boxes.py", "<= iou_threshold", "< iou_threshold", DETECT),
        ("engines/onnxruntime.py", "inter_op_num_threads = 1", "inter_op_num_threads = 2", CHECK),
        ("evaluation/widerface.py", "return float(np.sum(", "return 1.0 * float(np.sum(", SCORE),
        ("plots/precision_recall.py", "dpi=150", "dpi=100", {"plot_curves": 1, "report_headline": 1}),
        (
            "networks/catalogue.py",
            '"centerface": Entry',
            '"another": Entry("pth2map.other", "X", ()), "centerface": Entry',
            {},
        ),
        ("export/parity.py", "max_abs=float(", "max_abs=1.0 * float(", CHECK),
        ("geometry/boxes.py", "import numpy as np\n", "import numpy as np  # for arrays\n", {}),
    ],
    ids=["the NMS", "a runtime", "the evaluator", "the picture", "a table of names", "the parity check", "a comment"],
)
def test_changed_code_reruns_the_stages_that_use_it(project, mirror, file, old, new, rerun):
    path = project / "src/pth2map" / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    try:
        run = run_snakemake(
            project, project, *SMOKE, "-n", "--", "results/retinaface/map.txt", PTH2MAP_MIRROR=str(mirror)
        )
    finally:
        path.write_text(before)
    assert run.status == 0, run.output
    assert run.jobs == rerun


def test_a_moved_project_reruns_nothing_and_makes_the_same_result(project, mirror, tmp_path):
    moved = tmp_path / "moved"
    project.rename(moved)
    try:
        run = run_snakemake(moved, moved, *SMOKE, "-n", "--", "results/retinaface/map.txt", PTH2MAP_MIRROR=str(mirror))
        assert run.jobs == {}, run.output
    finally:
        moved.rename(project)


def test_equal_runs_give_equal_map_json(project, mirror, tmp_path):
    """Other folder, other number of shards, same bytes."""
    (tmp_path / "shards.yaml").write_text("{datasets: {widerface: {shards: 5}}}")
    run = run_snakemake(
        project, tmp_path, *SMOKE, "shards.yaml", "--", "results/retinaface/map.json", PTH2MAP_MIRROR=str(mirror)
    )
    assert run.status == 0, run.output
    first, second = ((folder / "results/retinaface/map.json").read_bytes() for folder in (project, tmp_path))
    assert first == second
    assert json.loads(first)["metrics"]["easy"] > 0
