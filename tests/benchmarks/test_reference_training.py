"""The reference of training against golden values: targets, losses and their gradients, learning rates."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pth2map.geometry.priors import retinaface_priors

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from reference_training import LOC_WEIGHT, augment, crop, learning_rate, match, mirror, multibox_loss

SIDES, SETS = (320, 840), "ABCD"
BATCHES = ("ABC", "B", "D")


@pytest.fixture(scope="module")
def case(golden):
    return json.loads((golden / "retinaface_train/case.json").read_text())


@pytest.fixture(scope="module")
def arrays(golden):
    with np.load(golden / "retinaface_train/arrays.npz") as content:
        return dict(content)


def targets_of(arrays, side, name):
    return match(torch.tensor(arrays[f"s{side}_{name}_gt"]), torch.tensor(retinaface_priors(side, side)))


@pytest.mark.parametrize("side", SIDES)
def test_priors(case, side):
    assert (
        hashlib.sha256(retinaface_priors(side, side).tobytes()).hexdigest() == case["sides"][str(side)]["priors_sha256"]
    )


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("side", SIDES)
def test_matching(case, arrays, side, name):
    loc, conf, landm = (each.numpy() for each in targets_of(arrays, side, name))
    key, golden = f"s{side}_{name}_", case["sides"][str(side)]["gts"][name]
    positive = arrays[key + "pos"]
    np.testing.assert_array_equal(np.flatnonzero(conf), positive)
    np.testing.assert_array_equal(conf[positive], arrays[key + "pos_conf"])
    near = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(loc[positive], arrays[key + "pos_loc"], **near)
    np.testing.assert_allclose(loc[::97], arrays[key + "loc_every97"], **near)
    np.testing.assert_allclose(np.abs(loc, dtype=np.float64).sum(), golden["loc_t"]["abs_sum"], rtol=1e-6)
    np.testing.assert_allclose(loc.sum(dtype=np.float64), golden["loc_t"]["sum"], rtol=1e-5)
    if golden["landm_t_written"]:
        np.testing.assert_allclose(landm[positive], arrays[key + "pos_landm"], **near)


def predictions(side, count):
    """Those of the golden values: one generator, in this order."""
    priors, rng = len(retinaface_priors(side, side)), np.random.RandomState(400 + side + 1)
    scales = {4: 0.7, 2: 1.5, 10: 0.7}
    return [
        torch.tensor((scale * rng.standard_normal((count, priors, values))).astype(np.float32), requires_grad=True)
        for values, scale in scales.items()
    ]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("side", SIDES)
def test_losses_and_gradients(case, arrays, side, batch):
    golden = case["sides"][str(side)][f"loss_{batch}"]
    loc, conf, landm = predictions(side, len(batch))
    losses = multibox_loss(loc, conf, landm, [targets_of(arrays, side, name) for name in batch])
    total = LOC_WEIGHT * losses[0] + losses[1] + losses[2]
    for name, loss in zip(("loss_l", "loss_c", "loss_landm", "total"), (*losses, total), strict=True):
        assert loss.item() == pytest.approx(golden[name], rel=1e-5), name
    total.backward()
    for name, tensor in (("loc", loc), ("conf", conf), ("landm", landm)):
        expected = golden["gradient_of_total"][name]
        assert tensor.grad.double().abs().sum().item() == pytest.approx(expected["abs_sum"], rel=1e-5), name
        assert tensor.grad.abs().sum(-1).count_nonzero().item() == expected["nonzero_rows"], name


def test_learning_rates(case, arrays):
    settings = case["lr"]
    rates = [learning_rate(step, settings["steps_per_epoch"], settings["lr0"]) for step in range(5000)]
    np.testing.assert_allclose(rates, arrays["lr_published"], rtol=1e-12)


# Augmentation, by hand

FACE = [30.0, 20.0, 50.0, 60.0, *(32.0, 30.0, 48.0, 31.0, 40.0, 40.0, 34.0, 50.0, 46.0, 51.0), 1.0]
BARE = [10.0, 10.0, 40.0, 50.0, *[-1.0] * 10, -1.0]


def test_a_mirrored_face():
    image = np.arange(100 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(80, 100, 3)
    draws = [mirror(image, np.array([FACE]), np.random.default_rng(seed)) for seed in range(20)]
    turned = [faces[0] for pixels, faces in draws if np.array_equal(pixels, image[:, ::-1])]
    assert 0 < len(turned) < 20
    assert turned[0].tolist() == [50, 20, 70, 60, 52, 31, 68, 30, 60, 40, 54, 51, 66, 50, 1]


def test_a_crop_holds_a_whole_face_and_is_of_the_image():
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    place = np.stack(np.mgrid[:90, :120][::-1], -1).astype(np.float64)
    for seed in range(40):
        pixels, faces, cropped = crop(image, np.array([FACE, BARE]), np.random.default_rng(seed))
        where, *_ = crop(place, np.array([FACE, BARE]), np.random.default_rng(seed))
        left, top = where[0, 0]
        assert cropped
        assert pixels.shape[0] == pixels.shape[1]
        assert pixels.shape[0] in {int(scale * 90) for scale in (0.3, 0.45, 0.6, 0.8, 1.0)}
        np.testing.assert_array_equal(pixels, image[int(top) :, int(left) :][: len(pixels), : len(pixels)])
        originals = np.array([FACE if face[14] == 1 else BARE for face in faces])[:, :4]
        shifted = originals - (left, top, left, top)
        np.testing.assert_array_equal(faces[:, :4], np.clip(shifted, 0, len(pixels)))
        assert (faces[:, :4] == shifted).all(axis=1).any()
        assert ((faces[:, 4:14] >= 0) & (faces[:, 4:14] <= len(pixels))).all()


def test_an_image_without_a_crop_is_padded():
    """A face as wide as the picture fits no square of its height."""
    image = np.full((40, 200, 3), 50, np.uint8)
    planes, faces = augment(image, np.array([[0, 0, 200, 40, *[-1.0] * 10, -1.0]]), 100, np.random.default_rng(0))
    assert planes.shape == (3, 100, 100)
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(planes[:, 30:], 0)  # the mean colour less the mean
    np.testing.assert_allclose(faces[0, :4], [0, 0, 1, 0.2], rtol=1e-6)
