"""vamp's stand-in: its command line, result files and dialects."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.rehearsal.card import SIZE, compiled, export_faces, picture, planes, write_vdsp

from pth2map_rehearsal import vdsp
from pth2map_rehearsal.vacc import open_model
from pth2map_rehearsal.vamp import main
from pth2map_rehearsal.vamp_flags import parse
from pth2map_rehearsal.vamp_report import DIALECTS, Statistics, block

MODEL = ["-m", "deploy_weights/faces/mod", "--vdsp_params", "vdsp.json"]
SIZES = [(40, 90), (64, 64), (111, 33), (7, 200), (300, 41)]
KEYS = ("output_0", "output_1", "output_2")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A compiled RetinaFace, its JSON, and pictures in npz files with a datalist in another order than their names."""
    folder = tmp_path_factory.mktemp("vamp")
    export_faces(folder / "model.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert compiled() == 0
        write_vdsp()
    for number, size in enumerate(SIZES):
        np.savez(folder / f"{number}.npz", input_0=planes(picture(*size, seed=number)))
    (folder / "list.txt").write_text("".join(f"{folder / str(number)}.npz\n" for number in reversed(range(5))))
    return folder


@pytest.fixture(autouse=True)
def _vastpipe(monkeypatch):
    monkeypatch.setenv("VASTPIPE_ROOT", "somewhere")
    monkeypatch.delenv("PTH2MAP_REHEARSAL_VAMP", raising=False)


@pytest.fixture
def folder(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    return workplace


def numbers(text, key):
    return [float(value) for value in re.findall(rf"^\s*-?\s*{re.escape(key)}:\s*(\S+)$", text, re.MULTILINE)]


def test_a_run_in_a_shell(shell, folder, tmp_path):
    said = shell(f"cd {folder} && vamp {' '.join(MODEL)} -i 1 p 1 -b 1 --iterations 2")
    assert (said.returncode, said.stderr) == (0, "")
    assert numbers(said.stdout, "samples") == [2]


def test_without_set_env_a_library_is_missing(folder, capsys, monkeypatch):
    monkeypatch.delenv("VASTPIPE_ROOT")
    assert main(MODEL) == 127
    assert "error while loading shared libraries: libvastpipe.so" in capsys.readouterr().err


# Results


@pytest.mark.parametrize(
    "words", [["-b", "1"], ["-b", "2"], ["-b", "7"], ["-i", "2", "-p", "2", "-b", "2"], ["--forward_mode", "1"]]
)
def test_results_bear_the_number_of_their_line(folder, tmp_path, words):
    """Whatever the batch and the instances, and in the last batch too."""
    out = tmp_path / "made" / "here"
    assert main([*MODEL, "-d", "0", *words, "--datalist", "list.txt", "--path_output", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [f"output_{line:06d}.npz" for line in range(5)]
    model, preprocessing = open_model("deploy_weights/faces/mod"), vdsp.load("vdsp.json")
    for line, number in enumerate(reversed(range(5))):
        (expected,) = model.run([planes(picture(*SIZES[number], seed=number))], preprocessing)
        with np.load(out / f"output_{line:06d}.npz") as given:
            assert tuple(given) == KEYS
            for key, array in zip(KEYS, expected, strict=True):
                np.testing.assert_array_equal(given[key], array, strict=True)
        assert [array.shape for array in expected] == [(1, 300, 1), (1, 300, 4), (1, 300, 10)]
        assert all(array.dtype == np.float16 for array in expected)


def test_a_datalist_alone_is_timed(folder, capsys):
    assert main([*MODEL, "--iterations", "3", "--datalist", "list.txt"]) == 0
    assert numbers(capsys.readouterr().out, "samples") == [5]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "bad.npz cannot be read: "),
        (b"no", "bad.npz cannot be read: "),
        ({"input_1": np.zeros((3, 8, 8), np.uint8)}, "bad.npz has no input_0, but input_1"),
        ({"input_0": np.zeros((3, 8, 8), np.float32)}, "bad.npz: input_0 is float32 [3, 8, 8], expected uint8"),
        ({"input_0": np.zeros((8, 8), np.uint8)}, "bad.npz: input_0 is uint8 [8, 8], expected uint8 [3, h, w]"),
        ({"input_0": np.zeros((1, 3, 8, 8), np.uint8)}, "bad.npz: input_0 is uint8 [1, 3, 8, 8], expected uint8"),
        ({"input_0": np.zeros((8, 8, 3), np.uint8)}, "a picture is uint8 [8, 8, 3], expected uint8 [3, h, w]"),
        ({"input_0": np.zeros((3, 1, 600), np.uint8)}, "nothing is left of a picture of 600x1"),
    ],
)
def test_pictures_that_are_none(folder, tmp_path, capsys, content, complaint):
    bad = tmp_path / "bad.npz"
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif content is not None:
        np.savez(bad, **content)
    (tmp_path / "list.txt").write_text(f"{folder}/0.npz\n{bad}\n")
    assert main([*MODEL, "--datalist", f"{tmp_path}/list.txt", "--path_output", f"{tmp_path}/out"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("[ERROR] ")
    assert complaint in said


# What it prints


@pytest.mark.parametrize(
    ("dialect", "head", "keys", "latencies"),
    [
        (
            "2.1",
            ["model input shape 0: [3,64,64], dtype: u1", "load model and init graph done"],
            ["ai utilize (%)", "temperature (°C)", "card power (W)", "die memory used (MB)", "throughput (qps)"],
            ["avg", "min", "max", "p50", "p90", "p95", "p99"],
        ),
        (
            "2.4",
            ["[max_batch_size_]: 64", "[input_count]: 1", "input[0]: [3,64,64], dtype:u1", "[output_count]: 3"],
            ["samples", "forwad time (s)", "throughput (qps)", "ai utilize (%)", "die memory used (MB)"],
            ["avg", "min", "max"],
        ),
        (
            "2.5",
            ["Dump model info: deploy_weights/faces/mod", "[max_batch_size_]: 64", "[input_count]: 1"],
            [
                *("samples", "forwad time (s)", "throughput (qps)", "ai utilize (%)", "card power (W)"),
                *("temperature (°C)", "die memory used (MB)"),
            ],
            ["avg", "min", "max"],
        ),
    ],
)
def test_dialects(folder, capsys, monkeypatch, dialect, head, keys, latencies):
    monkeypatch.setenv("PTH2MAP_REHEARSAL_VAMP", dialect)
    assert main([*MODEL, "-i", "2", "-b", "2", "--iterations", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(head)] == head
    start = lines.index("- number of instances in each device: 2")
    statistics = [line.strip() for line in lines[start + 1 :]]
    names = [*(f"{name} latency" for name in latencies)]
    expected = ["devices", "batch size", *keys, "e2e latency (us)", *names, "model latency (us)", *names]
    assert [line.partition(":")[0] for line in statistics] == expected
    assert statistics[:2] == ["devices: [0]", "batch size: 2"]
    between = "\n".join(lines[:start])
    banner = {"2.1": 0, "2.4": 1, "2.5": 1}[dialect]
    space = " " if dialect == "2.5" else ""
    assert between.count(f"*** number of instances in each device:{space}2 ****") == banner
    assert between.count("number of samples in each process: 6") == between.count("number of process:1") == banner
    assert ("output[1]: [1,300,4], dtype:f2" in lines) == bool(banner)
    e2e, model = (
        [int(line.rpartition(" ")[2]) for line in statistics[at : at + 3]]
        for at in (len(keys) + 3, len(keys) + 4 + len(names))
    )
    for average, least, most in (e2e, model):
        assert 0 < least <= average <= most
    assert model[0] <= e2e[0]
    if dialect == "2.4":
        assert len(set(model)) == 1


@pytest.mark.parametrize("seconds", [1.3199134, 0.000123456789, 12345.678, 7.0])
def test_throughput_is_samples_by_forward_time(seconds):
    said = block(DIALECTS["2.5"], Statistics(1, 1, 1024, seconds, [0.5], [0.25]))
    (samples,), (time,), (throughput,) = (
        numbers(said, key) for key in ("samples", "forwad time (s)", "throughput (qps)")
    )
    assert (samples, time) == (1024, pytest.approx(seconds, rel=1e-5))
    assert throughput == pytest.approx(1024 / time, rel=1e-5)


def test_latencies_by_hand():
    said = block(DIALECTS["2.1"], Statistics(1, 1, 4, 1.0, [0.001, 0.002, 0.003, 0.006], [0.0005] * 4))
    assert re.findall(r"(\w+) latency: (\d+)", said)[:4] == [
        ("avg", "3000"),
        ("min", "1000"),
        ("max", "6000"),
        ("p50", "2500"),
    ]
    assert said.endswith("    p99 latency: 500")


def test_a_range_of_instances_repeats_the_block(folder, capsys):
    assert main([*MODEL, "-i", "1:3", "--iterations", "3"]) == 0
    said = capsys.readouterr().out
    assert numbers(said, "number of instances in each device") == [1, 2, 3]
    assert numbers(said, "samples") == [3, 3, 3]
    assert said.count("Dump model info") == 1


def test_a_dialect_that_is_none(folder, monkeypatch):
    monkeypatch.setenv("PTH2MAP_REHEARSAL_VAMP", "3.0")
    with pytest.raises(ValueError, match=r"PTH2MAP_REHEARSAL_VAMP is '3.0'; it can be 2.1, 2.4, 2.5"):
        main(MODEL)


# The command line


def test_stray_words_are_ignored():
    values = parse(["x.so", "-m", "mod", "-i", "2", "p", "2", "-b", "4", "--iterations=8", "-", "--datalist", "-"])
    assert (values["model_prefix"], values["instance"], values["processes"]) == ("mod", "2", "1")
    assert (values["batch_size"], values["iterations"], values["datalist"]) == ("4", "8", "-")


def test_defaults():
    assert {name: value for name, value in parse([]).items() if value} == {
        "batch_size": "1",
        "force_batch_size": "0",
        "instance": "1",
        "processes": "1",
        "device_id": "0",
        "dtype": "uint8",
        "iterations": "1024",
        "forward_time": "0",
        "forward_mode": "0",
        "cache_input": "0",
        "cache_input_host": "0",
        "cache_output": "0",
        "percentiles": "[50,90,95,99]",
    }


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--instances", "2"], "undefined option: --instances"),
        (["--vdsp-params=x"], "undefined option: --vdsp-params"),
        (["-x", "2"], "undefined short option: -x"),
        (["-xb", "2"], "undefined short option: -x"),
        (["-mb", "2"], "option needs value: --model_prefix"),
        (["--datalist"], "option needs value: --datalist"),
        (["-b=3"], "option needs value: --batch_size"),
        (["-b"], "option needs value: --batch_size"),
        (["-b", "two"], "option value is invalid: --batch_size=two"),
        (["-b", "0"], "option value is invalid: --batch_size=0"),
        (["-i", "3:1"], "option value is invalid: --instance=3:1"),
        (["-i", "1:"], "option value is invalid: --instance="),
        (["-p", "-1"], "option value is invalid: --processes=-1"),
        (["--forward_mode", "2"], "option value is invalid: --forward_mode=2"),
        (["-s", "3,64,64"], "option value is invalid: --shape=3,64,64"),
    ],
)
def test_no_command_line(capsys, words, complaint):
    assert main([*MODEL, *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[:2] == [complaint, "usage: vamp [options] ..."]


@pytest.mark.parametrize("words", [["--help"], ["-?"], ["--nonsense", "--help"], []])
def test_help_goes_to_stderr_and_ends_well(capsys, words):
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: vamp [options] ...\n")
    assert re.search(r"^  -\?, --help +print this message$", said.err, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["-d", "1"], "--device_id 1: there is device 0 alone"),
        (["-d", "[0,1]"], "--device_id [0,1]: there is device 0 alone"),
        (["-i", "2", "-p", "3"], "--processes 3: one die takes no more processes than instances (2)"),
        (["-i", "1:3", "-p", "2"], "--processes 2: one die takes no more processes than instances (1)"),
        (["-b", "65"], "--batch_size 65: the model takes at most 64"),
        (["--path_output", "x"], "--path_output needs --datalist"),
        (["--cache_input", "1"], "REHEARSAL: --cache_input is not rehearsed"),
        (["-f", "report.yaml"], "REHEARSAL: --file_report is not rehearsed"),
        (["-t", "3"], "REHEARSAL: --forward_time is not rehearsed"),
        (["--verbose"], "REHEARSAL: --verbose is not rehearsed"),
        (["--vdsp_parameters", "vdsp.json"], "REHEARSAL: --vdsp_parameters is not rehearsed"),
        (["-m", ""], "--model_prefix is missing"),
        (["--vdsp_params", ""], "--vdsp_params is missing"),
        (["-m", "deploy_weights/faces"], "there is no faces.so, faces.json, faces.params in deploy_weights"),
        (["--vdsp_params", "absent.json"], "absent.json cannot be read"),
        (["--vdsp_params", "list.txt"], "list.txt cannot be read"),
        (["--datalist", "absent.txt"], "absent.txt"),
        (["--datalist", "empty.txt"], "empty.txt lists nothing"),
        (["-s", "[1,64,64]"], "a picture is uint8 [1, 64, 64], expected uint8 [3, h, w]"),
    ],
)
def test_what_cannot_be_run(folder, capsys, words, complaint):
    Path("empty.txt").write_text("")
    assert main([*MODEL, "--iterations", "2", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("[ERROR] ")
    assert complaint in said


def test_a_preprocessing_for_another_size(folder, tmp_path, capsys):
    path = write_vdsp(tmp_path / "wide.json", OimageWidth=2 * SIZE)
    assert main([*MODEL, "--iterations", "1", "--vdsp_params", str(path)]) == 1
    assert "makes pictures of 128x64, the model takes 64x64" in capsys.readouterr().err


def test_generated_pictures_of_a_shape(folder, capsys):
    assert main([*MODEL, "-s", "[3, 30, 200]", "--iterations", "2"]) == 0
    assert numbers(capsys.readouterr().out, "samples") == [2]
