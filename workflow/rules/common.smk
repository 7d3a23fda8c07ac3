# What the rules share: the checked config, where commands lie, and what a rule asks by its wildcards.
# The functions here only turn wildcards into questions to POINTS (src/pth2map/config/points.py); an InputError from
# there reaches the user as Snakemake's own error, with its sentence.

import json
import os
import re
import shlex
from dataclasses import asdict

from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource

from pth2map.config.files import check_config_files, refuse_formulas
from pth2map.config.load import load_config
from pth2map.config.points import GRAPHS, Points, format_of
from pth2map.config.schema import DATA
from pth2map.config.states import States
from pth2map.engines.probe import PROBES, drop_untrue, environment
from pth2map.files.command import put_python_first
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_json
from pth2map.files.holding import (
    begin_run,
    executes,
    hold,
    other_snakemake,
    sweep_tensor_files,
)
from pth2map.networks.catalogue import NETWORKS
from pth2map.recipes.settings import Size

try:
    check_config_files(path for path in workflow.configfiles if Path(path).is_file())
    refuse_formulas(ROOT / "config" / "config.yaml")
    POINTS = Points(load_config(config, ROOT))
except InputError as error:
    raise WorkflowError(str(error)) from None

put_python_first()
# One job at a time works on cards, unless `--resources card=2` says that there are more.
if POINTS.has_cards and "card" not in workflow.global_resources:
    workflow.register_resource("card", Resource("card", 1))
# As a module of another workflow this one has no onstart, and leaves locks alone.
IN_CHARGE = workflow.is_main_process and workflow.modifier.is_main_snakefile()
if IN_CHARGE and executes(sys.argv) and hold(Path.cwd()):
    print("removed the lock of a run that was killed", file=sys.stderr)


# Paths below the working directory stay relative, so that a moved folder reruns nothing.
SCRIPTS = (
    (ROOT.relative_to(Path.cwd()) if ROOT.is_relative_to(Path.cwd()) else ROOT)
    / "workflow"
    / "scripts"
)
STATES = States(POINTS, SCRIPTS)

if IN_CHARGE and executes(sys.argv):
    drop_untrue(Path("scratch/engines"), STATES.probes())
    # A device is looked at before every training. Were the file there, a job behind this ancient input would not be
    # asked what else has changed for it as soon as there is a reason to look again.
    for path in Path("scratch").glob("*/train/device.json"):
        path.unlink()


def sweep():
    """Remove tensor files that no config of today will ask for."""
    for folder in Path("scratch").glob("*/*/*"):
        try:
            point = POINTS.point(*folder.parts[-3:])
            sweep_tensor_files(folder, STATES.detect(point))
        except InputError:
            continue  # of a model that is no longer in the config, or whose files are not at hand


onstart:
    if begin_run(Path.cwd()) and not other_snakemake(Path.cwd()):
        sweep()


# Scripts that run in a vendor's interpreter.
VENDOR = SCRIPTS.parent / "vendor"
ENVIRONMENT = str(ROOT / "envs" / "pth2map.yaml")


def script(name):
    """A command of workflow/scripts, for ``input:``."""
    return str(SCRIPTS / f"{name}.py")


def state(stage):
    """State of a stage (src/pth2map/config/states.py), for ``params:``: its change reruns the rule."""

    def of(wildcards):
        return getattr(STATES, stage)(point_of(wildcards))

    return of


def state_of_graph(stage, graph=None):
    """As ``state``, for the stages of one graph."""

    def of(wildcards):
        return getattr(STATES, stage)(
            wildcards.model, wildcards.size, graph or format_of(wildcards.suffix)
        )

    return of


def state_of_size(stage):
    """As ``state``, for the stages of a model at a size."""

    def of(wildcards):
        return getattr(STATES, stage)(wildcards.model, wildcards.size)

    return of


def state_of_model(stage):
    """As ``state``, for the stages of a model."""

    def of(wildcards):
        return getattr(STATES, stage)(wildcards.model)

    return of


def index_state(wildcards):
    return STATES.index(wildcards.dataset)


def hash_options(hashes, option="--hash"):
    return [f"{option} {algorithm}={value}" for algorithm, value in hashes.items()]


def pattern(names):
    """Pattern of a wildcard that may be any of ``names``; it matches nothing when there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def not_remembered(of):
    """For a param that only decides where and how fast a job runs, or of which the job's state holds what counts: as it
    takes ``threads``, Snakemake does not remember it, and another value is no reason to run again.
    """

    def value(wildcards, threads):
        return of(wildcards)

    return value


# A point: wildcards model, engine, variant.


def point_of(wildcards):
    return POINTS.point(wildcards.model, wildcards.engine, wildcards.variant)


def graph_of(wildcards):
    """The exported graph that an engine of our own process runs."""
    return POINTS.graph_path(point_of(wildcards))


def parity_of(wildcards):
    """The check of that graph: nothing runs an unchecked one."""
    return f"{graph_of(wildcards)}.parity.json"


def shards_folder(wildcards):
    """Shards of a point lie below their state: a leftover job of another state cannot reach them."""
    state = STATES.detect(point_of(wildcards))
    return f"scratch/{wildcards.model}/{wildcards.engine}/{wildcards.variant}/{state}"


def of_every_shard(file):
    """A file of every shard of a point."""

    def paths(wildcards):
        shards = POINTS.shards(wildcards.model)
        return [f"{shards_folder(wildcards)}/{shard}/{file}" for shard in shards]

    return paths


def earlier_shard(wildcards):
    """The shard that must be decoded first, so that only so many shards have tensor files at once."""
    earlier = POINTS.earlier_shard(wildcards.shard)
    return f"{shards_folder(wildcards)}/{earlier}/detections.npz" if earlier else []


def session_json(wildcards):
    """Options of an engine of our own process."""
    return json.dumps(
        POINTS.engine(wildcards.engine).model_dump(
            mode="json", exclude={"kind", "route"}
        )
    )


def kind_of(wildcards):
    return POINTS.engine(wildcards.engine).kind


def threads_of(wildcards):
    return POINTS.engine(wildcards.engine).threads


def all_cores(wildcards):
    """So that nothing runs beside the job. Asked for a job only: ``snakemake --unlock`` knows no cores."""
    return workflow.cores


def size_of(wildcards):
    return point_of(wildcards).size


def batch_of(wildcards):
    return point_of(wildcards).batch


# A point on a vendor's engine.


def rehearsal_option(wildcards):
    return "--rehearsal" if POINTS.engine(wildcards.engine).rehearsal else ""


def raw_option(wildcards):
    return "--raw" if POINTS.takes_raw_pixels(point_of(wildcards)) else ""


def ready_of(wildcards):
    """The facts of an engine that lacks nothing: what its jobs wait for."""
    return f"scratch/engines/{wildcards.engine}/ready.json"


def environment_of(wildcards):
    """Beginning of the shell commands of a vendor: what they need is sourced."""
    engine = POINTS.vendor_engine(wildcards.engine)
    return environment(engine.setup or [], engine.python)


def python_of(wildcards):
    """The vendor's interpreter."""
    return shlex.quote(POINTS.vendor_engine(wildcards.engine).python)


def cards_of(wildcards):
    """Stand-ins have no card."""
    return 0 if POINTS.engine(wildcards.engine).rehearsal else 1


def device_of(wildcards):
    return POINTS.vendor_engine(wildcards.engine).device


def soc_version_of(wildcards):
    """The chip as ``atc`` calls it: what the config says, or what the probe of the engine has found."""
    chip = POINTS.engine(wildcards.engine).chip
    found = f"scratch/engines/{wildcards.engine}/soc_version"
    return f"Ascend{chip}" if chip else f'"$(cat {found})"'


def compiled_graph_of(wildcards):
    return POINTS.compiled_graph(point_of(wildcards))


def aipp_of(wildcards):
    """The preprocessing that the card is left to do, if any."""
    point = point_of(wildcards)
    folder = f"results/{point.model}/{point.engine}/{point.variant}"
    return f"{folder}/aipp.cfg" if POINTS.takes_raw_pixels(point) else []


def atc_options(wildcards):
    """What depends on precision, recipe and network of what ``atc`` is told."""
    point = point_of(wildcards)
    numbers = POINTS.model(point.model).recipe.output_numbers
    outputs = NETWORKS[POINTS.model(point.model).network].outputs
    options = {"fp16": [], "fp32": ["--precision_mode=force_fp32"]}[point.precision]
    if POINTS.takes_raw_pixels(point):
        options = [*options, f"--insert_op_conf={aipp_of(wildcards)}"]
        options = [*options, "--enable_small_channel=1"]
    if list(numbers) != sorted(numbers):
        ordered = sorted(zip(numbers, outputs))
        nodes = ";".join(f"{output}:0" for _, output in ordered)
        options = [*options, f"--out_nodes={nodes}"]
    return " ".join(map(shlex.quote, options))


def input_shape_of(wildcards):
    """Lengths of the input of a compiled graph, with commas."""
    point = point_of(wildcards)
    size = Size.parse(point.size)
    return f"{point.batch},3,{size.height},{size.width}"


def inputs_folder_of(wildcards):
    """Where the tensor files lie below the folder that prepare writes."""
    return POINTS.model(wildcards.model).recipe.inputs_folder


def set_device_of(wildcards):
    return POINTS.engine(wildcards.engine).set_device


def reference_of(wildcards):
    """What the network gave in PyTorch at the size of a point."""
    return f"scratch/{wildcards.model}/reference/{point_of(wildcards).size}.npz"


def output_numbers_of(wildcards):
    return ",".join(map(str, POINTS.model(wildcards.model).recipe.output_numbers))


def compile_json(wildcards):
    """What the compiler of an engine is told of a model."""
    kind = POINTS.engine(wildcards.engine).kind
    options = POINTS.model(wildcards.model).compile.model_dump(mode="json")
    return json.dumps(options[kind])


def instances_of(wildcards):
    return POINTS.engine(wildcards.engine).instances


def iterations_of(wildcards):
    return POINTS.engine(wildcards.engine).iterations


def calibration_list_of(wildcards):
    """The calibration images of a point in int8."""
    quantized = point_of(wildcards).precision == "int8"
    return calibration_list_of_model(wildcards) if quantized else []


def calibration_list_of_model(wildcards):
    return f"{calibration_folder(wildcards.model)}/list.json"


def quantization_options(wildcards):
    """How a graph of a model is quantised for ONNX Runtime."""
    quantization = POINTS.model(wildcards.model).quantization
    options = ["--method", quantization.method]
    options += [] if quantization.per_channel else ["--per-tensor"]
    options += ["--exclude", *quantization.exclude] if quantization.exclude else []
    return " ".join(map(shlex.quote, options))


def calibration_folder(model):
    return f"scratch/calibration/{POINTS.model(model).dataset}"


def calibration_of(wildcards):
    """The same with the folder where they lie."""
    listed = calibration_list_of(wildcards)
    return [listed, f"{calibration_folder(wildcards.model)}/images"] if listed else []


def calibration_told(wildcards):
    """For the score, which tells of the images."""
    listed = calibration_list_of(wildcards)
    return f"--calibration {listed}" if listed else ""


def calibration_options(wildcards):
    if point_of(wildcards).precision != "int8":
        return ""
    folder = calibration_folder(wildcards.model)
    return f"--calibration {folder}/list.json --calibration-folder {folder}/images"


def precision_of(wildcards):
    return point_of(wildcards).precision


def engine_json(wildcards):
    """The entry of an engine."""
    return json.dumps(POINTS.engine(wildcards.engine).model_dump(mode="json"))


def loops_of(wildcards):
    return POINTS.engine(wildcards.engine).loops


def state_of_engine(wildcards):
    return STATES.probe(wildcards.engine)


def cores_for_one_alone(wildcards):
    """So that nothing runs beside a job that decides whether to go on; on a cluster it is one job of many."""
    return 1 if workflow.non_local_exec else workflow.cores


def leaf_json(wildcards):
    return json.dumps(POINTS.leaf(point_of(wildcards)))


def leaf_hash(wildcards):
    return hash_json(POINTS.leaf(point_of(wildcards)))


def chain_code(wildcards):
    """One hash over the code of all stages behind a result."""
    return STATES.code(point_of(wildcards))


# A model: wildcard model.


def weights_of(wildcards):
    return POINTS.weights_path(wildcards.model)


def evidence_of_weights(wildcards):
    """What a rule waits for so that it can use them."""
    return POINTS.evidence(POINTS.weights_path(wildcards.model))


def weights_hashes(wildcards):
    """Hashes that the weights must have, as options; none for weights of the user's own."""
    return " ".join(hash_options(POINTS.weights_hashes(wildcards.model)))


def formula_json(wildcards):
    """Scale rules of weights that are made of a formula."""
    return json.dumps(POINTS.formula(wildcards.model))


def network_of(wildcards):
    return POINTS.model(wildcards.model).network


def recipe_json(wildcards):
    return json.dumps(POINTS.recipe(point_of(wildcards)).model_dump(mode="json"))


def preprocess_json(wildcards):
    """The recipe without its decode, for stages that only preprocess: a change of the decode does not rerun them."""
    return json.dumps(POINTS.recipe_without_decode(wildcards.model))


def device_json(wildcards):
    """The recipe as far as a device knows it."""
    return json.dumps(POINTS.recipe_before_decode(point_of(wildcards)))


def index_of(wildcards):
    return f"scratch/datasets/{POINTS.model(wildcards.model).dataset}/index.json"


def score_above(wildcards):
    return POINTS.config.drawing.score_above


def images_of_model(wildcards):
    return POINTS.image_evidence(POINTS.model(wildcards.model).dataset)


def ground_truth_of(wildcards):
    return POINTS.truth_path(POINTS.model(wildcards.model).dataset)


def categories_option(wildcards):
    """Where the names of classes stand, for models that tell several apart."""
    coco = wildcards.model in POINTS.models_on("coco")
    return f"--categories {shlex.quote(ground_truth_of(wildcards))}" if coco else ""


def opset_of(wildcards):
    return POINTS.model(wildcards.model).export.opset


def ir_option(wildcards):
    newest = POINTS.model(wildcards.model).export.max_ir_version
    return f"--max-ir-version {newest}" if newest else ""


def dynamic_of(wildcards):
    return POINTS.model(wildcards.model).export.dynamic


def images_compared(wildcards):
    """On how many images the graphs of a model are compared with PyTorch."""
    return POINTS.model(wildcards.model).export.parity.images


def tolerance_options(wildcards):
    """How far a graph may be from PyTorch."""
    parity = POINTS.model(wildcards.model).export.parity
    own = shlex.quote(json.dumps(parity.max_abs_of))
    return f"--max-abs {parity.max_abs} --max-abs-of {own}"


def kind_of_graph(wildcards):
    """The runtime of our own process that a graph is checked with."""
    return GRAPHS[format_of(wildcards.suffix)].kind


def headline_graphs(wildcards):
    """Graph formats of a model."""
    return list(POINTS.headline_graphs(wildcards.model))


def headline_checks(wildcards):
    return [
        f"{path}.parity.json"
        for path in POINTS.headline_graphs(wildcards.model).values()
    ]


def headline_of(wildcards):
    """Results of the point that a block names as its headline."""
    point = POINTS.headline(wildcards.model)
    folder = f"results/{point.model}/{point.engine}/{point.variant}"
    return {
        "text": f"{folder}/map.txt",
        "json": f"{folder}/map.json",
        "picture": f"{folder}/precision_recall.png",
        "detections": f"{folder}/detections/detections.npz",
        "published": f"{folder}/detections/{POINTS.published_form(wildcards.model)}",
    }


def maps_of_model(wildcards):
    """Results of every point that a block offers on the engines that are set up."""
    for engine in POINTS.left_out(wildcards.model):
        print(
            f"left out of all.tsv: engine {engine}: engines.{engine}.setup is null",
            file=sys.stderr,
        )
    return [
        f"results/{point.model}/{point.engine}/{point.variant}/map.json"
        for point in POINTS.points(wildcards.model)
    ]


def costs_of_model(wildcards):
    """What a network costs at every size of a block that has ONNX graphs."""
    if "onnx" not in POINTS.headline_graphs(wildcards.model):
        return []
    folder = f"results/{wildcards.model}/export"
    sizes = POINTS.fixed_sizes(wildcards.model)
    return [f"{folder}/{size}/complexity.json" for size in sizes]


def presence_of_headline(wildcards):
    """Whether all that a headline is of lies behind it, for ``params:``. Snakemake would not miss what a failed or
    killed job has removed there, as long as the headline itself is in place."""
    stands = Path(f"results/{wildcards.model}/map.json").exists()
    behind = all(Path(path).exists() for path in headline_of(wildcards).values())
    return "gone" if stands and not behind else "there"


# The report of a point: wildcards model, engine, variant.


def sheet_of(wildcards):
    """A rendered set at a glance."""
    demo = POINTS.rendered(POINTS.model(wildcards.model).dataset)
    return f"{demo.root}.png" if demo else []


def sheet_option(wildcards):
    sheet = sheet_of(wildcards)
    return f"--sheet {sheet}" if sheet else ""


def epochs_of(wildcards):
    """The epochs of the training behind a result, if there was one, as a table and as a picture."""
    trained = wildcards.model in POINTS.trained_models()
    folder = f"results/{wildcards.model}/train"
    return [f"{folder}/epochs.tsv", f"{folder}/training.png"] if trained else []


def epochs_option(wildcards):
    epochs = epochs_of(wildcards)
    return f"--epochs {' '.join(epochs)}" if epochs else ""


def report_target(wildcards):
    """The report of a point, as the model's where it is that of its headline."""
    point = point_of(wildcards)
    folder = f"results/{point.model}"
    if point != POINTS.headline(point.model):
        folder = f"{folder}/{point.engine}/{point.variant}"
    return f"{folder}/report.html"


def report_command(wildcards):
    """What a person would type for it."""
    base = ROOT / "config" / "config.yaml"
    overlays = [path for path in workflow.configfiles if not base.samefile(path)]
    words = ["snakemake", "--cores", str(workflow.cores or "all")]
    if Path.cwd() != ROOT:
        words += ["--snakefile", str(SCRIPTS.parent.parent / "Snakefile")]
    if overlays:
        words += ["--configfile", *(os.path.relpath(path) for path in overlays)]
    return shlex.join([*words, "--", report_target(wildcards)])


def headline_report_of(wildcards):
    point = POINTS.headline(wildcards.model)
    return f"results/{point.model}/{point.engine}/{point.variant}/report.html"


# A training: wildcard model, of a block whose weights are trained.


def device_of_training(wildcards):
    """What a training waits for before anything large is fetched for it. Another node than the first has none: it
    writes no checkpoint."""
    training = POINTS.training(wildcards.model)
    if training.node_rank and executes(sys.argv):
        raise InputError(
            f"models.{wildcards.model}.weights.training.node_rank: {training.node_rank} of {training.nodes} nodes "
            "writes no checkpoint, so that nothing here can wait for it; run the line that snakemake -n -p prints "
            "(docs/training.md)"
        )
    return f"scratch/{wildcards.model}/train/device.json"


def training_sets_of(wildcards):
    return POINTS.training_sets(wildcards.model)


def validation_option(wildcards):
    sets = POINTS.training_sets(wildcards.model)
    return f"--validation {sets['validation']}" if "validation" in sets else ""


def evidence_of_starts(wildcards):
    """What a training waits for so that it can use the checkpoints that it starts from."""
    return list(map(POINTS.evidence, POINTS.starts(wildcards.model).values()))


def start_options(wildcards):
    """Those checkpoints, and the hashes that declared ones must have."""
    options = []
    for name, path in POINTS.starts(wildcards.model).items():
        option = f"--{name.replace('_', '-')}"
        options += [option, shlex.quote(path)]
        options += hash_options(POINTS.hashes(path), f"{option}-hash")
    return " ".join(options)


def training_settings_json(wildcards):
    return json.dumps(POINTS.training(wildcards.model).settings)


def training_state_folder(wildcards):
    """Where a killed training goes on from: a folder for all that decides its steps, which Snakemake does not know."""
    return f"scratch/{wildcards.model}/train/{STATES.steps(wildcards.model)}"


def training_threads(wildcards):
    """Of the processes that train on this machine."""
    training = POINTS.training(wildcards.model)
    return training.threads * len(training.devices)


def threads_of_each(wildcards, threads):
    """Of one such process, where Snakemake has fewer cores than asked for too."""
    return max(1, threads // len(POINTS.training(wildcards.model).devices))


def cards_of_training(wildcards):
    return 0 if POINTS.device(wildcards.model).kind == "cpu" else 1


def device_environment(wildcards):
    """Beginning of the shell commands on a device: what they need is sourced."""
    device = POINTS.device(wildcards.model)
    return environment(device.setup or [], device.python)


def device_python(wildcards):
    """The interpreter that trains."""
    return shlex.quote(POINTS.device(wildcards.model).python)


def launcher(wildcards):
    """The same, or what starts one for each device."""
    training = POINTS.training(wildcards.model)
    python = device_python(wildcards)
    if training.processes == 1:
        return python
    nodes = "--standalone"
    if training.nodes > 1:
        nodes = (
            f"--nnodes {training.nodes} --node-rank {training.node_rank}"
            f" --master-addr {shlex.quote(training.master_address)} --master-port {training.master_port}"
        )
    return f"{python} -m torch.distributed.run {nodes} --nproc-per-node {len(training.devices)}"


def sentence_last(wildcards):
    """The end of a shell command that failed: what was wrong, again below what torchrun says of its processes."""
    if POINTS.training(wildcards.model).processes == 1:
        return ""
    log = shlex.quote(f"logs/{wildcards.model}/train/train.log")
    return f" || {{ grep '^error: ' {log} | sort -u; exit 1; }} >&2"


def device_options(wildcards):
    """The device, the numbers of its cards, and how their processes talk."""
    training = POINTS.training(wildcards.model)
    numbers = ",".join(map(str, training.devices))
    backend = f" --backend {training.backend}" if training.backend else ""
    kind = POINTS.device(wildcards.model).kind
    return f"--device {kind} --devices {numbers}{backend}"


def device_name(wildcards):
    return POINTS.training(wildcards.model).device


def reading_options(wildcards):
    """How a training reads its images, and how often it can be left."""
    training = POINTS.training(wildcards.model)
    return f"--workers {training.workers} --state-every {training.state_every_steps}"


def training_record_of(wildcards):
    """What is known of the training behind a result, if there was one."""
    trained = wildcards.model in POINTS.trained_models()
    return f"results/{wildcards.model}/train/training.json" if trained else []


def trained_images_of(wildcards):
    """The sets behind such a result."""
    trained = wildcards.model in POINTS.trained_models()
    return list(POINTS.training_sets(wildcards.model).values()) if trained else []


def training_told(wildcards):
    """For the score, which keeps the record and looks for evaluated images among the others."""
    record = training_record_of(wildcards)
    sets = " ".join(trained_images_of(wildcards))
    return f"--training {record} --trained-on {sets}" if record else ""


# A dataset: wildcard dataset.


def labels_of(part):
    """The label file of a part of what there is to train on."""

    def path(wildcards):
        return POINTS.labelled_faces(wildcards.dataset, part).labels

    return path


def evidence_of_labels(part):
    """What a rule waits for so that it can use it."""

    def evidence(wildcards):
        return POINTS.evidence(labels_of(part)(wildcards))

    return evidence


def faces_folder_of(part):
    """The images of those labels."""

    def path(wildcards):
        return POINTS.labelled_faces(wildcards.dataset, part).folder

    return path


def faces_evidence(part):
    def evidence(wildcards):
        return POINTS.folder_evidence(faces_folder_of(part)(wildcards))

    return evidence


def faults_json(wildcards):
    faults = POINTS.training_faces(wildcards.dataset).faults
    return json.dumps(faults.model_dump(mode="json"))


def faces_state(part):
    def of(wildcards):
        return STATES.index_training(wildcards.dataset, part)

    return of


def root_of(wildcards):
    return POINTS.dataset(wildcards.dataset).root


def split_of(wildcards):
    return POINTS.dataset(wildcards.dataset).split


def images_of(wildcards):
    return POINTS.image_evidence(wildcards.dataset)


def ground_truth_files(wildcards):
    files = POINTS.ground_truth_files(wildcards.dataset)
    return list(dict.fromkeys(map(POINTS.evidence, files)))


def rendered_option(wildcards):
    """What is said of pictures that are drawn here."""
    demo = POINTS.rendered(wildcards.dataset)
    return f"--rendered {shlex.quote(demo.words)}" if demo else ""


def subset_list(wildcards):
    subset = POINTS.dataset(wildcards.dataset).subset
    return subset.list if subset and subset.list else []


def subset_options(wildcards):
    subset = POINTS.dataset(wildcards.dataset).subset
    if subset is None:
        return ""
    return (
        f"--first {subset.first}"
        if subset.first
        else f"--list {shlex.quote(subset.list)}"
    )


def calibration_source(wildcards):
    return POINTS.dataset(wildcards.dataset).calibration.source


def calibration_evidence(wildcards):
    return POINTS.calibration_evidence(wildcards.dataset)


def calibration_draw(wildcards):
    calibration = POINTS.dataset(wildcards.dataset).calibration
    allowed = "--allow-evaluation" if calibration.evaluation_images else ""
    return f"--images {calibration.images} --seed {calibration.seed} {allowed}"


def calibration_state(wildcards):
    return STATES.calibration(wildcards.dataset)


# Rendered pictures: wildcard demo, the name of their folder.


def demo_options(wildcards):
    """The settings of a demo set."""
    settings = POINTS.demos[wildcards.demo].settings
    return " ".join(f"--{name} {value}" for name, value in settings.items())


def state_of_demo(wildcards):
    return STATES.render(wildcards.demo)


# Declared files and folders: wildcards path, below data/, and identity, of what is declared.


def places_of(block):
    """Pattern of the places of a block of the config."""
    return pattern(entry.path for entry in getattr(POINTS.config, block).values())


def declaration_of(wildcards, threads):
    """The declaration with its sources. It takes ``threads`` so that Snakemake does not remember it: another address
    is no reason to fetch again, and another size or hash is another record."""
    path = f"{DATA}/{wildcards.path}"
    declared = POINTS.declared_file(path) or POINTS.declared_folder(path)
    return json.dumps(asdict(declared))


def models_at_hand():
    """The models whose files are there or can be fetched; of the others it is said what they wait for. A training takes
    days, so that it begins when it is asked for alone."""
    models = []
    for model in POINTS.config.models:
        if model in POINTS.trained_models():
            print(
                f"left out: {model}: it is trained when it is asked for by name",
                file=sys.stderr,
            )
            continue
        try:
            POINTS.files_needed(model)
            models.append(model)
        except InputError as error:
            print(f"left out: {model}: {error}", file=sys.stderr)
    return models


def every_headline(wildcards):
    return [f"results/{model}/map.txt" for model in models_at_hand()]


def everything_declared(wildcards):
    """What the models of the config need from elsewhere."""
    return sorted({path for m in models_at_hand() for path in POINTS.files_needed(m)})
