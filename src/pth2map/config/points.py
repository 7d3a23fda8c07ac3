"""What the rules ask of the config, by the names in a target's path."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from pth2map.config.schema import (
    DATA,
    NAME,
    SIZE,
    VARIANT,
    Calibration,
    Config,
    Dataset,
    DeclaredFile,
    DeclaredFolder,
    DemoDataset,
    Device,
    Engine,
    FormulaWeights,
    LabelledFaces,
    Model,
    OtherEngine,
    OwnWeights,
    TorchAieEngine,
    TrainedWeights,
    Training,
    TrainingFaces,
    VastaiEngine,
    VendorEngine,
    parse_variant,
)
from pth2map.files.declaration import Declaration, FolderDeclaration, Manual
from pth2map.files.errors import InputError, nearest
from pth2map.files.fetch import check_obtainable, find_in_mirror
from pth2map.files.hashing import hash_file
from pth2map.files.records import Status, drop_unless_true, status
from pth2map.networks.catalogue import NETWORKS
from pth2map.recipes.catalogue import RecipeSettings

RECORDS = Path("scratch/fetched")
"""Of declared files and folders that were found right: outputs of the fetch rules."""

T = TypeVar("T")


@dataclass(frozen=True)
class Graph:
    """A format of exported graphs: the ending of its file, and the runtime of our own process that checks it."""

    suffix: str
    kind: str


GRAPHS = {"onnx": Graph("onnx", "onnxruntime"), "torchscript": Graph("ts", "torchscript")}


@dataclass(frozen=True)
class Point:
    """One engine and variant of a model."""

    model: str
    engine: str
    variant: str

    @property
    def size(self) -> str:
        return parse_variant(self.variant)[0]

    @property
    def precision(self) -> str:
        return parse_variant(self.variant)[1]

    @property
    def batch(self) -> int:
        return parse_variant(self.variant)[2]


class Points:
    """Look-ups in a checked config; a name that is not there raises ``InputError`` with the nearest that is."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def model(self, name: str) -> Model:
        return _look_up("model", name, self.config.models)

    def dataset(self, name: str) -> Dataset:
        return _look_up("dataset", name, self.config.datasets)

    def engine(self, name: str) -> Engine:
        return _look_up("engine", name, self.config.engines)

    def point(self, model: str, engine: str, variant: str) -> Point:
        """The point of a target, if the block offers it."""
        block = self.model(model)
        if engine not in block.engines:
            raise InputError(f"model {model} is not offered on engine {engine!r}; {nearest(engine, block.engines)}")
        offered = block.variants.of(self.engine(engine))
        if variant not in offered:
            raise InputError(f"model {model} has no variant {variant!r} on {engine}; {nearest(variant, offered)}")
        return Point(model, engine, variant)

    def points(self, model: str) -> list[Point]:
        """Every point that a block offers on the engines that are set up."""
        block = self.model(model)
        return [
            Point(model, engine, variant)
            for engine in block.engines
            if self.engine(engine).set_up
            for variant in block.variants.of(self.engine(engine))
        ]

    def left_out(self, model: str) -> list[str]:
        """Engines of a block that are not set up: the points on them are targets, but of no table."""
        return [engine for engine in self.model(model).engines if not self.engine(engine).set_up]

    def fixed_sizes(self, model: str) -> list[str]:
        """The sizes that a block offers, without ``native``, which is none of its own."""
        return [str(size) for size in self.model(model).variants.sizes if size != "native"]

    def headline(self, model: str) -> Point:
        block = self.model(model)
        if block.headline:
            return Point(model, block.headline.engine, block.headline.variant)
        engine = block.engines[0]
        return Point(model, engine, block.variants.of(self.engine(engine))[0])

    def graph_path(self, point: Point) -> str:
        """The graph that the engine of a point runs or compiles, as it was checked against PyTorch."""
        engine = self.engine(point.engine)
        if isinstance(engine, TorchAieEngine) and engine.trace == "vendor":
            return f"results/{point.model}/{point.engine}/{point.variant}/model.ts"
        if self.is_quantized(point):
            return f"results/{point.model}/export/{point.size}/model_int8.onnx"
        return _graph_path(point.model, point.size, engine.graph)

    def compiled_graph(self, point: Point) -> str:
        """The graph that ``atc`` gets: the checked one, or with its RoIs cast for it."""
        path = Path(self.graph_path(point))
        cast = NETWORKS[self.model(point.model).network].rois
        return path.with_name(f"{path.stem}_cast{path.suffix}").as_posix() if cast else path.as_posix()

    def is_quantized(self, point: Point) -> bool:
        """Whether the graph of a point was quantised here, before any engine had it."""
        return point.precision == "int8" and self.engine(point.engine).kind == "onnxruntime"

    def calibration_evidence(self, dataset: str) -> list[str]:
        """The record of the folder that calibration images are drawn from, if it is declared."""
        source = self.dataset(dataset).calibration.source
        return self.folder_evidence(source) if source else []

    def calibration(self, model: str) -> Calibration:
        """The images by which a block's int8 variants find their ranges."""
        return self.dataset(self.model(model).dataset).calibration

    def recipe(self, point: Point) -> RecipeSettings:
        """The recipe as the engine of a point shares it with the host."""
        recipe = self.model(point.model).recipe
        return recipe.on_card() if self.engine(point.engine).kind == "vastai" else recipe

    def takes_raw_pixels(self, point: Point) -> bool:
        """Whether the device of a point subtracts the mean, so that its tensor files hold raw pixels."""
        return self.engine(point.engine).kind == "ascend" and self.model(point.model).compile.ascend.aipp

    def traced_by_vendor(self) -> list[str]:
        """Names of the engines whose networks are traced in the vendor's interpreter."""
        return [n for n, e in self.config.engines.items() if isinstance(e, TorchAieEngine) and e.trace == "vendor"]

    def engines_by_runner(self, runner: str) -> list[str]:
        """Names of the engines on a Vastai card that are run by one of its runners."""
        return [n for n, e in self.config.engines.items() if isinstance(e, VastaiEngine) and e.runner == runner]

    @property
    def has_cards(self) -> bool:
        """Whether an engine of the config is set up that works on a vendor's card, or a block is trained on one."""
        vendors = [engine for engine in self.config.engines.values() if isinstance(engine, VendorEngine)]
        engines = any(engine.set_up and not engine.rehearsal for engine in vendors)
        return engines or any(self.device(model).kind != "cpu" for model in self.trained_models())

    def rules_files(self) -> list[str]:
        """Rules of engines of the user's own, each file once."""
        return list(dict.fromkeys(e.rules for e in self.config.engines.values() if isinstance(e, OtherEngine)))

    def vendor_engine(self, name: str) -> VendorEngine:
        engine = self.engine(name)
        assert isinstance(engine, VendorEngine)
        return engine

    def headline_graphs(self, model: str) -> dict[str, str]:
        """The graphs of a block at its headline's size, by format: one for each that its engines run."""
        size = self.headline(model).size
        formats = sorted({self.engine(engine).graph for engine in self.model(model).engines})
        return {graph: _graph_path(model, size, graph) for graph in formats}

    def weights_path(self, model: str) -> str:
        """The checkpoint of a block: below ``data/`` when declared, made by a rule of a formula or a training, else as
        configured.
        """
        weights = self.model(model).weights
        if isinstance(weights, FormulaWeights):
            return f"scratch/{model}/formula.pth"
        if isinstance(weights, TrainedWeights):
            return f"results/{model}/train/weights.pth"
        return self._checkpoint_path(weights)

    def _checkpoint_path(self, checkpoint: str | OwnWeights) -> str:
        if isinstance(checkpoint, OwnWeights):
            return checkpoint.path
        return (DATA / self.config.files[checkpoint].path).as_posix()

    def formula_models(self) -> list[str]:
        """The blocks whose weights are made of a formula."""
        return [name for name, block in self.config.models.items() if isinstance(block.weights, FormulaWeights)]

    def formula(self, model: str) -> list[tuple[str, float]]:
        """The scale rules of such a block."""
        weights = self.model(model).weights
        assert isinstance(weights, FormulaWeights)
        return weights.formula

    def trained_models(self) -> list[str]:
        """The blocks whose weights are trained."""
        return [name for name, block in self.config.models.items() if isinstance(block.weights, TrainedWeights)]

    def training(self, model: str) -> Training:
        """The training of such a block."""
        weights = self.model(model).weights
        assert isinstance(weights, TrainedWeights)
        return weights.training

    def device(self, model: str) -> Device:
        """What such a block is trained on."""
        return self.config.devices[self.training(model).device]

    def training_data(self, model: str) -> str:
        """The dataset that such a block is trained on."""
        return self.training(model).data or self.model(model).dataset

    def training_faces(self, dataset: str) -> TrainingFaces:
        """What a dataset has to train on."""
        faces = self.dataset(dataset).training
        if faces is None:
            able = [name for name, block in self.config.datasets.items() if block.training]
            raise InputError(f"dataset {dataset} has no training part; {nearest(dataset, able)}")
        return faces

    def labelled_faces(self, dataset: str, part: str) -> LabelledFaces:
        """Labels and images of a part, ``train`` or ``validation``."""
        parts = self.training_faces(dataset).parts
        if part not in parts:
            raise InputError(f"datasets.{dataset}.training.{part}: null; expected labels and images")
        return parts[part]

    def training_sets(self, model: str) -> dict[str, str]:
        """The indexed images of a training, by part."""
        dataset = self.training_data(model)
        return {part: f"scratch/training/{dataset}/{part}.npz" for part in self.training_faces(dataset).parts}

    def starts(self, model: str) -> dict[str, str]:
        """The checkpoints that a training starts from, by what starts from them: ``backbone`` or ``start_from``."""
        training = self.training(model)
        given = {"backbone": training.backbone, "start_from": training.start_from}
        return {name: self._checkpoint_path(checkpoint) for name, checkpoint in given.items() if checkpoint is not None}

    def hashes(self, path: str) -> dict[str, str]:
        """Hashes that a file must have, by algorithm: of a declared one."""
        declaration = self.declared_file(path)
        return dict(declaration.hashes) if declaration else {}

    def weights_hashes(self, model: str) -> dict[str, str]:
        """The same of the checkpoint of a block."""
        return self.hashes(self.weights_path(model))

    def image_files(self, dataset: str) -> str:
        """The folder that holds the image files of a dataset."""
        return self.dataset(dataset).images

    def ground_truth_files(self, dataset: str) -> list[str]:
        """The files that hold the ground truth of a dataset."""
        return self.dataset(dataset).ground_truth

    def datasets_scored_as(self, evaluator: str) -> list[str]:
        """Names of the datasets that an evaluator belongs to, ``widerface`` or ``coco``."""
        return [name for name, dataset in self.config.datasets.items() if dataset.evaluator == evaluator]

    def models_on(self, evaluator: str) -> list[str]:
        """Names of the models on such a dataset."""
        return [n for n, block in self.config.models.items() if self.dataset(block.dataset).evaluator == evaluator]

    @property
    def demos(self) -> dict[str, DemoDataset]:
        """Datasets that are rendered here, by the name of their folder; equal ones share it."""
        return {block.name: block for block in self.config.datasets.values() if isinstance(block, DemoDataset)}

    def demo_around(self, path: str) -> DemoDataset | None:
        """The rendered dataset that a path lies in, if there is one."""
        return next((demo for demo in self.demos.values() if Path(path).is_relative_to(demo.root)), None)

    def rendered(self, dataset: str) -> DemoDataset | None:
        """A dataset, if it is rendered here."""
        block = self.dataset(dataset)
        return block if isinstance(block, DemoDataset) else None

    def published_form(self, model: str) -> str:
        """What was found as the dataset's own tools take it, below the folder of detections."""
        return self.dataset(self.model(model).dataset).published_form

    def truth_path(self, dataset: str) -> str:
        """The ground truth of a dataset as its index rule writes it."""
        return f"scratch/datasets/{dataset}/{self.dataset(dataset).truth_name}"

    def declared_file(self, path: str) -> Declaration | None:
        """What is declared of the file at a path, if it is one of ``data/``."""
        found = _at(path, self.config.files)
        return self._declaration(found) if found else None

    def declared_folder(self, path: str) -> FolderDeclaration | None:
        """What is declared of the folder at a path, if it is one of ``data/``, unless a person's files lie there."""
        found = _at(path, self.config.folders)
        if found is None:
            return None
        archive = self._declaration(self.config.files[found.archive])
        declaration = FolderDeclaration(found.path, archive, found.member, found.files)
        return None if status(declaration, DATA) is Status.OWN else declaration

    @cache  # noqa: B019  (one object a run; rules ask again and again)
    def evidence(self, path: str) -> str:
        """The file that a rule waits for so that it can use ``path``: of a declared file its record, of one that is
        rendered the folder around it, else ``path``.

        A record that no longer holds is removed. Raises ``InputError`` when the file is not there and only a person
        can get it.
        """
        if demo := self.demo_around(path):
            return demo.root
        declaration = self.declared_file(path)
        if declaration is None:
            return path
        check_obtainable(declaration, DATA)
        return _true_record(declaration)

    @cache  # noqa: B019
    def folder_evidence(self, path: str) -> list[str]:
        """The record of a folder, if it is declared; what is rendered around it; nothing of a person's own."""
        if demo := self.demo_around(path):
            return [demo.root]
        declaration = self.declared_folder(path)
        return [_true_record(declaration)] if declaration else []

    def image_evidence(self, dataset: str) -> list[str]:
        """The same of the images of a dataset."""
        return self.folder_evidence(self.image_files(dataset))

    @cache  # noqa: B019
    def files_needed(self, model: str) -> list[str]:
        """Evidence of all files that a block needs from elsewhere. Raises ``InputError`` as :meth:`evidence` does."""
        dataset = self.model(model).dataset
        files, folders = self.ground_truth_files(dataset), self.image_evidence(dataset)
        if model in self.trained_models():
            parts = self.training_faces(self.training_data(model)).parts.values()
            files = [*self.starts(model).values(), *(faces.labels for faces in parts), *files]
            folders = [*folders, *(record for faces in parts for record in self.folder_evidence(faces.folder))]
        elif model not in self.formula_models():
            files = [self.weights_path(model), *files]
        int8 = "int8" in (self.model(model).variants.precisions or ())
        calibration = self.calibration_evidence(dataset) if int8 else []
        needed = [*map(self.evidence, files), *folders, *calibration]
        return [path for path in needed if not self.demo_around(path)]

    @cache  # noqa: B019
    def weights_content(self, model: str) -> Any:
        """What tells the checkpoint of a block from any other: its hashes, or of the user's own its size and time."""
        weights = self.model(model).weights
        if isinstance(weights, FormulaWeights):
            return weights.model_dump(mode="json")
        if isinstance(weights, TrainedWeights):
            return "trained"
        if isinstance(weights, OwnWeights):
            state = Path(weights.path).stat()
            return [weights.path, state.st_size, state.st_mtime_ns]
        return self.content(self.weights_path(model))

    @cache  # noqa: B019
    def content(self, path: str) -> Any:
        """Hashes of a file: of a declared one, whether it is there or not, those that are declared.

        One without a declared hash is looked for in the mirror as long as it is not there.
        """
        declaration, place = self.declared_file(path), Path(path)
        if declaration and declaration.hashes:
            return dict(declaration.hashes)
        found = place if declaration is None or place.is_file() else find_in_mirror(declaration)[0]
        return hash_file(found) if found else None

    def _declaration(self, file: DeclaredFile) -> Declaration:
        return Declaration(
            path=file.path,
            size=file.size,
            hashes=file.hashes,
            urls=file.urls,
            archive=self._declaration(self.config.files[file.archive]) if file.archive else None,
            member=file.member,
            manual=Manual(**file.manual.model_dump()) if file.manual else None,
        )

    def shards(self, model: str) -> list[str]:
        """Names of the shards of a block's dataset, ``1-of-8`` and so on."""
        count = self.dataset(self.model(model).dataset).shards
        return [f"{number}-of-{count}" for number in range(1, count + 1)]

    def earlier_shard(self, shard: str) -> str | None:
        """The shard whose tensor files must be gone before those of ``shard`` may be written."""
        number, count = map(int, shard.split("-of-"))
        earlier = number - self.config.tensor_shards
        return f"{earlier}-of-{count}" if earlier > 0 else None

    def leaf(self, point: Point) -> dict[str, Any]:
        """What decides the figures of a point, without any place on disk."""
        block, engine = self.model(point.model), self.engine(point.engine)
        return {
            "network": block.network,
            "recipe": self.recipe(point).model_dump(mode="json"),
            "export": block.export.model_dump(mode="json"),
            "scoring": block.scoring.model_dump(mode="json"),
            "weights": _origin(block),
            "training": self.training_leaf(point.model) if point.model in self.trained_models() else None,
            "compile": block.compile.model_dump(mode="json").get(engine.kind),
            "quantization": block.quantization.model_dump(mode="json") if self.is_quantized(point) else None,
            "engine": engine.model_dump(mode="json", exclude=set(engine.no_figure)),
            "precision": point.precision,
            "batch": point.batch,
            "rehearsal": engine.rehearsal,
            "variant": point.variant,
        }

    def training_leaf(self, model: str) -> dict[str, Any]:
        """What decides the weights of a trained block, by name, without any place on disk."""
        training = self.training(model)
        starts = {name: getattr(training, name) for name in ("backbone", "start_from")}
        return {
            **self.training_settings(model),
            "data": self.training_data(model),
            **{name: "own" if isinstance(start, OwnWeights) else start for name, start in starts.items()},
        }

    def training_settings(self, model: str) -> dict[str, Any]:
        """What decides the weights of a trained block beside its files."""
        training = self.training(model)
        return {"settings": training.settings, "device": self.device(model).kind, "processes": training.processes}

    def recipe_without_decode(self, model: str) -> dict[str, Any]:
        """The recipe as far as stages know it that only preprocess: a change of its decode does not concern them."""
        return self.model(model).recipe.model_dump(mode="json", exclude={"decode"})

    def recipe_before_decode(self, point: Point) -> dict[str, Any]:
        """The recipe as far as a device knows it, which may have a part in the decode."""
        recipe = self.recipe(point)
        return recipe.model_dump(mode="json") if recipe.decodes_on_device else self.recipe_without_decode(point.model)

    def engines_of(self, route: str, kind: str | None = None) -> list[str]:
        """Names of the engines of a route, and of a kind if one is given."""
        return [n for n, e in self.config.engines.items() if e.route == route and kind in (None, e.kind)]

    def engines_of_kind(self, *kinds: str) -> list[str]:
        """Names of the engines of some kinds, whatever their route."""
        return [name for name, engine in self.config.engines.items() if engine.kind in kinds]

    @cached_property
    def patterns(self) -> dict[str, str]:
        """Regular expressions of the wildcards."""
        return {
            "model": NAME,
            "engine": NAME,
            "dataset": NAME,
            "variant": VARIANT,
            "shard": r"\d+-of-\d+",
            "size": SIZE,
            "state": r"[0-9a-f]{12}",
        }


def _origin(block: Model) -> str:
    """Where the weights of a block come from: ``declared``, ``own`` (of the user's), ``formula`` or ``trained``."""
    kinds = {str: "declared", OwnWeights: "own", FormulaWeights: "formula", TrainedWeights: "trained"}
    return kinds[type(block.weights)]


def _graph_path(model: str, size: str, graph: str) -> str:
    return f"results/{model}/export/{size}/model.{GRAPHS[graph].suffix}"


def format_of(suffix: str) -> str:
    """The format of a graph file, by its ending."""
    return next(name for name, graph in GRAPHS.items() if graph.suffix == suffix)


def _true_record(declaration: Declaration | FolderDeclaration) -> str:
    record = RECORDS / f"{declaration.path}.{declaration.identity}.json"
    drop_unless_true(record, declaration, DATA)
    return record.as_posix()


Entry = TypeVar("Entry", DeclaredFile, DeclaredFolder)


def _at(path: str, declared: Mapping[str, Entry]) -> Entry | None:
    return next((entry for entry in declared.values() if DATA / entry.path == Path(path)), None)


def _look_up(what: str, name: str, known: dict[str, T]) -> T:
    if name not in known:
        raise InputError(f"unknown {what} {name!r}; {nearest(name, sorted(known))}")
    return known[name]
