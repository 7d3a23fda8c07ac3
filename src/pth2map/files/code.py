"""Which code a command depends on, as one hash, so that a change of it reruns the stage and nothing else does.

The hash covers the command and every module of this library, and of those beside the command (``_name``), that it
imports, directly or through others. It is taken over the syntax trees without docstrings: comments, docstrings and
layout do not count.

Modules called ``catalogue`` are tables of names: a new row in one changes no result, so they do not count. What a
command picks out of them (a network, a recipe, a runtime) does not show in its import lines and is given by name, nor
does what a table imports for its rows count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[2]
_PACKAGE = "pth2map"
_TABLE = "catalogue.py"


def code_hash(command: Path, *picked: str) -> str:
    """Hash of a command's code (12 hex digits).

    ``picked`` is what the command takes out of tables of names at run time: dotted names of modules, which count with
    all they import, and any other text, which counts as it is.
    """
    files = {command, *(path for name in picked for path in _files_of(name))}
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        for path in _imports(file) - files if file.name != _TABLE else ():
            files.add(path)
            waiting.append(path)
    digest = hashlib.sha256()
    for tree in sorted(_tree_hash(path) for path in files if path.name != _TABLE):
        digest.update(tree)
    digest.update(repr(sorted(picked)).encode())
    return digest.hexdigest()[:12]


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


@cache
def _tree_hash(path: Path) -> bytes:
    tree = _parsed(path)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).digest()


@cache
def _imports(path: Path) -> frozenset[Path]:
    names: set[str] = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    beside = (path.parent / f"{name}.py" for name in names if name.startswith("_"))
    return frozenset([*(p for name in names for p in _files_of(name)), *(p for p in beside if p.is_file())])


def _files_of(name: str) -> list[Path]:
    """The files of a dotted name of this library; none for a name that is no module of it."""
    parts = name.split(".")
    if parts[0] != _PACKAGE:
        return []
    place = _SOURCE.joinpath(*parts)
    return [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
