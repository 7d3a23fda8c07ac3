"""The types of the config: what may be asked, in which words, with which defaults.

The JSON Schema and the reference page are generated from here (:mod:`pth2map.config.reference`). Nothing here computes.
"""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Discriminator, Field, Tag

from pth2map.datasets.label_faults import Faults
from pth2map.recipes.catalogue import RecipeSettings
from pth2map.recipes.settings import Section
from pth2map.training.settings import TrainingSettings

DATA = Path("data")
"""Where declared files go, below the working directory."""
RENDERED = Path("scratch/rendered")
"""Where the pictures of demo sets go."""

NAME = r"[A-Za-z][A-Za-z0-9_]*"
FILE = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*"
SIZE = r"native|[1-9]\d*(?:x[1-9]\d*)?"
CHIP = r"\d[A-Za-z0-9_-]*"
VARIANT = rf"(?:{SIZE})-[a-z]+\d+-b[1-9]\d*"

Precision = Literal["fp32", "fp16", "int8"]
Name = Annotated[str, Field(pattern=rf"^{NAME}$")]
PositiveInt = Annotated[int, Field(ge=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ManualSource(Section):
    """Where a person gets a file that no program can (a login, an extraction code, a cloud drive)."""

    page: str | None = Field(default=None, description="address of the page")
    code: str | None = Field(default=None, description="extraction code that the page asks for")
    note: str | None = Field(default=None, description="what else to know, in words")


class DeclaredFile(Section):
    """A file from elsewhere, declared once: where it lies below `data/`, what it must be, where it comes from."""

    path: Annotated[str, Field(pattern=rf"^{FILE}$")] = Field(description="place below `data/`, with `/`")
    size: PositiveInt | None = Field(default=None, description="bytes")
    sha256: Sha256 | None = Field(default=None, description="hash of the whole file")
    sha384: Annotated[str, Field(pattern=r"^[0-9a-f]{96}$")] | None = Field(
        default=None, description="hash of the whole file"
    )
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        default=None, description="hash of the whole file"
    )
    archive: Name | None = Field(default=None, description="an entry of `files` to take it out of, before any address")
    member: str | None = Field(default=None, description="its name in that archive")
    urls: list[Annotated[str, Field(pattern=r"^https?://\S+$")]] = Field(
        default_factory=list, description="addresses, in the order to try"
    )
    manual: ManualSource | None = Field(default=None, description="how a person gets it, when no program can")

    @property
    def hashes(self) -> dict[str, str]:
        """Hashes by algorithm."""
        return {name: value for name in ("sha256", "sha384", "md5") if (value := getattr(self, name))}


class DeclaredFolder(Section):
    """A folder of files out of a declared archive."""

    path: Annotated[str, Field(pattern=rf"^{FILE}$")] = Field(description="place below `data/`, with `/`")
    archive: Name = Field(description="an entry of `files`; zip or tar, with a hash")
    member: str = Field(description="folder in the archive whose content becomes this folder")
    files: PositiveInt | None = Field(default=None, description="how many files there must be")


class Subset(Section):
    """A part of a dataset, for a quick run. Its figures are stamped and never compared with published ones."""

    first: PositiveInt | None = Field(default=None, description="the first so many images by name")
    list: str | None = Field(
        default=None, description="or a text file of image names (`event/stem`; of COCO `val2017/stem`), one a line"
    )


class Calibration(Section):
    """Images by which a quantiser finds the ranges of a network's values: drawn once, the same for every engine."""

    source: str | None = Field(
        default=None, description="folder of images to draw from, below it anywhere: of declared files, or of yours"
    )
    images: PositiveInt = Field(default=50, description="how many")
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="which")
    evaluation_images: bool = Field(
        default=False,
        description="whether images of the evaluated set may be drawn, as on the Vastai page; stamped in every result",
    )


class LabelledFaces(Section):
    """Images with labelled faces, for training."""

    labels: Annotated[str, Field(min_length=1)] = Field(
        description="`label.txt` in the form of RetinaFace's annotations: a declared file, or one of yours"
    )
    images: str | None = Field(
        default=None,
        description="folder with `<event>/*.jpg`: of declared files, or of yours; null: `images` beside the labels",
    )

    @property
    def folder(self) -> str:
        """The folder that holds the image files."""
        return self.images or (Path(self.labels).parent / "images").as_posix()


class TrainingFaces(Section):
    """What a dataset has to train a network on."""

    train: LabelledFaces
    validation: LabelledFaces | None = Field(
        default=None, description="faces on which the loss is measured after each epoch; null: none"
    )
    faults: Faults = Field(default_factory=Faults)

    @property
    def parts(self) -> dict[str, LabelledFaces]:
        """What there is of ``train`` and ``validation``."""
        return {"train": self.train, **({"validation": self.validation} if self.validation else {})}


class ImageSet(Section):
    """What datasets of all kinds have in common."""

    subset: Subset | None = Field(default=None, description="a part of the images; null: all")
    shards: PositiveInt = Field(default=8, description="jobs that share the images of one pass")
    calibration: Calibration = Field(default_factory=Calibration)


class _Rooted(Protocol):
    @property
    def root(self) -> str: ...


class WiderFaceLayout(ImageSet):
    """What datasets have in common that are laid out and scored like WIDER FACE."""

    evaluator: ClassVar[str] = "widerface"
    layout: ClassVar[str] = "<root>/WIDER_val/images/<event>/*.jpg and <root>/ground_truth/*.mat"
    image_pattern: ClassVar[str] = "*/*.[jJ][pP]*[gG]"
    truth_name: ClassVar[str] = "ground_truth.npz"
    published_form: ClassVar[str] = "text"

    @property
    def images(self: _Rooted) -> str:
        """The folder that holds the image files."""
        return f"{self.root}/WIDER_val/images"

    @property
    def ground_truth(self: _Rooted) -> list[str]:
        """The files that hold the ground truth."""
        return [f"{self.root}/ground_truth/wider_{part}_val.mat" for part in ("face", "easy", "medium", "hard")]


class WiderFaceDataset(WiderFaceLayout):
    """WIDER FACE, or any folder laid out like it."""

    kind: Literal["widerface"] = Field(description="images, ground truth and evaluator of WIDER FACE")
    root: str = Field(
        default="data/widerface",
        description="folder with `WIDER_val/images/<event>/*.jpg` and `ground_truth/*.mat`: of declared files, or of "
        "yours, which is used as it is",
    )
    training: TrainingFaces | None = Field(
        default=None, description="faces with landmarks to train on; null: none. `root` has no part in it"
    )


class DemoDataset(WiderFaceLayout):
    """Pictures of faces that this project draws itself: nothing to fetch. No photographs, and no published figures.

    Its folder is named by its settings, so that pictures of several settings never mix.
    """

    kind: Literal["demo"] = Field(
        description="rendered pictures with the layout and the evaluator of WIDER FACE, and faces to train on"
    )
    train: PositiveInt = Field(default=600, description="pictures to train on")
    val: PositiveInt = Field(default=150, description="pictures to evaluate on, and to measure the loss of a training")
    width: Annotated[int, Field(ge=160, le=4096)] = Field(default=640, description="of each picture, in pixels")
    height: Annotated[int, Field(ge=160, le=4096)] = Field(default=480, description="the same")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="which pictures; equal settings give equal ones"
    )

    @property
    def settings(self) -> dict[str, int]:
        """What decides the pictures."""
        return self.model_dump(include={"train", "val", "width", "height", "seed"})

    @property
    def name(self) -> str:
        """Of the folder that they are rendered into."""
        return f"{self.train}_{self.val}_{self.width}x{self.height}_seed{self.seed}"

    @property
    def root(self) -> str:
        """That folder, which a rule makes."""
        return (RENDERED / self.name).as_posix()

    @property
    def training(self) -> TrainingFaces:
        """The faces of its pictures."""
        return TrainingFaces(
            train=LabelledFaces(labels=f"{self.root}/train/label.txt"),
            validation=LabelledFaces(labels=f"{self.root}/val/label.txt", images=self.images),
        )

    @property
    def words(self) -> str:
        """What results say of it."""
        return f"rendered demo of {self.val} pictures, {self.width}×{self.height} px, seed {self.seed}"


class CocoDataset(ImageSet):
    """COCO, or any set of images with annotations in its format."""

    kind: Literal["coco"] = Field(description="images, annotations and evaluator of COCO")
    root: str = Field(
        default="data/coco",
        description="folder with `<split>/*.jpg` and `annotations/instances_<split>.json`: of declared files, or of "
        "yours, which is used as it is",
    )
    split: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")] = Field(
        default="val2017", description="which images of it"
    )

    evaluator: ClassVar[str] = "coco"
    training: ClassVar[None] = None
    layout: ClassVar[str] = "<root>/<split>/*.jpg and <root>/annotations/instances_<split>.json"
    image_pattern: ClassVar[str] = "**/*"
    truth_name: ClassVar[str] = "ground_truth.json"
    published_form: ClassVar[str] = "detections.json"

    @property
    def images(self) -> str:
        """The folder that holds the image files."""
        return f"{self.root}/{self.split}"

    @property
    def ground_truth(self) -> list[str]:
        """The files that hold the ground truth."""
        return [f"{self.root}/annotations/instances_{self.split}.json"]


Dataset = Annotated[WiderFaceDataset | CocoDataset | DemoDataset, Field(discriminator="kind")]


class OwnProcessEngine(Section):
    """What engines in a process of the workflow have in common.

    Of every engine: the ``precisions`` it can be asked for, its own choice first, the format of the ``graph`` it starts
    from, its ``route``, the ``largest_batch`` it takes (None: any), whether it wants a ``fixed_size``, whether it is
    ``set_up`` as far as the config tells, and the keys on which no figure depends (``no_figure``).
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    rehearsal: ClassVar[bool] = False
    largest_batch: ClassVar[int | None] = None
    fixed_size: ClassVar[bool] = False
    set_up: ClassVar[bool] = True
    no_figure: ClassVar[frozenset[str]] = frozenset({"route"})


class OnnxRuntimeEngine(OwnProcessEngine):
    """ONNX Runtime in a process of the workflow."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    graph: ClassVar[str] = "onnx"

    kind: Literal["onnxruntime"] = Field(description="rules of `workflow/rules/engines/onnxruntime.smk`")
    route: Literal["stream", "files"] = Field(
        default="stream",
        description="stream: read, preprocess, infer and decode in one pass; files: tensor files between the stages, "
        "as vendor tools need them",
    )
    threads: PositiveInt = Field(default=1, description="threads of one job; one and more shards at once is fastest")
    providers: list[str] = Field(
        default=["CPUExecutionProvider"], description="execution providers of ONNX Runtime, in the order to try"
    )


class TorchScriptEngine(OwnProcessEngine):
    """TorchScript (`torch.jit`) on the CPU in a process of the workflow."""

    graph: ClassVar[str] = "torchscript"

    kind: Literal["torchscript"] = Field(description="rules of `workflow/rules/engines/torchscript.smk`")
    route: Literal["stream", "files"] = Field(default="stream", description="as of `onnxruntime`")
    threads: PositiveInt = Field(default=1, description="threads of one job")
    freeze: bool = Field(
        default=False,
        description="fold the weights in: faster, the last digits differ from those of the graph that was checked",
    )


class VendorEngine(Section):
    """What engines have in common that run a vendor's commands, over tensor files."""

    fixed_size: ClassVar[bool] = True
    route: ClassVar[str] = "files"
    no_figure: ClassVar[frozenset[str]] = frozenset({"setup", "python", "device", "loops"})

    setup: str | list[str] | None = Field(
        default=None,
        description="the vendor's `set_env.sh` to source before its commands, or a list of such scripts; `[]`: the "
        "environment has been set up already. `all.tsv` takes the engine along once this is not null",
    )
    python: Annotated[str, Field(min_length=1)] = Field(
        default="python3",
        description="the vendor's interpreter, in which its modules can be imported; give its path: a name alone "
        "is looked for among this project's programs first. The folder of the path comes first on PATH for the "
        "vendor's commands",
    )
    device: Annotated[int, Field(ge=0)] = Field(default=0, description="number of the card")
    rehearsal: bool = Field(
        default=False,
        description="whether the setup puts the rehearsal's stand-ins in the place of the vendor's commands; checked "
        "against what is found, and stamped in every result",
    )

    @property
    def set_up(self) -> bool:
        """Whether the config says where the vendor's software is."""
        return self.setup is not None


class AscendEngine(VendorEngine):
    """Huawei Ascend by CANN: `atc` compiles the ONNX graph, `ais_bench` runs it."""

    precisions: ClassVar[tuple[str, ...]] = ("fp16", "fp32")
    graph: ClassVar[str] = "onnx"
    largest_batch: ClassVar[int | None] = None

    kind: Literal["ascend"] = Field(description="rules of `workflow/rules/engines/ascend.smk`")
    chip: Annotated[str, Field(pattern=rf"^{CHIP}$")] | None = Field(
        default=None,
        description="the chip as `npu-smi` calls it, such as `310P3`; null: `npu-smi` is asked. Given, it lets "
        "`snakemake -n -p` print whole commands and a machine without a card compile",
    )
    loops: PositiveInt = Field(default=100, description="runs that are timed for `perf.json`")


class TorchAieEngine(VendorEngine):
    """Huawei Ascend by `torch_aie`, which compiles a traced network in its own process."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16")
    graph: ClassVar[str] = "torchscript"
    largest_batch: ClassVar[int | None] = 1

    kind: Literal["torch_aie"] = Field(description="rules of `workflow/rules/engines/torch_aie.smk`")
    trace: Literal["here", "vendor"] = Field(
        default="here",
        description="where the network is traced; vendor: in the vendor's interpreter, for a torch that is too old to "
        "load the trace of this one",
    )
    set_device: Literal["torch_npu", "torch_aie"] = Field(
        default="torch_npu",
        description="the module that chooses the card: `torch_npu.npu.set_device` as on the page, or "
        "`torch_aie.set_device` of later versions",
    )


class VastaiEngine(VendorEngine):
    """A Vastai card: `vamc` compiles the ONNX graph with its post-processing, `vamp` or `vaststreamx` runs it."""

    precisions: ClassVar[tuple[str, ...]] = ("fp16", "int8")
    graph: ClassVar[str] = "onnx"
    largest_batch: ClassVar[int | None] = None
    no_figure: ClassVar[frozenset[str]] = VendorEngine.no_figure | {"instances", "iterations"}

    kind: Literal["vastai"] = Field(description="rules of `workflow/rules/engines/vastai.smk`")
    runner: Literal["vamp", "vaststreamx"] = Field(
        default="vamp", description="vamp: the vendor's command over a list of files; vaststreamx: its Python interface"
    )
    instances: PositiveInt = Field(default=2, description="instances on the card when the throughput is measured")
    iterations: PositiveInt = Field(default=1024, description="runs that are timed for `perf.json`")


class OtherEngine(Section):
    """An engine of your own: its rules are in a file of yours, which docs/adding-an-engine.md describes."""

    fixed_size: ClassVar[bool] = True
    route: ClassVar[str] = "files"
    no_figure: ClassVar[frozenset[str]] = frozenset({"rules"})
    largest_batch: ClassVar[int | None] = None
    set_up: ClassVar[bool] = True

    kind: Name = Field(description="a name of your own for this kind of engine")
    rules: str = Field(description="the rules file (`.smk`) that makes its outputs")
    graph: Literal["onnx", "torchscript"] = Field(default="onnx", description="the graph it starts from")
    precisions: Annotated[list[Literal["fp32", "fp16"]], Field(min_length=1)] = Field(
        default=["fp32"], description="what it can be asked to compute in"
    )
    rehearsal: bool = Field(default=False, description="whether it only stands in for the real thing; stamped")
    options: dict[Name, str | int | float | bool | None] = Field(
        default_factory=dict, description="whatever its rules want to know"
    )


BUILT_IN = {
    "onnxruntime": OnnxRuntimeEngine,
    "torchscript": TorchScriptEngine,
    "ascend": AscendEngine,
    "torch_aie": TorchAieEngine,
    "vastai": VastaiEngine,
}
"""Kinds of engine that this project has rules for."""


def _kind_of_engine(value: object) -> object:
    """Which branch of :data:`Engine` a block is; one that names a rules file is of another kind."""
    fields = value if isinstance(value, dict) else vars(value) if isinstance(value, Section) else {}
    kind = fields.get("kind")
    return "other" if "rules" in fields and kind not in BUILT_IN else kind


Engine = Annotated[
    Annotated[OnnxRuntimeEngine, Tag("onnxruntime")]
    | Annotated[TorchScriptEngine, Tag("torchscript")]
    | Annotated[AscendEngine, Tag("ascend")]
    | Annotated[TorchAieEngine, Tag("torch_aie")]
    | Annotated[VastaiEngine, Tag("vastai")]
    | Annotated[OtherEngine, Tag("other")],
    Discriminator(_kind_of_engine),
]


class CpuDevice(Section):
    """The CPU of the machine."""

    backends: ClassVar[tuple[str, ...]] = ("gloo",)
    setup: ClassVar[None] = None
    python: ClassVar[str] = "python"

    kind: Literal["cpu"] = Field(description="a process for each number in `devices` of a training")


class CudaDevice(Section):
    """Graphics cards that torch drives by CUDA."""

    backends: ClassVar[tuple[str, ...]] = ("nccl", "gloo")
    setup: ClassVar[None] = None

    kind: Literal["cuda"] = Field(description="cards by the numbers that CUDA gives them")
    python: Annotated[str, Field(min_length=1)] = Field(
        default="python",
        description="an interpreter with a CUDA build of torch and this project's other requirements; the one of "
        "`make setup` has torch for the CPU alone",
    )


class NpuDevice(Section):
    """Huawei Ascend cards that torch drives by `torch_npu`."""

    backends: ClassVar[tuple[str, ...]] = ("hccl",)

    kind: Literal["npu"] = Field(description="cards by the numbers that `npu-smi` gives them")
    setup: str | list[str] | None = Field(
        default=None,
        description="the vendor's `set_env.sh` to source first, or a list of such scripts; null: the environment has "
        "been set up already",
    )
    python: Annotated[str, Field(min_length=1)] = Field(
        default="python",
        description="the interpreter with `torch_npu`, its torch and this project's other requirements",
    )


Device = Annotated[CpuDevice | CudaDevice | NpuDevice, Field(discriminator="kind")]


class OwnWeights(Section):
    """Weights of your own."""

    path: str = Field(description="a checkpoint (`.pth`); used as it is, its hash is recorded")


def _kind_of_checkpoint(value: object) -> str:
    """Which branch of :data:`Checkpoint` a value is."""
    return "Name" if isinstance(value, str) else "OwnWeights"


Checkpoint = Annotated[
    Annotated[Name, Tag("Name")] | Annotated[OwnWeights, Tag("OwnWeights")], Discriminator(_kind_of_checkpoint)
]
"""An entry of ``files``, or a file of the user's own."""


class Training(TrainingSettings):
    """A training of the block's network: what decides the weights, and from `device` on where and how it runs."""

    data: Name | None = Field(
        default=None, description="an entry of `datasets` with a `training` part; null: the block's own"
    )
    backbone: Checkpoint | None = Field(
        default=None,
        description="weights that the backbone starts from, such as those of ImageNet: an entry of `files` or `path:`; "
        "null: random ones",
    )
    start_from: Checkpoint | None = Field(
        default=None, description="weights that the whole network starts from, instead of `backbone`; null: none"
    )
    device: Name = Field(default="cpu", description="an entry of `devices`")
    devices: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        default=[0], description="numbers of the cards, a process for each; on the CPU as many processes"
    )
    backend: Literal["gloo", "nccl", "hccl"] | None = Field(
        default=None, description="how processes exchange gradients; null: as is usual for the kind of device"
    )
    nodes: PositiveInt = Field(
        default=1, description="machines that train together, each with as many devices (docs/training.md)"
    )
    node_rank: Annotated[int, Field(ge=0)] = Field(default=0, description="which of them this one is; 0 writes")
    master_address: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="of node 0, where there are several"
    )
    master_port: Annotated[int, Field(ge=1, le=65535)] = Field(default=29688, description="the same")
    workers: Annotated[int, Field(ge=0)] = Field(
        default=4, description="processes that read and augment images, for each device"
    )
    threads: PositiveInt = Field(default=2, description="of the CPU, for each process that trains")
    state_every_steps: PositiveInt = Field(
        default=100, description="steps between two states, from the last of which a killed training goes on"
    )

    @property
    def processes(self) -> int:
        """Of all nodes: one for each device."""
        return self.nodes * len(self.devices)

    @property
    def settings(self) -> dict[str, object]:
        """What decides the weights, as JSON values."""
        return self.model_dump(mode="json", include=set(TrainingSettings.model_fields))


class TrainedWeights(Section):
    """Weights that are trained here, into `results/{model}/train/weights.pth`."""

    training: Training


class FormulaWeights(Section):
    """Weights computed from names and shapes, for a run without trained ones: its figures say nothing of the model.

    They stand in overlays only. The checkpoint says what it is, and so do results, curves, tables, timings and pictures
    that were made with it.
    """

    formula: list[Annotated[tuple[str, float], Field(strict=False)]] = Field(
        description="pairs of a regular expression and a factor: the first that is found in the name of an entry "
        "scales it, so that activations stay in a useful range"
    )


KINDS_OF_WEIGHTS = {"path": OwnWeights, "formula": FormulaWeights, "training": TrainedWeights}
"""The blocks that weights can be, by the key that tells them apart."""


def _kind_of_weights(value: object) -> str | None:
    """Which branch of :data:`Weights` a value is; None for what is none."""
    if isinstance(value, str):
        return "Name"
    fields = value if isinstance(value, dict) else vars(value) if isinstance(value, Section) else {}
    return next((kind.__name__ for key, kind in KINDS_OF_WEIGHTS.items() if key in fields), None)


Weights = Annotated[
    Annotated[Name, Tag("Name")]
    | Annotated[OwnWeights, Tag("OwnWeights")]
    | Annotated[FormulaWeights, Tag("FormulaWeights")]
    | Annotated[TrainedWeights, Tag("TrainedWeights")],
    Discriminator(
        _kind_of_weights,
        custom_error_type="kind_of_weights",
        custom_error_message=f"expected an entry of files, or a block with one of {', '.join(KINDS_OF_WEIGHTS)}",
    ),
]


class Parity(Section):
    """What an exported graph must show against PyTorch before anything may use it."""

    images: PositiveInt = Field(default=3, description="real images, spread over the dataset, that are compared")
    max_abs: Annotated[float, Field(gt=0)] = Field(
        default=5e-4,
        description="largest absolute difference allowed in any element of any output; float32 rounding alone reaches "
        "1.1e-4",
    )
    max_abs_of: dict[Name, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="the same for single outputs of the network, by name"
    )


class Export(Section):
    """How the network becomes a graph."""

    opset: Annotated[int, Field(ge=9, le=20)] = Field(
        default=11,
        description="ONNX opset; below 11 a map can be enlarged by whole factors only, which wants sizes that are "
        "multiples of 32",
    )
    max_ir_version: Annotated[int, Field(ge=4)] | None = Field(
        default=None, description="newest version of the ONNX file format that may be written; null: what comes"
    )
    dynamic: list[Literal["batch", "height", "width"]] = Field(
        default=["batch"], description="dimensions of the ONNX input that stay open"
    )
    parity: Parity = Field(default_factory=Parity)


class Variants(Section):
    """The points of a block: every size × precision × batch, written `640-fp32-b1`."""

    sizes: Annotated[
        list[Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=rf"^(?:{SIZE})$")]], Field(min_length=1)
    ] = Field(description="pixels of a square, `WxH`, or `native` for the size of each image")
    precisions: Annotated[list[Precision], Field(min_length=1)] | None = Field(
        default=None,
        description="what the engine is asked to compute in, as far as it can; null: what each does unless told "
        "otherwise (`ascend` and `vastai` fp16, all others fp32)",
    )
    batches: Annotated[list[PositiveInt], Field(min_length=1)] = Field(default=[1], description="images a run")

    def of(self, engine: Engine) -> list[str]:
        """Those that an engine can compute, such as ``640-fp32-b1``."""
        asked = self.precisions or engine.precisions[:1]
        precisions = [precision for precision in asked if precision in engine.precisions]
        return [f"{s}-{p}-b{b}" for s in self.sizes for p in precisions for b in self.batches]


class AscendCompile(Section):
    """What `atc` is told of a network beside its graph, its shape and its precision."""

    aipp: bool = Field(
        default=False,
        description="leave the mean to the card's preprocessing unit (AIPP): tensor files hold raw pixels, uint8 HWC, "
        "a quarter of the bytes; of recipe `retinaface`",
    )


class VastaiCompile(Section):
    """What `vamc` is told of a network beside its graph, its shape and its precision."""

    data_transport_mode: Annotated[int, Field(ge=0)] = Field(default=3, description="`backend.compile` of the compiler")
    cluster_mode: Annotated[int, Field(ge=0)] = Field(default=0, description="the same")
    calibrate_mode: Literal["kl_divergence", "percentile", "max", "mse"] = Field(
        default="kl_divergence", description="`backend.quantize`: how ranges are found for int8"
    )
    quantize_per_channel: bool | None = Field(default=None, description="the same; null: what the compiler does")


class Compile(Section):
    """What vendors' compilers are told, by kind of engine."""

    ascend: AscendCompile = Field(default_factory=AscendCompile)
    vastai: VastaiCompile = Field(default_factory=VastaiCompile)


class Quantization(Section):
    """How `onnxruntime` makes an int8 graph out of the float one (static, QDQ)."""

    method: Literal["minmax", "percentile", "entropy"] = Field(
        default="percentile", description="how ranges of values are found on the calibration images"
    )
    per_channel: bool = Field(default=True, description="a scale for each channel of the weights")
    exclude: list[str] = Field(
        default_factory=list,
        description="nodes that stay in float, by name or regular expression; "
        "`results/{model}/export/{size}/int8_layers.tsv` says which cost most",
    )


class Scoring(Section):
    """How detections are held against the ground truth."""

    iou_thresholds: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = Field(
        default=[0.5],
        description="WIDER FACE: IoU from which a detection finds a face; the figures of the first are the result, "
        "those of others stand beside it, each labelled. COCO has thresholds of its own",
    )
    segm_area: Literal["box", "mask"] = Field(
        default="box",
        description="COCO: whether a detected mask counts as small, medium or large by the area of its box, as "
        "pycocotools has it for results with boxes and masks in one file, or by its own; AP over all areas is the same",
    )


class Drawing(Section):
    """What is shown of what was found, in pictures (`results/<model>/<engine>/<variant>/drawn`) and in reports."""

    score_above: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="boxes with a score above this; precision and recall of a report are of these, AP of all",
    )


class Headline(Section):
    """The point whose result is the model's result."""

    engine: Name = Field(description="one of the block's engines")
    variant: str = Field(description="one of the block's variants")


class Model(Section):
    """A detector from weights to AP."""

    network: Name = Field(description="a network of `src/pth2map/networks/catalogue.py`")
    weights: Weights = Field(
        description="an entry of `files`, `path:` to a checkpoint of yours, `training:`, or, in an overlay, `formula:`"
    )
    dataset: Name = Field(description="an entry of `datasets`")
    recipe: RecipeSettings
    export: Export = Field(default_factory=Export)
    compile: Compile = Field(default_factory=Compile)
    quantization: Quantization = Field(default_factory=Quantization)
    scoring: Scoring = Field(default_factory=Scoring)
    engines: Annotated[list[Name], Field(min_length=1)] = Field(description="entries of `engines` it is offered on")
    variants: Variants
    headline: Headline | None = Field(
        default=None, description="the point of `results/{model}/map.txt`; needed when the block offers several"
    )


class Config(Section):
    """The whole config."""

    files: dict[Name, DeclaredFile] = Field(default_factory=dict, description="files from elsewhere")
    folders: dict[Name, DeclaredFolder] = Field(default_factory=dict, description="folders out of declared archives")
    datasets: dict[Name, Dataset] = Field(description="images with their ground truth and evaluator")
    engines: dict[Name, Engine] = Field(description="what runs a graph")
    devices: dict[Name, Device] = Field(
        default={"cpu": CpuDevice(kind="cpu"), "cuda": CudaDevice(kind="cuda"), "npu": NpuDevice(kind="npu")},
        description="what a training runs on",
    )
    models: dict[Name, Model] = Field(description="detectors, one block each")
    drawing: Drawing = Field(default_factory=Drawing)
    tensor_shards: PositiveInt = Field(
        default=2,
        description="shards whose tensor files may lie on disk at once for one point (engines with `route: files`); "
        "shard i waits for shard i − this, so a shard that is made again takes those behind it along",
    )


def parse_variant(text: str) -> tuple[str, str, int]:
    """``"640-fp32-b1"`` → size, precision, batch."""
    match = re.fullmatch(rf"({SIZE})-([a-z]+\d+)-b(\d+)", text)
    if not match:
        raise ValueError(f"{text} is not a variant like 640-fp32-b1")
    return match[1], match[2], int(match[3])
