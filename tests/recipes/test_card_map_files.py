import json

import numpy as np
import pytest

from pth2map.files.errors import InputError
from pth2map.recipes.recipe import Recipe

RECIPE = Recipe.parse(json.dumps({"kind": "centerface_letterbox"}), "64x32")
FILES = RECIPE.files()
NAMES = ("0--Parade/b_1", "1--Riot/a.2")
IMAGE = np.random.default_rng(0).integers(0, 256, (21, 35, 3), dtype=np.uint8)
PLACEMENT = RECIPE.preprocess().placement(21, 35)
PLACES = dict.fromkeys(NAMES, PLACEMENT)


def maps(seed: int = 0, batch: tuple[int, ...] = (), dtype: type = np.float32) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.random((*batch, c, 8, 16), dtype=np.float32).astype(dtype) for c in (1, 2, 2, 10)]


@pytest.fixture
def inputs(tmp_path):
    for name in NAMES:
        FILES.write_input(tmp_path / "in", name, IMAGE)
    FILES.list_inputs(tmp_path / "in", NAMES, tmp_path / "in")
    (tmp_path / "out").mkdir()
    return tmp_path / "in"


def test_inputs_are_those_of_every_card_recipe(inputs):
    assert sorted(path.name for path in inputs.iterdir()) == ["a.2.npz", "b_1.npz", "datalist.txt"]
    assert (inputs / "datalist.txt").read_text() == f"{inputs}/b_1.npz\n{inputs}/a.2.npz\n"
    with np.load(inputs / "b_1.npz") as file:
        assert file.files == ["input_0"]
        np.testing.assert_array_equal(file["input_0"], IMAGE[:, :, ::-1].transpose(2, 0, 1), strict=True)
    tensor, placement = RECIPE.preprocess()(IMAGE)
    np.testing.assert_array_equal(FILES.read_input(inputs, NAMES[0], placement), tensor, strict=True)


def test_an_input_of_another_size_is_refused(inputs):
    with pytest.raises(InputError, match=r"b_1\.npz: holds an image of 35×21 px, expected 21×35; run the prepare"):
        FILES.read_input(inputs, NAMES[0], RECIPE.preprocess().placement(35, 21))


def test_maps_of_our_own_process_come_back_to_the_bit(inputs, tmp_path):
    for place, name in zip(FILES.places(inputs, NAMES), NAMES, strict=True):
        FILES.write_outputs(tmp_path / "out", place, name, maps(place))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["output_000000.npz", "output_000001.npz"]
    with np.load(tmp_path / "out/output_000001.npz") as file:
        assert file.files == [f"output_{number}" for number in range(4)]
        np.testing.assert_array_equal(file["output_3"], maps(1)[3], strict=True)
    for seed, (placed, found) in enumerate(FILES.read_outputs(tmp_path / "out", inputs, PLACES)):
        assert placed == PLACEMENT
        for one, expected in zip(found, maps(seed), strict=True):
            np.testing.assert_array_equal(one, expected, strict=True)


@pytest.mark.parametrize("batch", [(1,), ()], ids=["batch", "no-batch"])
def test_maps_of_the_card_are_widened_and_decode_as_the_rounded_ones_of_the_host(inputs, tmp_path, batch):
    for line in range(2):
        outputs = {f"output_{number}": one for number, one in enumerate(maps(line, batch, np.float16))}
        np.savez(tmp_path / f"out/output_{line:06d}.npz", **outputs)
    decode = RECIPE.decode()
    for seed, (placed, found) in enumerate(FILES.read_outputs(tmp_path / "out", inputs, PLACES)):
        rounded = [one.astype(np.float16).astype(np.float32) for one in maps(seed)]
        for one, expected in zip(found, rounded, strict=True):
            np.testing.assert_array_equal(one, expected, strict=True)
        detections = decode(found, placed)
        assert len(detections["scores"]) > 5
        for key, expected in decode(rounded, PLACEMENT).items():
            np.testing.assert_array_equal(detections[key], expected, strict=True)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (maps(batch=(2,), dtype=np.float16), r"output hm is float32 \(2, 1, 8, 16\), expected float32 \(1, 8, 16\)"),
        (maps(dtype=np.float64), r"output hm is float64 \(1, 8, 16\), expected float32"),
        (maps(batch=(1,), dtype=np.int8), r"output hm is int8 \(1, 8, 16\), expected float32"),
        (maps()[::-1], r"output hm is float32 \(10, 8, 16\), expected float32 \(1, 8, 16\)"),
    ],
    ids=["batch of two", "float64", "int8", "another order"],
)
def test_what_are_no_maps_of_one_image_is_refused_by_the_decode(inputs, tmp_path, outputs, message):
    for line in range(2):
        np.savez(tmp_path / f"out/output_{line:06d}.npz", **{f"output_{n}": one for n, one in enumerate(outputs)})
    placed, found = next(iter(FILES.read_outputs(tmp_path / "out", inputs, PLACES)))
    with pytest.raises(InputError, match=message):
        RECIPE.decode()(found, placed)


def test_rows_of_a_graph_that_decodes_by_itself_are_refused(inputs, tmp_path):
    for line in range(2):
        np.savez(tmp_path / f"out/output_{line:06d}.npz", **{f"output_{n}": np.zeros((1, 300, 1)) for n in range(3)})
    with pytest.raises(
        InputError, match=r"output_000000\.npz: no array output_3; it holds output_0, output_1, output_2"
    ):
        list(FILES.read_outputs(tmp_path / "out", inputs, PLACES))
