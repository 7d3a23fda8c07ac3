"""RetinaMask against the published code: names, anchors, the 1000 rows, and what the fewer masks leave."""

import json

import numpy as np
import pytest
import torch

from pth2map.datasets.images import read_image
from pth2map.export.parity import compare_rows
from pth2map.files.errors import InputError
from pth2map.networks.catalogue import entry
from pth2map.networks.checkpoints import load_weights
from pth2map.networks.formula import formula_state_dict
from pth2map.networks.retinamask import RetinaMask, cell_anchors
from pth2map.recipes.recipe import Recipe

OUTPUTS = entry("retinamask").outputs


def small(**options) -> RetinaMask:
    """A network of the same structure with fewer channels behind the body, so that tests are quick."""
    torch.manual_seed(3)
    network = RetinaMask(channels=8, **options).eval()
    for name, parameter in network.named_parameters():
        if name == "rpn.head.cls_logits.weight":
            parameter.data *= 5
    return network


def test_the_published_size():
    with torch.device("meta"):
        network = RetinaMask()
    assert len(network.state_dict()) == 318
    assert sum(parameter.numel() for parameter in network.parameters()) == 36_430_341
    assert sum(buffer.numel() for buffer in network.buffers()) == 106_420


@pytest.mark.parametrize(
    ("stride", "row", "expected"),
    [
        (8, 0, [-18, -8, 25, 15]),
        (8, 1, [-23.718264, -11.119053, 30.718264, 18.119053]),
        (8, 3, [-12, -12, 19, 19]),
        (16, 0, [-38, -16, 53, 31]),
        (32, 6, [-30, -76, 61, 107]),
        (128, 0, [-298, -116, 425, 243]),
    ],
)
def test_anchors_of_a_cell(stride, row, expected):
    assert cell_anchors(stride)[row].tolist() == pytest.approx(expected, abs=1e-5)


def test_anchors_lie_cell_by_cell_in_rows():
    anchors = small().rpn.anchor_generator.cell_anchors.of_level(1, 3, 5)
    assert anchors.shape == (3 * 5 * 9, 4)
    assert anchors[9 * (2 * 5 + 4)].tolist() == [-38 + 4 * 16, -16 + 2 * 16, 53 + 4 * 16, 31 + 2 * 16]


@pytest.fixture(scope="module")
def case(golden):
    return json.loads((golden / "retinamask_forward/case.json").read_text())


@pytest.fixture(scope="module")
def published(case) -> RetinaMask:
    """The network with the formula weights of the published run."""
    network = RetinaMask().eval()
    network.load_state_dict(formula_state_dict(network, [tuple(rule) for rule in case["weights"]["scale_rules"]]))
    return network


@pytest.mark.parametrize("tag", ["coco", "synth"])
def test_the_rows_are_those_of_the_published_code(golden, mirror, case, published, tag):
    expected = np.load(golden / "retinamask_forward/arrays.npz")
    assert all(
        np.array_equal(
            getattr(published.rpn.anchor_generator.cell_anchors, str(level)), expected[f"cell_anchors_{level}"]
        )
        for level in range(5)
    )
    run = next(run for run in case["runs"] if run["tag"] == tag)
    images = tensor_of(golden, mirror, run["image"])
    levels: list[torch.Tensor] = []
    hook = published.backbone.register_forward_hook(lambda _module, _inputs, outputs: levels.extend(outputs))
    with torch.inference_mode():
        boxes, labels, scores, masks = (output.numpy() for output in published(images))
        hook.remove()
        for level, features in enumerate(levels):
            for name, values in zip(("fpn", "cls", "reg"), (features, *published.rpn.head(features)), strict=True):
                flat = values.numpy().ravel()
                sample = flat[:: max(1, flat.size // 400)]
                assert sample == pytest.approx(expected[f"{tag}_{name}{level}"], rel=1e-4, abs=1e-4)
    assert masks.shape == (1000, 1, 28, 28)
    theirs = [expected[f"{tag}_{key}"] for key in ("boxes", "labels", "scores", "mask_sums")]
    ours = [boxes, labels, scores, masks.reshape(1000, -1).sum(axis=1, dtype=np.float64)]
    found = compare_rows(theirs, ours, ("bboxs", "labels", "scores", "mask_sums"))
    assert found.outputs["bboxs"].shape == (1000, 4), "every row has its like"
    assert found.outputs["bboxs"].max_abs <= 0.02
    assert found.outputs["scores"].max_abs <= 1e-5
    assert found.outputs["mask_sums"].max_abs <= 1e-3 * 28 * 28
    masked = compare_rows(
        [array[:20] for array in theirs[:3]] + [expected[f"{tag}_masks20"]],
        [array[:20] for array in ours[:3]] + [masks[:20, 0]],
        OUTPUTS,
    )
    assert masked.outputs["masks"].max_abs <= 1e-3


def test_kept_masks_are_those_of_the_published_post_processing(golden, mirror, published):
    expected = np.load(golden / "retinamask_forward/arrays.npz")
    kept = expected["synth_keep"][:100]
    published.kept_masks = True
    try:
        with torch.inference_mode():
            outputs = published(tensor_of(golden, mirror, "inputs/synth_333x250.png"))
    finally:
        published.kept_masks = False
    theirs = [*(expected[f"synth_{key}"][kept] for key in ("boxes", "labels", "scores")), expected["synth_keep_masks"]]
    found = compare_rows(theirs, [*(output.numpy() for output in outputs[:3]), outputs[3].numpy()[:, 0]], OUTPUTS)
    assert found.outputs["bboxs"].shape == (100, 4)
    assert found.outputs["bboxs"].max_abs <= 0.02
    assert found.outputs["masks"].max_abs <= 1e-3


def tensor_of(golden, mirror, image) -> torch.Tensor:
    path = golden / image if image.startswith("inputs/") else mirror / "coco-mini" / image
    preprocess = Recipe.parse('{"kind": "retinamask"}', "1344").preprocess()
    return torch.from_numpy(preprocess(read_image(path))[0][None])


def test_kept_masks_are_the_rows_that_stay():
    torch.manual_seed(0)
    images = torch.randn(1, 3, 128, 160) * 40
    with torch.inference_mode():
        boxes, labels, scores, masks = small()(images)
        kept = small(kept_masks=True)(images)
    assert 0 < len(kept[2]) <= 100
    rows = [int(np.flatnonzero(scores.numpy() == score)[0]) for score in kept[2].numpy()]
    assert rows == sorted(rows)
    for ours, every in zip(kept, (boxes, labels, scores, masks), strict=True):
        assert torch.equal(ours[: len(rows)], every[rows]) or torch.allclose(ours, every[rows], atol=1e-6)


def test_boxes_stay_in_the_input():
    torch.manual_seed(0)
    with torch.inference_mode():
        boxes, labels, scores, _ = small()(torch.randn(1, 3, 64, 96) * 40)
    assert boxes.shape == (1000, 4)
    assert boxes.min() >= 0
    assert (boxes[:, 0::2].max(), boxes[:, 1::2].max()) == (96, 64)
    assert labels.dtype == torch.int32
    assert 1 <= labels.min() <= labels.max() <= 80
    assert (scores.diff() <= 0).all()


def test_the_checkpoint_of_the_training_code_loads(tmp_path):
    network = small()
    state = {f"module.{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    path = tmp_path / "npu_8P_model_0020001.pth"
    torch.save({"model": state, "optimizer": {}, "iteration": 20001}, path)
    loaded = load_weights(small(), path)
    assert (loaded.entries, loaded.applied) == (318, ("model", "module."))
    del state["module.rpn.anchor_generator.cell_anchors.4"]
    torch.save({"model": state}, path)
    with pytest.raises(InputError, match=r"1 missing: rpn\.anchor_generator\.cell_anchors\.4"):
        load_weights(small(), path)


def test_anchors_are_no_weights_of_a_formula():
    network = small()
    state = formula_state_dict(network)
    assert torch.equal(state["rpn.anchor_generator.cell_anchors.2"], cell_anchors(32))
    assert not torch.equal(state["backbone.body.stem.bn1.running_var"], torch.ones(64))
