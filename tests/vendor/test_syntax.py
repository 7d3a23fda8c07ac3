"""What runs in a vendor's interpreter keeps to Python 3.7, and to the modules that are there."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "workflow/vendor").glob("*.py"))
NETWORKS = [ROOT / f"src/pth2map/networks/{name}.py" for name in ("retinaface", "mobilenet", "resnet", "centerface")]

LATER_MODULES = {"graphlib", "tomllib", "zoneinfo"}
VENDOR = {"numpy", "torch", "torch_aie", "torch_npu", "vaststreamx"}
OF_A_NETWORK = {"torch", "pth2map.networks.mobilenet", "pth2map.networks.resnet"}
LATER_NAMES = {
    *("Annotated", "Concatenate", "Final", "Literal", "Never", "ParamSpec", "Protocol", "Self", "TypeAlias"),
    *("TypedDict", "assert_never", "assert_type", "override", "reveal_type"),  # of typing
    *("batched", "cache", "cached_property", "dist", "lcm", "pairwise", "prod"),
    *("bit_count", "hardlink_to", "is_relative_to", "missing_ok", "readlink", "removeprefix", "removesuffix"),
    "with_stem",
}
LATER_KEYWORDS = {"strict": "zip", "slots": "dataclass", "kw_only": "dataclass", "dirs_exist_ok": "", "missing_ok": ""}
BUILTINS = {"dict", "frozenset", "list", "set", "tuple", "type"}


def is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def evaluated(node):
    """``node`` and what runs of what is in it: neither annotations nor blocks for type checkers."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns") or (field == "body" and is_type_checking(node)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from evaluated(child)


def newer(source):
    """What Python 3.7 does not have, each as a few words."""
    try:
        tree = ast.parse(source, feature_version=(3, 7))
    except SyntaxError as error:
        return [error.msg]
    found = []
    annotated = any(getattr(node, field, None) for node in ast.walk(tree) for field in ("annotation", "returns"))
    if annotated and not any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body):
        found.append("annotations that are evaluated")
    for node in evaluated(tree):
        match node:
            case ast.BinOp(op=ast.BitOr()):
                found.append("| between values")
            case ast.Subscript(value=ast.Name(id=name)) if name in BUILTINS:
                found.append(f"{name}[...]")
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in LATER_NAMES:
                found.append(name)
            case ast.ImportFrom(names=names):
                found += [alias.name for alias in names if alias.name in LATER_NAMES]
            case ast.Call(func=function, keywords=keywords):
                called = ast.unparse(function).rpartition(".")[2]
                found += [k.arg for k in keywords if LATER_KEYWORDS.get(k.arg) in ("", called)]
    return found


def imported(source):
    """Modules that are imported when it runs, inside functions too."""
    names = set()
    for node in evaluated(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def foreign(names, allowed):
    standard = set(sys.stdlib_module_names) - LATER_MODULES
    return {name for name in names if name not in allowed and name.split(".")[0] not in standard | (allowed & VENDOR)}


@pytest.mark.parametrize("path", [*SCRIPTS, *NETWORKS], ids=lambda path: path.name)
def test_python_3_7_can_run_it(path):
    assert newer(path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_needs_numpy_torch_and_the_vendor_s_modules_at_most(path):
    assert foreign(imported(path.read_text()), VENDOR) == set()


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.name)
def test_a_network_needs_torch_alone(path):
    assert foreign(imported(path.read_text()), OF_A_NETWORK) == set()


@pytest.mark.parametrize("package", ["src/pth2map", "src/pth2map/networks"])
def test_the_packages_of_the_networks_import_nothing(package):
    source = (ROOT / package / "__init__.py").read_text()
    assert (newer(source), imported(source)) == ([], set())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("if (a := b): pass", "Assignment expressions are only supported in Python 3.8 and greater"),
        ("match a:\n    case 1: pass", "Pattern matching is only supported in Python 3.10 and greater"),
        ("def f(a, /): pass", "Positional-only parameters are only supported in Python 3.8 and greater"),
        ("def f(a: int | None): pass", "annotations that are evaluated"),
        ("a: list[int] = []", "annotations that are evaluated"),
        ("from __future__ import annotations\na: int | None = None\nb = int | None", "| between values"),
        ("class A(list[int]): pass", "list[...]"),
        ("zip(a, b, strict=True)", "strict"),
        ("@dataclass(frozen=True, slots=True)\nclass A: pass", "slots"),
        ("@dataclasses.dataclass(kw_only=True)\nclass A: pass", "kw_only"),
        ("path.unlink(missing_ok=True)", "missing_ok"),
        ("from typing import Self", "Self"),
        ("'a'.removeprefix('b')", "removeprefix"),
    ],
)
def test_what_is_newer_is_found(source, words):
    assert newer(source) == [words]


FOR_TYPE_CHECKERS = """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from typing import Self
    import pydantic
def f(a: list[int] | None) -> Self:
    return g(a, strict=1)
"""


def test_what_is_only_for_type_checkers_is_not_counted():
    assert newer(FOR_TYPE_CHECKERS) == []
    assert imported(FOR_TYPE_CHECKERS) == {"__future__", "typing"}


@pytest.mark.parametrize(
    "source", ["import pydantic", "def f():\n    from pth2map.files import some", "import tomllib"]
)
def test_a_foreign_module_is_found(source):
    assert foreign(imported(source), VENDOR)
    assert foreign(imported(source), OF_A_NETWORK)
