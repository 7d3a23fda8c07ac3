"""JSON Schema and reference page of the config, both out of its types."""

import json
from typing import Any

from pth2map.config.schema import CHIP, FILE, NAME, SIZE, Config

SCHEMA_FILE = "config/schema.json"
PAGE_FILE = "docs/configuration.md"

_HEAD = """# Configuration

Written by `make docs` out of the types in `src/pth2map/config/schema.py`; a test fails when the two differ.

`config/config.yaml` is read first; `--configfile config/mini.yaml` puts an overlay over it, key by key. `${NAME}` in a
value is an environment variable. Paths are looked for below the working directory, then below the workflow's folder;
those that begin with `data/` below the working directory alone, where declared files are fetched to.
Before any job the whole config is checked: an unknown key, a wrong type, a missing file or a name that does not exist
ends the run with the key path, what was found and what is allowed.
"""
_PATTERNS = {f"^{NAME}$": "name", f"^(?:{SIZE})$": "`WxH` or `native`", f"^{FILE}$": "path", f"^{CHIP}$": "chip"}


def json_schema() -> str:
    """The JSON Schema for editors (draft 2020-12)."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def reference_page() -> str:
    """The reference page: a section for each kind of block, a row for each key."""
    schema = Config.model_json_schema()
    blocks = {"Config": schema, **schema["$defs"]}
    order = ["Config"]
    for name in order:  # grows while it is walked: blocks in the order in which they are met
        order += [met for met in dict.fromkeys(_references(blocks[name])) if met not in order]
    return _HEAD + "".join(_section(name, blocks[name]) for name in order)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else []
        return own + [name for key, item in value.items() if key != "$defs" for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


def _section(name: str, block: dict[str, Any]) -> str:
    required = block.get("required", [])
    rows = [
        f"| `{key}` | {_type(field)} | {_default(field, key in required)} | {field.get('description', '')} |"
        for key, field in block["properties"].items()
    ]
    head = [
        "",
        f"## {name}",
        "",
        block.get("description", ""),
        "",
        "| key | what | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    if "default" not in field:
        return "its defaults" if "$ref" in field else "empty"
    return f"`{json.dumps(field['default'], ensure_ascii=False)}`"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf"):
        if union in field:
            return " or ".join(_type(branch) for branch in field[union])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        items = field.get("prefixItems")
        types = [_type(item) for item in items or ()]
        if len(set(types)) > 1:
            return f"pair of {' and '.join(types)}"
        return f"{len(types)} × {types[0]}" if types else f"list of {_type(field['items'])}"
    if field["type"] == "object":
        (value,) = field["patternProperties"].values()
        return f"names, each {_type(value)}"
    return _scalar(field)


def _scalar(field: dict[str, Any]) -> str:
    word = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "null",
    }[field["type"]]
    word = _PATTERNS.get(field.get("pattern", ""), word)
    bounds = [
        f"{sign} {field[key]}"
        for key, sign in (("exclusiveMinimum", ">"), ("minimum", "≥"), ("maximum", "≤"))
        if key in field
    ]
    return f"{word} {', '.join(bounds)}" if bounds else word
