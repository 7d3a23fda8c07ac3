"""The script of the vaststreamx route, on the stand-in of vaststreamx; and the stand-in itself."""

import json
import os
import platform
import re
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.rehearsal.card import compiled, export_faces, picture, planes, write_vdsp

from pth2map_rehearsal import vamp

ROOT = Path(__file__).parents[2]
INFER, SET_ENV = ROOT / "workflow/vendor/vaststreamx_infer.py", ROOT / "workflow/rehearsal/set_env.sh"
MODEL = "deploy_weights/faces/mod"
SIZES = [(40, 90), (64, 64), (111, 33), (7, 200), (300, 41), (61, 59), (33, 240)]
IMAGES = 40
"""More than may be under way at once."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A compiled RetinaFace, its JSON, and pictures whose list has another order than their names."""
    folder = tmp_path_factory.mktemp("vaststreamx")
    export_faces(folder / "model.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert compiled() == 0
        write_vdsp()
    for number in range(IMAGES):
        image = picture(*SIZES[number % len(SIZES)], seed=number)
        np.savez(folder / f"{number}.npz", input_0=planes(image))
    order = np.random.default_rng(0).permutation(IMAGES)
    (folder / "list.txt").write_text("".join(f"{folder}/{number}.npz\n" for number in order))
    return folder


@pytest.fixture(autouse=True)
def _no_thread_stays():
    yield
    assert [thread.name for thread in threading.enumerate() if type(thread).__name__ == "Feeder"] == []


@pytest.fixture(autouse=True)
def folder(workplace, monkeypatch):
    """In it, as after ``set_env.sh``, in a process that has not imported the module."""
    monkeypatch.chdir(workplace)
    for name in ("PTH2MAP_REHEARSAL", "VASTSTREAMX_ROOT", "VASTPIPE_ROOT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("PTH2MAP_REHEARSAL_VAMP", raising=False)
    forget()
    yield workplace
    forget()


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == "vaststreamx"]:
        del sys.modules[name]


@pytest.fixture
def infer(tmp_path, monkeypatch, capsys):
    """The script with these options; status, stdout and stderr."""

    def run(**options):
        chosen = {
            "model-prefix": MODEL,
            "vdsp-params": "vdsp.json",
            "device": 0,
            "batch": 1,
            "datalist": "list.txt",
            "outputs": tmp_path / "outputs",
            "report": tmp_path / "report.json",
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        words = [str(part) for name, value in chosen.items() for part in (f"--{name}", value)]
        monkeypatch.setattr(sys, "argv", [str(INFER), *words])
        status = 0
        try:
            runpy.run_path(str(INFER), run_name="__main__")
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def arrays_in(folder):
    found = {}
    for path in sorted(folder.iterdir()):
        with np.load(path) as arrays:
            found[path.name] = dict(arrays)
    return found


@pytest.fixture(scope="module")
def by_vamp(workplace):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        patch.setenv("VASTPIPE_ROOT", "somewhere")
        words = ["-m", MODEL, "--vdsp_params", "vdsp.json", "--datalist", "list.txt", "--path_output", "by_vamp"]
        assert vamp.main(words) == 0
    return arrays_in(workplace / "by_vamp")


# Results


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_outputs_are_those_of_vamp_bit_for_bit_in_the_order_of_the_list(infer, tmp_path, by_vamp, batch):
    assert infer(batch=batch)[::2] == (0, "")
    found = arrays_in(tmp_path / "outputs")
    assert list(found) == [f"output_{line:06d}.npz" for line in range(IMAGES)]
    assert list(found["output_000000.npz"]) == ["output_0", "output_1", "output_2"]
    for name, arrays in by_vamp.items():
        assert found[name].keys() == arrays.keys()
        for key, array in arrays.items():
            assert found[name][key].dtype == np.float16
            np.testing.assert_array_equal(found[name][key], array, strict=True)
    distinct = {arrays["output_1"].tobytes() for arrays in by_vamp.values()}
    assert len(distinct) == IMAGES  # so that an exchange would be seen


def test_the_printed_line_and_the_report(infer, tmp_path):
    status, out, _ = infer(batch=2)
    assert status == 0
    report = json.loads((tmp_path / "report.json").read_text())
    # the published run's line, by which others read it
    line = re.fullmatch(r"(\d+) images in ([0-9.eE+-]+) seconds, \(([0-9.eE+-]+) images/second\)\n", out)
    assert (int(line[1]), float(line[2]), float(line[3])) == (IMAGES, report["seconds"], report["images_per_s"])
    assert report["images_per_s"] == pytest.approx(IMAGES / report["seconds"])
    assert 0 < report["reading_seconds"] < report["seconds"]
    assert 0 < report["writing_seconds"] < report["seconds"]
    assert (report["memory_images"], report["memory_images_per_s"]) == (0, None)
    assert (report["images"], report["batch"], report["device"], report["rehearsal"]) == (IMAGES, 2, 0, True)
    assert report["versions"] == {
        "python": platform.python_version(),
        "vaststreamx": "rehearsal",
        "numpy": np.__version__,
    }


def test_the_rate_without_files_is_of_its_own_stream_and_leaves_the_outputs(infer, tmp_path, by_vamp):
    assert infer(iterations=50)[0] == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["images"], report["memory_images"]) == (IMAGES, 50)
    assert report["memory_images_per_s"] > 0
    assert arrays_in(tmp_path / "outputs").keys() == by_vamp.keys()


def test_a_run_in_a_shell(folder, tmp_path):
    command = (
        f"set -euo pipefail; unset PYTHONPATH; source {SET_ENV}; {sys.executable} {INFER} --model-prefix {MODEL}"
        f" --vdsp-params vdsp.json --datalist list.txt --outputs {tmp_path}/o --report {tmp_path}/r.json"
    )
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{IMAGES} images in ")
    assert len(list((tmp_path / "o").iterdir())) == IMAGES


# Refusals


def refused(result, tmp_path):
    """The sentence, which is all that was said; and no report."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "report.json").exists()
    return err.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"model_prefix": "deploy_weights/faces"},
            r"deploy_weights/faces: vaststreamx cannot open this model \(.*no fa",
        ),
        ({"batch": 65}, r"cannot open this model \(a batch of 65: the model takes 1 to 64\)"),
        (
            {"vdsp_params": "none.json"},
            r"none\.json: vaststreamx cannot read these operators \(none\.json cannot be read",
        ),
        ({"vdsp_params": "list.txt"}, r"list\.txt: vaststreamx cannot read these operators"),
        ({"device": 1}, r"device 1: set_device gave 1, expected 0; is there such a device\?"),
        (
            {"datalist": "none.txt"},
            r"none\.txt: cannot be read \(No such file or directory\); expected a list of \.npz",
        ),
        ({"datalist": "0.npz"}, r"0\.npz: cannot be read \(no text file\); expected a list of \.npz files"),
        ({"datalist": "empty.txt"}, r"empty\.txt: lists nothing; expected the path of an \.npz file in each line"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(infer, tmp_path, options, sentence):
    Path("empty.txt").write_text("")
    assert re.search(sentence, refused(infer(**options), tmp_path))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "bad.npz: not a readable .npz file ("),
        (b"no", "bad.npz: not a readable .npz file ("),
        ("cut", "bad.npz: not a readable .npz file (File is not a zip file); run the prepare stage again"),
        ("npy", "bad.npz: not a readable .npz file ("),
        ({}, "bad.npz: holds nothing, expected input_0"),
        ({"input_1": np.zeros((3, 8, 8), np.uint8)}, "bad.npz: holds input_1, expected input_0"),
        ({"input_0": np.array([{}])}, "bad.npz: not a readable .npz file ("),
        ({"input_0": np.zeros((3, 8, 8), np.float32)}, "input_0 is float32 (3, 8, 8), expected uint8 (3, h, w)"),
        ({"input_0": np.zeros((8, 8), np.uint8)}, "input_0 is uint8 (8, 8), expected uint8 (3, h, w)"),
        ({"input_0": np.zeros((1, 3, 8, 8), np.uint8)}, "input_0 is uint8 (1, 3, 8, 8), expected uint8 (3, h, w)"),
        ({"input_0": np.zeros((8, 8, 3), np.uint8)}, "input_0 is uint8 (8, 8, 3), expected uint8 (3, h, w)"),
        ({"input_0": np.zeros((3, 0, 8), np.uint8)}, "input_0 is uint8 (3, 0, 8), expected uint8 (3, h, w)"),
        (
            {"input_0": np.zeros((3, 1, 600), np.uint8)},
            "vaststreamx failed behind 30 of 31 results (run err: nothing is left of a picture of 600x1 in the letter",
        ),
    ],
)
def test_a_picture_that_is_none_ends_the_run_with_one_sentence(infer, folder, tmp_path, content, sentence):
    bad = tmp_path / "bad.npz"
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif content == "cut":
        bad.write_bytes((folder / "0.npz").read_bytes()[:-100])
    elif content == "npy":
        with bad.open("wb") as file:
            np.save(file, np.zeros((3, 8, 8), np.uint8))
    elif content is not None:
        np.savez(bad, **content)
    before = (folder / "list.txt").read_text().splitlines(keepends=True)[:30]
    (tmp_path / "list.txt").write_text("".join([*before, f"{bad}\n"]))
    assert sentence in refused(infer(datalist=tmp_path / "list.txt"), tmp_path)


@pytest.mark.parametrize(
    ("setup", "sentence"),
    [
        ("no module", "No module named 'vaststreamx'; source the activate.sh of vaststreamx, and run this with the"),
        ("VASTSTREAMX_ROOT", "libvaststreamx.so: cannot open shared object file: No such file or directory; source"),
        ("PTH2MAP_REHEARSAL", "PTH2MAP_REHEARSAL is not set; source workflow/rehearsal/set_env.sh; source"),
    ],
)
def test_a_vaststreamx_that_is_not_there(infer, tmp_path, monkeypatch, setup, sentence):
    if setup == "no module":
        monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("rehearsal/modules")])
    else:
        monkeypatch.delenv(setup)
    assert refused(infer(), tmp_path).startswith(sentence)


def test_without_numpy_the_right_interpreter_is_asked_for(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError(\"No module named 'numpy'\")\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, INFER, "--help"], capture_output=True, text=True, check=False, env=environment
    )
    sentence = "error: No module named 'numpy'; run this with the interpreter that vaststreamx is installed for\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ({"batch": 0}, "argument --batch: invalid positive value: '0'"),
        ({"device": -1}, "argument --device: invalid natural value: '-1'"),
        ({"iterations": "x"}, "argument --iterations: invalid natural value: 'x'"),
    ],
)
def test_no_command_line(infer, option, complaint):
    status, _, err = infer(**option)
    assert status == 2
    assert err.splitlines()[-1].endswith(complaint)


# A card that does other things than the stand-in


def change_stream(monkeypatch, name, changed):
    """``changed(stream, original, *arguments)`` instead of a method of every stream."""
    import vaststreamx  # noqa: PLC0415

    original = getattr(vaststreamx.Stream, name)
    monkeypatch.setattr(vaststreamx.Stream, name, lambda self, *args: changed(self, original, *args))


def losing(number):
    def get(stream, original, operator):
        stream.asked = getattr(stream, "asked", -1) + 1
        if stream.asked == number:
            original(stream, operator)
        return original(stream, operator)

    return get


@pytest.mark.parametrize("number", [0, 17, IMAGES - 1])
def test_a_result_that_is_missing_is_never_another_picture_s(infer, tmp_path, monkeypatch, number):
    change_stream(monkeypatch, "get_operator_output", losing(number))
    assert refused(infer(), tmp_path) == (
        f"vaststreamx gave {IMAGES - 1} results of {IMAGES} pictures; which are missing cannot be told, so run it again"
    )


def test_a_stream_that_ends_before_its_pictures(infer, tmp_path, monkeypatch):
    """While the other thread waits for a slot."""

    def get(stream, original, operator):
        raise ValueError("closed")

    change_stream(monkeypatch, "get_operator_output", get)
    assert f"vaststreamx gave 0 results of {IMAGES} pictures" in refused(infer(), tmp_path)


def test_a_result_too_many(infer, tmp_path, monkeypatch):
    def get(stream, original, operator):
        try:
            stream.last = original(stream, operator)
        except ValueError:
            return stream.last
        return stream.last

    change_stream(monkeypatch, "get_operator_output", get)
    assert refused(infer(), tmp_path).startswith(f"vaststreamx gave more results than the {IMAGES} pictures")


def test_a_failure_of_the_card(infer, tmp_path, monkeypatch):
    def get(stream, original, operator):
        raise Exception("run err, err code: 803012, vafwER_MCU_ERROR_LMCU0\nmore of it")

    change_stream(monkeypatch, "get_operator_output", get)
    expected = f"vaststreamx failed behind 0 of {IMAGES} results (run err, err code: 803012, vafwER_MCU_ERROR_LMCU0)"
    assert refused(infer(), tmp_path) == expected


def test_a_failure_while_pictures_are_handed_over(infer, tmp_path, monkeypatch):
    def run_async(stream, original, images):
        raise RuntimeError("out of memory")

    change_stream(monkeypatch, "run_async", run_async)
    assert refused(infer(), tmp_path) == f"vaststreamx failed behind 0 of {IMAGES} results (out of memory)"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda result: result * 2, "vaststreamx gave a result of 2 pictures, expected one of each"),
        (lambda result: [], "vaststreamx gave a result of 0 pictures, expected one of each"),
    ],
)
def test_results_of_another_number_of_pictures(infer, tmp_path, monkeypatch, change, sentence):
    change_stream(monkeypatch, "get_operator_output", lambda stream, original, op: change(original(stream, op)))
    assert refused(infer(), tmp_path) == sentence


def test_outputs_without_the_axis_of_a_batch(infer, tmp_path, monkeypatch):
    import vaststreamx  # noqa: PLC0415

    original = vaststreamx.as_numpy
    monkeypatch.setattr(vaststreamx, "as_numpy", lambda tensor: original(tensor)[0])
    assert refused(infer(), tmp_path) == "output_0 of a picture is float16 (300, 1), expected (1, ...)"


# The stand-in itself


@pytest.fixture
def card(folder):
    """Names for the calls below, each made anew, on a die that is taken unless a call says otherwise."""
    import vaststreamx as vsx  # noqa: PLC0415

    def graph(*operators):
        made = vsx.Graph()
        made.add_operators(*operators)
        return made

    def stream(build=True):
        network = vsx.ModelOperator(vsx.Model(MODEL))
        made = vsx.Stream(graph(*load(), network), vsx.StreamBalanceMode.ONCE)
        made.register_operator_output(network)
        if build:
            made.build()
        return SimpleNamespace(it=made, network=network)

    def load():
        return vsx.Operator.load_ops_from_json_file("vdsp.json")

    def image(height=8, width=6):
        return vsx.create_image(pixels(height, width), vsx.ImageFormat.RGB_PLANAR, width, height, 0)

    def pixels(height=8, width=6):
        return planes(picture(height, width))

    rgb = vsx.ImageFormat.RGB_PLANAR
    return SimpleNamespace(vsx=vsx, rgb=rgb, graph=graph, stream=stream, load=load, image=image, pixels=pixels)


@pytest.mark.parametrize(
    "call", [lambda card: card.vsx.Model(MODEL), lambda card: card.load(), lambda card: card.image()]
)
def test_without_a_device_nothing_lies_on_the_card(card, call):
    assert card.vsx.set_device(3) != 0
    with pytest.raises(RuntimeError, match=r"^no device is set: call set_device first$"):
        call(card)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda card: card.vsx.set_device("0"), "TypeError: set_device takes the number of a die, got '0'"),
        (lambda card: card.vsx.set_device(True), "TypeError: set_device takes the number of a die"),
        (lambda card: card.vsx.Model(np.str_, 1), "TypeError: Model takes a path as str"),
        (lambda card: card.vsx.Model(MODEL, "1"), "TypeError: Model takes a path as str, a whole number"),
        (lambda card: card.vsx.Model(MODEL, 0), "RuntimeError: a batch of 0: the model takes 1 to 64"),
        (lambda card: card.vsx.Model(MODEL, 1, "hw.json"), "RuntimeError: REHEARSAL: hw_config is not rehearsed"),
        (
            lambda card: card.vsx.Model("none/mod"),
            "RuntimeError: none/mod: there is no mod.so, mod.json, mod.params in none",
        ),
        (
            lambda card: card.vsx.Operator.load_ops_from_json_file(1),
            "TypeError: load_ops_from_json_file takes a path as str",
        ),
        (
            lambda card: card.vsx.Operator.load_ops_from_json_file("model.onnx"),
            "RuntimeError: model.onnx cannot be read",
        ),
        (lambda card: card.vsx.ModelOperator(MODEL), "TypeError: ModelOperator takes a Model, got str"),
        (lambda card: card.vsx.Graph(True), "TypeError: output_type is one of vaststreamx.GraphOutputType, got True"),
        (lambda card: card.graph(card.load()), "TypeError: add_operators takes operators, got list"),
        (
            lambda card: card.vsx.Stream(card.graph(*card.load()), card.vsx.StreamBalanceMode.ONCE),
            "RuntimeError: REHEARSAL: a graph is rehearsed of",
        ),
        (
            lambda card: card.vsx.Stream(
                card.graph(card.vsx.ModelOperator(card.vsx.Model(MODEL)), *card.load()), card.vsx.StreamBalanceMode.ONCE
            ),
            "RuntimeError: REHEARSAL: a graph is rehearsed of one operator before the network",
        ),
        (
            lambda card: card.vsx.Stream(card.load(), card.vsx.StreamBalanceMode.ONCE),
            "TypeError: Stream takes a Graph, got list",
        ),
        (
            lambda card: card.vsx.Stream(card.graph(), 0),
            "TypeError: balance_mode is one of vaststreamx.StreamBalanceMode, got 0",
        ),
        (
            lambda card: card.vsx.Stream(card.graph(), card.vsx.StreamBalanceMode.RUN),
            "RuntimeError: REHEARSAL: StreamBalanceMode.RUN is not reh",
        ),
        (lambda card: card.stream().it.build(), "RuntimeError: the stream is built already"),
        (
            lambda card: card.stream(build=False).it.run_async([card.image()]),
            "RuntimeError: the stream is not built: call build first",
        ),
        (lambda card: card.stream(build=False).it.close_input(), "RuntimeError: the stream is not built"),
        (
            lambda card: card.stream().it.register_operator_output(card.load()[0]),
            "TypeError: the rehearsal has outputs of a ModelOperator",
        ),
        (
            lambda card: card.stream().it.get_operator_output(card.stream().network),
            "RuntimeError: the operator is not in the graph of the s",
        ),
        (
            lambda card: card.stream().it.run_async(card.image()),
            "TypeError: run_async takes a list of images that create_image made",
        ),
        (
            lambda card: card.stream().it.run_async([card.pixels()]),
            "TypeError: run_async takes a list of images that create_image made",
        ),
        (
            lambda card: card.stream().it.run_async([card.image(), card.image()]),
            "RuntimeError: the model has one input, got 2 pictures",
        ),
        (
            lambda card: card.vsx.create_image(card.pixels().tolist(), card.rgb, 6, 8, 0),
            "TypeError: create_image takes an array of uint8",
        ),
        (
            lambda card: card.vsx.create_image(card.pixels().astype("f4"), card.rgb, 6, 8, 0),
            "TypeError: create_image takes an array of uint8",
        ),
        (
            lambda card: card.vsx.create_image(card.pixels()[:, ::2], card.rgb, 6, 4, 0),
            "TypeError: create_image takes an array of uint8 in C",
        ),
        (
            lambda card: card.vsx.create_image(card.pixels(), 5000, 6, 8, 0),
            "TypeError: format is one of vaststreamx.ImageFormat, got 5000",
        ),
        (
            lambda card: card.vsx.create_image(card.pixels(), card.rgb, 6.0, 8, 0),
            "TypeError: width, height and device are whole numbers",
        ),
        (
            lambda card: card.vsx.create_image(card.pixels(), card.rgb, 8, 6, 0),
            "RuntimeError: a picture of 8x6 in RGB planes is [3, 6, 8], not",
        ),
        (lambda card: card.vsx.create_image(card.pixels(), card.rgb, 6, 8, 1), "RuntimeError: device 1 does not exist"),
        (
            lambda card: card.vsx.create_image(card.pixels(), card.vsx.ImageFormat.GRAY, 6, 8, 0),
            "RuntimeError: REHEARSAL: ImageFormat.GRAY is no",
        ),
        (lambda card: card.vsx.ImageFormat.ARGB, "AttributeError: "),
        (
            lambda card: card.vsx.as_numpy(card.pixels()),
            "TypeError: as_numpy takes a tensor of vaststreamx, got ndarray",
        ),
    ],
)
def test_what_the_stand_in_refuses(card, call, error):
    assert card.vsx.set_device(0) == 0
    kind, _, sentence = error.partition(": ")
    with pytest.raises(Exception, match=f"^{re.escape(sentence)}") as raised:
        call(card)
    assert raised.typename == kind


def test_shapes_of_a_model_and_the_end_of_a_stream(card):
    vsx = card.vsx
    assert vsx.set_device(0) == 0
    model = vsx.Model(MODEL)
    assert (model.input_shape, model.output_shape) == ([[1, 3, 64, 64]], [[1, 300, 1], [1, 300, 4], [1, 300, 10]])
    opened = card.stream()
    pixels = card.pixels()
    image = vsx.create_image(pixels, card.rgb, 6, 8, 0)
    opened.it.run_async([image])
    ((first, *_),) = opened.it.get_operator_output(opened.network)
    pixels[:] = 0  # the card has its copy
    opened.it.run_async([image])
    opened.it.close_input()
    opened.it.wait_until_done()
    ((second, *_),) = opened.it.get_operator_output(opened.network)
    np.testing.assert_array_equal(vsx.as_numpy(first), vsx.as_numpy(second), strict=True)
    with pytest.raises(ValueError, match="the stream is closed and has no more outputs"):
        opened.it.get_operator_output(opened.network)
    with pytest.raises(RuntimeError, match="the stream is closed"):
        opened.it.run_async([image])
