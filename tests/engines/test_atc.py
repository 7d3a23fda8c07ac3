import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.engines.atc import aipp, judge, warnings
from pth2map.files.errors import InputError
from pth2map.recipes.settings import Size

START = "ATC start working now, please wait for a moment.\n"
SUCCESS = "ATC run success, welcome to the next use.\n"
FAILURE = "ATC run failed, Please check the detail log, Try 'atc --help' for more information\n"
PREFIX = "W11001: Op [Conv_0] does not hit the high-priority operator information library.\n"


@pytest.mark.parametrize(
    "log",
    [
        START + SUCCESS,
        START + "...\n" + SUCCESS,
        START + "...\n" + SUCCESS + PREFIX,
        "\r\n".join((START + SUCCESS).split("\n")),
    ],
    ids=["old", "new", "warnings", "carriage returns"],
)
def test_a_success(log):
    judge(log, 0)


def test_warnings_are_handed_on():
    log = f"{START}{SUCCESS}{PREFIX}[PID: 7] 2025-03-18-09:02:18.501.341 Slow_Operator(W11001): Op [Conv_1] is slow.\n"
    assert warnings(log) == [line for line in log.splitlines() if "W11001" in line]
    assert warnings(f"{START}{FAILURE}E10007: W\n") == []


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (
            f"{START}{FAILURE}E10001: Value [x.onnx] for parameter [--model] is invalid. Reason: no file.\n"
            "        Solution: look again\n",
            255,
            "atc failed (status 255): E10001: Value [x.onnx] for parameter [--model] is invalid. Reason: no file; "
            "check that the file is there and that paths hold nothing but letters, digits, _ - . and /",
        ),
        (
            f"{START}...\n{FAILURE}E10007: [PID: 10490] 2025-03-18-09:02:18.501.341 [--framework] is required.\n",
            255,
            "atc failed (status 255): E10007: [--framework] is required; --framework=5 is ONNX",
        ),
        (
            f"{START}{FAILURE}[PID: 8] 2025-03-18-09:02:18.501.341 Invalid_Argument_Framework(E10007): it is empty\n",
            255,
            "atc failed (status 255): E10007: it is empty; --framework=5 is ONNX",
        ),
        (
            f"{START}{FAILURE}EZ3003: No supported Ops kernel and engine are found for [Add_1], optype [Add].\n"
            "        TraceBack (most recent call last):\n        E19999 build graph failed\n",
            255,
            "atc failed (status 255): EZ3003: No supported Ops kernel and engine are found for [Add_1], optype [Add]; "
            "compare --soc_version with what npu-smi info says; if it is right, this CANN has no kernel for the "
            "operator on that chip",
        ),
        (
            f"{START}{FAILURE}E19999: Inner Error!\n        E19999  Node[Conv_0] has no kernel\n",
            255,
            "atc failed (status 255): E19999: Inner Error! E19999  Node[Conv_0] has no kernel",
        ),
        (
            f"{START}{FAILURE}EZ9999:\nthe compiler stopped\n",
            255,
            "atc failed (status 255): EZ9999: the compiler stopped",
        ),
        (
            f"{START}{PREFIX}{FAILURE}E10016 Opname [data] specified in [--input_shape] is not found in the model.\n",
            255,
            "atc failed (status 255): E10016: Opname [data] specified in [--input_shape] is not found in the model; "
            "--input_shape has to name the inputs of the graph",
        ),
        (
            f"{START}...\nERROR: unknown command line flag 'modle'\n{FAILURE}E19999: Inner Error!\n"
            "        Unknown error occurred\n",
            255,
            "atc failed (status 255): ERROR: unknown command line flag 'modle'",
        ),
        (
            f"[ERROR] AMCT(1,atc.bin):one\nE10001.onnx\nthree\nfour\n{FAILURE}",
            255,
            "atc failed (status 255): E10001.onnx | three | four",
        ),
        (f"{START}{FAILURE}", 255, "atc failed (status 255): it gives no reason"),
        (
            f"{START}{FAILURE}E40000: no te\n{SUCCESS}",
            0,
            "atc failed (status 0): E40000: no te; source CANN's set_env.sh, and install the Python modules that "
            "it asks for",
        ),
        (START + SUCCESS, 1, "atc reports success, yet ended with status 1: it gives no reason"),
        (START, 0, "atc ended without a verdict (status 0): it gives no reason"),
        ("", 1, "atc failed (status 1): it printed nothing"),
        (
            "bash: line 1: atc: command not found\n",
            127,
            "atc was not found, or lacks a library (status 127): bash: line 1: atc: command not found; source CANN's "
            "set_env.sh",
        ),
        (
            "atc.bin: error while loading shared libraries: libascend_hal.so: cannot open shared object file\n",
            127,
            "atc was not found, or lacks a library (status 127): atc.bin: error while loading shared libraries: "
            "libascend_hal.so: cannot open shared object file; source CANN's set_env.sh; without a driver, add its "
            "<arch>-linux/devlib to LD_LIBRARY_PATH",
        ),
        (START, 137, "atc was killed (status 137), as the system does when memory runs out: it gives no reason"),
    ],
)
def test_a_failure_in_one_sentence(log, status, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        judge(log, status)


noise = st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), max_size=4)
codes = st.from_regex(r"E[A-Z0-9][0-9]{4}", fullmatch=True)


@given(
    codes,
    st.sampled_from(
        ["{0}: {1}", "{0} {1}", "{0}: [PID: 31] 2025-03-18-09:02:18.501.341 {1}", "[PID: 31] now A_b({0}): {1}"]
    ),
    st.from_regex(r"[a-z][a-z\[\]= -]{0,40}[a-z]", fullmatch=True),
    st.lists(st.from_regex(r"W[A-Z0-9][0-9]{4}: [a-z ]{1,20}x", fullmatch=True), max_size=3),
)
def test_the_first_code_of_every_age_is_found(code, form, text, before):
    log = "\n".join([START, *before, FAILURE, form.format(code, text), "E19999: another\n"])
    with pytest.raises(InputError, match=re.escape(f"atc failed (status 255): {code}: {text}")):
        judge(log, 255)
    assert warnings(log) == before


@given(noise, st.integers(1, 255))
def test_a_status_other_than_0_is_a_failure_whatever_is_printed(printed, status):
    with pytest.raises(InputError):
        judge("\n".join([START, *printed, SUCCESS]), status)


@given(st.text())
def test_no_text_without_the_verdict_is_a_success(text):
    with pytest.raises(InputError):
        judge(text, 0)


def test_the_aipp_config_of_the_retinaface_page():
    assert aipp(Size.parse("1000x800"), (104, 117, 123.0), (1, 1, 0.017)) == (
        "aipp_op {\n"
        "    aipp_mode: static\n"
        "    input_format: RGB888_U8\n"
        "    src_image_size_w: 1000\n"
        "    src_image_size_h: 800\n"
        "    mean_chn_0: 104\n"
        "    mean_chn_1: 117\n"
        "    mean_chn_2: 123\n"
        "    var_reci_chn_0: 1.0\n"
        "    var_reci_chn_1: 1.0\n"
        "    var_reci_chn_2: 0.017\n"
        "}\n"
    )


@given(
    st.lists(st.integers(0, 255), min_size=3, max_size=3),
    st.lists(st.floats(1e-8, 65504), min_size=3, max_size=3),
    st.integers(16, 4096),
)
def test_an_aipp_config_reads_back_exactly(mean, reciprocal, side):
    text = aipp(Size.parse(str(side)), mean, reciprocal)
    read = dict(re.findall(r"^    (\w+): (\S+)$", text, re.MULTILINE))
    assert [int(read[f"mean_chn_{channel}"]) for channel in range(3)] == mean
    assert [float(read[f"var_reci_chn_{channel}"]) for channel in range(3)] == reciprocal
    assert (read["src_image_size_w"], read["src_image_size_h"]) == (str(side), str(side))


@pytest.mark.parametrize("mean", [102.9801, -1, 256, float("nan"), float("inf")])
def test_means_that_aipp_cannot_subtract(mean):
    with pytest.raises(InputError, match=r"^AIPP subtracts whole grey levels from 0 to 255, found"):
        aipp(Size.parse("800"), (104, mean, 123), (1, 1, 1))


def test_aipp_of_images_in_their_own_sizes():
    with pytest.raises(InputError, match=r"^AIPP needs one size for all images, found native"):
        aipp(Size.parse("native"), (104, 117, 123), (1, 1, 1))
