"""npu-smi's stand-in: the rows its readers look for."""

import re

import pytest

from pth2map_rehearsal.npu_smi import main

CHIP = re.compile(r"^\|\s*(\d+)\s+(\S+)\s*\|\s*(OK|Warning|Alarm|Critical|UNKNOWN)\s*\|", re.MULTILINE)
DEVICE = re.compile(r"^\|\s*(\d+)\s+(\d+)\s*\|\s*([0-9A-Fa-f:.]+)\s*\|\s*(\d+)\s+(\d+)\s*/\s*(\d+)", re.MULTILINE)


def test_a_table_in_a_shell(shell):
    said = shell("npu-smi info")
    assert (said.stderr, said.returncode) == ("", 0)
    assert CHIP.findall(said.stdout) == [("0", "310P3", "OK")]
    assert DEVICE.findall(said.stdout) == [("0", "0", "0000:82:00.0", "0", "1074", "21534")]
    assert len({len(row) for row in said.stdout.splitlines()}) == 1, "a box"


@pytest.mark.parametrize("chip", ["310B4", "910PremiumA"])
def test_the_name_of_the_chip(capsys, monkeypatch, chip):
    monkeypatch.setenv("PTH2MAP_REHEARSAL_CHIP", chip)
    assert main(["info"]) == 0
    assert CHIP.findall(capsys.readouterr().out) == [("0", chip, "OK")]
    assert main(["info", "-m"]) == 0
    head, row, controller = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{2,}", head.strip()) == ["NPU ID", "Chip ID", "Chip Logic ID", "Chip Name"]
    assert re.split(r"\s{2,}", row.strip()) == ["0", "0", "0", f"Ascend {chip}"]
    assert re.split(r"\s{2,}", controller.strip()) == ["0", "1", "-", "Mcu"]


def test_the_list(capsys):
    assert main(["info", "-l"]) == 0
    lines = [re.split(r"\s*:\s*", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [["Total Count", "1"], ["NPU ID", "0"], ["Chip Count", "1"]]


@pytest.mark.parametrize("arguments", [[], ["info", "-t", "board"], ["-v"]])
def test_anything_else_is_refused(capsys, arguments):
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: npu-smi info")


def test_the_environment_holds_in_a_strict_shell_from_any_folder(shell):
    said = shell(
        'cd /; printf "%s\\n" "$PTH2MAP_REHEARSAL" "$ASCEND_OPP_PATH" "$(command -v atc)"; ls "$ASCEND_TOOLKIT_HOME"'
    )
    assert said.stderr == ""
    flag, opp, atc, *toolkit = said.stdout.splitlines()
    assert flag == "1"
    assert opp.endswith("workflow/rehearsal/modules")
    assert atc.endswith("workflow/rehearsal/bin/atc")
    assert {"bin", "modules", "set_env.sh"} <= set(toolkit)
