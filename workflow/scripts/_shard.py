"""The arguments that every pass over a shard takes, and what they stand for."""

import argparse
import json
import time
from pathlib import Path

from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.engines.catalogue import KINDS
from pth2map.engines.session import Session, open_session
from pth2map.files.atomic import read_json, write_json
from pth2map.files.errors import InputError
from pth2map.files.hashing import hash_file
from pth2map.files.provenance import describe_run
from pth2map.networks.catalogue import entry
from pth2map.recipes.recipe import Recipe


def add_index_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", required=True, type=Path, help="index of the dataset")
    parser.add_argument("--shard", required=True, metavar="I-of-N", help="which slice of the images")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, metavar="JSON", help="the recipe block of the config as JSON")
    parser.add_argument("--size", required=True, help="pixels of a square, WxH or native")


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", required=True, choices=sorted(KINDS), help="what runs the graph")
    parser.add_argument("--graph", required=True, type=Path, help="the exported graph")
    parser.add_argument("--network", required=True, help="name of the network, for its outputs")
    parser.add_argument("--options", default="{}", metavar="JSON", help="options of the kind, such as threads")


def add_check_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checked", type=Path, help="parity of the graph (.json), which must be of these very bytes")


def images_of(args: argparse.Namespace) -> tuple[DatasetIndex, tuple[IndexedImage, ...]]:
    try:
        number, count = map(int, args.shard.split("-of-"))
    except ValueError:
        raise InputError(f"--shard {args.shard}: expected I-of-N, such as 1-of-8") from None
    index = DatasetIndex.load(args.index)
    return index, index.shard(number, count)


def session_of(args: argparse.Namespace, checked: Path | None = None) -> Session:
    """Raises ``InputError`` when ``checked`` is the parity of another graph."""
    if checked and args.graph.is_file() and read_json(checked).get("graph") != hash_file(args.graph):
        raise InputError(f"{args.graph} is not the graph that was checked ({checked}); remove both and run again")
    return open_session(args.kind, args.graph, entry(args.network).outputs, json.loads(args.options))


def write_run(args: argparse.Namespace, start: float) -> None:
    """Where and with what a session ran; ``start`` is of ``time.monotonic``."""
    run = {"kind": args.kind, "options": json.loads(args.options), "seconds": round(time.monotonic() - start, 3)}
    write_json(args.run, {**run, **describe_run()})


def recipe_of(args: argparse.Namespace) -> Recipe:
    return Recipe.parse(args.recipe, args.size)
