"""The training in the published order of operations, for some steps. Prints images/s as JSON, without the first steps.

They are counted as those of ``workflow/scripts/train.py`` are.
"""

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import harness  # noqa: F401  (the import path)
import torch
from reference_training import train

from pth2map.datasets.training_set import TrainingSet
from pth2map.networks.retinaface import RetinaFace
from pth2map.training.schedule import StepTimes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, type=Path, metavar="NPZ", help="indexed training set")
    parser.add_argument("--size", required=True, type=int)
    parser.add_argument("--batch", required=True, type=int)
    parser.add_argument("--rate", required=True, type=float)
    parser.add_argument("--steps", required=True, type=int)
    parser.add_argument("--workers", required=True, type=int)
    parser.add_argument("--threads", required=True, type=int)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    network = RetinaFace.mobilenet025(logits=True)
    losses = train(network, TrainingSet.load(args.train), args.size, args.batch, args.workers, args.rate)
    times, started = StepTimes(), time.monotonic()
    for _ in islice(losses, args.steps):
        now = time.monotonic()
        times.add(now - started)
        started = now
    print(json.dumps(times.images_per_second(args.batch)))


if __name__ == "__main__":
    main()
