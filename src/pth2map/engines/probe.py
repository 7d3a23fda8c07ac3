"""Whether a machine can run an engine, found out before any work: what is there, and what is missing."""

import importlib.util
import json
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pth2map.engines import npu_smi
from pth2map.files.atomic import read_json
from pth2map.files.errors import InputError

REHEARSAL = "PTH2MAP_REHEARSAL"
"""Environment variable that a rehearsal's setup exports: stand-ins are at work."""
_SECONDS = 120


@dataclass(frozen=True)
class Probe:
    """What was found of an engine: facts for the provenance, and one sentence for each thing that is missing."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def environment(setup: Sequence[str], python: str) -> str:
    """The beginning of a shell command for which the scripts ``setup`` are sourced; few of them stand ``set -eu``.

    When ``python``, the vendor's interpreter, is a path, its folder comes first on PATH: ``atc`` runs what is called
    ``python3`` there, which would be this project's otherwise.
    """
    sourced = f"set +eu; {' '.join(f'source {shlex.quote(path)};' for path in setup)} set -eu; " if setup else ""
    folder = str(Path(python).parent) if "/" in python else ""
    return f"{sourced}export PATH={shlex.quote(folder)}:$PATH; " if folder else sourced


def probe_ascend(engine: str, settings: Mapping[str, Any]) -> Probe:
    """CANN's ``atc``, ``ais_bench`` in the vendor's interpreter, and a card: fields of ``AscendEngine``."""
    shell = _Shell.of(engine, settings)
    if shell.absent:
        return Probe(problems=shell.absent)
    problems = [*shell.lacks_command("atc"), *shell.lacks_modules("ais_bench", "aclruntime")]
    facts: dict[str, Any] = {"rehearsal": shell.rehearsal(), "python": shell.version()}
    problems += shell.contradiction()
    if settings["chip"]:
        facts["soc_version"] = f"Ascend{settings['chip']}"
    if lacking := shell.lacks_command("npu-smi"):
        if not settings["chip"]:
            problems.append(f"{lacking[0]}, or name the chip in engines.{engine}.chip")
        return Probe(facts, tuple(problems))
    done = shell.run("npu-smi info")
    try:
        found = npu_smi.soc_version(npu_smi.chips(done.stdout + done.stderr), settings["device"])
    except InputError as error:
        if settings["chip"]:  # on a machine without a card a graph can still be compiled
            return Probe({**facts, "card": str(error)}, tuple(problems))
        problems.append(f"engines.{engine}.device: {error}")
        return Probe(facts, tuple(problems))
    if found != facts.setdefault("soc_version", found):
        problems.append(
            f"engines.{engine}.chip: found {settings['chip']}, npu-smi tells of {found.removeprefix('Ascend')}"
        )
    return Probe(facts, tuple(problems))


def probe_torch_aie(engine: str, settings: Mapping[str, Any]) -> Probe:
    """``torch``, ``torch_aie`` and what sets the device in the vendor's interpreter: fields of ``TorchAieEngine``."""
    shell = _Shell.of(engine, settings)
    if shell.absent:
        return Probe(problems=shell.absent)
    modules = list(dict.fromkeys(("torch", settings["set_device"], "torch_aie")))
    problems = [*shell.lacks_modules(*modules), *shell.contradiction()]
    if problems:
        return Probe(problems=tuple(problems))
    imports = "; ".join(f"import {module}" for module in modules)
    versions = f"print(*(getattr(module, '__version__', 'unknown') for module in ({', '.join(modules)},)))"
    done = shell.run(f"{shlex.quote(shell.python)} -c {shlex.quote(f'{imports}; {versions}')}")
    if done.returncode != 0:
        problems.append(f"engines.{engine}: {', '.join(modules)} cannot be imported together: {_last_line(done)}")
        return Probe(problems=tuple(problems))
    found = dict(zip(modules, done.stdout.splitlines()[-1].split(), strict=True))
    return Probe({"rehearsal": shell.rehearsal(), "python": shell.version(), **found}, tuple(problems))


def probe_vastai(engine: str, settings: Mapping[str, Any]) -> Probe:
    """``vamc`` and ``vamp``, and ``vaststreamx`` in the vendor's interpreter where it runs: fields of ``VastaiEngine``.

    How many cards there are, no command of theirs tells.
    """
    shell = _Shell.of(engine, settings)
    if shell.absent:
        return Probe(problems=shell.absent)
    problems = [*shell.lacks_command("vamc"), *shell.lacks_command("vamp")]
    if settings["runner"] == "vaststreamx":
        problems += shell.lacks_modules("vaststreamx")
    problems += shell.contradiction()
    return Probe({"rehearsal": shell.rehearsal()}, tuple(problems))


def probe_onnxruntime(engine: str, settings: Mapping[str, Any]) -> Probe:
    """ONNX Runtime and its execution providers in this interpreter: fields of ``OnnxRuntimeEngine``."""
    if not importlib.util.find_spec("onnxruntime"):
        return Probe(problems=(f"engines.{engine}: no module onnxruntime; run `make setup`",))
    import onnxruntime  # noqa: PLC0415

    offered = onnxruntime.get_available_providers()
    lacking = [provider for provider in settings["providers"] if provider not in offered]
    problems = [
        f"engines.{engine}.providers: no {one}; this installation offers {', '.join(offered)}" for one in lacking
    ]
    return Probe({"onnxruntime": onnxruntime.__version__, "providers": settings["providers"]}, tuple(problems))


def probe_torchscript(engine: str, settings: Mapping[str, Any]) -> Probe:
    """Torch in this interpreter."""
    if not importlib.util.find_spec("torch"):
        return Probe(problems=(f"engines.{engine}: no module torch; run `make setup`",))
    import torch  # noqa: PLC0415

    return Probe({"torch": torch.__version__})


PROBES: Mapping[str, Callable[[str, Mapping[str, Any]], Probe]] = MappingProxyType(
    {
        "ascend": probe_ascend,
        "torch_aie": probe_torch_aie,
        "vastai": probe_vastai,
        "onnxruntime": probe_onnxruntime,
        "torchscript": probe_torchscript,
    }
)


PROBE = "probe.json"


def drop_untrue(folder: Path, states: Mapping[str, str]) -> None:
    """Remove what is known of engines, ``<engine>/`` in ``folder``, where it need not hold any more.

    That is what was found missing, since it may have been mended, and what was found of other settings than those of
    ``states``. What an engine has made stays until somebody asks for more of it.
    """
    for path in folder.glob(f"*/{PROBE}"):
        found = read_json(path)
        if found.get("problems") or found.get("state") != states.get(found.get("engine")):
            for known in path.parent.iterdir():
                known.unlink()


@dataclass(frozen=True)
class _Shell:
    """The surroundings that a vendor's commands of an engine get."""

    engine: str
    setup: tuple[str, ...]
    python: str
    declared_rehearsal: bool

    @classmethod
    def of(cls, engine: str, settings: Mapping[str, Any]) -> "_Shell":
        return cls(engine, tuple(settings["setup"] or ()), settings["python"], settings["rehearsal"])

    @property
    def absent(self) -> tuple[str, ...]:
        """A sentence for each setup script that is not there."""
        return tuple(
            f"engines.{self.engine}.setup: no such file {path}; expected the vendor's set_env.sh"
            for path in self.setup
            if not Path(path).is_file()
        )

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        shell = ["bash", "-c", f"set -euo pipefail; {environment(self.setup, self.python)}{command}"]
        try:
            return subprocess.run(
                shell, capture_output=True, text=True, errors="replace", check=False, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(shell, 124, "", f"no answer within {_SECONDS} s")

    def lacks_command(self, name: str) -> list[str]:
        found = self.run(f"command -v {name}").returncode == 0
        return [] if found else [f"{name} not found{self._remedy()}"]

    def lacks_modules(self, *names: str) -> list[str]:
        """A sentence for each module that the interpreter cannot find, or one for the interpreter."""
        code = f"import importlib.util as u, json; print(json.dumps([n for n in {list(names)} if not u.find_spec(n)]))"
        done = self.run(f"{shlex.quote(self.python)} -c {shlex.quote(code)}")
        if done.returncode != 0:
            return [
                f"engines.{self.engine}.python: {self.python} does not run ({_last_line(done)}); expected the vendor's "
                "interpreter"
            ]
        lacking = json.loads(done.stdout.splitlines()[-1])
        return [
            f"{self.python} has no module {name}{self._remedy()}, and the interpreter that has it in "
            f"engines.{self.engine}.python"
            for name in lacking
        ]

    def version(self) -> str:
        done = self.run(f"{shlex.quote(self.python)} --version")
        return _last_line(done).removeprefix("Python ")

    def rehearsal(self) -> bool:
        return self.run(f'test -n "${{{REHEARSAL}:-}}"').returncode == 0

    def contradiction(self) -> list[str]:
        """Stand-ins must be declared as such, and only they."""
        if self.rehearsal() == self.declared_rehearsal:
            return []
        found = (
            "true, but the vendor's own tools" if self.declared_rehearsal else "false, but the rehearsal's stand-ins"
        )
        return [f"engines.{self.engine}.rehearsal: found {found} are at work; mend it or engines.{self.engine}.setup"]

    def _remedy(self) -> str:
        if self.setup:
            return f" once {' and '.join(self.setup)} is sourced: name another script in engines.{self.engine}.setup"
        return f": source the vendor's set_env.sh or name it in engines.{self.engine}.setup"


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else f"status {done.returncode}, nothing printed"
