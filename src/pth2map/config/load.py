"""From the config as Snakemake merged it to a checked one, or to sentences a person can act on."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pth2map.config.schema import FILE, NAME, SIZE, Config, Model, OwnWeights
from pth2map.files.errors import InputError, nearest
from pth2map.networks.catalogue import NETWORKS

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load_config(values: Mapping[str, Any], workflow_root: Path) -> Config:
    """Check a config.

    Environment variables written ``${NAME}`` are put in; paths that are not below the working directory are looked
    for below ``workflow_root`` and made absolute there. Raises ``InputError`` that lists everything wrong, each with
    its key path, what was found and what is allowed.
    """
    problems: list[str] = []
    expanded = _expand(dict(values), "", problems)
    if problems:
        raise _refuse(problems)
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        raise _refuse(_sentences(error)) from None
    config = _with_paths(config, workflow_root)
    problems = [*_check_files(config), *_check_datasets(config), *_check_names(config), *_check_models(config)]
    if problems:
        raise _refuse(problems)
    return config


def _refuse(problems: list[str]) -> InputError:
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return InputError("\n".join([f"the config has {count}", *(f"  {problem}" for problem in problems)]))


def _expand(value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, f"{path}.{key}" if path else str(key), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, f"{path}[{number}]", problems) for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if not os.environ.get(name):
            problems.append(f"{path}: {value!r} needs the environment variable {name}, which is not set")
    return _VARIABLE.sub(lambda match: os.environ.get(match[1], ""), value)


_EXPECTED = {
    "missing": "this key is required",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected a block of keys",
    "model_type": "expected a block of keys",
    "model_attributes_type": "expected a block of keys",
    "finite_number": "expected a finite number",
}


_PATTERNS = {
    f"^{NAME}$": "expected letters, digits and _, a letter first",
    f"^(?:{SIZE})$": "expected pixels, WxH or native",
    f"^{FILE}$": "expected a relative path of plain names with / between them",
}


def _sentences(error: ValidationError) -> list[str]:
    # A value that fits no branch of a union comes back once for each branch: one sentence for all of them.
    expected: dict[str, list[str]] = {}
    for detail in error.errors():
        found, advice = _sentence(detail)
        expected.setdefault(found, []).append(advice)
    return [f"{found}; {', or '.join([advice[0], *(a.removeprefix('expected ') for a in advice[1:])])}"
            for found, advice in expected.items()]  # fmt: skip


def _sentence(detail: Any) -> tuple[str, str]:
    """Where and what was found; what is allowed."""
    kind, context, found = detail["type"], detail.get("ctx", {}), detail["input"]
    path = _path(detail["loc"])
    if kind == "unknown_key":
        return f"{path + '.' if path else ''}{context['key']}: unknown key", context["advice"]
    if kind == "missing":
        return f"{path}: missing", _EXPECTED[kind]
    if kind == "literal_error":
        return f"{path}: found {found!r}", _nearest_literal(found, context["expected"])
    if kind == "union_tag_invalid":
        return f"{path}.kind: found {context['tag']!r}", _nearest_literal(context["tag"], context["expected_tags"])
    if kind == "union_tag_not_found":
        return f"{path}.kind: missing", "it says which kind of block this is"
    expected = _EXPECTED.get(kind) or _PATTERNS.get(context.get("pattern", ""))
    return f"{path}: found {_shown(found)}", expected or detail["msg"][0].lower() + detail["msg"][1:]


def _path(location: tuple[str | int, ...]) -> str:
    # pydantic puts the branch of a union it tried into the location: the kind behind an engine's name, a type's name.
    parts = list(location)
    if parts[:1] == ["engines"]:
        del parts[2:3]
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part == "[key]":
            path += " (the name)"
        elif part != "OwnWeights" and not part.startswith("constrained-"):
            path += f".{part}" if path else part
    return path


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, dict) else "a block of keys"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest_literal(found: object, expected: str) -> str:
    return nearest(str(found), re.findall(r"'([^']*)'", expected))


def _with_paths(config: Config, workflow_root: Path) -> Config:
    def placed(path: str) -> str:
        return path if Path(path).exists() or not (workflow_root / path).exists() else str(workflow_root / path)

    datasets = {}
    for name, dataset in config.datasets.items():
        changes: dict[str, Any] = {"root": placed(dataset.root)}
        if dataset.subset and dataset.subset.list:
            changes["subset"] = dataset.subset.model_copy(update={"list": placed(dataset.subset.list)})
        datasets[name] = dataset.model_copy(update=changes)
    models = {}
    for name, model in config.models.items():
        own = model.weights if isinstance(model.weights, OwnWeights) else None
        weights = OwnWeights(path=placed(own.path)) if own else model.weights
        models[name] = model.model_copy(update={"weights": weights})
    return config.model_copy(update={"datasets": datasets, "models": models})


def _check_files(config: Config) -> list[str]:
    problems = []
    places = Counter(file.path for file in config.files.values())
    for name, file in config.files.items():
        if places[file.path] > 1:
            problems.append(f"files.{name}.path: {file.path} is the place of another file too")
        if not file.hashes:
            problems.append(f"files.{name}: no hash; give sha256, sha384 or md5")
    return problems


# Folders of results/ that belong to no model, and folders of results/<model>/ that belong to no engine.
_RESERVED = {"models": {"tables"}, "engines": {"export", "train"}}


def _check_names(config: Config) -> list[str]:
    return [
        f"{block}.{name}: this name is a folder of its own below results/; choose another"
        for block, reserved in _RESERVED.items()
        for name in getattr(config, block)
        if name in reserved
    ]


def _check_datasets(config: Config) -> list[str]:
    problems = []
    default = type(next(iter(config.datasets.values()))).model_fields["root"].default if config.datasets else None
    for name, dataset in config.datasets.items():
        key = f"datasets.{name}"
        root = Path(dataset.root)
        if dataset.root != default:
            for part in (root, root / "WIDER_val/images", root / "ground_truth"):
                if not part.is_dir():
                    problems.append(
                        f"{key}.root: {part} is not a folder; expected <root>/WIDER_val/images/<event>/*.jpg and "
                        "<root>/ground_truth/*.mat"
                    )
                    break
        if dataset.subset:
            given = [option for option in (dataset.subset.first, dataset.subset.list) if option is not None]
            if len(given) != 1:
                found = " and ".join(("first", "list") if given else ("neither",))
                problems.append(f"{key}.subset: found {found}; give either first or list, and the other null")
            if dataset.subset.list and not Path(dataset.subset.list).is_file():
                problems.append(f"{key}.subset.list: no such file: {dataset.subset.list}")
    return problems


def _check_models(config: Config) -> list[str]:
    problems: list[str] = []
    for name, model in config.models.items():
        key = f"models.{name}"
        problems += [f"{key}.engines: {e} comes {n} times" for e, n in Counter(model.engines).items() if n > 1]
        if model.network not in NETWORKS:
            problems.append(f"{key}.network: found {model.network!r}; {nearest(model.network, sorted(NETWORKS))}")
        if model.dataset not in config.datasets:
            problems.append(
                f"{key}.dataset: found {model.dataset!r}; {nearest(model.dataset, sorted(config.datasets))}"
            )
        if isinstance(model.weights, OwnWeights):
            if not Path(model.weights.path).is_file():
                problems.append(f"{key}.weights.path: no such file: {model.weights.path}")
        elif model.weights not in config.files:
            problems.append(
                f"{key}.weights: found {model.weights!r}; {nearest(model.weights, sorted(config.files))}, or path: FILE"
            )
        for number, engine in enumerate(model.engines):
            if engine not in config.engines:
                problems.append(f"{key}.engines[{number}]: found {engine!r}; {nearest(engine, sorted(config.engines))}")
        problems += [f"{key}.{problem}" for problem in (*_check_points(model, config), *_check_sizes(model))]
    return problems


def _check_points(model: Model, config: Config) -> list[str]:
    points = model.variants.points()
    problems = [f"variants: {point} comes {n} times" for point, n in Counter(points).items() if n > 1]
    for engine in model.engines:
        offered = config.engines[engine].precisions if engine in config.engines else ()
        for precision in model.variants.precisions:
            if engine in config.engines and precision not in offered:
                problems.append(
                    f"variants.precisions: {precision} is not offered by engine {engine}; {nearest('', offered)}"
                )
    if model.headline is None:
        offered_points = len(points) * len(model.engines)
        if offered_points > 1:
            problems.append(
                f"headline: missing; the block offers {offered_points} points, name one by engine and variant"
            )
        return problems
    if model.headline.engine not in model.engines:
        problems.append(
            f"headline.engine: found {model.headline.engine!r}; {nearest(model.headline.engine, model.engines)}"
        )
    if model.headline.variant not in points:
        problems.append(
            f"headline.variant: found {model.headline.variant!r}; {nearest(model.headline.variant, points)}"
        )
    return problems


def _check_sizes(model: Model) -> list[str]:
    problems = []
    keeps_size = model.recipe.preprocess.resize == "none"
    for size in model.variants.sizes:
        if (size == "native") != keeps_size:
            problems.append(
                f"variants.sizes: {size} does not go with recipe.preprocess.resize: {model.recipe.preprocess.resize}"
            )
        if isinstance(size, str) and "x" in size:
            problems.append(f"variants.sizes: {size}; the recipe pads to a square, give one number")
    if "native" in model.variants.sizes:
        if not {"height", "width"} <= set(model.export.dynamic):
            problems.append("export.dynamic: size native needs height and width to be dynamic")
        if max(model.variants.batches) > 1:
            problems.append("variants.batches: images of different sizes (native) cannot share a batch; expected 1")
    elif max(model.variants.batches) > 1 and "batch" not in model.export.dynamic:
        problems.append("export.dynamic: batches above 1 need batch to be dynamic")
    return problems
