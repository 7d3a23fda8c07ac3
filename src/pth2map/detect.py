"""A model of the config on a person's own pictures, by the calls that the workflow makes on a dataset.

Coordinates are pixels of a picture as :func:`pth2map.datasets.images.read_image` gives it, after EXIF rotation, and not
clipped to it. With ``even_sizes`` of recipe ``retinaface_letterbox`` they are, as published, those of the picture whose
odd sides were made even, by up to one pixel smaller.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from pth2map import __version__
from pth2map.config.points import GRAPHS, Point, Points
from pth2map.config.schema import DATA, Dataset, parse_variant
from pth2map.config.states import States
from pth2map.datasets.coco_names import COCO_NAMES
from pth2map.datasets.images import inspect_image, read_image
from pth2map.engines.catalogue import KINDS
from pth2map.engines.session import Session, open_session
from pth2map.evaluation.results import engine_clause
from pth2map.export.check import check_graph
from pth2map.files.atomic import read_json, write_json
from pth2map.files.code import code_hash
from pth2map.files.errors import InputError, nearest
from pth2map.files.fetch import check_obtainable, fetch_file
from pth2map.files.hashing import hash_file, hash_json
from pth2map.files.processes import exclusive
from pth2map.files.progress import track
from pth2map.files.provenance import describe_run
from pth2map.networks.catalogue import entry
from pth2map.plots.boxes import SYNTHETIC, draw_rows, write_picture
from pth2map.recipes.catalogue import RECIPES
from pth2map.recipes.recipe import Decode, Preprocess, Recipe
from pth2map.recipes.settings import Size

CHECKED_GRAPHS = Path("scratch/detect")
"""Where exported graphs are kept, below the working directory: ``<model>/<state>/model.<suffix>``."""
ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
"""Of the files that are taken out of a folder, in upper or lower case."""

_LABELLED = ("labels", "masks")
T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """An image file of a person's, and its name below the folder that was given."""

    path: Path
    name: Path


@dataclass(frozen=True)
class Weights:
    """What a graph's check knows of the checkpoint behind it."""

    sha256: str
    synthetic: bool

    @classmethod
    def of(cls, parity: Mapping[str, Any]) -> Self:
        return cls(str(parity["weights"]["sha256"]), bool(parity["weights"]["synthetic"]))


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a picture of ``height`` × ``width`` pixels."""

    picture: Picture
    height: int
    width: int
    rows: Mapping[str, np.ndarray]
    """Of n detections by falling score ``boxes`` ``(n, 4)`` x, y, w, h and ``scores`` ``(n,)`` as the recipe's result
    text holds them, and what else its decode gives, such as ``corners``, ``landmarks``, ``labels`` and ``masks``."""
    classes: Sequence[str] = ()
    """Names of the labels from 1, where there are several."""

    def to_json(self) -> dict[str, Any]:
        """Path, size, and the detections, each with what is known of it; masks are COCO's compressed run lengths."""
        rest = {key: array.tolist() for key, array in self.rows.items() if key not in ("scores", "boxes", *_LABELLED)}
        columns = {"score": self.rows["scores"].tolist(), "box": self.rows["boxes"].tolist(), **rest}
        if "labels" in self.rows:
            columns["label"] = self.rows["labels"].tolist()
            columns["class"] = [self.classes[label - 1] for label in columns["label"]]
        if "masks" in self.rows:
            size = [self.height, self.width]
            columns["mask"] = [{"size": size, "counts": counts.decode()} for counts in self.rows["masks"]]
        values = zip(*columns.values(), strict=True)
        return {
            "path": str(self.picture.path),
            "width": self.width,
            "height": self.height,
            "detections": [dict(zip(columns, row, strict=True)) for row in values],
        }


def choose_point(points: Points, model: str, engine: str | None = None, variant: str | None = None) -> Point:
    """The point of a model; what is not given is that of its headline.

    Raises ``InputError`` for a name that the config does not offer, and for an engine of a kind that runs elsewhere.
    """
    headline = points.headline(model)
    point = points.point(model, engine or headline.engine, variant or headline.variant)
    if points.is_quantized(point):
        raise InputError(f"{point.variant} is quantised by the workflow; choose a variant in fp32")
    kind = points.engine(point.engine).kind
    if kind not in KINDS:
        raise InputError(
            f"engine {point.engine} is of kind {kind}, which does not run in this process; {nearest(kind, list(KINDS))}"
        )
    return point


def find_pictures(place: Path) -> list[Picture]:
    """The image file ``place``, or all of :data:`ENDINGS` in the folder and below it, sorted by path.

    Every file is decoded. Hidden files and folders are left out. Raises ``InputError`` when there is none, and one
    that names all that cannot be used.
    """
    if place.is_dir():
        names = [path.relative_to(place) for path in sorted(place.rglob("*")) if path.suffix.lower() in ENDINGS]
        seen = (name for name in names if not any(part.startswith(".") for part in name.parts))
        pictures = [Picture(place / name, name) for name in seen if not (place / name).is_dir()]
        if not pictures:
            raise InputError(f"{place}: no image in this folder; expected files in {', '.join(ENDINGS)}")
    else:
        pictures = [Picture(place, Path(place.name))]
    for picture, damage in zip(pictures, _of_each(pictures, _inspect, "read"), strict=True):
        if damage:
            _tell(f"{picture.path}: corrupt bytes, some pixels are made up ({damage})")
    return pictures


def _inspect(picture: Picture) -> str | None:
    try:
        str(picture.path).encode()
    except UnicodeEncodeError:
        shown = str(picture.path).encode(errors="backslashreplace").decode()
        raise InputError(f"{shown}: the name is not UTF-8; give the file another") from None
    return inspect_image(picture.path).damage


def check_outputs(place: Path, pictures: Sequence[Picture], drawn: Path | None, listed: Path | None) -> None:
    """Raise ``InputError`` when an output would fall on a person's ``pictures``, which were found at ``place``.

    A folder in theirs is refused too, as the next call would find in it what this one draws, and one around theirs,
    which may hold others.
    """
    own = {picture.path.resolve() for picture in pictures}
    if drawn is not None:
        if drawn.exists() and not drawn.is_dir():
            raise InputError(f"--draw {drawn}: a file lies there; give a folder")
        folder, given = drawn.resolve(), place.resolve()
        mixed = place.is_dir() and (folder.is_relative_to(given) or given.is_relative_to(folder))
        if mixed or any((folder / picture.name).resolve() in own for picture in pictures):
            raise InputError(f"--draw {drawn}: drawings would mix with your own pictures there; give a folder apart")
    if listed is not None:
        if listed.is_dir():
            raise InputError(f"--json {listed}: a folder lies there; give a file")
        if listed.resolve() in own:
            raise InputError(f"--json {listed}: this is one of the pictures; give another file")


def check_score(score_above: float) -> None:
    """Raise ``InputError`` for a limit that no score is held against."""
    if not 0 <= score_above <= 1:
        raise InputError(f"--score-above {score_above:g}: expected a number from 0 to 1")


@dataclass(frozen=True, eq=False)
class Detector:
    """A point of the config, ready for pictures."""

    point: Point
    preprocess: Preprocess
    decode: Decode
    session: Session
    weights: str
    """SHA-256 of the checkpoint."""
    synthetic: bool
    """Whether it was made of a formula: then what is found says nothing of the model."""
    protocol: Sequence[str]
    """How detections come about, in words, one clause an entry."""
    recipe: Recipe
    classes: Sequence[str]
    """Names of the labels from 1, where there are several."""

    @classmethod
    def open(cls, points: Points, point: Point, root: Path, picture: Picture) -> Self:
        """``root`` is the folder of the project, ``picture`` what a new graph is held to PyTorch on.

        Raises ``InputError`` when weights are not to be had or do not fit, and for a graph that differs from PyTorch.
        """
        block, engine = points.model(point.model), points.engine(point.engine)
        recipe = Recipe(block.recipe, Size.parse(point.size))
        preprocess, decode = recipe.preprocess(), recipe.decode()
        graph, weights = checked_graph(points, point, root, preprocess, picture)
        if weights.synthetic:
            _tell("SYNTHETIC WEIGHTS, made of a formula: what is found says nothing of the model")
        options = engine.model_dump(mode="json", exclude={"kind", "route"})
        session = open_session(engine.kind, graph, entry(block.network).outputs, options)
        run = {"kind": engine.kind, "options": options, **describe_run()}
        protocol = (
            f"network: {block.network}",
            *preprocess.protocol(),
            *decode.protocol(),
            engine_clause([run], parse_variant(point.variant)[1], batch=1),
        )
        classes = class_names(points.dataset(block.dataset))
        return cls(point, preprocess, decode, session, weights.sha256, weights.synthetic, protocol, recipe, classes)

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Every detection in ``image`` ``(h, w, 3)`` uint8 BGR, as the decode of the recipe gives them.

        Raises ``InputError`` for an image of which the preprocessing leaves nothing.
        """
        tensor, placement = self.preprocess(image)
        (outputs,) = self.recipe.of_each_image(self.session.run(tensor[None]))
        return self.decode(self.decode.device_outputs(outputs, placement), placement)


def detect(detector: Detector, pictures: Sequence[Picture], score_above: float) -> list[Found]:
    """What is found in each picture with a score above a limit.

    Raises ``InputError`` that names all pictures that cannot be used.
    """

    def found(picture: Picture) -> Found:
        image = read_image(picture.path)
        with _naming(picture):
            rows = detector(image)
        above = rows["scores"] > score_above
        height, width = image.shape[:2]
        return Found(picture, height, width, {key: array[above] for key, array in rows.items()}, detector.classes)

    return _of_each(pictures, found, "detect")


def describe(found: Sequence[Found], score_above: float) -> list[str]:
    """Lines for a person: how much was found in each picture; of a single one its detections: score, x y w h, class."""
    lines = [f"{each.picture.path}: {len(each.rows['scores'])} above {score_above:g}" for each in found]
    if len(found) == 1:
        rows = np.column_stack([found[0].rows["scores"], found[0].rows["boxes"]])
        names = [f" {found[0].classes[label - 1]}" for label in found[0].rows.get("labels", np.zeros(0, int))]
        names = names or [""] * len(rows)
        lines += [
            " ".join(f"{value:.10g}" for value in row) + name for row, name in zip(rows.tolist(), names, strict=True)
        ]
    return lines


def draw(found: Sequence[Found], folder: Path, synthetic: bool = False) -> None:
    """Write each picture with what was found in it, under its own name below ``folder``."""
    for each in _tracked(found, "draw"):
        image = read_image(each.picture.path)
        stamp = SYNTHETIC if synthetic else None
        write_picture(folder / each.picture.name, draw_rows(image, each.rows, each.classes, stamp))


def report(detector: Detector, found: Sequence[Found], score_above: float) -> dict[str, Any]:
    """All of it as JSON values; equal calls give equal ones."""
    return {
        "model": detector.point.model,
        "engine": detector.point.engine,
        "variant": detector.point.variant,
        "weights_sha256": detector.weights,
        "synthetic": detector.synthetic,
        "protocol": "; ".join(detector.protocol),
        "score_above": score_above,
        "images": [each.to_json() for each in found],
        "pth2map": __version__,
    }


def class_names(dataset: Dataset) -> tuple[str, ...]:
    """Of a dataset with several classes the names of the networks' labels from 1."""
    return COCO_NAMES if dataset.kind == "coco" else ()


def checked_graph(
    points: Points, point: Point, root: Path, preprocess: Preprocess, picture: Picture
) -> tuple[Path, Weights]:
    """The exported graph of a point, and what is known of its weights.

    One whose check is of its very bytes is used as it is; otherwise it is exported and held to PyTorch on ``picture``.
    Raises ``InputError`` as :meth:`Detector.open` does.
    """
    graph_format = points.engine(point.engine).graph
    folder = CHECKED_GRAPHS / point.model / graph_state(points, point, root)
    graph = folder / f"model.{GRAPHS[graph_format].suffix}"
    parity = folder / f"{graph.name}.parity.json"
    known = _weights_of(graph, parity)
    if known is None:
        with _weights(points, point.model) as weights, exclusive(folder / ".lock"):
            known = _weights_of(graph, parity)  # another process may have made it meanwhile
            if known is None:
                known = _export(points, point, weights, graph, parity, preprocess, picture)
    return graph, known


def graph_state(points: Points, point: Point, root: Path) -> str:
    """Hash over all that graph and check come from, but the picture.

    Raises ``InputError`` for weights that have not been trained yet.
    """
    block, graph_format = points.model(point.model), points.engine(point.engine).graph
    commands = root / "workflow/scripts"
    network, preprocess = entry(block.network).module, RECIPES[block.recipe.kind].preprocess
    facts = [
        States(points, commands).export(point.model, point.size, graph_format),
        code_hash(commands / "run_network.py", network, preprocess),
        code_hash(commands / "check_export.py", preprocess, KINDS[GRAPHS[graph_format].kind]),
        points.recipe_without_decode(point.model),
        block.export.parity.model_dump(mode="json", exclude={"images"}),
        *_trained_file(points, point.model),
    ]
    return hash_json(facts)[:12]


def _trained_file(points: Points, model: str) -> list[int]:
    """Size and time of a checkpoint that is trained here: it may be older than what the config asks for now."""
    if model not in points.trained_models():
        return []
    place = Path(points.weights_path(model))
    if not place.is_file():
        raise InputError(f"{place} is not there yet; train {model} first: snakemake --cores all {place}")
    return [place.stat().st_size, place.stat().st_mtime_ns]


def _weights_of(graph: Path, parity: Path) -> Weights | None:
    """Those of a graph, if it is the one that was checked."""
    try:
        found = read_json(parity)
        return Weights.of(found) if found["graph"] == hash_file(graph) else None
    except (InputError, FileNotFoundError, LookupError, TypeError):  # one of them is not there, or not whole
        return None


@contextmanager
def _weights(points: Points, model: str) -> Iterator[Path]:
    """The checkpoint of a block; one that is made of a formula is gone afterwards."""
    if model in points.formula_models():
        from pth2map.networks.formula import save_formula_weights  # noqa: PLC0415  (imports torch)

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "formula.pth"
            save_formula_weights(points.model(model).network, points.formula(model), path)
            yield path
        return
    place = points.weights_path(model)
    if declaration := points.declared_file(place):
        check_obtainable(declaration, DATA)
        _tell(fetch_file(declaration, DATA))
    yield Path(place)


def _export(
    points: Points, point: Point, weights: Path, graph: Path, parity: Path, preprocess: Preprocess, picture: Picture
) -> Weights:
    """Write a graph and its check; returns what is known of the weights."""
    from pth2map.export.graphs import export_graph  # noqa: PLC0415  (imports torch)
    from pth2map.export.run_network import run_network  # noqa: PLC0415

    block, graph_format = points.model(point.model), points.engine(point.engine).graph
    options = block.export
    said = export_graph(
        block.network,
        weights,
        graph_format,
        point.size,
        graph,
        options.opset,
        options.dynamic,
        options.max_ir_version,
    )
    _tell(said)
    with _naming(picture):
        reference = run_network(block.network, weights, preprocess, [(str(picture.name), picture.path)])
        outputs = entry(block.network).outputs
        session = open_session(GRAPHS[graph_format].kind, graph, outputs)
        found = check_graph(
            reference,
            graph,
            session,
            entry(block.network),
            preprocess,
            lambda _: picture.path,
            options.parity.max_abs,
            options.parity.max_abs_of,
        )
    largest = max(output["max_abs"] for output in found["outputs"].values())
    _tell(f"{graph}: differs from PyTorch by at most {largest:.2g} on {picture.path}")
    write_json(parity, {**found, "run": describe_run()})
    return Weights.of(found)


def _of_each(pictures: Sequence[Picture], call: Callable[[Picture], T], label: str) -> list[T]:
    """``call`` of each picture; what is wrong with any of them is said in one ``InputError``."""
    done, wrong = [], []
    for picture in _tracked(pictures, label):
        try:
            done.append(call(picture))
        except InputError as error:
            wrong.append(str(error))
        except MemoryError:
            raise MemoryError(f"at {picture.path}") from None
    if wrong and len(pictures) == 1:
        raise InputError(wrong[0])
    if wrong:
        shown = "; ".join([*wrong[:5], *([f"and {len(wrong) - 5} more"] if len(wrong) > 5 else [])])
        raise InputError(f"{len(wrong)} of {len(pictures)} images cannot be used: {shown}")
    return done


def _tracked(items: Sequence[T], label: str) -> Iterable[T]:
    return track(items, label) if len(items) > 1 else items


@contextmanager
def _naming(picture: Picture) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{picture.path}: {error}") from None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
