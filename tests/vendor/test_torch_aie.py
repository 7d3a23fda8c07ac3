"""The scripts of the torch_aie route, on the stand-ins of torch_aie and torch_npu."""

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import synthetic_weights

from pth2map.engines.torchscript import quiet_jit
from pth2map.networks.catalogue import NETWORKS, build
from pth2map.networks.checkpoints import load_weights
from pth2map.networks.formula import formula_state_dict, save_formula_weights
from pth2map.recipes.retinaface_files import NUMBERS

ROOT = Path(__file__).parents[2]
INFER, TRACE = ROOT / "workflow/vendor/torch_aie_infer.py", ROOT / "workflow/vendor/trace_network.py"
MODULES = ROOT / "workflow/rehearsal/modules"
REHEARSAL = {"PTH2MAP_REHEARSAL": "1", "ASCEND_TOOLKIT_HOME": str(ROOT / "workflow/rehearsal")}
BARE = {key: value for key, value in os.environ.items() if key not in {*REHEARSAL, "PYTHONPATH"}}
RETINAFACE = "retinaface_mobilenet025"
SHAPE = (1, 3, 64, 96)
IMAGES = 7


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, env=BARE | environment
    )


def rehearse(*arguments):
    return python(*arguments, PYTHONPATH=str(MODULES), **REHEARSAL)


def arguments(options):
    return [str(part) for name, value in options.items() for part in (f"--{name}", value)]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Weights, inputs, and the network traced by the command."""
    folder = tmp_path_factory.mktemp("torch_aie")
    synthetic_weights.save(folder / "weights.pth")
    (folder / "prep").mkdir()
    for number in range(IMAGES):
        image = 60 * np.random.RandomState(number).standard_normal(SHAPE).astype(np.float32)
        np.save(folder / "prep" / f"0_image_{number}.npy", image)
    done = python(TRACE, *arguments(traced(folder)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def traced(folder, **options):
    chosen = {"network": RETINAFACE, "weights": folder / "weights.pth", "size": "96x64", "ts": folder / "graph.ts"}
    return {"source": ROOT / "src", **chosen, **options}


def inferred(folder, name, **options):
    return {
        "ts": folder / "graph.ts",
        "inputs": folder / "prep",
        "outputs": folder / name / "result",
        "numbers": "2,1,0",
        "shape": ",".join(map(str, SHAPE)),
        "set-device": "torch_npu",
        "report": folder / name / "report.json",
        **options,
    }


def program(path):
    with quiet_jit():
        return torch.jit.load(path, map_location="cpu").eval()


def expected(work, name, round_to_half=False):
    """Loc, conf, landms of an input, as torch runs the trace."""
    network = program(work / "graph.ts")
    if round_to_half:
        network.load_state_dict(
            {key: t.half().float() if t.is_floating_point() else t for key, t in network.state_dict().items()}
        )
    with torch.no_grad():
        outputs = network(torch.from_numpy(np.load(work / "prep" / f"{name}.npy")))
    return [(output.half().float() if round_to_half else output).numpy() for output in outputs]


@pytest.fixture(scope="module")
def fp32(work):
    done = rehearse(INFER, *arguments(inferred(work, "fp32")))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return work / "fp32"


def test_the_outputs_are_those_of_the_traced_network_under_the_numbers_of_their_files(work, fp32):
    names = [f"0_image_{number}" for number in range(IMAGES)]
    assert sorted(p.name for p in (fp32 / "result").iterdir()) == [
        f"{name}_{n}.bin" for name in names for n in range(3)
    ]
    for name in names:
        for number, values in zip(NUMBERS, expected(work, name), strict=True):
            written = np.fromfile(fp32 / "result" / f"{name}_{number}.bin", "<f4")
            np.testing.assert_array_equal(written.reshape(values.shape), values)


def test_the_report_has_both_rates_of_one_loop(fp32):
    report = json.loads((fp32 / "report.json").read_text())
    latency = report["forward_ms"]
    assert (report["images"], report["warmup"], report["rehearsal"]) == (IMAGES, 5, True)
    assert report["forward_images_per_s"] == pytest.approx(1000 / latency["mean"])
    assert report["loop_images_per_s"] == pytest.approx(IMAGES / report["loop_seconds"])
    assert report["loop_images_per_s"] < report["forward_images_per_s"]
    # Of two images: percentiles lie between them, on a line.
    least, most = latency["min"], latency["max"]
    assert latency["mean"] == pytest.approx((least + most) / 2)
    for percent in (50, 90, 99):
        assert latency[f"p{percent}"] == pytest.approx(least + percent / 100 * (most - least))
    assert report["loop_seconds"] > (least + most) / 1000
    assert report["compile_seconds"] > 0
    assert report["versions"] == {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torch_aie": "rehearsal",
        "numpy": np.__version__,
    }


def test_the_traced_network_is_the_network(work):
    network = build(RETINAFACE).eval()
    load_weights(network, work / "weights.pth")
    for shape in (SHAPE, (2, 3, 77, 33)):
        images = 60 * torch.randn(shape, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            for ours, theirs in zip(network(images), program(work / "graph.ts")(images), strict=True):
                torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)


def test_the_table_of_networks_is_that_of_the_catalogue():
    spec = importlib.util.spec_from_file_location("trace_network", TRACE)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    traceable = {name: (e.module, e.constructor) for name, e in NETWORKS.items() if "torchscript" in e.graphs}
    assert traceable == script.NETWORKS


# One process tries all that a script does with given arguments: torch is imported once.
TRY_ALL = """
import contextlib, io, json, os, runpy, sys
results = {}
for case in json.load(sys.stdin):
    sys.argv, stderr = case["argv"], io.StringIO()
    os.environ.update(case["environment"])
    sys.path[:] = case["path"] + [p for p in sys.path if p not in case["path"]]
    with contextlib.redirect_stderr(stderr):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code
    results[case["name"]] = [status, stderr.getvalue()]
print(json.dumps(results))
"""


def try_all(cases):
    """``(status, stderr)`` of each case ``{name: (environment, path, argv)}``."""
    listed = [
        {"name": name, "environment": environment, "path": path, "argv": [str(part) for part in argv]}
        for name, (environment, path, argv) in cases.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", TRY_ALL], input=json.dumps(listed), capture_output=True, text=True, check=False, env=BARE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


INFER_REFUSALS = {
    "no module": ({}, r"No module named 'torch_npu'; source the toolkit's set_env\.sh"),
    "no toolkit": ({}, r"libascendcl\.so: cannot open shared object file: .*; source the toolkit's set_env\.sh"),
    "no rehearsal": ({}, r"PTH2MAP_REHEARSAL is not set"),
    "no folder": ({"inputs": "none"}, r"none: no such folder of inputs"),
    "no input": ({"inputs": "empty"}, r"empty: holds no input; expected files <stem>\.npy"),
    "no trace": ({"ts": "none.ts"}, r"none\.ts: no such file; expected a traced network"),
    "other trace": (
        {"ts": "weights.pth"},
        r"weights\.pth: torch \S+ cannot load it \(.+\); a newer torch .*`trace: vendor` makes it in this interpreter",
    ),
    "cut trace": ({"ts": "cut.ts"}, r"cut\.ts: torch \S+ cannot load it .*no whole TorchScript file"),
    "other size": (
        {"inputs": "larger"},
        r"larger/a\.npy: holds float32 \(1, 3, 64, 97\), expected float32 \(1, 3, 64, 96\)",
    ),
    "other kind": ({"inputs": "double"}, r"double/a\.npy: holds float64 .*, expected float32 \(1, 3, 64, 96\)"),
    "cut input": ({"inputs": "cut"}, r"cut/a\.npy: not a readable \.npy file .*run the prepare stage again"),
    "fewer numbers": ({"numbers": "1,0"}, r"the network has 3 outputs, and --numbers has 2: 1,0"),
    "equal numbers": ({"numbers": "1,1,0"}, r"argument --numbers: invalid numbers_of value: '1,1,0'"),
    "batch": ({"shape": "2,3,64,96"}, r"argument --shape: invalid shape_of value: '2,3,64,96'"),
    "limit": ({"limit": "0"}, r"argument --limit: invalid positive value: '0'"),
    "warmup": ({"warmup": "-1"}, r"argument --warmup: invalid natural value: '-1'"),
}


SURROUNDINGS = {
    "no module": ({}, []),
    "no toolkit": ({}, [str(MODULES)]),
    "no rehearsal": ({"ASCEND_TOOLKIT_HOME": "there"}, [str(MODULES)]),
}
"""Of the first cases: what was imported or set stays for those behind them."""


@pytest.fixture(scope="module")
def infer_runs(work):
    (work / "empty").mkdir()
    arrays = {"larger": np.zeros((1, 3, 64, 97), np.float32), "double": np.zeros(SHAPE)}
    for name, array in arrays.items():
        (work / name).mkdir()
        np.save(work / name / "a.npy", array)
    (work / "cut").mkdir()
    (work / "cut/a.npy").write_bytes((work / "prep/0_image_0.npy").read_bytes()[:-1])
    (work / "cut.ts").write_bytes((work / "graph.ts").read_bytes()[:-1000])
    cases = {}
    for name, (options, _) in INFER_REFUSALS.items():
        given = {key: work / value if key in ("inputs", "ts") else value for key, value in options.items()}
        surroundings = SURROUNDINGS.get(name, (REHEARSAL, [str(MODULES)]))
        cases[name] = *surroundings, [INFER, *arguments(inferred(work, "refused", **given))]
    half = inferred(work, "fp16", **{"precision": "fp16", "set-device": "torch_aie", "limit": 2, "warmup": 2})
    cases["fp16"] = REHEARSAL, [str(MODULES)], [INFER, *arguments(half)]
    return try_all(cases)


@pytest.mark.parametrize("name", INFER_REFUSALS)
def test_what_cannot_be_run_is_one_sentence_and_status_2(name, infer_runs, work):
    status, stderr = infer_runs[name]
    assert status == 2
    last = stderr.strip().splitlines()[-1]
    assert "error: " in last
    assert stderr.count("\n") == 1 or "usage:" in stderr
    pattern = INFER_REFUSALS[name][1]
    assert re.search(pattern, last), last
    assert not (work / "refused/report.json").exists()


def test_half_precision_rounds_weights_and_outputs_and_the_limit_takes_the_first(work, infer_runs):
    assert infer_runs["fp16"] == [0, ""]
    assert len(list((work / "fp16/result").iterdir())) == 2 * 3
    for name in ("0_image_0", "0_image_1"):
        for number, values in zip(NUMBERS, expected(work, name, round_to_half=True), strict=True):
            written = np.fromfile(work / "fp16/result" / f"{name}_{number}.bin", "<f4")
            np.testing.assert_array_equal(written.reshape(values.shape), values)
            assert np.abs(written - expected(work, name)[NUMBERS.index(number)].ravel()).max() > 0
    report = json.loads((work / "fp16/report.json").read_text())
    assert (report["images"], report["forward_images_per_s"], report["forward_ms"]) == (2, None, None)
    assert report["note"] == "2 images are no more than the warm-up of 2: no forward was left to measure"
    assert report["loop_images_per_s"] == pytest.approx(2 / report["loop_seconds"])


def test_without_torch_the_right_interpreter_is_asked_for(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")\n")
    for script in (INFER, TRACE):
        done = python(script, "--help", PYTHONPATH=str(tmp_path))
        sentence = "error: No module named 'torch'; run this with the interpreter that torch_aie is installed for\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


WEIGHTS = formula_state_dict(build(RETINAFACE))
CONV = "fpn.merge1.0.weight"
CHECKPOINTS = {
    "plain": WEIGHTS,
    "state_dict": {"state_dict": WEIGHTS, "epoch": 3},
    "model": {"model": {f"module.{name}": tensor for name, tensor in WEIGHTS.items()}},
}
TRACE_REFUSALS = {
    "missing": (
        {name: tensor for name, tensor in WEIGHTS.items() if name != CONV},
        rf"network of 300 entries: 1 missing \(such as {CONV}\); is it another's\?",
    ),
    "unexpected": (WEIGHTS | {"extra": torch.zeros(1)}, r"1 unexpected \(such as extra\)"),
    "shape": (WEIGHTS | {CONV: torch.zeros(64, 64, 1, 1)}, rf"1 of another shape \(such as {CONV}\)"),
    "half a prefix": (
        {(f"module.{name}" if name == CONV else name): tensor for name, tensor in WEIGHTS.items()},
        rf"1 missing \(such as {CONV}\), 1 unexpected \(such as module\.{CONV}\)",
    ),
    "not finite": (
        WEIGHTS | {CONV: WEIGHTS[CONV] * float("nan")},
        rf"not finite in 1 entries \(such as {CONV}\)",
    ),
    "numbers": ({"epoch": 3}, r"holds no state dict \(names to tensors\), plain or under state_dict or model"),
    "empty": ({}, r"network of 300 entries: 300 missing"),
    "object": ({"path": Path("a")}, r"torch \S+ cannot read these weights \(.+\); fetch them again"),
}


@pytest.fixture(scope="module")
def traces(work):
    """All that is asked of the tracing command, in one process."""
    folder = work / "traces"
    folder.mkdir()
    for name, content in CHECKPOINTS.items():
        torch.save(content, folder / f"{name}.pth")
    for name, (content, _) in TRACE_REFUSALS.items():
        torch.save(content, folder / f"{name}.pth")
    save_formula_weights("centerface", (), folder / "centerface.pth")
    cases = {
        name: traced(work, weights=folder / f"{name}.pth", ts=folder / f"{name}.ts", size="32")
        for name in (*CHECKPOINTS, *TRACE_REFUSALS)
    }
    cases["centerface"] = traced(
        work, network="centerface", weights=folder / "centerface.pth", ts=folder / "centerface.ts", size="64"
    )
    cases["no weights"] = traced(work, weights=folder / "none.pth", ts=folder / "none.ts")
    cases["no source"] = traced(work, source=folder, ts=folder / "none.ts")
    cases["size"] = traced(work, size="0x64", ts=folder / "none.ts")
    return folder, try_all({name: ({}, [], [TRACE, *arguments(options)]) for name, options in cases.items()})


@pytest.mark.parametrize("name", [*CHECKPOINTS, "centerface"])
def test_a_checkpoint_is_loaded_whatever_it_is_wrapped_in(name, traces):
    folder, results = traces
    assert results[name] == [0, ""]
    network = build("centerface" if name == "centerface" else RETINAFACE).eval()
    load_weights(network, folder / f"{name}.pth")
    images = 60 * torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        for ours, theirs in zip(network(images), program(folder / f"{name}.ts")(images), strict=True):
            torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [*TRACE_REFUSALS, "no weights", "no source", "size"])
def test_a_checkpoint_that_does_not_fit_is_one_sentence_and_no_file(name, traces):
    folder, results = traces
    status, stderr = results[name]
    sentences = {
        "no weights": r"none\.pth: no such file; expected weights \(\.pth\)",
        "no source": r"holds no pth2map/networks; expected the folder src of the project",
        "size": r"argument --size: invalid size_of value: '0x64'",
    }
    pattern = TRACE_REFUSALS[name][1] if name in TRACE_REFUSALS else sentences[name]
    assert status == 2
    assert re.search(pattern, stderr.strip().splitlines()[-1]), stderr
    assert not (folder / f"{name}.ts").exists()
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]


# The stand-in itself. Before the line of dashes no device is set.
PROGRAM = """
import json, sys, torch, torch_npu, torch_aie
from torch_aie import Input, TensorFormat
from torch_aie._enums import PrecisionPolicy
class Pair(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def forward(self, rows):
        return self.layer(rows), (rows > 0).long()
module = torch.jit.trace(Pair(), torch.zeros(1, 4))
fixed = lambda *shape: [Input(shape or (1, 4))]
compiled = None
results = []
for line in json.load(sys.stdin):
    if line.startswith("---"):
        torch_npu.npu.set_device("npu:0")
        compiled = torch_aie.compile(module, inputs=fixed())
        ranged = torch_aie.compile(module, inputs=[Input(min_shape=(1, 4), max_shape=(3, 4))])
        card = torch.ones(1, 4).to("npu:0")
        results.append(None)
        continue
    try:
        results.append(["", repr(eval(line))])
    except Exception as error:
        results.append([type(error).__name__, str(error)])
print(json.dumps(results))
"""
NO_DEVICE = (
    ("torch_aie.compile(module, inputs=fixed())", "RuntimeError", "no device is set: call torch_npu"),
    ("torch_aie.npu.Stream('npu:0')", "RuntimeError", "no device is set"),
    ("torch_aie.finalize()", "RuntimeError", "no device is set"),
    ("torch_aie.set_device(1)", "RuntimeError", "card 1 does not exist: the rehearsal has one card, 0"),
    ("torch_aie.set_device('npu:0')", "TypeError", "set_device takes the number of a card"),
    ("torch_npu.npu.set_device('npu:1')", "RuntimeError", "card 1 does not exist"),
    ("torch_npu.npu.set_device('cuda:0')", "RuntimeError", "'cuda:0' names no card; expected npu:0"),
)
WITH_DEVICE = (
    ("torch_aie.compile(module, inputs=fixed(), precision='fp16')", "TypeError", "unexpected keyword argument"),
    ("torch_aie.compile(Pair(), inputs=fixed())", "TypeError", "takes a traced or scripted module, got Pair"),
    ("torch_aie.compile(module, inputs=[(1, 4)])", "TypeError", "inputs is a list of torch_aie.Input"),
    ("torch_aie.compile(module, inputs=[])", "TypeError", "inputs is a list of torch_aie.Input"),
    ("torch_aie.compile(module, inputs=fixed(1, 5))", "RuntimeError", "cannot take inputs of shape [1, 5]"),
    ("torch_aie.compile(module, inputs=2 * fixed())", "RuntimeError", "cannot take inputs of shape [1, 4], [1, 4]"),
    ("torch_aie.compile(module, inputs=fixed(), precision_policy='FP16')", "TypeError", "PrecisionPolicy, got 'FP16'"),
    ("torch_aie.compile(module, inputs=fixed(), soc_version='310P3')", "ValueError", "soc_version is Ascend and"),
    ("torch_aie.compile(module, inputs=fixed(), optimization_level=3)", "ValueError", "one of (0, 1, 2), got 3"),
    ("torch_aie.compile(module, inputs=fixed(), min_block_size=0)", "ValueError", "min_block_size"),
    ("torch_aie.compile(module, inputs=fixed(), torch_executed_ops='aten::add')", "TypeError", "list of names"),
    ("torch_aie.compile(module, inputs=fixed(), require_full_compilation=1)", "TypeError", "neither True nor False"),
    ("Input((1, 4), min_shape=(1, 4), max_shape=(2, 4))", "ValueError", "either shape, or min_shape and max_shape"),
    ("Input(min_shape=(1, 4))", "ValueError", "either shape, or min_shape and max_shape"),
    ("Input()", "ValueError", "either shape, or min_shape and max_shape"),
    ("Input(min_shape=(2, 4), max_shape=(1, 4))", "ValueError", "min_shape [2, 4] is not below max_shape [1, 4]"),
    ("Input((1, -1))", "TypeError", "tuple of positive whole numbers, got (1, -1)"),
    ("Input((1, 4), dtype=torch.half)", "TypeError", "serves inputs of torch.float, got torch.float16"),
    ("Input((1, 4), format='NCHW')", "TypeError", "one of torch_aie.TensorFormat"),
    ("Input((1, 4), format=TensorFormat.NCHW)", "ValueError", "NCHW needs four dimensions"),
    ("compiled(torch.ones(2, 4))", "RuntimeError", "compiled for inputs of shape [1, 4], got [2, 4]"),
    ("compiled(torch.ones(1, 4, 1))", "RuntimeError", "compiled for inputs of shape [1, 4], got [1, 4, 1]"),
    ("compiled(torch.ones(1, 4).double())", "RuntimeError", "inputs of torch.float32, got torch.float64"),
    ("ranged(torch.ones(4, 4))", "RuntimeError", "compiled for inputs of shape [1, 4] to [3, 4], got [4, 4]"),
    ("card.numpy()", "TypeError", "cannot become a numpy array"),
    ("compiled(card)[0].numpy()", "TypeError", "cannot become a numpy array"),
    ("torch.ones(1).to('npu:1')", "RuntimeError", "card 1 does not exist"),
    ("torch_aie.npu.Stream('npu:1')", "RuntimeError", "card 1 does not exist"),
    ("torch_aie.npu.Stream('cpu')", "RuntimeError", "'cpu' names no card"),
    ("torch_aie.npu.stream('npu:0').__enter__()", "TypeError", "expected a torch_aie.npu.Stream"),
)
RELEASED = (("compiled(card)", "RuntimeError", "no device is set"),)
"""After ``finalize``, the last call that is served."""
SERVED = (
    (
        "[str(t.device) for t in (card, card + 1, compiled(card)[0], card.to('npu:0'))]",
        "['npu:0', 'npu:0', 'npu:0', 'npu:0']",
    ),
    (
        "(type(card.to('cpu')), type(card.cpu()), card.to(torch.double).device.type)",
        f"({torch.Tensor}, {torch.Tensor}, 'npu')",
    ),
    ("[torch.equal(a.cpu(), b) for a, b in zip(compiled(card), module(torch.ones(1, 4)))]", "[True, True]"),
    ("compiled(card)[0].requires_grad, module.layer.weight.requires_grad", "(False, True)"),
    ("[len(ranged(torch.ones(n, 4))[0]) for n in (1, 2, 3)]", "[1, 2, 3]"),
    ("torch.get_num_threads()", "1"),
    ("compiled.save(sys.argv[1])", "None"),
    ("torch.equal(torch.jit.load(sys.argv[1])(card)[0].cpu(), module(torch.ones(1, 4))[0])", "True"),
    ("torch_aie.finalize() is None", "True"),
)


@pytest.fixture(scope="module")
def stand_in(work):
    lines = [line for line, *_ in NO_DEVICE] + ["---"] + [line for line, *_ in WITH_DEVICE + SERVED + RELEASED]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, work / "compiled.ts"],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=False,
        env=BARE | REHEARSAL | {"PYTHONPATH": str(MODULES)},
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(lines, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("line", "kind", "part"), NO_DEVICE + WITH_DEVICE + RELEASED, ids=lambda value: value[:60])
def test_the_stand_in_refuses(line, kind, part, stand_in):
    raised, text = stand_in[line]
    assert (raised, part in text) == (kind, True), text


@pytest.mark.parametrize(("line", "value"), SERVED)
def test_the_stand_in_serves(line, value, stand_in):
    assert stand_in[line] == ["", value]


def test_a_compiled_module_is_loaded_where_torch_aie_is_imported_alone(stand_in, work):
    assert stand_in["compiled.save(sys.argv[1])"] == ["", "None"]
    with quiet_jit(), pytest.raises(RuntimeError, match="Unknown builtin op: torch_aie::bind"):
        torch.jit.load(work / "compiled.ts")


def test_the_stand_in_wants_torch_first():
    done = rehearse("-c", "import torch_aie")
    assert done.returncode == 1
    assert "ImportError: libtorch.so: cannot open shared object file" in done.stderr
