"""The state of a stage: one hash over everything its output comes from.

It covers the stage's own part of the config, the code of its command, and the state of every stage before it, down to
weights and images. It stands in the params of every rule: Snakemake forgets what it knew of a job that failed, and
would otherwise take what lies behind that job for up to date. And it stands in the path of shards: a job left over from
a killed run finishes in the folder of its own state and cannot put its output among those of another.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pth2map.config.points import GRAPHS, Point, Points
from pth2map.config.schema import AscendEngine, CocoDataset, OtherEngine, TorchAieEngine, VastaiEngine
from pth2map.engines.catalogue import KINDS
from pth2map.files.code import code_hash
from pth2map.files.errors import InputError
from pth2map.files.hashing import EVERYTHING, folder_state, hash_file, hash_json
from pth2map.networks.catalogue import NETWORKS
from pth2map.recipes.catalogue import RECIPES

TORCH_AIE, TRACE = "../vendor/torch_aie_infer", "../vendor/trace_network"
VASTSTREAMX = "../vendor/vaststreamx_infer"
"""Commands that run in a vendor's interpreter."""

PROBED = {"kind", "setup", "python", "device", "chip", "rehearsal", "set_device", "runner", "providers"}
"""Keys of engines that decide what a probe finds."""


class States:
    """States of the stages of a config whose commands lie in the folder ``commands``, or of their code alone."""

    def __init__(self, points: Points, commands: Path, code_only: bool = False) -> None:
        self.points = points
        self.commands = commands
        self.code_only = code_only

    @cache  # noqa: B019  (one object a run)
    def index(self, dataset: str) -> str:
        block = self.points.dataset(dataset)
        files = [self._images(dataset), *map(self._bytes, self.points.ground_truth_files(dataset))]
        listed = block.subset.list if block.subset else None
        names = hash_file(Path(listed)) if listed else None
        subset = block.subset.model_dump(mode="json", exclude={"list"}) if block.subset else None
        split = block.split if isinstance(block, CocoDataset) else None
        facts = [block.root, split, files, subset, names]
        return self._state(f"index_{block.evaluator}", facts, before=self._rendering(dataset))

    @cache  # noqa: B019
    def render(self, demo: str) -> str:
        """Of the pictures in the folder of that name."""
        return self._state("render_demo", [self.points.demos[demo].settings])

    @cache  # noqa: B019
    def formula(self, model: str) -> str:
        """Of weights that are made of a formula."""
        block = self.points.model(model)
        return self._state(
            "formula_weights", [block.network, self.points.formula(model)], [NETWORKS[block.network].module]
        )

    @cache  # noqa: B019
    def index_training(self, dataset: str, part: str) -> str:
        """Of indexed labelled faces, which know where their images lie."""
        faces = self.points.labelled_faces(dataset, part)
        facts = [dataset, part, faces.labels, faces.folder, self._faces(dataset, part)]
        return self._state("index_training", facts, before=self._rendering(dataset))

    @cache  # noqa: B019
    def train(self, model: str) -> str:
        """Of trained weights: their steps, and which checkpoint of them it is."""
        return self._state("train", [self.points.training(model).settings], before=[self.steps(model)])

    @cache  # noqa: B019
    def steps(self, model: str) -> str:
        """Of the steps of a training: all that decides them, wherever it lies, and however fast it goes."""
        points = self.points
        dataset = points.training_data(model)
        facts = [
            {**points.training_settings(model), "settings": points.training(model).deciding()},
            {name: points.content(path) for name, path in points.starts(model).items()},
            {part: self._faces(dataset, part) for part in points.training_faces(dataset).parts},
        ]
        network = points.model(model).network
        before = [self._state("index_training"), *self._rendering(dataset)]
        return self._state("train", [network, *facts], [NETWORKS[network].module], before)

    def plot_training(self, model: str) -> str:
        """Of the picture of a training."""
        return self._state("plot_training", before=[self.train(model)])

    @cache  # noqa: B019
    def export(self, model: str, size: str, graph: str) -> str:
        block = self.points.model(model)
        options = block.export.model_dump(mode="json", exclude={"parity"}) if graph == "onnx" else None
        network = NETWORKS[block.network]
        described = [block.network, network.outputs, network.rows]
        facts = [*described, self.points.weights_content(model), size, graph, options]
        return self._state("export_graph", facts, [network.module], self._weights(model))

    @cache  # noqa: B019
    def reference(self, model: str, size: str) -> str:
        block = self.points.model(model)
        facts = [
            block.network,
            self.points.weights_content(model),
            self._preprocess(model),
            size,
            block.export.parity.images,
        ]
        picked = [NETWORKS[block.network].module, RECIPES[block.recipe.kind].preprocess]
        return self._state("run_network", facts, picked, [self.index(block.dataset), *self._weights(model)])

    @cache  # noqa: B019
    def check(self, model: str, size: str, graph: str) -> str:
        block = self.points.model(model)
        picked = [RECIPES[block.recipe.kind].preprocess, KINDS[GRAPHS[graph].kind]]
        before = [self.reference(model, size), self.export(model, size, graph)]
        facts = [block.export.parity.model_dump(mode="json", exclude={"images"})]
        return self._state("check_export", facts, picked, before)

    @cache  # noqa: B019
    def parity(self, model: str) -> str:
        size = self.points.headline(model).size
        checks = [self.check(model, size, graph) for graph in self.points.headline_graphs(model)]
        return self._state("collect_parity", before=checks)

    @cache  # noqa: B019
    def prepare(self, point: Point) -> str:
        block = self.points.model(point.model)
        recipe = RECIPES[block.recipe.kind]
        picked = [recipe.preprocess, recipe.files]
        facts = [self._preprocess(point.model), point.size, self.points.takes_raw_pixels(point)]
        return self._state("prepare", facts, picked, [self.index(block.dataset)])

    @cache  # noqa: B019
    def infer(self, point: Point) -> str:
        recipe = RECIPES[self.points.model(point.model).recipe.kind]
        picked = [recipe.preprocess, recipe.decode, recipe.files]
        facts = [self.points.recipe_before_decode(point), *self._session(point)]
        engine = self.points.engine(point.engine)
        if engine.kind in KINDS:
            before = [self.prepare(point), self._check(point)]
            return self._state("infer_files", facts, [*picked, self._runtime(point)], before)
        if isinstance(engine, AscendEngine):
            return self._state("accept_ais_bench", facts, picked, [self.prepare(point), self.compile(point)])
        if isinstance(engine, VastaiEngine):
            before = [self.prepare(point), self.compile(point)]
            if engine.runner == "vaststreamx":
                before.append(self._state(VASTSTREAMX))
            return self._state(f"accept_{engine.runner}", facts, picked, before)
        if isinstance(engine, TorchAieEngine):
            before = [self._state(TORCH_AIE), self.prepare(point), self.compile(point)]
            return self._state("accept_torch_aie", facts, picked, before)
        assert isinstance(engine, OtherEngine)
        facts.append(hash_file(Path(engine.rules)))
        return self._state("decode", facts, picked, [self.prepare(point), self._check(point)])

    @cache  # noqa: B019
    def compile(self, point: Point) -> str:
        """Of what a vendor's engine runs: atc's model, or the trace that ``torch_aie`` compiles by itself."""
        block, engine = self.points.model(point.model), self.points.engine(point.engine)
        if isinstance(engine, AscendEngine):
            cast = NETWORKS[block.network].rois
            before = [self.cast(point.model, point.size) if cast else self._check(point)]
            aipp = self._preprocess(point.model) if block.compile.ascend.aipp else None
            return self._state("accept_atc", [aipp, *self._session(point)], before=before)
        if isinstance(engine, VastaiEngine):
            recipe = self.points.recipe(point).model_dump(mode="json")
            drawn = [self.calibration(block.dataset)] if point.precision == "int8" else []
            before = [self._state("write_vamc_yaml"), self._state("write_vdsp"), self._check(point), *drawn]
            facts = [recipe, block.compile.vastai.model_dump(mode="json"), *self._session(point)]
            return self._state("accept_vamc", facts, before=before)
        return self.trace_check(point) if self._is_traced_by_vendor(point) else self._check(point)

    @cache  # noqa: B019
    def calibration(self, dataset: str) -> str:
        """Of the images that int8 is calibrated with."""
        block = self.points.dataset(dataset).calibration
        if block.source is None:
            raise InputError(f"datasets.{dataset}.calibration.source: null; int8 needs a folder of images")
        facts = [block.model_dump(mode="json"), self._folder(block.source)]
        return self._state("draw_calibration", facts, before=[self.index(dataset)])

    @cache  # noqa: B019
    def trace(self, point: Point) -> str:
        """Of a trace made in the vendor's interpreter."""
        network = NETWORKS[self.points.model(point.model).network]
        facts = [self.points.weights_content(point.model), *self._session(point)]
        return self._state(TRACE, facts, [network.module], self._weights(point.model))

    @cache  # noqa: B019
    def trace_check(self, point: Point) -> str:
        block = self.points.model(point.model)
        picked = [RECIPES[block.recipe.kind].preprocess, KINDS["torchscript"]]
        facts = [block.export.parity.model_dump(mode="json", exclude={"images"})]
        before = [self.reference(point.model, point.size), self.trace(point)]
        return self._state("check_export", facts, picked, before)

    @cache  # noqa: B019
    def probe(self, engine: str) -> str:
        """Of the settings that a probe looks at, and no code: what is probed again makes all that waits for it anew."""
        settings = self.points.engine(engine).model_dump(mode="json", include=PROBED)
        return hash_json([engine, settings])[:12]

    def probes(self) -> dict[str, str]:
        """Of every engine."""
        return {engine: self.probe(engine) for engine in self.points.config.engines}

    @cache  # noqa: B019
    def detect(self, point: Point) -> str:
        """Of the detections of a shard, by either route. The number of shards changes none."""
        block = self.points.model(point.model)
        recipe = RECIPES[block.recipe.kind]
        facts = self.points.recipe(point).model_dump(mode="json")
        if self.points.engine(point.engine).route == "files":
            picked = [recipe.preprocess, recipe.decode, recipe.files]
            return self._state("decode", [facts], picked, [self.infer(point)])
        picked = [recipe.preprocess, recipe.decode, self._runtime(point)]
        before = [self.index(block.dataset), self._check(point)]
        return self._state("stream", [facts, *self._session(point)], picked, before)

    @cache  # noqa: B019
    def gather(self, point: Point) -> str:
        recipe = RECIPES[self.points.model(point.model).recipe.kind]
        return self._state("gather", picked=[recipe.decode], before=[self.detect(point)])

    @cache  # noqa: B019
    def score(self, point: Point) -> str:
        block = self.points.model(point.model)
        recipe = RECIPES[block.recipe.kind]
        facts = [self.points.leaf(point)]
        command = f"score_{self.points.dataset(block.dataset).evaluator}_point"
        return self._state(command, facts, [recipe.preprocess, recipe.decode], [self.gather(point)])

    @cache  # noqa: B019
    def draw(self, point: Point) -> str:
        facts = [self.points.config.drawing.model_dump(mode="json")]
        return self._state("draw_detections", facts, before=[self.gather(point)])

    @cache  # noqa: B019
    def quantize(self, model: str, size: str) -> str:
        """Of a graph in int8 for ONNX Runtime."""
        block = self.points.model(model)
        facts = [block.quantization.model_dump(mode="json"), self._preprocess(model), size]
        before = [self.check(model, size, "onnx"), self.calibration(block.dataset)]
        return self._state("quantize_graph", facts, [RECIPES[block.recipe.kind].preprocess], before)

    def explain(self, model: str, size: str) -> str:
        """Of the table of what each layer costs in int8."""
        return self._state("explain_int8", before=[self.quantize(model, size)])

    @cache  # noqa: B019
    def int8_check(self, model: str, size: str) -> str:
        picked = [RECIPES[self.points.model(model).recipe.kind].preprocess, KINDS["onnxruntime"]]
        before = [self.reference(model, size), self.quantize(model, size)]
        return self._state("check_export", picked=picked, before=before)

    @cache  # noqa: B019
    def cast(self, model: str, size: str) -> str:
        return self._state("cast_rois", before=[self.check(model, size, "onnx")])

    @cache  # noqa: B019
    def complexity(self, model: str, size: str) -> str:
        block = self.points.model(model)
        picked = [NETWORKS[block.network].module]
        return self._state("measure_complexity", [block.network, size], picked, [self.export(model, size, "onnx")])

    def all_points(self, model: str) -> str:
        counted = self.points.fixed_sizes(model) if "onnx" in self.points.headline_graphs(model) else []
        sizes = [self.complexity(model, size) for size in counted]
        return self._state("tabulate_points", before=[*map(self.score, self.points.points(model)), *sizes])

    @cache  # noqa: B019
    def plot(self, point: Point) -> str:
        return self._state("plot_curves", before=[self.score(point)])

    def headline(self, model: str) -> str:
        return self.plot(self.points.headline(model))

    @cache  # noqa: B019
    def report(self, point: Point) -> str:
        """Of the page on a point."""
        facts = [self.points.config.drawing.model_dump(mode="json")]
        trained = point.model in self.points.trained_models()
        before = [self.plot(point), *([self.plot_training(point.model)] if trained else [])]
        return self._state("write_report", facts, before=before)

    def headline_report(self, model: str) -> str:
        return self.report(self.points.headline(model))

    def bench(self, point: Point) -> str:
        recipe = RECIPES[self.points.model(point.model).recipe.kind]
        facts = [self._preprocess(point.model), *self._session(point)]
        engine = self.points.engine(point.engine)
        if isinstance(engine, AscendEngine):
            return self._state("bench_ais_bench", [*facts, engine.loops], before=[self.compile(point)])
        if isinstance(engine, VastaiEngine):
            timed = [*facts, engine.instances, engine.iterations]
            return self._state("bench_vamp", timed, before=[self.compile(point)])
        if isinstance(engine, TorchAieEngine):
            picked = [recipe.preprocess, recipe.files]
            return self._state("bench_torch_aie", facts, picked, [self._state(TORCH_AIE), self.compile(point)])
        if isinstance(engine, OtherEngine):
            return self._state("bench", [*facts, hash_file(Path(engine.rules))], before=[self._check(point)])
        return self._state("bench", facts, [recipe.preprocess, self._runtime(point)], [self._check(point)])

    def code(self, point: Point) -> str:
        """The code alone of all stages behind the score of a point."""
        return States(self.points, self.commands, code_only=True).score(point)

    def _state(
        self, command: str, facts: Sequence[Any] = (), picked: Sequence[str] = (), before: Sequence[str] = ()
    ) -> str:
        code = code_hash(self.commands / f"{command}.py", *picked)
        return hash_json([code, None if self.code_only else list(facts), list(before)])[:12]

    def _weights(self, model: str) -> list[str]:
        """Of the stage that makes them, if there is one."""
        if model in self.points.trained_models():
            return [self.train(model)]
        return [self.formula(model)] if model in self.points.formula_models() else []

    def _check(self, point: Point) -> str:
        if self.points.is_quantized(point):
            return self.int8_check(point.model, point.size)
        return self.check(point.model, point.size, self.points.engine(point.engine).graph)

    def _preprocess(self, model: str) -> Any:
        return self.points.recipe_without_decode(model)

    def _session(self, point: Point) -> list[Any]:
        engine = self.points.engine(point.engine)
        of_no_point = {"route", "device", "loops", "instances", "iterations"}
        return [engine.model_dump(mode="json", exclude=of_no_point), point.variant]

    def _is_traced_by_vendor(self, point: Point) -> bool:
        return point.engine in self.points.traced_by_vendor()

    def _runtime(self, point: Point) -> str:
        return KINDS[self.points.engine(point.engine).kind]

    def _images(self, dataset: str) -> str:
        block = self.points.dataset(dataset)
        return self._folder(block.images, block.image_pattern)

    def _faces(self, dataset: str, part: str) -> list[Any]:
        """What labelled faces are, wherever they lie."""
        faces = self.points.labelled_faces(dataset, part)
        faults = self.points.training_faces(dataset).faults.model_dump(mode="json")
        return [self._content(faces.labels), self._folder(faces.folder), faults]

    def _rendering(self, dataset: str) -> list[str]:
        """Of the stage that draws the pictures of a dataset, if there is one."""
        demo = self.points.rendered(dataset)
        return [self.render(demo.name)] if demo else []

    def _content(self, path: str) -> Any:
        """Of a file; of a rendered one the stage that makes it, whether it has been made or not."""
        demo = self.points.demo_around(path)
        return self.render(demo.name) if demo else self.points.content(path)

    def _bytes(self, path: str) -> Any:
        """The same by the bytes that lie there, be they the declared ones or not, so that wrong ones are told of."""
        place, declared = Path(path), self.points.declared_file(path)
        if declared and place.is_file():
            return {algorithm: hash_file(place, algorithm) for algorithm in declared.hashes or ("sha256",)}
        return self._content(path)

    def _folder(self, path: str, pattern: str = EVERYTHING) -> str:
        """Of a declared folder the declaration, before it is fetched and as long as nothing in it changes.

        Of a rendered one the stage that makes it.
        """
        if demo := self.points.demo_around(path):
            return self.render(demo.name)
        declared = self.points.declared_folder(path)
        return declared.identity if declared else folder_state(Path(path), pattern)
