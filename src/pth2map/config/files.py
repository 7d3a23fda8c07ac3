"""Config files as they lie on disk: what YAML and Snakemake would take without a word, or refuse without the place."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from pth2map.files.errors import InputError, some


def check_config_files(paths: Iterable[Path | str]) -> None:
    """Raise ``InputError`` for a file that cannot be read, is no YAML or JSON, has no keys, or has one of them twice.

    Of a key that stands twice in a block, YAML takes the last and says nothing.
    """
    for path in map(Path, paths):
        text = _text(path)
        repeated = _repeated_in_json(text)
        if repeated is None:
            repeated = _repeated_in_yaml(text, path)
        if repeated:
            raise InputError(f"{path}: {some(repeated)}; only the last would count, make one block of them")


def refuse_formulas(path: Path) -> None:
    """Raise ``InputError`` when weights in a config file are made of a formula: that is for overlays alone."""
    content = yaml.safe_load(_text(path))
    models = content.get("models") if isinstance(content, dict) else None
    made = [
        f"models.{name}.weights"
        for name, block in (models.items() if isinstance(models, dict) else ())
        if isinstance(block, dict) and isinstance(block.get("weights"), dict) and "formula" in block["weights"]
    ]
    if made:
        raise InputError(
            f"{path}: {some(made)}: found formula; weights made of a formula stand in overlays (--configfile) alone, "
            "give an entry of files or path: FILE"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a config file") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: a byte that is not UTF-8 (0x{error.object[error.start]:02x}); save the file as UTF-8"
        ) from None


def _repeated_in_json(text: str) -> list[str] | None:
    """Keys that come twice in an object; ``None`` when the text is no JSON object."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.extend(f"{key} stands twice" for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=note)
    except ValueError:
        return None
    return repeated if isinstance(content, dict) else None


def _repeated_in_yaml(text: str, path: Path) -> list[str]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else f"{path}"
        tab = "; indent with blanks, not tabs" if "\\t" in str(error.problem) else ""
        raise InputError(f"{where}: not YAML, {error.problem}{tab}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML, {' '.join(str(error).split())}") from None
    if not isinstance(root, yaml.MappingNode):
        found = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}.get(type(root), "nothing")
        raise InputError(
            f"{path}: found {found}, expected keys with values below them, such as datasets: or models:; a file that "
            "changes nothing holds {}"
        )
    return list(_repeated(root, "", set()))


def _repeated(node: yaml.Node | None, place: str, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{place}[{number}]", seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = f"{place}.{key.value}" if place else str(key.value), key.start_mark.line + 1
            if name in lines:
                yield f"{name} stands in line {lines[name]} and again in line {line}"
            lines[name] = line
            yield from _repeated(value, name, seen)
