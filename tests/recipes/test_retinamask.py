import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from pth2map.datasets.images import read_image
from pth2map.files.errors import InputError
from pth2map.geometry.corner import CornerPlacement
from pth2map.geometry.masks import encode, paste_masker, paste_published
from pth2map.recipes.retinamask_decode import Decode
from pth2map.recipes.retinamask_preprocess import Preprocess
from pth2map.recipes.retinamask_settings import RetinaMaskDecode, RetinaMaskPreprocess, RetinaMaskSettings
from pth2map.recipes.settings import Size

MEAN = np.array([102.9801, 115.9465, 122.7717])
SQUARE = CornerPlacement(64, 64, 64)


def preprocess_at(size: str) -> Preprocess:
    return Preprocess(RetinaMaskPreprocess(), Size.parse(size))


def decode_with(**settings) -> Decode:
    return Decode(RetinaMaskDecode(**settings))


def rows(boxes, scores, labels=None, seed=0) -> list[np.ndarray]:
    """Outputs of so many rows, all of class 1 unless ``labels`` says otherwise, with masks at random."""
    count = len(scores)
    return [
        np.array(boxes, dtype=np.float32).reshape(count, 4),
        np.array([1] * count if labels is None else labels, dtype=np.int32),
        np.array(scores, dtype=np.float32),
        np.random.default_rng(seed).random((count, 1, 28, 28), dtype=np.float32),
    ]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def figures(found: dict[str, np.ndarray]) -> dict[str, list]:
    return {key: values.tolist() for key, values in found.items()}


@pytest.fixture(scope="module")
def categories(golden):
    return json.loads((golden / "retinamask_eval/case.json").read_text())["categories_list"]


def assert_records(found: dict[str, np.ndarray], records: list[dict], categories: list[int]) -> None:
    """That detections are the COCO records to the last digit."""
    assert found["boxes"].tolist() == [record["bbox"] for record in records]
    assert found["scores"].tolist() == [record["score"] for record in records]
    assert [categories[label - 1] for label in found["labels"]] == [record["category_id"] for record in records]
    assert [counts.decode() for counts in found["masks"]] == [record["segmentation"]["counts"] for record in records]


@pytest.mark.parametrize("number", range(5))
def test_tensor_equals_the_published_script_byte_for_byte(golden, mirror, number):
    entry = json.loads((golden / "retinamask_preprocess/case.json").read_text())["images"][number]
    root = golden if entry["image"].startswith("inputs/") else mirror / "coco-mini"
    image = read_image(root / entry["image"])
    assert sha256(image[:, :, ::-1].tobytes()) == entry["decoded_rgb_u8_hwc_sha256"]
    tensor, placement = preprocess_at("1344")(image)
    content = tensor[None].tobytes()  # what a vendor's runner reads as <stem>.bin
    assert (len(content), sha256(content)) == (21_676_032, entry["tensor"]["sha256"])
    assert (placement.image_height, placement.image_width) == (entry["height"], entry["width"])
    assert placement.ratio == entry["ratio"]
    assert [placement.resized_width, placement.resized_height] == entry["resized_wh"]


def test_opencv_and_pillow_read_the_same_pixels(mirror, tmp_path):
    """The published script opens images with Pillow, as RGB whatever they are."""
    paths = sorted((mirror / "coco-mini/val2017").glob("*.jpg"))[::40]
    assert len(paths) > 3
    grey = [tmp_path / "grey.jpg", tmp_path / "grey.png"]
    for path in grey:
        Image.open(paths[0]).convert("L").save(path)
    for path in (*paths, *grey):
        with Image.open(path) as image:
            assert (image.mode == "L") == (path in grey)
            np.testing.assert_array_equal(read_image(path)[:, :, ::-1], np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("shape", "size"), [((50, 37), "96"), ((90, 160), "64"), ((64, 64), "64"), ((333, 250), "1344"), ((1, 31), "32")]
)
def test_tensor_is_the_resized_image_minus_mean_and_zero_beside_it(shape, size):
    image = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    tensor, placement = preprocess_at(size)(image)
    height, width = placement.resized_height, placement.resized_width
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    expected = np.zeros((3, int(size), int(size)), np.float32)
    expected[:, :height, :width] = (np.asarray(resized) - MEAN).astype(np.float32).transpose(2, 0, 1)
    np.testing.assert_array_equal(tensor, expected, strict=True)


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (64, 64), (60, 1), (1, 60), (333, 1000)], ids=str)
def test_a_given_tensor_is_written_all_over(shape):
    preprocess = preprocess_at("64")
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, placement = preprocess(image)
    assert (expected.shape, expected.dtype) == ((3, 64, 64), np.float32)
    assert placement == preprocess.placement(*shape) == CornerPlacement(64, *shape)
    given = np.full((2, 3, 64, 64), np.nan, np.float32)
    tensor, again = preprocess(image, out=given[1])
    assert np.shares_memory(tensor, given)
    assert again == placement
    np.testing.assert_array_equal(given[1], expected)
    assert np.isnan(given[0]).all()


@pytest.mark.parametrize("size", ["native", "1340", "1344x1312", "16"])
def test_a_size_that_the_network_cannot_take_is_refused(size):
    with pytest.raises(InputError, match=rf"size {size} does not go .*retinamask; expected one square .* of 32"):
        preprocess_at(size)


def test_an_image_without_pixels_left_is_refused():
    with pytest.raises(InputError, match="100×2 px scaled to fit 32×32 has no pixels left"):
        preprocess_at("32")(np.zeros((2, 100, 3), np.uint8))


@pytest.mark.parametrize(
    "decode", [{"keep": 0}, {"nms_threshold": 1.1}, {"paste": "pillow"}, {"mask_threshold": -0.1}, {"top_k": 1}]
)
def test_a_decode_that_makes_no_sense_is_refused(decode):
    with pytest.raises(ValidationError):
        RetinaMaskSettings.model_validate({"kind": "retinamask", "decode": decode})


@pytest.mark.parametrize(("tag", "height", "width"), [("coco", 426, 640), ("synth", 250, 333)])
def test_records_of_1000_rows_equal_the_published_script(golden, categories, tag, height, width):
    arrays = np.load(golden / "retinamask_forward/arrays.npz")
    masks = np.zeros((1000, 1, 28, 28), np.float32)
    masks[arrays[f"{tag}_keep"][:100], 0] = arrays[f"{tag}_keep_masks"]
    outputs = [*(arrays[f"{tag}_{key}"] for key in ("boxes", "labels", "scores")), masks]
    found = decode_with()(outputs, CornerPlacement(1344, height, width))
    assert_records(found, json.loads((golden / f"retinamask_forward/records_{tag}.json").read_text()), categories)
    np.testing.assert_array_equal(found["scores"], outputs[2][arrays[f"{tag}_keep"][:100]])


def test_records_of_20_images_equal_the_published_script(golden, categories):
    """Only one of them has 100 rows left; the boxes of the others are of float64."""
    case = json.loads((golden / "retinamask_eval/case.json").read_text())
    records = json.loads((golden / "retinamask_eval/records.json").read_text())
    arrays = np.load(golden / "retinamask_eval/arrays.npz")
    bounds = np.cumsum(arrays["counts"])[:-1]
    masks = ((arrays["masks_k"] + np.float32(0.5)) / np.float32(64))[:, None]
    parts = [np.split(array, bounds) for array in (arrays["boxes"], arrays["labels"], arrays["scores"], masks)]
    for entry, *outputs in zip(case["options"]["images"], *parts, strict=True):
        found = decode_with()(outputs, CornerPlacement(1344, entry["height"], entry["width"]))
        assert len(found["scores"]) == entry["records"]
        assert_records(found, [each for each in records if each["image_id"] == entry["id"]], categories)


def test_detections_by_hand():
    outputs = rows(
        [[0, 0, 63, 31], [0, 0, 63, 30], [10, 20, 40.5, 64], [0, 0, 63, 31]],
        scores=[0.5, 0.75, 0.25, 0.125],
        labels=[7, 7, 80, 8],
    )
    outputs[3][:] = 1
    found = decode_with()(outputs, CornerPlacement(64, 32, 16))
    assert found["corners"].tolist() == [[0, 0, 16, 15], [5, 10, 16, 32], [0, 0, 16, 15.5]]
    assert found["boxes"].tolist() == [[0, 0, 16, 15], [5, 10, 11, 22], [0, 0, 16, 15.5]]
    assert found["scores"].tolist() == [0.75, 0.25, 0.125]
    assert found["labels"].tolist() == [7, 80, 8]
    (patch,) = paste_published(outputs[3][:1, 0], found["corners"][1:2], 32, 16)
    assert found["masks"][1] == encode(patch, 32, 16)
    kinds = {key: (values.dtype, values.shape) for key, values in found.items()}
    assert kinds == {
        "boxes": (np.float64, (3, 4)),
        "scores": (np.float64, (3,)),
        "labels": (np.int64, (3,)),
        "corners": (np.float32, (3, 4)),
        "masks": (np.object_, (3,)),
    }


def test_boxes_are_of_float32_as_soon_as_there_are_enough_rows():
    outputs, placement = rows([[1, 2, 50, 90], [1, 2, 50, 90]], [0.5, 0.4], [1, 2]), CornerPlacement(96, 30, 37)
    ratio = 96 / 37
    wide, narrow = (decode_with(keep=keep)(outputs, placement)["boxes"][0].tolist() for keep in (3, 2))
    assert wide == [1 / ratio, 2 / ratio, 50 / ratio - 1 / ratio, 30 - 2 / ratio]
    one, two, fifty = (np.float32(value) / np.float32(ratio) for value in (1, 2, 50))
    assert narrow == [float(value) for value in (one, two, fifty - one, np.float32(30) - two)]
    assert wide != narrow


@pytest.mark.parametrize(("paste", "draw"), [("published", paste_published), ("masker", paste_masker)])
def test_masks_are_pasted_as_the_settings_say(paste, draw):
    outputs = rows([[3, 5, 50, 60], [-8, 3, 20, 70]], [0.5, 0.25])
    found = decode_with(paste=paste, mask_threshold=0.6)(outputs, SQUARE)
    patches = draw(outputs[3][:, 0], found["corners"], 64, 64, 0.6)
    assert found["masks"].tolist() == [encode(patch, 64, 64) for patch in patches]


def test_the_pastes_differ():
    outputs = rows([[3, 5, 50, 60]], [0.5])
    published, masker = (decode_with(paste=paste)(outputs, SQUARE)["masks"][0] for paste in ("published", "masker"))
    assert published != masker


def test_no_rows_and_no_score_too_low():
    nothing = decode_with().nothing()
    nowhere = decode_with()(rows([], []), SQUARE)
    something = decode_with()(rows([[0, 0, 0, 0]], [0.0]), SQUARE)
    assert figures(nothing) == figures(nowhere) == {key: [] for key in nothing}
    assert figures(something) == {
        "boxes": [[0] * 4],
        "scores": [0],
        "labels": [1],
        "corners": [[0] * 4],
        "masks": [encode(paste_published(np.zeros((1, 28, 28), np.float32), np.zeros((1, 4)), 64, 64)[0], 64, 64)],
    }
    kinds = [{key: (v.dtype, v.shape[1:]) for key, v in found.items()} for found in (nothing, nowhere, something)]
    assert kinds[0] == kinds[1] == kinds[2]


def test_boxes_without_area_beside_each_other():
    """Their IoU is 0/0, which is not at most the threshold, as in the published code: one of them stays."""
    boxes = [[5, 5, 4, 9], [30, 5, 29, 9], [40, 40, 50, 50]]
    found = decode_with()(rows(boxes, [0.5, 0.4, 0.3]), SQUARE)
    assert found["boxes"].tolist() == [[5, 5, -1, 4], [40, 40, 10, 10]]


whole_boxes = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(0, 23)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
some_rows = st.lists(st.tuples(whole_boxes, st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=14)


def kept_one_by_one(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> list[int]:
    """Rows that a plain loop over each class keeps at IoU 0.4, in whole numbers; ties by row."""
    kept: list[int] = []
    for row in sorted(range(len(scores)), key=lambda row: -scores[row]):
        for other in kept:
            sides = np.minimum(boxes[row, 2:], boxes[other, 2:]) - np.maximum(boxes[row, :2], boxes[other, :2]) + 1
            overlap = int(np.prod(np.maximum(sides, 0)))
            areas = sum(int(np.prod(boxes[i, 2:] - boxes[i, :2] + 1)) for i in (row, other))
            if labels[row] == labels[other] and 5 * overlap > 2 * (areas - overlap):
                break
        else:
            kept.append(row)
    return kept


@given(some_rows, st.booleans())
def test_nms_is_that_of_each_class_and_ties_keep_the_order_of_rows(given_rows, flipped):
    boxes, labels, scores = (np.array(column) for column in zip(*given_rows[:: -1 if flipped else 1], strict=True))
    outputs = rows(boxes, scores / 4, labels)
    found = decode_with()(outputs, SQUARE)
    kept = kept_one_by_one(boxes, labels, scores)
    assert found["corners"].tolist() == boxes[kept].tolist()
    assert found["labels"].tolist() == labels[kept].tolist()
    assert found["scores"].tolist() == (scores[kept] / 4).tolist()


@given(some_rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_with_scores_apart_does_not_count(given_rows, random):
    boxes, labels, _ = zip(*given_rows, strict=True)
    outputs = rows(boxes, [(row + 1) / 16 for row in range(len(boxes))], labels)
    order = list(range(len(boxes)))
    random.shuffle(order)
    shuffled = [output[order] for output in outputs]
    assert figures(decode_with()(outputs, SQUARE)) == figures(decode_with()(shuffled, SQUARE))


@given(some_rows)
def test_rows_that_were_kept_are_kept_again(given_rows):
    """What a graph that keeps them by itself would give."""
    boxes, labels, scores = (np.array(column) for column in zip(*given_rows, strict=True))
    outputs = rows(boxes, scores / 4, labels)
    kept = kept_one_by_one(boxes, labels, scores)
    assert figures(decode_with()([output[kept] for output in outputs], SQUARE)) == figures(
        decode_with()(outputs, SQUARE)
    )


@given(some_rows, st.integers(1, 16))
def test_the_best_are_kept(given_rows, keep):
    boxes, labels, scores = zip(*given_rows, strict=True)
    outputs = rows(boxes, np.array(scores) / 4, labels)
    some, everything = (figures(decode_with(keep=count)(outputs, SQUARE)) for count in (keep, 100))
    assert some == {key: values[:keep] for key, values in everything.items()}


def test_output_shapes_have_the_names_of_the_published_graph():
    assert decode_with().output_shapes(SQUARE) == {
        "bboxs": (1000, 4),
        "labels": (1000,),
        "scores": (1000,),
        "masks": (1000, 1, 28, 28),
    }


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o[0].__setitem__((1, 2), np.inf), "bboxs holds 1 values that are not finite"),
        (lambda o: o[2].__setitem__(slice(2), np.nan), "scores holds 2 values that are not finite"),
        (lambda o: o[3].__setitem__((0, 0, 3, 3), np.nan), "masks holds values that are not finite in 1 of 2 rows"),
        (lambda o: o[0].__setitem__((0, 2), 3e38), "bboxs holds corners that are too large"),
        (lambda o: o[1].__setitem__(1, 0), "labels holds 0, expected classes from 1 to 80"),
        (lambda o: o[1].__setitem__(1, -1), "labels holds -1, expected classes from 1 to 80"),
        (lambda o: o[1].__setitem__(1, 81), "labels holds 81, expected classes from 1 to 80"),
        (lambda o: o.__setitem__(1, o[1].astype(np.int64)), r"labels is int64 \(3,\), expected int32 \(3,\)"),
        (lambda o: o.__setitem__(1, o[1][:2]), r"labels is int32 \(2,\), expected int32 \(3,\) .* each of bboxs"),
        (lambda o: o.__setitem__(3, o[3][:, 0]), r"masks is float32 \(3, 28, 28\), expected float32 \(3, 1, 28, 28\)"),
        (lambda o: o.__setitem__(0, o[0].astype(np.float16)), r"bboxs is float16 \(3, 4\), expected float32"),
        (lambda o: o.__setitem__(0, o[0][None]), r"bboxs is float32 \(1, 3, 4\), expected float32 \(1, 4\) of one im"),
        (lambda o: o.pop(), "3 outputs, expected 4: bboxs, labels, scores, masks"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(spoil, message):
    outputs = rows([[0, 0, 10, 10], [40, 40, 50, 50], [40, 40, 50, 51]], [0.5, 0.75, 0.25])
    spoil(outputs)
    with pytest.raises(InputError, match=message):
        decode_with()(outputs, SQUARE)


def test_masks_of_rows_that_go_do_not_count():
    outputs = rows([[0, 0, 10, 10], [0, 0, 10, 11]], [0.5, 0.25])
    outputs[3][1] = np.nan
    assert len(decode_with()(outputs, SQUARE)["masks"]) == 1


def test_the_outputs_are_left_as_they_were():
    outputs = rows([[0, 0, 100, 10], [40, 40, 50, 50]], [0.25, 0.5])
    before = [output.copy() for output in outputs]
    for output in outputs:
        output.setflags(write=False)
    assert decode_with().device_outputs(outputs, SQUARE) is outputs
    decode_with()(outputs, CornerPlacement(64, 30, 40))
    for output, old in zip(outputs, before, strict=True):
        np.testing.assert_array_equal(output, old)


def test_the_protocol_says_how_inputs_and_detections_are_made():
    words = "; ".join(preprocess_at("1344").protocol())
    for part in ("1344 px", "bilinear", "truncated", "1344×1344 with 0 after the mean", "BGR", "102.9801, 115.9465"):
        assert part in words
    words = "; ".join(decode_with().protocol())
    for part in ("no score threshold", "IoU 0.4", "+1 px", "the best 100", "clipped", "rounded corners", "above 0.5"):
        assert part in words
    words = "; ".join(decode_with(paste="masker", keep=7, mask_threshold=0.25, nms_threshold=0.75).protocol())
    for part in ("IoU 0.75", "the best 7", "truncated corners", "above 0.25"):
        assert part in words
