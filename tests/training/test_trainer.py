"""The trainer: the same steps whoever reads the images, however it is interrupted, on however many devices."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.networks.checkpoints import load_weights
from pth2map.networks.retinaface import RetinaFace
from pth2map.training.batches import Steps, training_batches, validation_batches
from pth2map.training.checkpoints import due, load_state
from pth2map.training.epochs import read_epochs
from pth2map.training.loss import multibox_loss
from pth2map.training.run import Outputs, train
from pth2map.training.schedule import learning_rate
from pth2map.training.settings import Checkpoints, TrainingSettings
from pth2map.training.trainer import Plan, Trainer, first_weights
from pth2map.training.world import World, joined
from tests.synthetic_faces import indexed

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/train.py"
CPU = World(torch.device("cpu"))
SETTINGS = {"size": 96, "batch_size": 4, "epochs": 3, "learning_rate": 0.002, "checkpoints": {"every_epochs": 1}}


def settings_of(**values):
    return TrainingSettings.model_validate(SETTINGS | values)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    return indexed(folder / "train", 14), indexed(folder / "val", 6, 1, "validation")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def plan_of(sets, state, **values):
    settings = {key: values.pop(key) for key in list(values) if key in TrainingSettings.model_fields}
    return Plan("retinaface_mobilenet025", settings_of(**settings), sets[0], state, **values)


def outputs_of(folder):
    return Outputs(folder / "weights.pth", folder / "epochs.tsv", folder / "training.json", folder / "checkpoints")


def trained(sets, folder, **values):
    plan = plan_of(sets, folder / "state", **values)
    train(plan, CPU, outputs_of(folder))
    return outputs_of(folder)


def command(sets, folder, *options, settings=SETTINGS, launcher=()):
    """The command line of a training whose sets lie in ``folder``."""
    for images, name in zip(sets, ("train.npz", "val.npz"), strict=True):
        images.save(folder / name)
    outputs = outputs_of(folder)
    return [
        *(sys.executable, *launcher, str(SCRIPT), "--network", "retinaface_mobilenet025"),
        *("--settings", json.dumps(settings), "--train", str(folder / "train.npz")),
        *("--validation", str(folder / "val.npz"), "--state", str(folder / "state"), "--state-every", "2"),
        *("--weights", str(outputs.weights), "--epochs", str(outputs.epochs), "--record", str(outputs.record)),
        *("--checkpoints", str(outputs.checkpoints), "--workers", "0", "--threads", "1", *options),
    ]


def run(line):
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def whole(sets, tmp_path_factory):
    """A training that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(command(sets, folder))
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_what_a_training_leaves(whole):
    folder, said = whole
    outputs = outputs_of(folder)
    epochs = read_epochs(outputs.epochs)
    assert [(epoch.epoch, epoch.steps, epoch.skipped_steps) for epoch in epochs] == [(1, 3, 0), (2, 3, 0), (3, 3, 0)]
    assert [f"epoch {epoch.epoch}/3: loss {epoch.loss:.4f}" in said for epoch in epochs] == [True] * 3
    for epoch in epochs:
        assert epoch.loss == pytest.approx(2 * epoch.loss_loc + epoch.loss_conf + epoch.loss_landm, rel=1e-6)
        assert epoch.validation_loss is not None
    assert epochs[-1].loss < epochs[0].loss
    assert sorted(path.name for path in outputs.checkpoints.iterdir()) == [
        "best.pth",
        *(f"epoch_000{number}.pth" for number in (1, 2, 3)),
    ]
    assert hash_file(outputs.weights) == hash_file(outputs.checkpoints / "epoch_0003.pth")
    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert hash_file(outputs.checkpoints / "best.pth") == hash_file(outputs.checkpoints / f"epoch_{best.epoch:04d}.pth")
    record = json.loads(outputs.record.read_text())
    assert (record["images"]["images"], record["images"]["with_landmarks"], record["steps"]) == (14, 14, 9)
    assert [run["first_step"] for run in record["runs"]] == [0]
    load_weights(RetinaFace.mobilenet025(), outputs.weights)


def validation_loss(images, weights):
    """The loss over a set, image by image and summed by hand."""
    network = RetinaFace.mobilenet025(logits=True)
    load_weights(network, weights)
    network.eval()
    sums = torch.zeros(5, dtype=torch.float64)
    with torch.no_grad():
        for batch in validation_batches(images, 96, 1, 0, False):
            found = multibox_loss(network(batch.inputs()), batch)
            sums += torch.tensor([found.loc, found.conf, found.landms, found.faces, found.landmarked])
    loc, conf, landms, faces, landmarked = sums.tolist()
    return 2 * loc / faces + conf / faces + landms / landmarked


def test_the_validation_loss_is_that_of_every_image_once(sets, whole):
    outputs = outputs_of(whole[0])
    for epoch in read_epochs(outputs.epochs):
        weights = outputs.checkpoints / f"epoch_{epoch.epoch:04d}.pth"
        assert epoch.validation_loss == pytest.approx(validation_loss(sets[1], weights), rel=1e-5)


def test_the_best_epoch_is_that_of_the_least_loss(sets, tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 2.5])
    monkeypatch.setattr(Trainer, "validate", lambda trainer: next(losses))
    outputs = trained(sets, tmp_path, weights="best")
    best = outputs.checkpoints / "best.pth"
    assert hash_file(best) == hash_file(outputs.checkpoints / "epoch_0002.pth") == hash_file(outputs.weights)


def test_a_training_that_is_over_only_writes_its_outputs_again(sets, whole):
    folder, _ = whole
    outputs = outputs_of(folder)
    before = hash_file(outputs.weights)
    outputs.weights.unlink()
    assert run(command(sets, folder)).returncode == 0
    assert hash_file(outputs.weights) == before


def test_the_number_of_workers_changes_nothing(sets, tmp_path, whole):
    outputs = trained(sets, tmp_path, validation=sets[1], workers=2)
    assert hash_file(outputs.weights) == hash_file(outputs_of(whole[0]).weights)


def test_killed_three_times_at_random_moments_it_ends_with_the_same_weights(sets, tmp_path, whole):
    seed = int(os.environ.get("PTH2MAP_SEED", time.time_ns() % 2**32))
    print(f"PTH2MAP_SEED={seed}")
    moments = random.Random(seed)
    line = command(sets, tmp_path)
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = load_state(tmp_path / "state")
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            state = load_state(tmp_path / "state")
            if state and (before is None or state["progress"]["step"] > before["progress"]["step"]):
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.15))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = run(line)
    assert done.returncode == 0, done.stderr
    assert kills, "it was never at work when it was killed"
    outputs, uninterrupted = outputs_of(tmp_path), outputs_of(whole[0])
    assert hash_file(outputs.weights) == hash_file(uninterrupted.weights)
    for path in uninterrupted.checkpoints.iterdir():
        assert hash_file(outputs.checkpoints / path.name) == hash_file(path), path.name
    for found, expected in zip(read_epochs(outputs.epochs), read_epochs(uninterrupted.epochs), strict=True):
        assert (found.loss, found.validation_loss) == (expected.loss, expected.validation_loss)


def test_stopped_after_every_single_step_it_ends_with_the_same_weights(sets, tmp_path, whole):
    plan = plan_of(sets, tmp_path / "state", validation=sets[1], state_every=1)

    class StopError(Exception):
        pass

    for step in range(1, 10):
        trainer = Trainer(plan, CPU)
        assert trainer.progress.step == step - 1
        save = trainer._save

        def stop_behind(save=save):
            save()
            raise StopError

        trainer._save = stop_behind
        with pytest.raises(StopError):
            trainer.run()
    train(plan, CPU, outputs_of(tmp_path))
    assert hash_file(outputs_of(tmp_path).weights) == hash_file(outputs_of(whole[0]).weights)


def test_two_processes_make_the_steps_of_one_that_averages_two_halves(sets, tmp_path):
    settings = SETTINGS | {"epochs": 7, "max_steps": 20}
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = run(command(sets, tmp_path, "--devices", "0,1", settings=settings, launcher=launcher))
    assert done.returncode == 0, done.stderr

    plan = plan_of(sets, tmp_path / "none", epochs=7, max_steps=20)
    halves = [first_weights(plan).train().to(memory_format=torch.channels_last)]
    halves.append(deepcopy(halves[0]))
    optimizers = [torch.optim.SGD(half.parameters(), lr=1, momentum=0.9, weight_decay=5e-4) for half in halves]
    steps = [Steps(0, len(sets[0]), 4, 0, 20, rank, 2) for rank in (0, 1)]
    batches = zip(*(training_batches(sets[0], 96, each, 0, False) for each in steps), strict=True)
    losses = []
    for step, pair in enumerate(batches):
        both = []
        for half, batch, optimizer in zip(halves, pair, optimizers, strict=True):
            optimizer.zero_grad()
            loss = multibox_loss(half(batch.inputs()), batch).means()[0]
            loss.backward()
            both.append(loss.item())
            optimizer.param_groups[0]["lr"] = learning_rate(plan.settings, plan.steps_per_epoch, step)
        for parameters in zip(*(half.parameters() for half in halves), strict=True):
            mean = (parameters[0].grad + parameters[1].grad) / 2
            for parameter in parameters:
                parameter.grad = mean
        for optimizer in optimizers:
            optimizer.step()
        losses.append(sum(both) / 2)
    for epoch in read_epochs(outputs_of(tmp_path).epochs):
        of_epoch = losses[3 * (epoch.epoch - 1) : 3 * epoch.epoch]
        assert epoch.loss == pytest.approx(sum(of_epoch) / len(of_epoch), rel=1e-6)
    assert epoch.validation_loss == pytest.approx(validation_loss(sets[1], outputs_of(tmp_path).weights), rel=1e-5)
    found = torch.load(outputs_of(tmp_path).weights, weights_only=True)["state_dict"]
    expected = halves[0].state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5, msg=name)
    moved = max((tensor - start).abs().max().item() for tensor, start in zip(
        halves[0].parameters(), first_weights(plan).parameters(), strict=True))  # fmt: skip
    assert moved > 1e-3

    again = tmp_path / "again"
    again.mkdir()
    line = command(sets, again, "--devices", "0,1", settings=settings, launcher=launcher)
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until = time.monotonic() + 60
        while not load_state(again / "state") and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    done = run(line)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(outputs_of(again).record.read_text())["runs"]) == 2
    assert hash_file(outputs_of(again).weights) == hash_file(outputs_of(tmp_path).weights)


def test_mixed_precision_follows_the_full_one(sets, tmp_path):
    full = trained(sets, tmp_path / "full")
    mixed = trained(sets, tmp_path / "mixed", amp=True, loss_scale=128.0)
    losses = [[epoch.loss for epoch in read_epochs(outputs.epochs)] for outputs in (full, mixed)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    state = torch.load(mixed.weights, weights_only=True)["state_dict"]
    assert {tensor.dtype for tensor in state.values()} == {torch.float32, torch.int64}


def test_a_step_whose_gradient_is_not_finite_is_left_out(sets, tmp_path):
    plan = plan_of(sets, tmp_path, amp=True, loss_scale=64.0, max_steps=3)
    trainer = Trainer(plan, CPU)
    step = trainer._step
    made = []

    def third_explodes(model, batch, rate):
        if len(made) == 1:
            batch.loc.fill_(torch.nan)
        before = deepcopy(trainer.network.state_dict())
        losses, was_made = step(model, batch, rate)
        made.append(was_made)
        names = [name for name, _ in trainer.network.named_parameters()]
        kept = all(torch.equal(before[name], trainer.network.state_dict()[name]) for name in names)
        assert kept != was_made
        return losses, was_made

    trainer._step = third_explodes
    (epoch,) = trainer.run()
    assert made == [True, False, True]
    assert (epoch.steps, epoch.skipped_steps) == (3, 1)
    assert load_state(tmp_path)["scaler"]["scale"] == 64.0


def test_a_loss_that_is_not_finite_ends_it_and_spares_the_state(sets, tmp_path):
    with pytest.raises(InputError, match=r"are no longer finite at step .*; lower learning_rate"):
        trained(sets, tmp_path, learning_rate=1e12, warmup_epochs=0, epochs=9, state_every=1)
    assert not (tmp_path / "weights.pth").exists()
    state = load_state(tmp_path / "state")
    assert all(tensor.isfinite().all() for tensor in state["network"].values())


def test_the_backbone_comes_without_its_classifier(sets, tmp_path, mirror):
    backbone = mirror / "weights/retinaface/mobilenetV1X0.25_pretrain.tar"
    network = first_weights(plan_of(sets, tmp_path, backbone=backbone))
    published = torch.load(backbone, weights_only=True, map_location="cpu")["state_dict"]
    for name, tensor in network.body.state_dict().items():
        torch.testing.assert_close(tensor, published[f"module.{name}"], rtol=0, atol=0)


def test_it_starts_from_published_weights(sets, tmp_path, mirror):
    weights = mirror / "weights/retinaface/mobilenet0.25_Final.pth"
    network, expected = first_weights(plan_of(sets, tmp_path, start_from=weights)), RetinaFace.mobilenet025()
    load_weights(expected, weights)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"learning_rate": 0.1}, "left by another training"), ({"seed": 1}, "left by another training")],
)
def test_the_state_of_another_training_is_refused(sets, tmp_path, values, sentence):
    trained(sets, tmp_path, epochs=1)
    with pytest.raises(InputError, match=sentence):
        trained(sets, tmp_path, epochs=1, **values)


@pytest.mark.parametrize(
    ("batch_size", "size", "sentence"),
    [
        (15, 1, "the training set has 14 images, fewer than the 15 of one step"),
        (5, 2, "5 images cannot be shared by 2 devices evenly"),
    ],
)
def test_batches_that_cannot_be_had_are_refused(sets, tmp_path, batch_size, size, sentence):
    with pytest.raises(InputError, match=sentence):
        Trainer(plan_of(sets, tmp_path, batch_size=batch_size), World(torch.device("cpu"), 0, size))


def test_an_image_that_changed_or_went_is_named(sets, tmp_path):
    images = indexed(tmp_path / "own", 5)
    images.path(3).write_bytes(images.path(1).read_bytes())
    with pytest.raises(InputError, match=r"3\.jpg: 128×120 pixels, no longer 144×120 as it was indexed"):
        trained((images, None), tmp_path, workers=1)
    images.path(3).unlink()
    with pytest.raises(InputError, match=r"3\.jpg: No such file .*; it was whole when it was indexed: put it back"):
        trained((images, None), tmp_path, workers=0)


@pytest.mark.parametrize(("keep", "expected"), [(2, [2, 3]), (None, [1, 2, 3])])
def test_only_the_latest_checkpoints_stay(sets, tmp_path, keep, expected):
    outputs = trained(sets, tmp_path, checkpoints={"every_epochs": 1, "keep": keep, "best": False})
    names = [f"epoch_{epoch:04d}.pth" for epoch in expected]
    assert sorted(path.name for path in outputs.checkpoints.iterdir()) == names


def test_the_published_cadence():
    published = [epoch for epoch in range(1, 101) if epoch % 10 == 0 or (epoch % 5 == 0 and epoch > 70)]
    assert [epoch for epoch in range(1, 101) if due(Checkpoints(), epoch)] == published


def test_every_epoch_has_an_order_of_its_own_and_the_devices_share_it():
    alone = list(Steps(7, 10, 4, 0, 6))
    assert [len(keys) for keys in alone] == [4] * 6
    epochs = [[key[-1] for keys in alone[start : start + 2] for key in keys] for start in (0, 2, 4)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    shared = list(zip(*(Steps(7, 10, 4, 0, 6, rank, 2) for rank in (0, 1)), strict=True))
    assert [sorted([*first, *second]) for first, second in shared] == [sorted(keys) for keys in alone]
    assert list(Steps(7, 10, 4, 3, 6)) == alone[3:]


def test_devices_that_are_not_there_are_named():
    with pytest.raises(InputError, match="cannot import torch_npu"), joined("npu", [0]):
        pass
    with (
        pytest.raises(InputError, match=r"--devices 0,1: found one process; expected one for each"),
        joined("cpu", [0, 1]),
    ):
        pass
