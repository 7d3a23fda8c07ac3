"""Probes against commands made for the purpose, put on PATH by a setup script."""

import re
import sys
from pathlib import Path

import pytest

from pth2map.engines.probe import PROBES, drop_untrue, environment
from pth2map.files.atomic import write_json

TABLE = """
| NPU     Name      | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===================+=================+======================================================+
| 0       {name:<10}| OK              | 15.8         42                0    / 0              |
| 0       0         | 0000:82:00.0    | 0            1074 / 21534                            |
"""


@pytest.fixture
def vendor(tmp_path):
    """A folder of the vendor's: commands, an interpreter of its own with modules, and the script that names them."""

    def command(name: str, text: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    command("atc", "exit 0")
    command("npu-smi", f"cat {tmp_path}/table")
    (tmp_path / "table").write_text(TABLE.format(name="310P3"))
    command("python3.9", f'PYTHONPATH={tmp_path}/modules exec {sys.executable} "$@"')
    (tmp_path / "modules").mkdir()
    for module in ("ais_bench", "aclruntime"):
        (tmp_path / f"modules/{module}.py").touch()
    (tmp_path / "set_env.sh").write_text(f"echo CANN is ready\nexport PATH={tmp_path}/bin:$PATH\nfalse\n")
    return tmp_path


def ascend(vendor: Path, **changes: object) -> dict[str, object]:
    settings = {
        "setup": [str(vendor / "set_env.sh")],
        "python": str(vendor / "bin/python3.9"),
        "device": 0,
        "chip": None,
        "rehearsal": False,
    }
    return settings | changes


def test_a_machine_that_has_it_all(vendor):
    probe = PROBES["ascend"]("npu", ascend(vendor))
    assert probe.problems == ()
    assert probe.facts["soc_version"] == "Ascend310P3"
    assert probe.facts["rehearsal"] is False
    assert probe.facts["python"] == sys.version.split()[0], "and not what the setup script prints"


@pytest.mark.parametrize(
    ("lost", "changes", "sentences"),
    [
        (["bin/atc"], {}, ["atc not found once .*/set_env.sh is sourced: name another script in engines.npu.setup"]),
        (["modules/aclruntime.py"], {}, ["python3.9 has no module aclruntime once"]),
        (["bin/npu-smi"], {}, ["npu-smi not found .*, or name the chip in engines.npu.chip"]),
        (["bin/npu-smi"], {"chip": "310P3"}, []),
        (["bin/atc", "modules/ais_bench.py"], {"device": 2}, ["atc not", "no module ais_bench", "no single device 2"]),
        (["set_env.sh"], {}, ["engines.npu.setup: no such file .*/set_env.sh; expected the vendor's set_env.sh"]),
        ([], {"chip": "310B1"}, ["engines.npu.chip: found 310B1, npu-smi tells of 310P3"]),
        ([], {"chip": "310P3", "device": 7}, []),
        ([], {"rehearsal": True}, ["engines.npu.rehearsal: found true, but the vendor's own tools are at work"]),
        ([], {"python": "/no/python3.9"}, ["engines.npu.python: /no/python3.9 does not run"]),
    ],
)
def test_a_sentence_for_each_thing_that_is_missing(vendor, lost, changes, sentences):
    for path in lost:
        (vendor / path).unlink()
    problems = PROBES["ascend"]("npu", ascend(vendor, **changes)).problems
    assert len(problems) == len(sentences), problems
    for problem, sentence in zip(problems, sentences, strict=True):
        assert re.search(sentence, problem)


def test_a_card_that_npu_smi_knows_by_its_family_is_named_by_hand(vendor):
    (vendor / "table").write_text(TABLE.format(name="Ascend910"))
    (problem,) = PROBES["ascend"]("npu", ascend(vendor)).problems
    assert "name the chip by hand" in problem
    probe = PROBES["ascend"]("npu", ascend(vendor, chip="910_9391"))
    assert probe.problems == ()
    assert probe.facts["soc_version"] == "Ascend910_9391"


def test_the_vendors_interpreter_is_the_python3_of_its_commands():
    assert environment([], "python3") == ""
    assert environment([], "/opt/py 39/bin/python3.9") == "export PATH='/opt/py 39/bin':$PATH; "
    assert environment(["/a b/set_env.sh", "/c.sh"], "/p/bin/python3") == (
        "set +eu; source '/a b/set_env.sh'; source /c.sh; set -eu; export PATH=/p/bin:$PATH; "
    )


def test_torch_aie_has_versions(vendor):
    for module in ("torch", "torch_npu", "torch_aie"):
        (vendor / f"modules/{module}.py").write_text(f"__version__ = '{len(module)}.0'\n")
    settings = ascend(vendor, set_device="torch_npu")
    probe = PROBES["torch_aie"]("npu", settings)
    assert probe.problems == ()
    assert {name: probe.facts[name] for name in ("torch", "torch_npu", "torch_aie")} == {
        "torch": "5.0",
        "torch_npu": "9.0",
        "torch_aie": "9.0",
    }
    (vendor / "modules/torch_aie.py").write_text("raise ImportError('libtorch_aie.so: cannot open shared object file')")
    (problem,) = PROBES["torch_aie"]("npu", settings).problems
    assert "cannot be imported together: ImportError: libtorch_aie.so: cannot open" in problem
    (vendor / "modules/torch_npu.py").unlink()
    assert "has no module torch_npu" in PROBES["torch_aie"]("npu", settings).problems[0]


def test_what_need_not_hold_any_more_is_dropped(tmp_path):
    for engine, state, problems in (("a", "1", []), ("b", "1", []), ("c", "1", ["atc not found"])):
        write_json(tmp_path / engine / "probe.json", {"engine": engine, "state": state, "problems": problems})
        write_json(tmp_path / engine / "ready.json", {})
    drop_untrue(tmp_path, {"a": "1", "b": "2", "c": "1"})
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")) == [
        "a/probe.json",
        "a/ready.json",
    ]
