import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.engines.npu_smi import Chip, chips, soc_version
from pth2map.files.errors import InputError

# The table of the Ascend pages of RetinaMask and CenterFace.
TWO_310P = """\
+-------------------+-----------------+------------------------------------------------------+
| NPU     Name      | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===================+=================+======================================================+
| 0       310P3     | OK              | 15.8         42                0    / 0              |
| 0       0         | 0000:82:00.0    | 0            1074 / 21534                            |
+===================+=================+======================================================+
| 1       310P3     | OK              | 15.4         43                0    / 0              |
| 0       1         | 0000:89:00.0    | 0            1070 / 21534                            |
+===================+=================+======================================================+
"""
# Version 25: a card whose number is not its device's, no power, processes.
CARD_6 = """\
+--------------------------------------------------------------------------------------------------------+
| npu-smi 25.3.rc1                                 Version: 25.3.rc1                                     |
+-------------------------------+-----------------+------------------------------------------------------+
| NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===============================+=================+======================================================+
| 32800   310P3                 | Warning         | NA           50                0     / 0             |
| 0       0                     | NA              | 0            1839 / 21525                            |
+===============================+=================+======================================================+
+-------------------------------+-----------------+------------------------------------------------------+
| NPU     Chip                  | Process id      | Process name             | Process memory(MB)        |
+===============================+=================+======================================================+
| 32800   0                     | 1712733         | python3                  | 197                       |
"""
# 910B: no device column, memory of the host's and of the device.
HBM = """\
| NPU   Name                | Health        | Power(W)             Temp(C)                 Hugepages-Usage(page)   |
| Chip                      | Bus-Id        | AICore(%)            Memory-Usage(MB)        HBM-Usage(MB)           |
+===========================+===============+======================================================================+
| 2     910B3               | OK            | 90.7                 37                      0    / 0                |
| 0                         | 0000:C1:00.0  | 7                    0    / 0                53984/ 65536            |
+===========================+===============+======================================================================+
| 5     910B3               | Alarm         | 92.0                 36                      0    / 0                |
| 0                         | 0000:C2:00.0  | 42                   0    / 0                52314/ 65536            |
+===========================+===============+======================================================================+
| NPU     Chip              | Process id    | Process name       | Process memory(MB)    | Process id in container |
| 2       0                 | 1712733       | sglangschedul      | 48954                 | NA                      |
| No running processes found in NPU 5                                                                              |
"""
# Two chips on a card; the row gives the family.
A3 = """\
| 0     Ascend910           | OK            | 178.5       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3416 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          3195 / 65536         |
"""


def test_the_table_of_the_pages():
    assert chips(TWO_310P) == [
        Chip(0, "310P3", "OK", 0, 0, "0000:82:00.0", 0, 1074, 21534),
        Chip(1, "310P3", "OK", 0, 1, "0000:89:00.0", 0, 1070, 21534),
    ]
    assert soc_version(chips(TWO_310P), 1) == "Ascend310P3"


def test_a_card_of_any_number_without_bus_and_power_and_its_processes():
    assert chips(CARD_6) == [Chip(32800, "310P3", "Warning", 0, 0, None, 0, 1839, 21525)]
    assert soc_version(chips(CARD_6), 0) == "Ascend310P3"


def test_without_a_device_column_the_place_counts_and_memory_is_hbm():
    found = chips(HBM)
    assert found == [
        Chip(2, "910B3", "OK", 0, None, "0000:C1:00.0", 7, 53984, 65536),
        Chip(5, "910B3", "Alarm", 0, None, "0000:C2:00.0", 42, 52314, 65536),
    ]
    assert soc_version(found, 0) == "Ascend910B3"


@pytest.mark.parametrize(
    ("text", "device", "sentence"),
    [
        (TWO_310P, 2, "npu-smi info has no single device 2; devices there: 0, 1"),
        (TWO_310P * 2, 1, "npu-smi info has no single device 1; devices there: 0, 1, 0, 1"),
        (HBM, 1, "device 1 (910B3) is in the state Alarm; expected OK or Warning"),
        (CARD_6.replace("Warning", "UNKNOWN"), 0, "device 0 (310P3) is in the state UNKNOWN; expected OK or Warning"),
        (
            A3,
            1,
            "device 1 is listed as Ascend910, which is no --soc_version; name the chip by hand, from Chip Name and NPU "
            "Name of npu-smi info -t board -i 0 -c 1",
        ),
    ],
    ids=["absent", "twice", "alarm", "unknown", "family"],
)
def test_a_device_that_cannot_be_compiled_for(text, device, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        soc_version(chips(text), device)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "npu-smi info lists no chip: it printed nothing"),
        (
            "DrvMngGetConsoleLogLevel failed. (ret=4)\ndcmi module initialize failed. ret is -8005\n",
            "npu-smi info lists no chip: DrvMngGetConsoleLogLevel failed. (ret=4) | dcmi module initialize failed. ret "
            "is -8005; is the driver loaded, and may this user use it?",
        ),
        (
            TWO_310P[: TWO_310P.index("| 0       1 ")],
            "npu-smi info: expected chip, bus and load of NPU 1 (310P3) below its row, found nothing",
        ),
        (
            TWO_310P.replace("1074 / 21534", "plenty"),
            "npu-smi info: expected chip, bus and load of NPU 0 (310P3) below its row, found 0       0 | 0000:82:00.0 "
            "| 0            plenty",
        ),
    ],
    ids=["nothing", "no driver", "cut short", "unreadable"],
)
def test_output_without_a_whole_table(text, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        chips(text)


def test_processes_alone_are_no_chips():
    with pytest.raises(InputError, match=r"^npu-smi info lists no chip: \| NPU "):
        chips(HBM[HBM.index("| NPU     Chip ") :])


numbers = st.integers(0, 99999)
maybe = st.one_of(st.none(), numbers)
rows = st.builds(
    Chip,
    npu=numbers,
    name=st.from_regex(r"(310|310B|310P|910|910B)[0-9A-Z]{0,3}", fullmatch=True),
    health=st.sampled_from(["OK", "Warning", "Alarm", "Critical", "UNKNOWN"]),
    chip=numbers,
    logic=maybe,
    bus=st.one_of(st.none(), st.from_regex(r"[0-9A-F]{4}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-7]", fullmatch=True)),
    aicore_percent=maybe,
    memory_used_mb=maybe,
    memory_total_mb=maybe,
)


def printed(found, width, hbm, end, unknown, processes):
    """The table of ``found`` in the documented layout."""

    def word(value):
        return unknown if value is None else str(value)

    def row(*cells):
        return "|" + "|".join(f" {cell:<{width}} " for cell in cells) + "|"

    rule = "+" + "+".join("=" * (width + 2) for _ in range(3)) + "+"
    table = ["| npu-smi 22.0.0   Version: 22.0.2 |", rule]
    table += [row("NPU     Name", "Health", "Power(W)   Temp(C)   Hugepages-Usage(page)"), rule]
    for chip in found:
        usage = f"{word(chip.memory_used_mb)} / {word(chip.memory_total_mb)}"
        load = f"{word(chip.aicore_percent)}      {'17 / 999    ' if hbm else ''}{usage}"
        logic = "" if chip.logic is None else f"    {chip.logic}"
        table += [row(f"{chip.npu}    {chip.name}", chip.health, f"{unknown}     42     0    / 0")]
        table += [row(f"{chip.chip}{logic}", word(chip.bus), load), rule]
    table += [row("NPU     Chip", "Process id", "Process name", "Process memory(MB)")] * bool(processes)
    table += [row("0       0", pid, "python3", "197") for pid in processes]
    return end.join(table) + end


@given(
    st.lists(rows, min_size=1, max_size=9),
    st.integers(1, 60),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["NA", "-"]),
    st.lists(numbers, max_size=3),
)
def test_every_table_in_the_documented_layout_reads_back(found, width, hbm, end, unknown, processes):
    assert chips(printed(found, width, hbm, end, unknown, processes)) == found


@given(st.text(alphabet=st.sampled_from("|+ 0123456789NAOK/.:\n\rabc²٣")))
def test_other_text_is_refused_or_holds_chips(text):
    try:
        found = chips(text)
    except InputError:
        return
    assert found
