import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.engines.vamp import Block, Latency, check_outputs, judge, read_log
from pth2map.files.errors import InputError
from pth2map.recipes.card_files import output_file, write_datalist
from pth2map.recipes.card_form import OUTPUTS

# The printed figures of published runs.
V2_1 = """\
model input shape 0: [3,256,256], dtype: u1
load model and init graph done
- number of instances in each device: 1
  devices: [0]
  batch size: 1
  ai utilize (%): 95.0556
  temperature (°C): 48.7072
  card power (W): 63.3866
  die memory used (MB): 1196.73
  throughput (qps): 492.556
  e2e latency (us):
    avg latency: 4966
    min latency: 2580
    max latency: 6433
    p50 latency: 4484
    p90 latency: 5982
    p95 latency: 6005
    p99 latency: 6041
  model latency (us):
    avg latency: 4924
    min latency: 2528
    max latency: 6361
    p50 latency: 4411
    p90 latency: 5940
    p95 latency: 5960
    p99 latency: 5988
"""
V2_4 = """\
[max_batch_size_]: 5
[input_count]: 1
input[0]: [3,256,256], dtype:u1
[output_count]: 1
output[0]: [1,3,256,256], dtype:f2

*** number of instances in each device:1 ****
Inference start time: [2024-01-04 14:05:14]
Inference end time: [2024-01-04 14:05:15]
number of samples in each process: 1024
number of process:1

- number of instances in each device: 1
devices: [0]
batch size: 1
samples: 1024
forwad time (s): 1.31991
throughput (qps): 775.808
ai utilize (%): 96.4176
die memory used (MB): 1356.75
e2e latency (us):
    avg latency: 21697
    min latency: 1883
    max latency: 21965
model latency (us):
    avg latency: 1241
    min latency: 1241
    max latency: 1241
"""
V2_5 = """\
Dump model info: /pathto/resnet50-int8-percentile-1_3_224_224-vacc/resnet50
[max_batch_size_]: 27
[input_count]: 1
input[0]: [3,224,224], dtype:u1
[output_count]: 1
output[0]: [1,1000], dtype:f2

*** number of instances in each device: 3 ****
  devices: [0]
  batch size: 8
  samples: 10240
  forwad time (s): 3.30204
  throughput (qps): 3101.12
  ai utilize (%): 98.0883
  card power (W): 43.7734
  temperature (°C): 47.7225
  die memory used (MB): 1212.67
  e2e latency (us):
    avg latency: 128843
    min latency: 9512
    max latency: 201022
  model latency (us):
    avg latency: 315
    min latency: 315
"""
BLOCK_2_4 = Block(
    instances=1,
    devices=(0,),
    batch=1,
    throughput=775.808,
    samples=1024,
    seconds=1.31991,
    utilisation_percent=96.4176,
    memory_mb=1356.75,
    end_to_end=Latency(21.697, 1.883, 21.965, {}),
    model=Latency(1.241, 1.241, 1.241, {}),
)


def test_the_log_of_2_1_0_has_percentiles_and_no_time():
    assert read_log(V2_1) == [
        Block(
            instances=1,
            devices=(0,),
            batch=1,
            throughput=492.556,
            utilisation_percent=95.0556,
            temperature_celsius=48.7072,
            power_watt=63.3866,
            memory_mb=1196.73,
            end_to_end=Latency(4.966, 2.58, 6.433, {50: 4.484, 90: 5.982, 95: 6.005, 99: 6.041}),
            model=Latency(4.924, 2.528, 6.361, {50: 4.411, 90: 5.94, 95: 5.96, 99: 5.988}),
        )
    ]


def test_the_log_of_2_4_tells_its_instances_twice():
    assert read_log(V2_4) == [BLOCK_2_4]


def test_the_log_of_2_5_tells_them_in_the_banner_alone():
    assert read_log(V2_5) == [
        Block(
            instances=3,
            devices=(0,),
            batch=8,
            throughput=3101.12,
            samples=10240,
            seconds=3.30204,
            utilisation_percent=98.0883,
            temperature_celsius=47.7225,
            power_watt=43.7734,
            memory_mb=1212.67,
            end_to_end=Latency(128.843, 9.512, 201.022, {}),
            model=Latency(0.315, 0.315, None, {}),
        )
    ]


def test_a_range_of_instances_is_a_block_each():
    text = V2_5 + V2_5[V2_5.index("***") :].replace("device: 3", "device: 4").replace("devices: [0]", "devices: [0, 2]")
    assert [(block.instances, block.devices, block.batch) for block in read_log(text)] == [(3, (0,), 8), (4, (0, 2), 8)]
    assert read_log(V2_1 + V2_4 + V2_4) == [*read_log(V2_1), BLOCK_2_4, BLOCK_2_4]


def test_a_latency_in_one_line():
    text = V2_4[: V2_4.index("e2e")] + (
        "e2e latency (us): avg latency: 21697, min latency: 1883, max latency: 21965\n"
        "model latency (us): avg latency: 1241 min latency: 1241 max latency: 1241\n"
    )
    assert read_log(text) == [BLOCK_2_4]
    split = text.replace("(us): avg", "(us):\navg")
    assert split != text
    assert read_log(split) == [BLOCK_2_4]


def changed(old: str, new: str) -> str:
    assert old in V2_4
    return V2_4.replace(old, new)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "vamp printed no figures: it printed nothing"),
        (
            V2_1[: V2_1.index("- number")],
            "vamp printed no figures: model input shape 0: [3,256,256], dtype: u1 | load model and init graph done",
        ),
        (V2_4[: V2_4.index("- number")], None),
        (V2_4[: V2_4.index("forwad")], "vamp: no throughput (qps); does its output break off?"),
        (V2_4[: V2_4.index("batch size")], "vamp: no batch size, throughput (qps); does its output break off?"),
        (changed("devices: [0]", "devices: []"), "vamp: no devices; does its output break off?"),
        (V2_4[V2_4.index("devices") :], "vamp: no number of instances; does its output break off?"),
        (V2_4 + V2_5[V2_5.index("***") : V2_5.index("  samples")], "vamp, block 2: no throughput (qps); does its"),
        (
            V2_4 + "- number of instances in each device: 2\n",
            "vamp, block 2: no devices, batch size, throughput (qps); does its output break off?",
        ),
        (changed("775.808", "nan"), "vamp: throughput (qps) is nan, expected a number"),
        (changed("775.808", "0"), "vamp: throughput (qps) is 0, expected a number above 0"),
        (changed("775.808", "7.7e999"), "vamp: throughput (qps) is 7.7e999, expected a number"),
        (changed("1.31991", "-1.31991"), "vamp: forwad time (s) is -1.31991, expected a number above 0"),
        (changed("samples: 1024", "samples: 10.5"), "vamp: samples is 10.5, expected a whole number"),
        (changed("batch size: 1", "batch size: 0"), "vamp: batch size is 0, expected a number above 0"),
        (changed("96.4176", "-nan"), "vamp: ai utilize (%) is -nan, expected a number"),
        (changed("avg latency: 1241", "avg latency: 0"), "vamp: avg model latency is 0, expected a number above 0"),
        (changed("min latency: 1883", "min latency: x"), "vamp: min e2e latency is x, expected a number"),
        (changed("    avg latency: 1241\n", ""), "vamp: no avg model latency; does its output break off?"),
        (changed("samples: 1024\n", "samples: 1024\nsamples: 1024\n"), "vamp: samples is there twice, expected once"),
        (changed("model lat", "e2e lat"), "vamp: e2e is there twice, expected once for each block"),
        (
            changed("775.808", "785"),
            "vamp: a throughput of 785 contradicts 1024 samples in 1.31991 s, which give 775.81",
        ),
    ],
)
def test_a_log_without_good_figures(text, sentence):
    with pytest.raises(InputError, match="^" + re.escape(sentence or "vamp printed no figures: ")):
        read_log(text)


figures = st.floats(0.01, 1e6).map(lambda value: float(f"{value:.6g}"))
times = st.lists(st.integers(1, 10**9), min_size=7, max_size=7)
words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30).filter(
    lambda text: ":" not in text  # hypothesis draws constants of the tested code, heads of sections among them
)
noise = st.lists(
    words | st.sampled_from(["[W] samples: are few", "number of process:1", "throughput (qps):"]), max_size=3
)
DIALECTS = {
    "2.1.0": ["ai utilize (%)", "temperature (°C)", "card power (W)", "die memory used (MB)", "throughput (qps)"],
    "2.4": ["samples", "forwad time (s)", "throughput (qps)", "ai utilize (%)", "die memory used (MB)"],
    "2.5": [
        *("samples", "forwad time (s)", "throughput (qps)", "ai utilize (%)"),
        *("card power (W)", "temperature (°C)", "die memory used (MB)"),
    ],
}
NAMES = {
    "ai utilize (%)": "utilisation_percent",
    "temperature (°C)": "temperature_celsius",
    "card power (W)": "power_watt",
    "die memory used (MB)": "memory_mb",
    "samples": "samples",
    "forwad time (s)": "seconds",
    "throughput (qps)": "throughput",
}


@st.composite
def blocks(draw, dialect):
    """Lines of a block, and what they say."""
    instances, batch, devices = (
        draw(st.integers(1, 64)),
        draw(st.integers(1, 512)),
        draw(st.sets(st.integers(0, 31), min_size=1)),
    )
    said = {key: draw(figures) for key in DIALECTS[dialect]}
    if "samples" in said:
        said["samples"] = draw(st.integers(1, 10**6))
        said["throughput (qps)"] = float(f"{said['samples'] / said['forwad time (s)']:.6g}")
    latencies, lines = {}, []
    one_line, end = draw(st.booleans()), 7 if dialect == "2.1.0" else 3
    for section, name in (("e2e", "end_to_end"), ("model", "model")):
        values = dict(zip(("avg", "min", "max", "p50", "p90", "p95", "p99"), draw(times)[:end], strict=False))
        listed = [f"{key} latency: {value}" for key, value in values.items()]
        lines += (
            [f"  {section} latency (us): {', '.join(listed)}"] if one_line else [f"  {section} latency (us):", *listed]
        )
        parts = {key: value / 1000 for key, value in values.items()}
        rest = {int(key[1:]): value for key, value in parts.items() if key[0] == "p"}
        latencies[name] = Latency(parts["avg"], parts["min"], parts["max"], rest)
    head = {
        "2.1.0": [f"- number of instances in each device: {instances}"],
        "2.4": [
            f"*** number of instances in each device:{instances} ****",
            f"- number of instances in each device: {instances}",
        ],
        "2.5": [f"*** number of instances in each device: {instances} ****"],
    }[dialect]
    lines = [
        *head,
        f"  devices: {sorted(devices)}",
        f"  batch size: {batch}",
        *(f"  {key}: {value}" for key, value in said.items()),
        *lines,
    ]
    told = {NAMES[key]: value for key, value in said.items()}
    return lines, Block(instances, tuple(sorted(devices)), batch, **told, **latencies)


@given(st.data(), st.sampled_from(list(DIALECTS)), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_a_log_of_every_version_reads_back(data, dialect, end):
    made = data.draw(st.lists(blocks(dialect), min_size=1, max_size=3))
    printed = []
    for lines, _ in made:
        for line in lines:
            printed += [*data.draw(noise), line]
    assert read_log(end.join([*printed, *data.draw(noise)])) == [block for _, block in made]


@given(st.text() | noise.map("\n".join))
def test_no_other_text_gives_a_figure(text):
    with pytest.raises(InputError):
        read_log(text)


@given(st.data())
def test_a_log_that_breaks_off_before_its_throughput_gives_no_figure(data):
    text = data.draw(st.sampled_from([V2_1, V2_4, V2_5]))
    with pytest.raises(InputError):
        read_log(text[: data.draw(st.integers(0, text.index("throughput") + len("throughput (qps):")))])


def test_a_log_without_an_error_is_a_success():
    judge(V2_5, 0)


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (
            "load model and init graph done\nException: run err, err code: 803012, vafwER_MCU_ERROR_LMCU0\n",
            0,
            "vamp ended with status 0, but met an error: Exception: run err, err code: 803012, vafwER_MCU_ERROR_LMCU0; "
            "the card cannot run this graph, as is known of CenterFace in int8; compile it for fp16",
        ),
        (
            "undefined option: --fast\nusage: vamp [options] ...\noptions:\n  -b, --batch_size\n  -v\n",
            1,
            "vamp failed (status 1): undefined option: --fast",
        ),
        ("undefined short option: -x\n", 1, "vamp failed (status 1): undefined short option: -x"),
        ("option needs value: --datalist\nusage: vamp\n", 1, "vamp failed (status 1): option needs value: --datalist"),
        ("a\nb\nc\nd\n", 1, "vamp failed (status 1): b | c | d"),
        (
            "bash: vamp: command not found\n",
            127,
            "vamp was not found, or lacks a library (status 127): bash: vamp: command not found; source the "
            "activate.sh of vaststreamx and of vastpipe",
        ),
    ],
)
def test_a_failure(log, status, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        judge(log, status)


IMAGES = ("0--Parade/b_1", "1--Riot/a.2", "0--Parade/c_3")
EXPECTED = {key: (shape, np.float16) for key, shape in OUTPUTS.items()}


@pytest.fixture
def run(tmp_path):
    """The folder of outputs and the datalist that a run leaves."""
    write_datalist(tmp_path / "list.txt", tmp_path / "inputs", IMAGES)
    (tmp_path / "result").mkdir()
    for line, _ in enumerate(IMAGES):
        write(tmp_path / "result", line)
    return tmp_path / "result", tmp_path / "list.txt"


def write(folder, line, **other):
    outputs = {key: np.zeros((1, *shape), np.float16) for key, shape in OUTPUTS.items()}
    np.savez(output_file(folder, line), **{**outputs, **other})


def test_whole_outputs(run):
    check_outputs(*run, IMAGES, EXPECTED)
    write(run[0], 1, output_0=np.zeros(300, np.float16), output_1=np.zeros((1, 1, 300, 4), np.float16))
    check_outputs(*run, IMAGES, EXPECTED)


def test_a_missing_output_shifts_none(run):
    folder, _ = run
    output_file(folder, 1).unlink()
    with pytest.raises(InputError, match=r"result: lacks output_000001\.npz \(1--Riot/a\.2\); expected one output"):
        check_outputs(*run, IMAGES, EXPECTED)


def test_misnumbered_outputs_are_named(run):
    folder, _ = run
    for line in (2, 1, 0):  # numbered from 1
        output_file(folder, line).rename(output_file(folder, line + 1))
    with pytest.raises(
        InputError, match=r"lacks output_000000\.npz \(0--Parade/b_1\) and holds output_000003\.npz of no line"
    ):
        check_outputs(*run, IMAGES, EXPECTED)
    output_file(folder, 3).rename(folder / "output_0.npz")
    with pytest.raises(InputError, match=r"holds output_0\.npz of no line"):
        check_outputs(*run, IMAGES, EXPECTED)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"output_3": np.zeros(3)}, "holds output_3, expected output_0, output_1, output_2 alone"),
        ({"output_1": np.zeros((300, 4), np.float32)}, "output_1 is float32 (300, 4), expected float16 (300, 4); was"),
        ({"output_2": np.zeros((10, 300), np.float16)}, "output_2 is float16 (10, 300), expected float16 (300, 10)"),
        ({"output_0": np.zeros((2, 300, 1), np.float16)}, "output_0 is float16 (2, 300, 1), expected float16 (300, 1)"),
    ],
)
def test_outputs_of_another_model(run, other, words):
    folder, _ = run
    write(folder, 1, **other)
    sentence = f"{output_file(folder, 1)} (1--Riot/a.2): {words}"
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}"):
        check_outputs(*run, IMAGES, EXPECTED)


def test_an_output_that_lacks_an_array_or_is_broken(run):
    folder, _ = run
    np.savez(output_file(folder, 2), output_0=np.zeros((300, 1), np.float16))
    with pytest.raises(InputError, match=r"output_000002\.npz: no array output_1, output_2; it holds output_0"):
        check_outputs(*run, IMAGES, EXPECTED)
    output_file(folder, 2).write_bytes(output_file(folder, 0).read_bytes()[:-40])
    with pytest.raises(InputError, match=r"output_000002\.npz: not an?"):
        check_outputs(*run, IMAGES, EXPECTED)


def test_a_datalist_in_another_order(run):
    _, datalist = run
    lines = datalist.read_text().splitlines(keepends=True)
    datalist.write_text("".join([lines[0], lines[2], lines[1]]))
    sentence = (
        f"{datalist}, line 2: lists 0--Parade/c_3, expected 1--Riot/a.2, as the prepare stage does; make the inputs "
        "again"
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        check_outputs(*run, IMAGES, EXPECTED)


def test_a_datalist_without_an_image(run):
    _, datalist = run
    datalist.write_text("".join(datalist.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(InputError, match=r"list\.txt: does not list 0--Parade/c_3; make the inputs again"):
        check_outputs(*run, IMAGES, EXPECTED)


def test_maps_of_a_graph_without_post_processing(tmp_path):
    write_datalist(tmp_path / "list.txt", tmp_path / "inputs", IMAGES[:1])
    np.savez(output_file(tmp_path, 0), output_0=np.zeros((1, 1, 80, 80), np.float16))
    check_outputs(tmp_path, tmp_path / "list.txt", IMAGES[:1], {"output_0": ((1, 80, 80), np.float16)})
    with pytest.raises(InputError, match=r"output_0 is float16 \(1, 1, 80, 80\), expected float16 \(2, 80, 80\)"):
        check_outputs(tmp_path, tmp_path / "list.txt", IMAGES[:1], {"output_0": ((2, 80, 80), np.float16)})


def test_a_block_tells_what_is_known_of_no_version():
    assert (
        replace(BLOCK_2_4, samples=None, seconds=None)
        == read_log(changed("samples: 1024\nforwad time (s): 1.31991\n", ""))[0]
    )
