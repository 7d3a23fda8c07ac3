import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests import synthetic_wider

from pth2map.datasets.widerface_index import index_widerface
from pth2map.engines.passes import decode_files, infer_files, prepare, stream
from pth2map.files.errors import InputError
from pth2map.recipes.recipe import Recipe

RECIPE = Recipe.parse(json.dumps({"kind": "retinaface", "preprocess": {"resize": "long_side"}}), "64")
CENTERFACE = Recipe.parse(json.dumps({"kind": "centerface"}), "64")
CENTERFACE_LETTERBOX = Recipe.parse(json.dumps({"kind": "centerface_letterbox", "preprocess": {"pad": 9}}), "64")
RETINAMASK = Recipe.parse(json.dumps({"kind": "retinamask"}), "64")
NATIVE = Recipe.parse(json.dumps({"kind": "retinaface", "preprocess": {"resize": "none"}}), "native")


class Session:
    """Outputs that tell the images of a batch apart: scores from the pixels of each."""

    def __init__(self):
        self.batches = []

    def run(self, images):
        self.batches.append(len(images))
        decode = RECIPE.decode()
        outputs = []
        for image in images:
            placement = NATIVE.preprocess().placement(*image.shape[1:])
            loc, conf, landms = (np.zeros(s, np.float32) for s in decode.output_shapes(placement).values())
            values = np.resize(np.abs(image).ravel(), len(conf)) / 256
            conf[:, 1] = np.where(np.arange(len(conf)) % 7 == 0, values, 0)
            outputs.append((loc, conf, landms))
        return tuple(np.stack(parts) for parts in zip(*outputs, strict=True))


class HeatMaps:
    """Outputs of CenterFace that tell images apart."""

    def run(self, images):
        shapes = CENTERFACE.decode().output_shapes(CENTERFACE.preprocess().placement(*images.shape[2:]))
        return tuple(
            np.stack([np.resize(np.abs(image).ravel() / 8, shape).astype(np.float32) for image in images])
            for shape in shapes.values()
        )


class Rows:
    """Outputs of RetinaMask that tell images apart, without a batch axis."""

    def run(self, images):
        (image,) = images
        values = np.resize(np.abs(image).ravel(), 1000).astype(np.float32)
        corners = np.resize(values, (1000, 2)) % 50
        masks = (np.resize(values, (1000, 1, 28, 28)) % 8) / 8
        labels = np.arange(1000, dtype=np.int32) % 80 + 1
        return np.concatenate([corners, corners + 9], axis=1), labels, np.sort(values)[::-1] / 256, masks


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return index_widerface("widerface", synthetic_wider.make(tmp_path_factory.mktemp("wider") / "root"))[0]


def test_inputs_of_all_runs_lie_in_the_same_memory(index, tmp_path):
    class Noting(Session):
        def run(self, images):
            self.batches.append(images.__array_interface__["data"][0])
            return super().run(images)

    session = Noting()
    stream(index, index.images, RECIPE, session, batch=2)
    prepare(index, index.images, RECIPE, tmp_path / "in", tmp_path / "in")
    assert len(set(session.batches[::2])) == 1
    session = Noting()
    infer_files(index.images, tmp_path / "in", session, RECIPE, tmp_path / "out", batch=2)
    assert len(set(session.batches[::2])) == 1


def test_a_batch_with_a_tail_gives_each_image_its_own_detections(index):
    one_by_one, in_batches = Session(), Session()
    expected = stream(index, index.images, RECIPE, one_by_one, batch=1)
    found = stream(index, index.images, RECIPE, in_batches, batch=2)
    assert one_by_one.batches == [1] * 5
    assert in_batches.batches == [2, 2, 1]
    assert found.names == expected.names == index.names
    assert len(set(expected.counts.tolist())) > 1
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    for key in ("corners", "landmarks"):
        np.testing.assert_array_equal(found.extra[key], expected.extra[key])


def test_only_images_of_one_size_share_a_batch(index):
    session = Session()
    stream(index, index.images, NATIVE, session, batch=4)
    sizes = [(image.width, image.height) for image in index.images]
    neighbours = [1]
    for before, after in pairwise(sizes):
        if before == after:
            neighbours[-1] += 1
        else:
            neighbours.append(1)
    assert session.batches == neighbours


def letterbox(**settings: object) -> Recipe:
    return Recipe.parse(json.dumps({"kind": "retinaface_letterbox", **settings}), "64")


@pytest.mark.parametrize(
    ("recipe", "session", "batch"),
    [
        (RECIPE, Session, 2),
        (NATIVE, Session, 2),
        (letterbox(), Session, 2),
        (letterbox(decode={"form": "card", "text": "npz"}, preprocess={"even_sizes": True}), Session, 2),
        (letterbox(preprocess={"resize": "stretch"}), Session, 2),
        (CENTERFACE, HeatMaps, 2),
        (CENTERFACE_LETTERBOX, HeatMaps, 2),
        (RETINAMASK, Rows, 1),
    ],
    ids=["square", "native", "letterbox", "card", "stretch", "centerface", "centerface_letterbox", "retinamask"],
)
def test_tensor_files_give_what_the_stream_gives(index, recipe, session, batch, tmp_path):
    expected = stream(index, index.images, recipe, session(), batch=1)
    assert len(expected.scores) > len(index.images)
    prepare(index, index.images, recipe, tmp_path / "in", tmp_path / "in")
    infer_files(index.images, tmp_path / "in", session(), recipe, tmp_path / "out", batch)
    found = decode_files(index.images, tmp_path / "in", tmp_path / "out", recipe)
    assert found.content_hash() == expected.content_hash()
    np.testing.assert_array_equal(found.extra["corners"], expected.extra["corners"])


def test_a_shard_without_images_has_no_detections_of_the_right_kinds(index):
    nothing = stream(index, (), RECIPE, Session(), batch=1)
    something = stream(index, index.images[:1], RECIPE, Session(), batch=1)
    assert nothing.names == ()
    assert nothing.boxes.shape == (0, 4)
    for key, array in something.extra.items():
        assert (nothing.extra[key].dtype, nothing.extra[key].shape[1:]) == (array.dtype, array.shape[1:])


def test_an_error_names_the_image(index):
    class Broken(Session):
        def run(self, images):
            loc, conf, landms = super().run(images)
            conf[:] = np.nan
            return loc, conf, landms

    with pytest.raises(InputError, match=f"^{index.names[0]}: output conf holds"):
        stream(index, index.images, RECIPE, Broken(), batch=1)


def test_an_image_of_which_nothing_is_left_is_told_before_the_first_inference(index, tmp_path):
    """2000 × 1 px make 64 × 0."""
    thin = replace(index.images[-1], name="e/thin", width=2000, height=1)
    images = [*index.images[:2], thin]
    prepare(index, images[:2], RETINAMASK, tmp_path / "in", tmp_path / "in")

    class Never:
        def run(self, images):
            raise AssertionError("an inference that is for nothing")

    with pytest.raises(InputError, match=r"^e/thin: "):
        stream(index, images, RETINAMASK, Never(), batch=1)
    with pytest.raises(InputError, match=r"^e/thin: "):
        infer_files(images, tmp_path / "in", Never(), RETINAMASK, tmp_path / "out", batch=1)


def test_an_image_that_changed_since_the_index_is_refused(tmp_path):
    root = synthetic_wider.make(tmp_path / "root")
    index = index_widerface("widerface", root)[0]
    first, other = (index.file(image) for image in (index.images[0], index.images[2]))
    first.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="the file changed, index the dataset again"):
        stream(index, index.images, RECIPE, Session(), batch=1)
