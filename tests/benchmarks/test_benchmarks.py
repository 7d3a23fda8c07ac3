"""The benchmarks run, on next to nothing, and say what they must. Nothing is asserted on times."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import coco_evaluator
import overhead
import streaming
import upstream_loop
import widerface_evaluator
from harness import Figure, Result, Table, Workspace
from run import write

IMAGES = 2


@pytest.fixture(scope="module")
def workspace(mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    overlay = folder / "overlay.yaml"
    overlay.write_text(f"datasets: {{widerface: {{subset: {{first: {IMAGES}}}, shards: 1}}}}")
    workspace = Workspace(folder, (overlay,))
    workspace.make(workspace.result, workspace.graph("ts"))
    return workspace


def figure_names(result: Result) -> set[str]:
    assert all(value > 0 for figure in result.figures for value in figure.rounds)
    return {figure.name for figure in result.figures}


def test_stream_and_its_profile(workspace):
    result = streaming.measure(workspace, rounds=1)
    assert "images/s: stream / graph alone" in figure_names(result)
    (profile,) = result.tables
    milliseconds = {step: float(value) for step, value, _ in profile.rows}
    assert milliseconds["forward"] > milliseconds["resize"] > 0
    assert milliseconds["NMS"] > 0
    whole = milliseconds.pop("sum")
    assert sum(milliseconds.values()) == pytest.approx(whole, rel=0.01, abs=0.1)


def test_the_published_order_finds_what_the_stream_finds(workspace):
    """It raises where the detections do not agree."""
    result = upstream_loop.measure(workspace, rounds=1, count=IMAGES)
    assert {f"published order with {runtime}" for runtime in ("TorchScript", "ONNX Runtime")} <= figure_names(result)


def test_overhead_has_every_job(workspace):
    result = overhead.measure(lambda: workspace, rounds=1)
    run, stream = (figure.median for figure in result.figures if figure.name in ("run", "stream"))
    assert result.figures[0].median == run - stream
    jobs = {name.split("/")[-1] for name, *_ in result.tables[0].rows}
    assert {"onnx", "score", "stream-1-of-1"} <= jobs


def test_evaluator(mirror, golden):
    (ratio,) = widerface_evaluator.measure(rounds=1, images=20).figures
    assert ratio.median > 0


def test_coco_evaluator():
    """It raises where a figure is not that of pycocotools."""
    figures = coco_evaluator.measure(rounds=1, images=30).figures
    assert all(figure.median > 0 for figure in figures)


def test_what_is_written(tmp_path):
    figures = (
        Figure("faster", (1.0, 3.0, 2.0), required=1.5, aimed=2.5),
        Figure("lighter", (900.0, 1100.0, 1200.0), required=1024, at_most=True, unit="MiB"),
        Figure("told", (5.0,), unit="s"),
    )
    write([Result("example", figures, (Table("Steps", ("step", "ms"), (("a", "1"),)),))], tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert "| faster | 2× | 1 … 3× | ≥ 1.5× | ≥ 2.5× | met |" in text
    assert "| lighter | 1100 MiB | 900 … 1200 MiB | ≤ 1024 MiB | – | **missed** |" in text
    assert "| a | 1 |" in text
    content = json.loads((tmp_path / "results.json").read_text())
    assert [figure["median"] for figure in content["results"][0]["figures"]] == [2, 1100, 5]
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_a_command_that_fails_is_told_in_its_own_words(mirror, tmp_path):
    with pytest.raises(SystemExit, match="index"):
        Workspace(tmp_path).stream(tmp_path / "no-index.json")
