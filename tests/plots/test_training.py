"""The picture of a training, and the table it is drawn from."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pth2map.files.errors import InputError
from pth2map.plots.training import plot_training
from pth2map.training.epochs import Epoch, read_epochs, write_epochs

FIRST = Epoch(1, 50, 1e-3, 17.25, 4.5, 8.0, 0.25, 13.0, 0, 31.5, 60.25)
EPOCHS = [FIRST, replace(FIRST, epoch=2, loss=11.0, validation_loss=None, images_per_second=None, skipped_steps=3)]


def test_the_table_of_epochs_comes_back(tmp_path):
    path = tmp_path / "epochs.tsv"
    write_epochs(EPOCHS, path)
    assert path.read_text().splitlines()[1] == "1\t50\t0.001\t17.25\t4.5\t8.0\t0.25\t13.0\t0\t31.5\t60.25"
    assert read_epochs(path) == EPOCHS


@pytest.mark.parametrize("text", ["", "epoch\tsteps\n", "epoch\tsteps\n1\t2\n", "a\nb\n"])
def test_another_table_is_refused(tmp_path, text):
    (tmp_path / "epochs.tsv").write_text(text)
    with pytest.raises(InputError, match="no table of the epochs of a training"):
        read_epochs(tmp_path / "epochs.tsv")


def test_the_log_line_says_what_matters():
    assert EPOCHS[0].sentence(90) == (
        "epoch 1/90: loss 17.2500 (boxes 4.500, scores 8.000, landmarks 0.250), validation 13.0000, "
        "learning rate 0.001, 31.5 images/s, 60 s"
    )
    assert "3 of 50 steps skipped" in EPOCHS[1].sentence(90)


@pytest.mark.parametrize("epochs", [EPOCHS[:1], EPOCHS, [replace(FIRST, epoch=number) for number in range(1, 101)]])
def test_equal_trainings_give_equal_pictures(tmp_path, epochs):
    for name in ("one.png", "two.png"):
        plot_training(epochs, tmp_path / name, "a model")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = cv2.imread(str(tmp_path / "one.png"))
    assert picture.shape == (1080, 1050, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_one_great_validation_loss_does_not_hide_the_others(tmp_path):
    rows = []
    for great in (15.0, 9000.0):
        epochs = [replace(FIRST, epoch=number, validation_loss=15.0) for number in range(1, 9)]
        plot_training([replace(epochs[0], validation_loss=great), *epochs[1:]], tmp_path / "curves.png", "a model")
        picture = cv2.imread(str(tmp_path / "curves.png"))
        scores = (np.abs(picture.astype(int) - [0x73, 0x9E, 0x00]) < 12).all(axis=2)
        rows.append(float(np.median(np.nonzero(scores)[0])))
    assert abs(rows[0] - rows[1]) < 20
    assert rows[1] < 450, "well above the axis, which lies at 590"
