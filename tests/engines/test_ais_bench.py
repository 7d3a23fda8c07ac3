import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pth2map.engines.ais_bench import Figures, check_grouping, find_summary, judge, read_log, read_summary
from pth2map.files.errors import InputError

RULE = "[INFO] ------------------------------------------------------\n"
HEAD = "[INFO] -----------------Performance Summary------------------\n"
# The printed figures of published runs.
JUNE_2022 = (
    "[INFO] load model sMLPNet-T-batch1-high.om success\n"
    "[INFO] create model description success\n"
    "[INFO] output path:test/2022_07_09-18_23_06\n"
    "Inference Processing task: 100%|███████████████████████████████| 1/1 [00:00<00:00, 21.29it/s]\n"
    + HEAD
    + "[INFO] H2D_latency (ms): min = 0.2384185791015625, max = 0.2384185791015625, mean = 0.2384185791015625, "
    "median = 0.2384185791015625, percentile(99%) = 0.2384185791015625\n"
    "[INFO] NPU_compute_time (ms): min = 5.828554630279541, max = 5.828554630279541, mean = 5.828554630279541, "
    "median = 5.828554630279541, percentile(99%) = 5.828554630279541\n"
    "[INFO] D2H_latency (ms): min = 0.0, max = 0.0, mean = 0.0, median = 0.0, percentile(99%) = 0.0\n"
    "[INFO] throughput (1000*batchsize/NPU_compute_time): 171.5691219234638\n" + RULE
)
SEPTEMBER_2022 = (
    HEAD + "[INFO] NPU_compute_time (ms): min = 482.4289855957031, max = 520.8070068359375, mean = 511.8491110229492, "
    "median = 512.0014953613281, percentile(99%) = 516.9628411865235\n"
    "[INFO] throughput 1000*batchsize(1024)/NPU_compute_time.mean(511.8491110229492): 2000.589583819924\n" + RULE
)
JUNE_2023 = (
    "[INFO] acl init success\n[INFO] open device 0 success\n[INFO] output path:/tmp/some where/dumpout_bs4\n"
    "[INFO] get filesperbatch files0 size:7680000 tensor0size:30720000 filesperbatch:4 runcount:807\n"
    "[INFO] warm up 1 done\r\n"
    "Inference array Processing:   0%|          | 0/807 [00:00<?, ?it/s]\rInference array Processing: 100%|██████████|"
    " 807/807 [00:01<00:00,  1.35s/it]\r\n"
    + HEAD
    + "[INFO] NPU_compute_time (ms): min = 11.960000038146973, max = 14.02299976348877, mean = 12.25078999519348, "
    "median = 12.176000118255615, percentile(99%) = 13.876479997634888\n"
    "[INFO] throughput 1000*batchsize.mean(4)/NPU_compute_time.mean(12.25078999519348): 326.5095558383729\n"
    + RULE
    + "[INFO] unload model success, model Id is 1\n[INFO] end to reset device is 0\n[INFO] end to finalize acl\n"
)


def test_a_log_of_2022_names_no_batch():
    figures = read_log(JUNE_2022, batch=1)
    assert figures == Figures(
        throughput=171.5691219234638,
        mean_ms=5.828554630279541,
        min_ms=5.828554630279541,
        max_ms=5.828554630279541,
        median_ms=5.828554630279541,
        p99_ms=5.828554630279541,
        batch=1,
        output_path="test/2022_07_09-18_23_06",
        files_per_batch=None,
        runs=None,
    )
    with pytest.raises(InputError, match=r"without its batch, as it did before September 2022; name the batch$"):
        read_log(JUNE_2022)


def test_the_formula_of_may_2022_is_mended():
    text = SEPTEMBER_2022.replace(
        "1000*batchsize(1024)/NPU_compute_time.mean(511.8491110229492)", "(1000/NPU_compute_time/batchsize)"
    )
    text = text.replace("2000.589583819924", repr(1000 / 511.8491110229492 / 1024))
    assert read_log(text, batch=1024).throughput == pytest.approx(2000.589583819924, rel=1e-12)
    with pytest.raises(InputError, match="contradicts"):
        read_log(text, batch=1000)


def test_a_log_of_pure_inference():
    figures = read_log(SEPTEMBER_2022)
    assert (figures.throughput, figures.batch, figures.mean_ms) == (2000.589583819924, 1024, 511.8491110229492)
    assert (figures.min_ms, figures.max_ms) == (482.4289855957031, 520.8070068359375)
    assert (figures.median_ms, figures.p99_ms) == (512.0014953613281, 516.9628411865235)
    assert (figures.output_path, figures.files_per_batch, figures.runs) == (None, None, None)


def test_a_log_with_progress_bars_of_a_run_over_files():
    figures = read_log(JUNE_2023, batch=4)
    assert (figures.throughput, figures.batch, figures.p99_ms) == (326.5095558383729, 4, 13.876479997634888)
    assert (figures.output_path, figures.files_per_batch, figures.runs) == ("/tmp/some where/dumpout_bs4", 4, 807)
    check_grouping(figures, files=3226, batch=4)


def without(line: str) -> str:
    return "".join(each for each in JUNE_2023.splitlines(keepends=True) if line not in each)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "ais_bench printed no performance summary: it printed nothing"),
        (
            without("throughput"),
            "ais_bench printed no performance summary: [INFO] unload model success, model Id is 1 | [INFO] end to "
            "reset device is 0 | [INFO] end to finalize acl",
        ),
        (
            JUNE_2023[: JUNE_2023.index(HEAD)],
            "ais_bench printed no performance summary: [INFO] output path:/tmp/some where/dumpout_bs4 | [INFO] get "
            "filesperbatch files0 size:7680000 tensor0size:30720000 filesperbatch:4 runcount:807 | "
            "[INFO] warm up 1 done",
        ),
        (
            JUNE_2023 + SEPTEMBER_2022,
            "ais_bench printed 2 performance summaries, expected one; run one device and one shape at a time",
        ),
        (JUNE_2023.replace("mean(4)", "mean(2)"), "ais_bench printed figures for the batch 2, expected 4"),
        (JUNE_2023.replace("mean(4)", "mean(None)"), "ais_bench: batchsize is None, expected a number above 0"),
        (
            JUNE_2023.replace("min = 11.960000038146973", "min = 0.0"),
            "ais_bench: min is 0.0, expected a number above 0",
        ),
        (JUNE_2023.replace(": 326.5095558383729", ": nan"), "ais_bench: throughput is nan, expected a number above 0"),
        (JUNE_2023.replace(": 326.5095558383729", ": -1"), "ais_bench: throughput is -1, expected a number above 0"),
        (
            JUNE_2023.replace("mean = 12.25078999519348", "mean = inf"),
            "ais_bench: mean is inf, expected a number above 0",
        ),
        (
            JUNE_2023.replace(": 326.5095558383729", ": 320.1"),
            "ais_bench: a throughput of 320.1 contradicts the mean of 12.2508 ms, which gives 326.51",
        ),
    ],
)
def test_a_log_without_good_figures(text, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        read_log(text, batch=4)


times = st.floats(1e-3, 1e5)
batches = st.integers(1, 4096)
words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30)
FORMS = {
    "(1000/NPU_compute_time/batchsize)": False,
    "(1000*batchsize/NPU_compute_time)": False,
    "1000*batchsize({batch})/NPU_compute_time.mean({mean})": True,
    "1000*batchsize.mean({batch})/NPU_compute_time.mean({mean})": True,
}


@given(
    st.sampled_from(list(FORMS)),
    batches,
    st.tuples(times, times, times, times, times),
    st.none() | st.tuples(st.integers(1, 64), st.integers(1, 9999)),
    st.lists(words, max_size=4),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_a_log_of_every_age_reads_back(form, batch, of_a_run, groups, noise, end):
    low, high, mean, median, p99 = of_a_run
    throughput = 1000 * batch / mean
    printed = 1000 / mean / batch if form.startswith("(1000/") else throughput
    bar = "Inference array Processing:  {0}%|####      | {0}/100 [00:00<?, ?it/s]"
    lines = [
        *([f"[INFO] output path:out/{batch}"] if groups else []),
        *(
            [f"[INFO] get filesperbatch files0 size:3 tensor0size:6 filesperbatch:{groups[0]} runcount:{groups[1]}"]
            if groups
            else []
        ),
        *noise,
        "\r".join(bar.format(percent) for percent in (0, 50, 100)),
        "[INFO] H2D_latency (ms): min = 0.0, max = 0.0, mean = 0.0, median = 0.0, percentile(99%) = 0.0",
        f"[INFO] NPU_compute_time (ms): min = {low}, max = {high}, mean = {mean}, median = {median}, "
        f"percentile(99%) = {p99}",
        f"[INFO] throughput {form.format(batch=batch, mean=mean)}: {printed}",
        *noise,
    ]
    assert read_log(end.join(lines), None if FORMS[form] else batch) == Figures(
        throughput=pytest.approx(throughput, rel=1e-12),
        mean_ms=mean,
        min_ms=low,
        max_ms=high,
        median_ms=median,
        p99_ms=p99,
        batch=batch,
        output_path=f"out/{batch}" if groups else None,
        files_per_batch=groups[0] if groups else None,
        runs=groups[1] if groups else None,
    )


@given(st.text(), st.none() | batches)
def test_no_other_text_gives_a_figure(text, batch):
    with pytest.raises(InputError):
        read_log(text, batch)


@given(st.data())
def test_a_log_that_breaks_off_gives_no_figure(data):
    last = JUNE_2023.index("326.5095558383729")
    with pytest.raises(InputError):
        read_log(JUNE_2023[: data.draw(st.integers(0, last))], batch=4)


def summary(mean: float, batch: int, milliseconds: list[float] | None) -> dict:
    of_a_run = {"min": 11.96, "max": 14.02, "mean": mean, "median": 12.18, "percentile(99%)": 13.88}
    content = {
        "filesinfo": {"0": {"infiles": ["a.bin"], "outfiles": ["a_0.bin"]}},
        "args": ["ais_bench", "--model", "x.om"],
        "NPU_compute_time": of_a_run,
        "H2D_latency": {"min": 0.0, "max": 0.0, "mean": 0.0, "median": 0.0, "percentile(99%)": 0.0},
        "throughput": 1000 * batch / mean,
    }
    if milliseconds is None:
        return content
    return {**content, "npu_compute_time_list": milliseconds, "pid": 7}


def test_the_summary_beside_the_folder_and_in_it(tmp_path):
    beside, inside = tmp_path / "run.1_summary.json", tmp_path / "run.1" / "sumary.json"
    inside.parent.mkdir()
    sentence = f"ais_bench wrote no summary: neither {beside} nor {inside}"
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        find_summary(tmp_path, "run.1")
    inside.write_text(json.dumps(summary(12.5, 4, None)))
    assert find_summary(tmp_path, "run.1") == inside
    assert read_summary(inside, batch=4).milliseconds is None
    beside.write_text(json.dumps(summary(12.5, 4, [12.0, 13.0])))
    assert find_summary(tmp_path, "run.1") == beside
    read = read_summary(beside, batch=4)
    assert read.milliseconds == (12.0, 13.0)
    assert read.figures == Figures(320.0, 12.5, 11.96, 14.02, 12.18, 13.88, 4, None, None, None)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"throughput": 1', "not a whole JSON file"),
        ("[1, 2]", "no NPU_compute_time in it, expected a summary of ais_bench"),
        ('{"NPU_compute_time": 3}', "no NPU_compute_time in it, expected a summary of ais_bench"),
        ('{"NPU_compute_time": {"min": 1}}', "NPU_compute_time: max is None, expected a number above 0"),
        ('{"NPU_compute_time": {"min": true}}', "NPU_compute_time: min is True, expected a number above 0"),
        ('{"NPU_compute_time": {"min": NaN}}', "NPU_compute_time: min is nan, expected a number above 0"),
        (json.dumps(summary(12.5, 3, None)), "a throughput of 240 contradicts the mean of 12.5 ms, which gives 320"),
        (
            json.dumps(summary(12.5, 4, [])),
            "npu_compute_time_list holds no times, expected the milliseconds of each run",
        ),
        (json.dumps(summary(12.5, 4, [12.5, 0])), "a time of npu_compute_time_list is 0, expected a number above 0"),
        (
            json.dumps(summary(12.5, 4, [[0, 9]])),
            r"a time of npu_compute_time_list is [0, 9], expected a number above 0",
        ),
        (json.dumps(summary(12.5, 4, [12.5, 18])), "the mean of npu_compute_time_list contradicts the mean of 12.5 ms"),
    ],
)
def test_a_damaged_summary(tmp_path, content, sentence):
    path = tmp_path / "run_summary.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {re.escape(sentence)}"):
        read_summary(path, batch=4)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["min", "max", "mean", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(key=st.sampled_from(["NPU_compute_time", "throughput", "npu_compute_time_list"]), value=JSON)
def test_a_summary_with_anything_in_one_place_is_refused(tmp_path_factory, key, value):
    assume(not (key == "npu_compute_time_list" and value is None))
    path = tmp_path_factory.getbasetemp() / "any_summary.json"
    path.write_text(json.dumps({**summary(12.5e-300, 4, [12.5e-300]), key: value}))
    with pytest.raises(InputError):
        read_summary(path, batch=4)


def test_status_0_is_a_success():
    judge("[WARNING] acl init twice\n", 0)


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (
            "[INFO] acl init success\n[ERROR] load model from file failed, model file is x.om\n"
            'Traceback (most recent call last):\n  File "a.py", line 1\nRuntimeError: [1][ACL: invalid parameter]\n',
            1,
            "ais_bench failed (status 1): [ERROR] load model from file failed, model file is x.om | RuntimeError: "
            "[1][ACL: invalid parameter]; the .om is missing, damaged, or compiled for another chip or by a newer CANN",
        ),
        (
            "[ERROR] acl open device 0 failed : 507033\n",
            1,
            "ais_bench failed (status 1): [ERROR] acl open device 0 failed : 507033; npu-smi info shows which devices "
            "there are and how they are",
        ),
        (
            "[ERROR] arg0 tensorsize: 7680000 filesize: 1920001 not match\nRuntimeError\n",
            1,
            "ais_bench failed (status 1): [ERROR] arg0 tensorsize: 7680000 filesize: 1920001 not match | RuntimeError; "
            "the input files are of another size or type than the model's",
        ),
        (
            "usage: __main__.py [-h] --model MODEL\n__main__.py: error: unrecognized arguments: --foo\n",
            2,
            "ais_bench failed (status 2): __main__.py: error: unrecognized arguments: --foo",
        ),
        (
            "/opt/vendor dir/bin/python3: No module named ais_bench\n",
            1,
            "the interpreter /opt/vendor dir/bin/python3 has no ais_bench; install its wheel there, or name another "
            "interpreter",
        ),
        (
            ": No module named ais_bench\n",
            1,
            "the interpreter has no ais_bench; install its wheel there, or name another interpreter",
        ),
        (
            "Traceback (most recent call last):\n  import aclruntime\n"
            "ModuleNotFoundError: No module named 'aclruntime'\n",
            1,
            "the interpreter has no aclruntime; install its wheel there, or name another interpreter",
        ),
        (
            "bash: line 1: python3: command not found\n",
            127,
            "ais_bench was not found, or lacks a library (status 127): bash: line 1: python3: command not found",
        ),
        ("", -9, "ais_bench was killed (status -9), as the system does when memory runs out: it printed nothing"),
    ],
)
def test_a_failure_in_one_sentence(log, status, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        judge(log, status)


@given(st.text(), st.integers(1, 255))
def test_any_other_status_is_a_failure(log, status):
    with pytest.raises(InputError):
        judge(log, status)


@given(st.integers(1, 5000), st.integers(1, 64))
def test_runs_of_whole_batches(files, batch):
    figures = replace(read_log(SEPTEMBER_2022), files_per_batch=batch, runs=math.ceil(files / batch))
    check_grouping(figures, files, batch)
    for other in (replace(figures, files_per_batch=4 * batch), replace(figures, runs=figures.runs + 1)):
        with pytest.raises(InputError, match=r"a file has other bytes than one image of the model"):
            check_grouping(other, files, batch)


def test_uint8_images_in_the_input_of_one_float32_image():
    figures = replace(read_log(SEPTEMBER_2022), files_per_batch=4, runs=807)
    sentence = (
        "ais_bench put 4 files into each of 807 runs, expected 1 in each of 3226 (3226 files); a file has other bytes "
        "than one image of the model: is one uint8, the other float32?"
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        check_grouping(figures, files=3226, batch=1)
    with pytest.raises(InputError, match=r"was it given --input\?$"):
        check_grouping(replace(figures, files_per_batch=None, runs=None), files=3226, batch=1)
