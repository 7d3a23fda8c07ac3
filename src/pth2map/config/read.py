"""The config of the project with overlays, read as Snakemake reads it, for commands outside the workflow."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from pth2map.config.files import check_config_files, refuse_formulas
from pth2map.config.load import load_config
from pth2map.config.points import Points


def read_points(root: Path, overlays: Sequence[Path] = ()) -> Points:
    """The config of the project in the folder ``root`` with ``overlays`` put over it, one after the other.

    Keys are merged as Snakemake merges them: blocks key by key, everything else replaced. Raises ``InputError`` for a
    file that cannot be read and for a config that is wrong.
    """
    base = root / "config/config.yaml"
    check_config_files([base, *overlays])
    refuse_formulas(base)
    values: Any = {}
    for path in (base, *overlays):
        values = merged(values, _read_config(path))
    return Points(load_config(values, root))


def _read_config(path: Path) -> Any:
    text = path.read_text(encoding="utf-8-sig")
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def merged(config: Any, changes: Mapping[str, Any]) -> Any:
    """``config``, which is changed, with ``changes`` put over it as ``snakemake.utils.update_config`` does."""
    for key, value in changes.items():
        if not isinstance(config, dict):
            config = {}
        config[key] = merged(config.get(key, {}), value) if isinstance(value, dict) else value
    return config
