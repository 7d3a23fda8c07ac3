"""A training with a clock at every step, in one process with one thread: CPU milliseconds per image and step as JSON.

The steps are the library's own functions, and PyTorch's.
"""

import argparse
import json
from pathlib import Path

import cv2
import torch
from clock import Clock, Steps

from pth2map.datasets import images as image_files
from pth2map.datasets.training_set import TrainingSet
from pth2map.networks.retinaface import RetinaFace
from pth2map.training import augment, batches, trainer
from pth2map.training.batch import Batch
from pth2map.training.settings import parse_settings
from pth2map.training.world import joined

STEPS: Steps = [
    ("file read", image_files, "_read"),
    ("JPEG: complete?", image_files, "_check_complete"),
    ("JPEG: decode", cv2, "imdecode"),
    ("square drawn", augment, "draw_square"),
    ("colours", augment, "recoloured"),
    ("resize", cv2, "resize"),
    ("matching", batches, "match"),
    ("batch put together", batches, "collate"),
    ("float32, mean", Batch, "inputs"),
    ("forward", RetinaFace, "forward"),
    ("loss", trainer, "multibox_loss"),
    ("backward", torch.Tensor, "backward"),
    ("step", torch.optim.SGD, "step"),
    ("all else", trainer.Trainer, "run"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True)
    parser.add_argument("--settings", required=True, metavar="JSON")
    parser.add_argument("--train", required=True, type=Path, metavar="NPZ", help="indexed training set")
    parser.add_argument("--state", required=True, type=Path, help="folder that is not there")
    args = parser.parse_args()
    plan = trainer.Plan(args.network, parse_settings(args.settings), TrainingSet.load(args.train), args.state)
    args.state.mkdir(parents=True)
    cv2.setNumThreads(1)
    clock = Clock()
    with joined("cpu", [0]) as world:
        training = trainer.Trainer(plan, world)
        with clock.on(STEPS):
            training.run()
    images = plan.steps * plan.settings.batch_size
    print(json.dumps({step: 1000 * clock.seconds[step] / images for step, _, _ in STEPS}))


if __name__ == "__main__":
    main()
