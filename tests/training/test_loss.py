"""The loss and its gradients against the published code's."""

import json

import numpy as np
import pytest
import torch

from pth2map.geometry.priors import retinaface_priors
from pth2map.training.batch import collate
from pth2map.training.loss import hardest_negatives, multibox_loss
from pth2map.training.matching import match

BATCHES = [(side, batch) for side in (320, 840) for batch in ("ABC", "B", "D")]


def predictions(side, images, priors):
    rng = np.random.RandomState(400 + side + 1)
    scales = {"loc": (0.7, 4), "conf": (1.5, 2), "landm": (0.7, 10)}
    return {
        name: torch.tensor(
            (scale * rng.standard_normal((images, priors, width))).astype(np.float32), requires_grad=True
        )
        for name, (scale, width) in scales.items()
    }


def batch_of(sets, priors):
    return collate([(np.zeros((2, 2, 3), np.uint8), match(faces, priors)) for faces in sets], len(priors))


@pytest.mark.parametrize(("side", "letters"), BATCHES)
def test_losses_and_gradients_are_the_published_ones(golden, side, letters):
    folder = golden / "retinaface_train"
    expected = json.loads((folder / "case.json").read_text())["sides"][str(side)][f"loss_{letters}"]
    priors = retinaface_priors(side, side)
    with np.load(folder / "arrays.npz") as arrays:
        batch = batch_of([arrays[f"s{side}_{letter}_gt"] for letter in letters], priors)
    outputs = predictions(side, len(letters), len(priors))
    total, loc, conf, landms = multibox_loss(tuple(outputs.values()), batch).means()
    found = {"loss_l": loc, "loss_c": conf, "loss_landm": landms, "total": total}
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name], rel=1e-5), name
    total.backward()
    for name, values in outputs.items():
        gradient = expected["gradient_of_total"][name]
        assert values.grad.double().abs().sum().item() == pytest.approx(gradient["abs_sum"], rel=1e-5), name
        assert (values.grad != 0).any(dim=2).sum().item() == gradient["nonzero_rows"], name


def test_an_image_full_of_faces_leaves_no_background_over():
    priors = retinaface_priors(64, 64)
    tiles = np.array([[x, y, x + 0.25, y + 0.25] for x in (0, 0.25, 0.5, 0.75) for y in (0, 0.25, 0.5, 0.75)])
    faces = np.concatenate([tiles, np.full((16, 10), -1), np.full((16, 1), -1)], axis=1).astype(np.float32)
    batch = batch_of([faces, faces[:0]], priors)
    negatives = hardest_negatives(torch.zeros(2, len(priors)), batch)
    assert batch.counts[0] * 8 > len(priors)
    assert sorted([*negatives.tolist(), *batch.positives.tolist()]) == list(range(len(priors)))


def test_the_hardest_background_of_each_image_is_learnt():
    priors = retinaface_priors(64, 64)
    face = np.array([[0.2, 0.2, 0.45, 0.45, *[-1] * 11]], np.float32)
    batch = batch_of([face, face], priors)
    margins = torch.randn(2, len(priors), generator=torch.Generator().manual_seed(3))
    chosen = set(hardest_negatives(margins, batch).tolist())
    positives = set(batch.positives.tolist())
    for image in range(2):
        background = [row for row in range(image * len(priors), (image + 1) * len(priors)) if row not in positives]
        background.sort(key=lambda row: -margins.flatten()[row].item())
        wanted = background[: 7 * batch.counts[image]]
        assert chosen & set(background) == set(wanted)
