"""ais_bench's stand-in: which files go in together, what comes out under which name, and what is said of it."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rehearsal.graphs import detector, pictures, save

from ais_bench.__main__ import main
from ais_bench.inputs import PADDING, _groups, _natural
from pth2map_rehearsal import atc
from pth2map_rehearsal.half import rounded

COMPUTE = re.compile(
    r"^\[INFO\] NPU_compute_time \(ms\): min = (\S+), max = (\S+), mean = (\S+), median = (\S+), "
    r"percentile\(99%\) = (\S+)$",
    re.MULTILINE,
)
THROUGHPUT = re.compile(
    r"^\[INFO\] throughput 1000\*(batchsize(?:\.mean)?)\((\S+?)\)/NPU_compute_time\.mean\((\S+?)\): (\S+)$",
    re.MULTILINE,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With detectors for one and two pictures, in full precision."""
    monkeypatch.chdir(tmp_path)
    detector(Path("model.onnx"))
    for batch in (1, 2):
        compile_model("model", f"bs{batch}", f"--input_shape=image:{batch},3,4,6")
    Path("in").mkdir()
    return tmp_path


def compile_model(graph, stem, *words, precision="force_fp32"):
    common = ["--framework=5", "--soc_version=Ascend310P3", f"--precision_mode={precision}"]
    assert atc.main([*common, f"--model={graph}.onnx", f"--output={stem}", *words]) == 0


def write(arrays, names):
    for array, name in zip(arrays, names, strict=True):
        array.tofile(Path("in", name))


def run(*words, model="bs2.om"):
    return main(["--model", model, *words])


FILES = ("--input", "in", "--output", "made/under", "--output_dirname", "run")


def by_hand(images):
    return onnxruntime.InferenceSession("model.onnx").run(None, {"image": images})


def names(folder="made/under/run"):
    return sorted(path.name for path in Path(folder).iterdir())


def test_the_command_of_the_workflow_in_a_shell(shell, folder):
    images = pictures(3)
    write(images, ["0_a.bin", "1_b.bin", "2_c.bin"])
    said = shell(
        "python3 -m ais_bench --model bs2.om --input in --output results --output_dirname raw --outfmt BIN"
        " --batchsize 2 --device 0"
    )
    assert (said.returncode, said.stderr) == (0, "")
    lines = [line for line in said.stdout.replace("\r", "\n").splitlines() if line.startswith("[")]
    assert lines[:7] == [
        "[INFO] acl init success",
        "[INFO] open device 0 success",
        "[INFO] load model bs2.om success",
        "[INFO] create model description success",
        "[INFO] output path:results/raw",
        "[INFO] get filesperbatch files0 size:288 tensor0size:576 filesperbatch:2 runcount:2",
        "[INFO] warm up 1 done",
    ]
    assert lines[7] == "[INFO] -----------------Performance Summary------------------"
    assert COMPUTE.match(lines[8])
    assert THROUGHPUT.match(lines[9])
    assert lines[10] == "[INFO] ------------------------------------------------------"
    assert lines[12:] == [
        "[INFO] end to destroy context",
        "[INFO] end to reset device is 0",
        "[INFO] end to finalize acl",
    ]
    assert "Inference array Processing: 100%" in said.stdout
    assert names("results/raw") == [f"{stem}_{k}.bin" for stem in ("0_a", "1_b", "2_c") for k in range(3)]
    assert names("results") == ["raw", "raw_summary.json"]


def test_three_files_for_two_places(folder):
    images = pictures(3)
    write(images, ["a.bin", "b.bin", "c.bin"])
    assert run(*FILES) == 0
    assert names() == [f"{stem}_{k}.bin" for stem in "abc" for k in range(3)]
    padded = [by_hand(images[:2]), by_hand(images[[2, 2]])]
    for number, stem in enumerate("abc"):
        for k, dtype in enumerate((np.float32, np.float32, np.int32)):
            expected = padded[number // 2][k][number % 2].astype(dtype)
            given = np.fromfile(f"made/under/run/{stem}_{k}.bin", dtype=dtype)
            assert np.array_equal(given, expected.ravel())


def test_outputs_in_half_precision(folder):
    compile_model("model", "half", "--input_shape=image:1,3,4,6", precision="force_fp16")
    write(pictures(1), ["a.bin"])
    assert run(*FILES, model="half.om") == 0
    conf = np.fromfile("made/under/run/a_1.bin", dtype=np.float32)
    assert np.array_equal(conf, rounded(conf))
    np.testing.assert_allclose(conf, by_hand(pictures(1))[1].ravel(), atol=5e-3)


def test_names_are_cut_at_the_first_dot_and_overwrite_each_other(folder):
    write(pictures(2), ["img.640.one.bin", "img.640.two.bin"])
    assert run(*FILES) == 0
    assert names() == ["img_0.bin", "img_1.bin", "img_2.bin"]
    assert np.array_equal(np.fromfile("made/under/run/img_1.bin", np.float32), by_hand(pictures(2))[1][1].ravel())


def test_files_come_in_natural_order_and_others_are_left_out(folder):
    write(pictures(3), ["f10.bin", "f2.bin", "F3.bin"])
    Path("in/list.txt").write_text("no tensor")
    assert run("--input", "./in/", "--output", "./made", "--output_dirname", "run", model="bs1.om") == 0
    said = json.loads(Path("made/run_summary.json").read_text())["filesinfo"]
    assert [said[str(n)]["infiles"] for n in range(3)] == [["./in/f2.bin"], ["./in/F3.bin"], ["./in/f10.bin"]]
    assert said["0"]["outfiles"][0] == "./made/run/f2_0.bin"


@given(st.lists(st.integers(0, 99999), min_size=1))
def test_numbers_in_names_sort_as_numbers(numbers):
    paths = [f"in/f{number}_b.bin" for number in numbers]
    assert sorted(paths, key=_natural) == [f"in/f{number}_b.bin" for number in sorted(numbers)]


@given(st.lists(st.text(min_size=1), min_size=1), st.integers(1, 9))
def test_groups_are_full_and_lose_nothing(files, size):
    groups = _groups(files, size)
    assert {len(group) for group in groups} == {size}
    assert len(groups) == -(-len(files) // size)
    flat = [name for group in groups for name in group]
    assert flat[: len(files)] == files
    assert set(flat[len(files) :]) <= {PADDING}


def test_bytes_of_another_dtype_are_glued_together(folder, capsys):
    """Pictures in uint8 against a float32 model: four of them make one, and nobody minds but the batch."""
    write(np.zeros((5, 4, 6, 3), dtype=np.uint8), [f"{number}.bin" for number in range(5)])
    with pytest.raises(RuntimeError):
        run(*FILES, model="bs1.om")
    said = capsys.readouterr().out
    assert "[INFO] get filesperbatch files0 size:72 tensor0size:288 filesperbatch:4 runcount:2\n" in said
    assert "[ERROR] save out files error array shape:(1, 2, 1, 1) filesinfo:[['in/0.bin', " in said
    assert "files_count_perbatch:4 ndata.shape0:1" in said


def test_bytes_of_another_dtype_pass_where_the_outputs_can_be_split(folder):
    """A model without a batch in its outputs, as RetinaMask's rows: nonsense for each of the four, and status 0."""
    nodes = [onnx.helper.make_node("Squeeze", ["image"], ["rows"])]
    save("rows.onnx", nodes, {"image": [1, 4, 3, 6]}, {"rows": onnx.TensorProto.FLOAT}, {})
    compile_model("rows", "rows")
    for number in range(4):
        Path(f"in/{number}.bin").write_bytes(bytes([number]) * 72)
    assert run(*FILES, model="rows.om") == 0
    assert names() == [f"{number}_0.bin" for number in range(4)]


@pytest.mark.parametrize("size", [0, 100, 577])
def test_bytes_that_do_not_fit(folder, capsys, size):
    Path("in/a.bin").write_bytes(bytes(size))
    with pytest.raises(RuntimeError):
        run(*FILES)
    assert f"[ERROR] arg0 tensorsize: 576 filesize: {size} not match\n" in capsys.readouterr().out


def test_a_later_file_of_another_size(folder, capsys):
    write(pictures(2), ["a.bin", "b.bin"])
    Path("in/b.bin").write_bytes(bytes(4))
    with pytest.raises(RuntimeError):
        run(*FILES)
    assert "[ERROR] ndata size:292 not match 576\n" in capsys.readouterr().out
    with pytest.raises(RuntimeError):
        run(*FILES, model="bs1.om")
    assert "[ERROR] Check i:0 name:image in size:4 needsize:288 not match\n" in capsys.readouterr().out


def test_npy_counts_without_its_header_and_formats_agree(folder):
    for number, image in enumerate(pictures(2)):
        np.save(f"in/{number}.npy", image)
    for outfmt in ("BIN", "NPY", "TXT"):
        assert run("--input", "in", "--output", "made", "--output_dirname", outfmt, "--outfmt", outfmt) == 0
    conf, labels = by_hand(pictures(2))[1:]
    assert np.array_equal(np.fromfile("made/BIN/1_1.bin", dtype=np.float32), conf[1].ravel())
    assert np.array_equal(np.load("made/NPY/1_1.npy"), conf[1:])
    assert np.array_equal(np.load("made/NPY/1_2.npy"), labels[1:].astype(np.int32))
    text = Path("made/TXT/1_1.txt").read_text().splitlines()
    assert len(text) == 8
    assert text[0] == "".join(f"{value:f} " for value in conf[1, 0, 0])
    assert Path("made/TXT/1_2.txt").read_text().splitlines()[0] == "".join(f"{value} " for value in labels[1, 0])


def test_a_list_of_files_and_a_model_of_two_inputs(folder):
    nodes = [onnx.helper.make_node("Sub", ["left", "right"], ["out"])]
    save("sub.onnx", nodes, {"left": [1, 2], "right": [1, 2]}, {"out": onnx.TensorProto.FLOAT}, {})
    compile_model("sub", "sub")
    for number in range(4):
        np.full(2, 10**number, dtype=np.float32).tofile(f"{number}.bin")
    assert run("--input", "0.bin,1.bin,2.bin,3.bin", "--output", "made", "--output_dirname", "x", model="sub.om") == 0
    assert [np.fromfile(f"made/x/{n}_0.bin", dtype=np.float32).tolist() for n in (0, 1)] == [[-99, -99], [-990, -990]]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("absent", "Invalid args. absent  of --input is invalid"),
        ("in,in", "Invalid args. args input dir num:2 not equal to model inputs num:1"),
        ("in", "in of input args not find valid file,valid file format:[*.npy *.NPY *.bin *.BIN]"),
        ("bs1.om,absent", "Invalid input args.--input:['bs1.om', 'absent'] input[1]:absent absent not exist"),
    ],
)
def test_inputs_that_are_none(folder, capsys, given, complaint):
    with pytest.raises(RuntimeError):
        run("--input", given)
    assert f"[ERROR] {complaint}\n" in capsys.readouterr().out


def test_pure_inference(folder, capsys):
    words = ("--loop", "5", "--batchsize", "2", "--warmup_count", "2", "--output", "made", "--output_dirname", "pure")
    assert run(*words) == 0
    said = capsys.readouterr().out
    assert "[INFO] warm up 2 done\n" in said
    assert "\rloop inference exec: (5/5)\n" in said
    assert names("made/pure") == ["pure_infer_data_0.bin", "pure_infer_data_1.bin", "pure_infer_data_2.bin"]
    zeros = by_hand(np.zeros((2, 3, 4, 6), dtype=np.float32))
    assert np.array_equal(np.fromfile("made/pure/pure_infer_data_1.bin", dtype=np.float32), zeros[1].ravel())
    summary = json.loads(Path("made/pure_summary.json").read_text())
    assert summary["NPU_compute_time"]["count"] == len(summary["npu_compute_time_list"]) == 5


def test_random_data_differ_from_zeros(folder):
    nodes = [onnx.helper.make_node("Identity", ["image"], ["out"])]
    save("same.onnx", nodes, {"image": [1, 3, 4, 6]}, {"out": onnx.TensorProto.FLOAT}, {})
    compile_model("same", "same")
    assert run("--pure_data_type", "random", "--output", "made", "--output_dirname", "x", model="same.om") == 0
    content = Path("made/x/pure_infer_data_0.bin").read_bytes()
    assert len(set(content)) > 100


def test_the_summary_and_the_lines_agree(folder, capsys):
    write(pictures(6), [f"{number}.bin" for number in range(6)])
    assert run(*FILES, "--batchsize", "7", "--display_all_summary", "1") == 0
    said = capsys.readouterr().out
    summary = json.loads(Path("made/under/run_summary.json").read_text())
    times = summary["npu_compute_time_list"]
    assert list(summary) == [
        *("filesinfo", "args", "NPU_compute_time", "H2D_latency", "D2H_latency"),
        *("throughput", "npu_compute_time_list", "pid"),
    ]
    statistics = summary["NPU_compute_time"]
    assert statistics == {
        "min": min(times),
        "max": max(times),
        "mean": np.mean(times),
        "median": np.median(times),
        "percentile(99%)": np.percentile(times, 99),
        "count": 3,
    }
    (line,) = COMPUTE.findall(said)
    assert [float(number) for number in line] == list(statistics.values())[:5]
    (line,) = THROUGHPUT.findall(said)
    assert line == ("batchsize", "7", repr(statistics["mean"]), repr(summary["throughput"]))
    assert summary["throughput"] == 1000 * 7 / statistics["mean"]
    assert summary["args"][1:3] == ["--model", "bs2.om"]
    assert summary["filesinfo"]["4"] == {
        "infiles": ["in/4.bin"],
        "outfiles": [f"made/under/run/4_{k}.bin" for k in range(3)],
    }
    assert said.index("H2D_latency (ms)") < said.index("NPU_compute_time (ms)") < said.index("D2H_latency (ms)")


def test_without_output_nothing_is_written_and_batchsize_is_1(folder, capsys):
    write(pictures(2), ["a.bin", "b.bin"])
    before = sorted(Path().rglob("*"))
    assert run("--input", "in") == 0
    assert sorted(Path().rglob("*")) == before
    said = capsys.readouterr().out
    assert THROUGHPUT.findall(said)[0][:2] == ("batchsize", "1")
    assert "try get model batchsize" not in said
    assert "output path" not in said


def test_a_folder_named_by_the_time(folder):
    assert run("--output", "made") == 0
    stamp, summary = names("made")
    assert re.fullmatch(r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d", stamp)
    assert summary == f"{stamp}_summary.json"


def test_vintage_of_2022_09(folder, monkeypatch):
    monkeypatch.setenv("PTH2MAP_REHEARSAL_AIS_BENCH", "2022-09")
    words = ("--output", "made", "--output_dirname", "run")
    with pytest.raises(FileNotFoundError):
        run(*words)
    Path("made").mkdir()
    assert run(*words) == 0
    assert "sumary.json" in names("made/run")
    assert names("made") == ["run"]
    with pytest.raises(FileExistsError):
        run(*words)


def test_vintage_of_2023_06(folder, monkeypatch, capsys):
    monkeypatch.setenv("PTH2MAP_REHEARSAL_AIS_BENCH", "2023-06")
    assert main(["-m", "bs2.om", "-l", "2", "-d", "0", "-o", "made"]) == 0
    said = capsys.readouterr().out
    assert "[INFO] try get model batchsize:2\n" in said
    assert THROUGHPUT.findall(said)[0][:2] == ("batchsize.mean", "2")
    with pytest.raises(SystemExit) as end:
        main(["--om", "bs2.om"])
    assert end.value.code == 2


def test_flags_of_the_default_vintage(folder, capsys):
    assert main(["--om", "bs2.om", "-r", "2"]) == 0
    for words in (["-m", "bs2.om"], ["--model", "bs2.om", "-l", "2"], ["--model", "bs2.om", "-d", "0"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2


def test_a_vintage_nobody_knows(folder, monkeypatch):
    monkeypatch.setenv("PTH2MAP_REHEARSAL_AIS_BENCH", "2024")
    with pytest.raises(ValueError, match="2022-09, 2022-11, 2023-06"):
        run()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--outfmt", "JSON"], 2),
        (["--loop", "0"], 2),
        (["--device", "256"], 2),
        (["--device", "0,256"], 2),
        (["--unheard", "of"], 2),
        (["--dymBatch", "2"], 1),
        (["--dymShape", "image:1,3,4,6"], 1),
        (["--run_mode", "files"], 1),
        (["--profiler", "true", "--output", "made"], 1),
        (["--debug", "1"], 1),
    ],
)
def test_flags_refused(folder, capsys, words, code):
    with pytest.raises(SystemExit) as end:
        run(*words)
    assert end.value.code == code
    if code == 1:
        (line,) = capsys.readouterr().out.splitlines()[-1:]
        assert line.startswith(f"[ERROR] {words[0]} ")
        assert "is not rehearsed" in line


def test_flags_that_do_not_go_together(folder, capsys):
    with pytest.raises(RuntimeError, match="--output_dirname"):
        run("--output_dirname", "run")
    assert "[ERROR] parameter --output_dirname cann't be used alone." in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="--profiler and --dump"):
        run("--profiler", "1", "--dump", "1", "--output", "made")
    with pytest.raises(RuntimeError, match="miss output"):
        run("--dump", "1")


def test_no_model(shell):
    said = shell("echo IMOD > real.om; python3 -m ais_bench --model real.om")
    assert said.returncode == 1
    assert said.stdout.splitlines()[-1] == "[ERROR] load model from file failed, model file is real.om"
    assert said.stderr.splitlines()[-1] == "RuntimeError: [1][ACL: invalid parameter]"


def test_devices(folder, capsys):
    with pytest.raises(RuntimeError):
        run("--device", "3")
    assert capsys.readouterr().out.splitlines()[-2:] == ["[INFO] acl init success", "[ERROR] acl open device 3 failed"]
    assert run("--device", "0,1") == 1
    assert "[ERROR] acl open device 1 failed\n" in capsys.readouterr().out


def test_without_set_env_a_library_is_missing(folder, monkeypatch):
    monkeypatch.delenv("ASCEND_TOOLKIT_HOME")
    with pytest.raises(ImportError, match=r"libascendcl\.so: cannot open shared object file"):
        run()


def test_an_axis_the_outputs_have_not(folder, capsys):
    write(pictures(1), ["a.bin"])
    with pytest.raises(RuntimeError):
        run(*FILES, "--output_batchsize_axis", "3", model="bs1.om")
    assert "error i:2 ndata.shape:(1, 4, 6) len:3 <= output_batchsize_axis:3  is invalid" in capsys.readouterr().out


def test_aipp_takes_pictures_as_they_are(folder):
    Path("aipp.cfg").write_text(
        "aipp_op { aipp_mode: static input_format: RGB888_U8 src_image_size_w: 6 src_image_size_h: 4 crop: false\n"
        "mean_chn_0: 104 mean_chn_1: 117 mean_chn_2: 123 }"
    )
    compile_model("model", "aipp", "--input_shape=image:2,3,4,6", "--insert_op_conf=aipp.cfg")
    images = np.random.default_rng(2).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    write(images, ["a.bin", "b.bin"])
    assert run(*FILES, model="aipp.om") == 0
    planes = images.transpose(0, 3, 1, 2) - np.array([104, 117, 123], dtype=np.float32).reshape(3, 1, 1)
    assert np.array_equal(np.fromfile("made/under/run/b_1.bin", np.float32), by_hand(planes)[1][1].ravel())
