"""From the config as Snakemake merged it to a checked one, or to sentences a person can act on."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pth2map.config.schema import (
    CHIP,
    DATA,
    FILE,
    KINDS_OF_WEIGHTS,
    NAME,
    SIZE,
    Config,
    Dataset,
    DeclaredFile,
    DeclaredFolder,
    DemoDataset,
    Engine,
    FormulaWeights,
    LabelledFaces,
    Model,
    NpuDevice,
    OtherEngine,
    OwnWeights,
    TorchAieEngine,
    TrainedWeights,
    Training,
    VastaiEngine,
    VendorEngine,
    Weights,
)
from pth2map.files.errors import InputError, nearest
from pth2map.networks.catalogue import NETWORKS, TRAINABLE
from pth2map.networks.kept_rows import KEPT_IOU, KEPT_ROWS
from pth2map.recipes.catalogue import RECIPES
from pth2map.recipes.letterbox_settings import LetterboxSettings
from pth2map.recipes.retinaface_settings import RetinaFaceSettings
from pth2map.recipes.retinamask_settings import RetinaMaskDecode
from pth2map.recipes.settings import Size

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load_config(values: Mapping[str, Any], workflow_root: Path) -> Config:
    """Check a config.

    Environment variables written ``${NAME}`` are put in; paths that are not below the working directory are looked
    for below ``workflow_root`` and made absolute there. Raises ``InputError`` that lists everything wrong, each with
    its key path, what was found and what is allowed.
    """
    problems: list[str] = []
    expanded = _expand(dict(values), "", problems)
    _check_weights(expanded.get("models"), problems)
    if problems:
        raise _refuse(problems)
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        raise _refuse(_sentences(error)) from None
    config = _with_paths(config, workflow_root)
    checks = (_check_files, _check_datasets, _check_training_faces, _check_names, _check_engines, _check_models)
    problems = [problem for check in checks for problem in check(config)]
    if problems:
        raise _refuse(problems)
    return config


def _check_weights(models: Any, problems: list[str]) -> None:
    """Overlays put over each other may leave several kinds of weights side by side; a null takes one away."""
    for name, block in models.items() if isinstance(models, dict) else ():
        if isinstance(block, dict) and isinstance(block.get("weights"), dict):
            given = {key: value for key, value in block["weights"].items() if value is not None}
            block["weights"] = given or block["weights"]
            kinds = [kind for kind in KINDS_OF_WEIGHTS if kind in given]
            if len(kinds) > 1:
                rest = "the other" if len(kinds) == 2 else "the others"
                problems.append(f"models.{name}.weights: found {' and '.join(kinds)}; give one, and {rest} null")


def _refuse(problems: list[str]) -> InputError:
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return InputError("\n".join([f"the config has {count}", *(f"  {problem}" for problem in problems)]))


def _expand(value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, dict):
        problems += [
            f"{f'{path}: ' if path else ''}found the key {_shown(key)}; expected text, put quotes around it"
            for key in value
            if not isinstance(key, str)
        ]
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
    "greater_than_equal": "expected {ge:g} or more",
    "greater_than": "expected more than {gt:g}",
    "less_than_equal": "expected {le:g} or less",
    "less_than": "expected less than {lt:g}",
    "too_short": "expected at least {min_length}",
    "string_too_short": "expected text that is not empty",
}


_NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"
_PATTERNS = {
    f"^{NAME}$": "expected letters, digits and _, a letter first",
    f"^(?:{SIZE})$": "expected pixels, WxH or native",
    f"^{CHIP}$": "expected a chip as npu-smi calls it, such as 310P3, without Ascend",
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
    if kind == "kind_of_weights" and isinstance(found, dict) and found:
        key = next(iter(found))
        return f"{path}.{key}: unknown key", nearest(str(key), list(KINDS_OF_WEIGHTS))
    if kind == "literal_error":
        return f"{path}: found {found!r}", _nearest_literal(found, context["expected"])
    if kind == "union_tag_invalid":
        known = [tag for tag in re.findall(r"'([^']*)'", context["expected_tags"]) if tag != "other"]
        own = ", or a kind of your own with rules: FILE" if path.startswith("engines.") else ""
        return f"{path}.kind: found {context['tag']!r}", nearest(str(context["tag"]), known) + own
    if kind == "union_tag_not_found" and not isinstance(found, dict):
        return f"{path}: found {_shown(found)}", _EXPECTED["model_type"]
    if kind == "union_tag_not_found":
        return f"{path}.kind: missing", "it says which kind of block this is"
    expected = _EXPECTED.get(kind) or _PATTERNS.get(context.get("pattern", ""))
    expected = expected.format(**context) if expected else detail["msg"][0].lower() + detail["msg"][1:]
    return f"{path}: found {_shown(found)}", expected + _hint(kind, found)


def _hint(kind: str, found: object) -> str:
    """What YAML may have made of a value that looks right."""
    if kind == "string_type" and isinstance(found, bool):
        return ", put quotes around it: YAML reads yes, no, on and off as true and false"
    if kind == "string_type" and found is None:
        return "; YAML reads ~ and an empty value as null"
    if kind == "string_type" and isinstance(found, int | float):
        return ", put quotes around it"
    if kind in {"int_type", "float_type"} and isinstance(found, str) and re.fullmatch(_NUMBER, found):
        return ": YAML reads this as text, write a point and a sign as in 5.0e-4"
    return ""


_BRANCHES = {"Name", *(kind.__name__ for kind in KINDS_OF_WEIGHTS.values())}


def _path(location: tuple[str | int, ...]) -> str:
    # pydantic puts the branch of a union it tried into the location: the kind behind an engine's name, a type's name.
    parts = list(location)
    if parts[:1] in (["engines"], ["datasets"], ["devices"]):
        del parts[2:3]
    if parts[:1] == ["models"] and parts[2:3] == ["recipe"] and parts[3:4] and parts[3] in RECIPES:
        del parts[3]
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part == "[key]":
            path += " (the name)"
        elif part not in _BRANCHES and not part.startswith(("constrained-", "literal[")):
            path += f".{part}" if path else part
    return path


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if not isinstance(value, dict) else "a block of keys"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest_literal(found: object, expected: str) -> str:
    return nearest(str(found), re.findall(r"'([^']*)'", expected))


def _with_paths(config: Config, workflow_root: Path) -> Config:
    def placed(path: str) -> str:
        path = os.path.expanduser(path)  # noqa: PTH111  (where there is no home, it stays)
        if Path(path).is_relative_to(DATA):  # fetched into the working directory
            return path
        return path if Path(path).exists() or not (workflow_root / path).exists() else str(workflow_root / path)

    datasets = {}
    for name, dataset in config.datasets.items():
        changes: dict[str, Any] = {} if isinstance(dataset, DemoDataset) else {"root": placed(dataset.root)}
        if dataset.calibration.source:
            source = placed(dataset.calibration.source)
            changes["calibration"] = dataset.calibration.model_copy(update={"source": source})
        if dataset.subset and dataset.subset.list:
            changes["subset"] = dataset.subset.model_copy(update={"list": placed(dataset.subset.list)})
        if not isinstance(dataset, DemoDataset) and dataset.training:
            parts = {part: _faces_with_paths(faces, placed) for part, faces in dataset.training.parts.items()}
            changes["training"] = dataset.training.model_copy(update=parts)
        datasets[name] = dataset.model_copy(update=changes)
    changed = {
        "datasets": datasets,
        "engines": {name: _engine_with_paths(engine, placed) for name, engine in config.engines.items()},
        "devices": {
            name: device.model_copy(update={"setup": _scripts(device.setup, placed)})
            if isinstance(device, NpuDevice)
            else device
            for name, device in config.devices.items()
        },
        "models": {
            name: model.model_copy(update={"weights": _weights_with_paths(model.weights, placed)})
            for name, model in config.models.items()
        },
    }
    return config.model_copy(update=changed)


def _faces_with_paths(faces: LabelledFaces, placed: Callable[[str], str]) -> LabelledFaces:
    labels = placed(faces.labels)
    return LabelledFaces(labels=labels, images=placed(faces.images) if faces.images else None)


def _weights_with_paths(weights: Weights, placed: Callable[[str], str]) -> Weights:
    if isinstance(weights, OwnWeights):
        return OwnWeights(path=placed(weights.path))
    if isinstance(weights, TrainedWeights):
        starts = {
            name: _weights_with_paths(start, placed)
            for name in ("backbone", "start_from")
            if (start := getattr(weights.training, name)) is not None
        }
        return TrainedWeights(training=weights.training.model_copy(update=starts))
    return weights


def _engine_with_paths(engine: Engine, placed: Callable[[str], str]) -> Engine:
    if isinstance(engine, OtherEngine):
        return engine.model_copy(update={"rules": placed(engine.rules)})
    if isinstance(engine, VendorEngine):
        return engine.model_copy(update={"setup": _scripts(engine.setup, placed)})
    return engine


def _scripts(setup: str | list[str] | None, placed: Callable[[str], str]) -> list[str] | None:
    """The scripts to source, as a list where there are any."""
    return None if setup is None else [placed(path) for path in ([setup] if isinstance(setup, str) else setup)]


def _check_files(config: Config) -> list[str]:
    declared: list[tuple[str, DeclaredFile | DeclaredFolder]] = [
        *((f"files.{name}", file) for name, file in config.files.items()),
        *((f"folders.{name}", folder) for name, folder in config.folders.items()),
    ]
    problems = []
    for key, entry in declared:
        problems += [
            f"{key}.path: {entry.path} is the place of {other}, or lies in it"
            for other, neighbour in declared
            if other != key and f"{entry.path}/".startswith(f"{neighbour.path}/")
        ]
        if entry.archive is not None:
            problems += [f"{key}.archive: {fault}" for fault in _check_archive(entry.archive, config)]
    for name, file in config.files.items():
        if (file.archive is None) != (file.member is None):
            problems.append(f"files.{name}: found only one of archive and member; give both")
        if not file.hashes and not _hash_is_dispensable(name, config):
            problems.append(f"files.{name}: no hash; give sha256, sha384 or md5")
    return problems


def _hash_is_dispensable(name: str, config: Config) -> bool:
    """Of a file that only a person can get, and of an archive all of whose files have hashes of their own."""
    if name in {folder.archive for folder in config.folders.values()}:
        return False
    return config.files[name].manual is not None or name in {file.archive for file in config.files.values()}


def _check_archive(name: str, config: Config) -> list[str]:
    if name not in config.files:
        return [f"found {name!r}; {nearest(name, sorted(config.files))}"]
    if config.files[name].archive is not None:
        return [f"{name} is itself taken out of an archive; expected a file that lies there by itself"]
    return []


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
    declared = [DATA / file.path for file in config.files.values()]
    declared += [DATA / folder.path for folder in config.folders.values()]
    for name, dataset in config.datasets.items():
        key = f"datasets.{name}"
        folders = dict.fromkeys(Path(file).parent for file in dataset.ground_truth)
        parts = () if isinstance(dataset, DemoDataset) else (Path(dataset.root), Path(dataset.images), *folders)
        for part in parts:
            if not part.is_dir() and not any(path.is_relative_to(part) for path in declared):
                fault = "is a link that leads nowhere" if part.is_symlink() else "is not a folder"
                problems.append(f"{key}.root: {part} {fault}; expected {dataset.layout}")
                break
        if dataset.subset:
            given = [option for option in (dataset.subset.first, dataset.subset.list) if option is not None]
            if len(given) != 1:
                found = " and ".join(("first", "list") if given else ("neither",))
                problems.append(f"{key}.subset: found {found}; give either first or list, and the other null")
            if dataset.subset.list and not Path(dataset.subset.list).is_file():
                problems.append(f"{key}.subset.list: {_no_file(dataset.subset.list)}")
    return problems


def _check_training_faces(config: Config) -> list[str]:
    """Label files and images of trainings: declared, or there."""
    problems = []
    files = {DATA / file.path for file in config.files.values()}
    folders = {DATA / folder.path for folder in config.folders.values()}
    for name, dataset in config.datasets.items():
        if isinstance(dataset, DemoDataset) or not dataset.training:
            continue
        for part, faces in dataset.training.parts.items():
            key = f"datasets.{name}.training.{part}"
            if Path(faces.labels) not in files and not Path(faces.labels).is_file():
                problems.append(f"{key}.labels: {_no_file(faces.labels)}; expected a label.txt, yours or declared")
            elif Path(faces.folder) not in folders and not Path(faces.folder).is_dir():
                problems.append(f"{key}.images: {faces.folder} is not a folder; expected the images of {faces.labels}")
    return problems


def _check_engines(config: Config) -> list[str]:
    return [
        f"engines.{name}.rules: {_no_file(engine.rules)}"
        for name, engine in config.engines.items()
        if isinstance(engine, OtherEngine) and not Path(engine.rules).is_file()
    ]


def _no_file(path: str) -> str:
    return f"{path} is a folder; expected a file" if Path(path).is_dir() else f"no such file: {path}"


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
                problems.append(f"{key}.weights.path: {_no_file(model.weights.path)}")
        elif isinstance(model.weights, FormulaWeights):
            problems += [f"{key}.weights.formula: {fault}" for fault in _check_patterns(model.weights)]
        elif isinstance(model.weights, TrainedWeights):
            problems += [f"{key}.{problem}" for problem in _check_training(model, model.weights.training, config)]
        elif model.weights not in config.files:
            problems.append(
                f"{key}.weights: found {model.weights!r}; {nearest(model.weights, sorted(config.files))}, or path: FILE"
            )
        for number, engine in enumerate(model.engines):
            if engine not in config.engines:
                problems.append(f"{key}.engines[{number}]: found {engine!r}; {nearest(engine, sorted(config.engines))}")
        problems += [f"{key}.recipe.kind: {fault}" for fault in _check_recipe(model)]
        problems += [f"{key}.{problem}" for problem in _check_evaluator(model, config)]
        problems += [
            f"{key}.scoring.iou_thresholds: found {iou!r}; expected at most six digits"
            for iou in model.scoring.iou_thresholds
            if float(f"{iou:g}") != iou
        ]
        problems += [
            f"{key}.scoring.iou_thresholds: {iou:g} comes {n} times"
            for iou, n in Counter(model.scoring.iou_thresholds).items()
            if n > 1
        ]
        problems += [f"{key}.{problem}" for problem in (*_check_points(model, config), *_check_sizes(model))]
        problems += [f"{key}.{problem}" for problem in (*_check_graphs(model, config), *_check_aipp(model))]
        problems += [f"{key}.{problem}" for problem in _check_calibration(model, config)]
    return problems


def _check_recipe(model: Model) -> list[str]:
    kind = model.recipe.kind
    if model.network not in NETWORKS or NETWORKS[model.network].outputs == RECIPES[kind].outputs:
        return []
    fitting = [name for name, recipe in RECIPES.items() if recipe.outputs == NETWORKS[model.network].outputs]
    return [f"{kind} does not go with network {model.network}; {nearest('', fitting)}"]


def _check_evaluator(model: Model, config: Config) -> list[str]:
    """What a recipe finds must be what the evaluator of the dataset takes."""
    if model.dataset not in config.datasets:
        return []
    dataset, wanted = config.datasets[model.dataset], RECIPES[model.recipe.kind].dataset
    kind = dataset.kind
    problems = []
    if dataset.evaluator != wanted:
        fitting = [name for name, other in config.datasets.items() if other.evaluator == wanted]
        advice = nearest("", fitting) if fitting else f"expected a dataset of kind {wanted}"
        problems.append(
            f"dataset: recipe {model.recipe.kind} is scored as {wanted}, {model.dataset} is of kind {kind}; {advice}"
        )
    if kind == "coco" and "iou_thresholds" in model.scoring.model_fields_set:
        problems.append("scoring.iou_thresholds: COCO has thresholds of its own; leave this key out")
    if kind != "coco" and "segm_area" in model.scoring.model_fields_set:
        problems.append(f"scoring.segm_area: there are no masks on a dataset of kind {kind}; leave this key out")
    return problems


def _check_graphs(model: Model, config: Config) -> list[str]:
    """What a network can be exported to, and run as."""
    if model.network not in NETWORKS:
        return []
    network = NETWORKS[model.network]
    problems = [
        f"engines[{number}]: {engine} runs {config.engines[engine].graph} graphs, which network {model.network} "
        f"cannot become; {nearest('', [n for n, e in config.engines.items() if e.graph in network.graphs])}"
        for number, engine in enumerate(model.engines)
        if engine in config.engines and config.engines[engine].graph not in network.graphs
    ]
    problems += [
        f"export.parity.max_abs_of: network {model.network} has no output {name!r}; {nearest(name, network.outputs)}"
        for name in model.export.parity.max_abs_of
        if name not in network.outputs
    ]
    least, most = network.opsets
    if not least <= model.export.opset <= most:
        problems.append(f"export.opset: found {model.export.opset}; network {model.network} needs {least} to {most}")
    if network.rows == "open":
        problems += _check_kept_rows(model, config)
    if network.rows:
        if "int8" in (model.variants.precisions or ()):
            problems.append(f"variants.precisions: network {model.network}, whose outputs are rows, has no int8")
        if max(model.variants.batches) > 1:
            problems.append(f"variants.batches: network {model.network} takes one image a run; expected 1")
        if model.export.dynamic:
            problems.append(f"export.dynamic: the anchors of network {model.network} are constants; expected []")
    return problems


def _check_kept_rows(model: Model, config: Config) -> list[str]:
    """A graph that drops rows by itself must drop none that the decode would keep."""
    problems = []
    decode = model.recipe.decode
    if isinstance(decode, RetinaMaskDecode) and (decode.nms_threshold != KEPT_IOU or decode.keep > KEPT_ROWS):
        problems.append(
            f"recipe.decode: network {model.network} drops rows at IoU {KEPT_IOU:g} and keeps {KEPT_ROWS}; expected "
            f"nms_threshold {KEPT_IOU:g} and keep up to {KEPT_ROWS}, or network retinamask"
        )
    problems += [
        f"engines[{number}]: {engine} works over files, whose length would follow the picture; leave it out, or give "
        "it route: stream"
        for number, engine in enumerate(model.engines)
        if engine in config.engines and config.engines[engine].route == "files"
    ]
    return problems


def _check_patterns(weights: FormulaWeights) -> list[str]:
    problems = []
    for pattern, _ in weights.formula:
        try:
            re.compile(pattern)
        except re.error as error:
            problems.append(f"{pattern!r} is no regular expression ({error})")
    return problems


def _check_training(model: Model, training: Training, config: Config) -> list[str]:
    """Whether a network can be trained, on what there is, from what there is."""
    key = "weights.training"
    problems = []
    if model.network in NETWORKS and model.network not in TRAINABLE:
        problems.append(f"{key}: network {model.network} cannot be trained here; {nearest(model.network, TRAINABLE)}")
    problems += _check_training_data(model, training, config.datasets)
    for name, start in (("backbone", training.backbone), ("start_from", training.start_from)):
        if isinstance(start, OwnWeights):
            if not Path(start.path).is_file():
                problems.append(f"{key}.{name}.path: {_no_file(start.path)}")
        elif start is not None and start not in config.files:
            problems.append(f"{key}.{name}: found {start!r}; {nearest(start, sorted(config.files))}, or path: FILE")
    if training.backbone is not None and training.start_from is not None:
        problems.append(f"{key}: start_from replaces all weights, those of backbone too; give one, and the other null")
    problems += [f"{key}.{name}: {why}" for name, why in training.problems()]
    return [*problems, *_check_devices(training, config)]


def _check_training_data(model: Model, training: Training, datasets: Mapping[str, Dataset]) -> list[str]:
    data = training.data or model.dataset
    able = [name for name, dataset in datasets.items() if dataset.training]
    if data in able or (data not in datasets and training.data is None):  # of the latter the block's dataset tells
        return []
    key = "weights.training.data"
    if data in datasets:
        return [f"{key}: dataset {data} has no training part; {nearest(data, able)}, or give it one"]
    return [f"{key}: found {data!r}; {nearest(data, able)}"]


def _check_devices(training: Training, config: Config) -> list[str]:
    """Whether the devices of a training are there, as far as the config tells, and can share it out."""
    key = "weights.training"
    problems = [
        f"{key}.devices: {number} comes {n} times; expected each card once"
        for number, n in Counter(training.devices).items()
        if n > 1
    ]
    if training.batch_size % training.processes:
        among = f"{training.processes} devices" + (f" of {training.nodes} nodes" if training.nodes > 1 else "")
        problems.append(
            f"{key}.batch_size: {training.batch_size} images cannot be shared out evenly among {among}; expected a "
            f"multiple of {training.processes}"
        )
    if training.node_rank >= training.nodes:
        problems.append(f"{key}.node_rank: found {training.node_rank}; expected less than nodes, {training.nodes}")
    if training.device not in config.devices:
        found = f"found {training.device!r}; {nearest(training.device, sorted(config.devices))}"
        return [*problems, f"{key}.device: {found}"]
    device = config.devices[training.device]
    if training.backend and training.backend not in device.backends:
        problems.append(
            f"{key}.backend: {training.backend} does not go with device {training.device}, which is of kind "
            f"{device.kind}; {nearest(training.backend, device.backends)}, or null"
        )
    return problems


def _check_points(model: Model, config: Config) -> list[str]:
    known = {engine: config.engines[engine] for engine in model.engines if engine in config.engines}
    offered = {engine: model.variants.of(entry) for engine, entry in known.items()}
    problems = [problem for engine, entry in known.items() for problem in _check_engine(model, engine, entry)]
    problems += [
        f"variants: {variant} comes {n} times"
        for variant, n in Counter(next(iter(offered.values()), ())).items()
        if n > 1
    ]
    problems += [
        f"variants.precisions: {precision} is offered by none of the engines {', '.join(known)}"
        for precision in model.variants.precisions or ()
        if known and not any(precision in entry.precisions for entry in known.values())
    ]
    if model.headline is None:
        count = sum(map(len, offered.values()))
        if count > 1:
            problems.append(f"headline: missing; the block offers {count} points, name one by engine and variant")
        return problems
    engine, variant = model.headline.engine, model.headline.variant
    if engine not in model.engines:
        problems.append(f"headline.engine: found {engine!r}; {nearest(engine, model.engines)}")
    elif engine in offered and variant not in offered[engine]:
        problems.append(f"headline.variant: found {variant!r}; {nearest(variant, offered[engine])}")
    return problems


def _check_engine(model: Model, name: str, engine: Engine) -> list[str]:
    """What an engine cannot do of what a block asks."""
    problems = []
    if not model.variants.of(engine):
        asked = ", ".join(model.variants.precisions or ())
        problems.append(f"variants.precisions: engine {name} offers none of {asked}; {nearest('', engine.precisions)}")
    if engine.fixed_size and "native" in model.variants.sizes:
        problems.append(f"variants.sizes: engine {name} compiles for one size; native is none")
    if "int8" in (model.variants.precisions or ()) and "int8" in engine.precisions and "native" in model.variants.sizes:
        problems.append(f"variants.sizes: int8 on engine {name} is calibrated at one size; native is none")
    if engine.largest_batch and max(model.variants.batches) > engine.largest_batch:
        problems.append(
            f"variants.batches: engine {name} takes {engine.largest_batch} image a run; expected [1], or a block of "
            "its own for it"
        )
    recipe = model.recipe
    if isinstance(engine, VastaiEngine):
        return [*problems, *_check_card(model, name)]
    if isinstance(engine, VendorEngine) and not recipe.output_numbers:
        problems.append(f"engines: {name} writes raw output files, which recipe {recipe.kind} does not read")
    if isinstance(engine, TorchAieEngine) and recipe.input_ending != "npy":
        problems.append(f"engines: {name} reads .npy files, recipe {recipe.kind} writes .{recipe.input_ending}")
    return problems


def _check_card(model: Model, name: str) -> list[str]:
    """What a Vastai card and its runner cannot do."""
    recipe = model.recipe
    if recipe.input_ending != "npz":
        return [f"engines: {name} reads .npz files, recipe {recipe.kind} writes .{recipe.input_ending}"]
    if isinstance(recipe, LetterboxSettings) and recipe.preprocess.resize == "stretch":
        return [f"recipe.preprocess.resize: {name} has no stretch; expected letterbox"]
    if "int8" not in (model.variants.precisions or ()):
        return []
    problems = [
        f"variants.sizes: {size} is no square, and int8 on {name} is calibrated with squares"
        for size in map(str, model.variants.sizes)
        if "x" in size
    ]
    if recipe.kind == "centerface_letterbox":
        problems.append(f"variants.precisions: CenterFace in int8 compiles for {name}, but does not run there")
    return problems


def _check_calibration(model: Model, config: Config) -> list[str]:
    """Whether there are images for int8."""
    if "int8" not in (model.variants.precisions or ()) or model.dataset not in config.datasets:
        return []
    source = config.datasets[model.dataset].calibration.source
    key = f"variants.precisions: int8 needs images to calibrate with, datasets.{model.dataset}.calibration.source"
    if source is None:
        return [f"{key} is null; expected a folder"]
    declared = any(DATA / folder.path == Path(source) for folder in config.folders.values())
    return [] if declared or Path(source).is_dir() else [f"{key}: {source} is not a folder"]


def _check_aipp(model: Model) -> list[str]:
    """Whether the card can be left to subtract the mean."""
    if not model.compile.ascend.aipp:
        return []
    if not isinstance(model.recipe, RetinaFaceSettings):
        return [f"compile.ascend.aipp: recipe {model.recipe.kind} has no tensor files of raw pixels; expected false"]
    refusal = model.recipe.preprocess.raw_refusal()
    return [f"compile.ascend.aipp: {refusal}"] if refusal else []


MOST_PIXELS = 1 << 26
"""Of an input: in float32 it takes 800 MB."""


def _check_sizes(model: Model) -> list[str]:
    problems: list[str] = []
    for size in map(str, model.variants.sizes):
        parsed = Size.parse(size)
        if "x" in size and parsed.width == parsed.height:
            problems.append(f"variants.sizes: {size} is a square; give one number, {parsed}")
        if parsed.width and parsed.height and parsed.width * parsed.height > MOST_PIXELS:
            problems.append(f"variants.sizes: {size} has more than {MOST_PIXELS:,} pixels")
        if refusal := model.recipe.preprocess.refusal(parsed):
            problems.append(f"variants.sizes: {size} {refusal}")
    if "native" in model.variants.sizes:
        if not {"height", "width"} <= set(model.export.dynamic):
            problems.append("export.dynamic: size native needs height and width to be dynamic")
        if max(model.variants.batches) > 1:
            problems.append("variants.batches: images of different sizes (native) cannot share a batch; expected 1")
    elif max(model.variants.batches) > 1 and "batch" not in model.export.dynamic and not model.recipe.one_image:
        problems.append("export.dynamic: batches above 1 need batch to be dynamic")
    return problems
