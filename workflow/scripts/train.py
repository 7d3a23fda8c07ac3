"""Train a network on labelled faces; a training that was left goes on where it was."""

import argparse
from pathlib import Path

import _library  # noqa: F401  isort: skip
from pth2map.datasets.training_set import TrainingSet
from pth2map.files.command import run
from pth2map.files.declaration import require_hashes
from pth2map.files.errors import InputError
from pth2map.training.device_check import KINDS, card_numbers
from pth2map.training.run import Outputs, train
from pth2map.training.settings import parse_settings
from pth2map.training.trainer import Plan
from pth2map.training.world import joined


def count(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text}, expected a whole number")
    return int(text)


def at_least_one(text: str) -> int:
    if count(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected 1 or more")
    return int(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="For several devices: python -m torch.distributed.run --standalone --nproc-per-node N train.py ...",
    )
    parser.add_argument("--network", required=True, help="name of the network")
    parser.add_argument("--settings", required=True, metavar="JSON", help="what decides the weights")
    parser.add_argument("--train", required=True, type=Path, metavar="NPZ", help="indexed training set")
    parser.add_argument("--validation", type=Path, metavar="NPZ", help="indexed validation set")
    parser.add_argument("--backbone", type=Path, metavar="PTH", help="checkpoint that the backbone starts from")
    parser.add_argument(
        "--backbone-hash", action="append", default=[], metavar="ALGORITHM=HEX", help="what it must have"
    )
    parser.add_argument("--start-from", type=Path, metavar="PTH", help="checkpoint that the whole network starts from")
    parser.add_argument("--start-from-hash", action="append", default=[], metavar="ALGORITHM=HEX", help="as above")
    parser.add_argument("--device", choices=sorted(KINDS), default="cpu")
    parser.add_argument("--devices", default="0", metavar="N,N", help="numbers of the cards; on the CPU one a process")
    parser.add_argument(
        "--backend", choices=sorted(kind.backend for kind in KINDS.values()), help="default: the device's"
    )
    parser.add_argument("--workers", type=count, default=4, help="processes that read images, for each device")
    parser.add_argument("--threads", type=at_least_one, default=1, help="of the CPU, for each process")
    parser.add_argument("--state", required=True, type=Path, help="folder of what a killed training goes on from")
    parser.add_argument("--state-every", type=at_least_one, default=100, metavar="STEPS", help="between two states")
    parser.add_argument("--weights", required=True, type=Path, help="output: the trained checkpoint (.pth)")
    parser.add_argument("--epochs", required=True, type=Path, help="output: a row for each epoch (.tsv)")
    parser.add_argument("--record", required=True, type=Path, help="output: what was trained, how and where (.json)")
    parser.add_argument("--checkpoints", required=True, type=Path, help="output: folder of the checkpoints that stay")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    for path, hashes in ((args.backbone, args.backbone_hash), (args.start_from, args.start_from_hash)):
        if path:
            require_hashes(path, hashes)
    sets = {"train": args.train, "validation": args.validation}
    for part, path in sets.items():
        if path and (found := TrainingSet.load(path).part) != part:
            raise InputError(f"--{part} {path}: found a set indexed as {found}, expected one of --part {part}")
    plan = Plan(
        network=args.network,
        settings=parse_settings(args.settings),
        images=TrainingSet.load(args.train),
        validation=TrainingSet.load(args.validation) if args.validation else None,
        backbone=args.backbone,
        start_from=args.start_from,
        state=args.state,
        state_every=args.state_every,
        workers=args.workers,
    )
    outputs = Outputs(args.weights, args.epochs, args.record, args.checkpoints)
    with joined(args.device, card_numbers(args.devices), args.backend, args.threads) as world:
        train(plan, world, outputs)


if __name__ == "__main__":
    run(main)
