"""The house rules that a program can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "src/pth2map"
SCRIPTS = sorted(p for p in (ROOT / "workflow/scripts").glob("*.py") if not p.name.startswith("_"))
LAYERS = (
    *("geometry", "files", "networks", "recipes", "datasets", "evaluation"),
    *("engines", "export", "training", "plots", "tables", "config"),
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda p: p.relative_to(LIBRARY).as_posix())
def test_a_layer_imports_only_from_those_before_it(path):
    own = path.relative_to(LIBRARY).parts[0]
    for name in imported(path):
        assert not name.startswith("snakemake"), "the library knows nothing of Snakemake"
        parts = name.split(".")
        if own in LAYERS and parts[0] == "pth2map" and len(parts) > 1 and parts[1] in LAYERS:
            assert LAYERS.index(parts[1]) <= LAYERS.index(own), f"{own} imports from {parts[1]}"


def test_every_package_is_a_layer():
    assert sorted(p.name for p in LIBRARY.iterdir() if p.is_dir() and p.name != "__pycache__") == sorted(LAYERS)


def test_checkpoints_are_never_unpickled():
    calls = [
        node
        for path in LIBRARY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.load", "pickle.load", "pickle.loads"}
    ]
    assert calls
    for call in calls:
        assert {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}.get("weights_only") == "True"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_every_command_explains_itself(path):
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    assert ast.get_docstring(ast.parse(path.read_text())).split("\n")[0].rstrip(".") in " ".join(done.stdout.split())


def rules() -> list[tuple[str, str]]:
    texts = [path.read_text() for path in (ROOT / "workflow/rules").rglob("*.smk")]
    return [(m[1], m[0]) for text in texts for m in re.finditer(r"^rule (\w+):\n(?:(?: .*)?\n)+", text, re.MULTILINE)]


@pytest.mark.parametrize(("name", "text"), rules(), ids=[name for name, _ in rules()])
def test_every_rule_is_filled_in(name, text):
    assert text.splitlines()[1].strip().startswith('"""'), "a sentence on what it does"
    for field in ("log:", "benchmark:", "conda:", "message:", "shell:"):
        assert f"\n    {field}" in text
    anew = name == "require_device"  # every run that has a use for its output makes it again
    assert anew or "state=" in text or "{identity}" in text, "a change of anything it comes from must rerun it"


def test_the_conda_environment_has_the_versions_of_the_lock():
    lock = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    (pip,) = [
        entry["pip"]
        for entry in yaml.safe_load((ROOT / "envs/pth2map.yaml").read_text())["dependencies"]
        if isinstance(entry, dict)
    ]
    pins = dict(pin.split("==") for pin in pip if "==" in pin)
    torch = re.search(r"^torch==(\S+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)[1]
    assert pins == {name: torch if name == "torch" else lock[name] for name in pins}
    assert len(pins) > 5


def test_the_lock_pulls_no_cuda_package():
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(nvidia|cuda|triton|torch)", lock, re.MULTILINE)
    assert lock.count("--hash=sha256:") > lock.count("==")


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
