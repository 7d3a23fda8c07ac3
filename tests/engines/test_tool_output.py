import re

import pytest

from pth2map.engines.tool_output import ended, lines, require_outputs, tail
from pth2map.files.errors import InputError


def test_each_state_of_a_progress_bar_is_a_line_and_none_of_the_tail():
    printed = lines("one\n\n two\t\r\nrun:  0%|    | 0/2\rrun: 100%|####| 2/2\rthree\nfour\n")
    assert printed == ["one", "two", "run:  0%|    | 0/2", "run: 100%|####| 2/2", "three", "four"]
    assert tail(printed) == "two | three | four"
    assert tail(printed[:1]) == "one"
    assert tail(printed[2:4]) == tail([]) == "it printed nothing"


def test_how_a_tool_came_to_its_end():
    assert ended("atc", 255) == "atc failed (status 255)"
    assert ended("atc", 127) == "atc was not found, or lacks a library (status 127)"
    assert ended("atc", 137) == "atc was killed (status 137), as the system does when memory runs out"
    assert ended("atc", -9) == "atc was killed (status -9), as the system does when memory runs out"


@pytest.fixture
def outputs(tmp_path):
    for stem in ("0_a", "0_a_1"):
        (tmp_path / f"{stem}_0.bin").write_bytes(bytes(8))
        (tmp_path / f"{stem}_2.bin").write_bytes(bytes(12))
    return tmp_path


def test_all_outputs_are_there_and_a_summary_among_them_is_let_be(outputs):
    (outputs / "sumary.json").write_text("{}")
    require_outputs(outputs, ["0_a", "0_a_1"], {0: 8, 2: 12}, besides=["sumary.json"])


def test_every_fault_of_the_outputs_is_named(outputs):
    (outputs / "0_a_0.bin").unlink()
    (outputs / "0_a_1.bin").write_bytes(b"")
    (outputs / "device1").mkdir()
    (outputs / "0_a_2.bin").write_bytes(bytes(13))
    sentence = (
        f"{outputs}: expected 4 outputs of 2 images; 1 missing: 0_a_0.bin; 2 not expected: 0_a_1.bin, device1; "
        "1 of another length: 0_a_2.bin (13 bytes instead of 12)"
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        require_outputs(outputs, ["0_a", "0_a_1"], {0: 8, 2: 12}, besides=["sumary.json"])


def test_no_folder_of_outputs(tmp_path):
    with pytest.raises(InputError, match=r"No such file or directory, expected a folder of outputs$"):
        require_outputs(tmp_path / "absent", ["a"], {0: 8})
