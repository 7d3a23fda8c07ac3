"""What commands share that look at what a vendor's tool has printed and made."""

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from _shard import recipe_of
from pth2map.datasets.index import IndexedImage
from pth2map.files.atomic import read_json
from pth2map.files.errors import InputError
from pth2map.files.provenance import describe_run
from pth2map.recipes.recipe import RawOutputs


def add_tool_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", required=True, type=int, help="exit status of the tool")
    parser.add_argument("--printed", required=True, type=Path, help="what the tool printed")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, metavar="JSON", help="the engine's entry in the config")
    parser.add_argument("--ready", required=True, type=Path, help="facts of the engine (.json)")


def printed_by(args: argparse.Namespace) -> str:
    """What a tool printed, whatever bytes."""
    text: str = args.printed.read_text(encoding="utf-8", errors="replace")
    return text


@contextmanager
def telling_the_log(args: argparse.Namespace) -> Iterator[None]:
    """Say in an error where all that the tool printed lies."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{error}; all it printed: {args.printed}") from None


def require_declared(settings: str, rehearsed: bool) -> None:
    """Raise ``InputError`` unless the engine's entry says what was at work: the vendor's tools, or stand-ins."""
    if json.loads(settings)["rehearsal"] != rehearsed:
        at_work = "the rehearsal's stand-ins were" if rehearsed else "the vendor's own tools were"
        raise InputError(f"{at_work} at work, which the engine's entry does not say: mend its rehearsal or its setup")


@contextmanager
def taking(folder: Path) -> Iterator[None]:
    """Remove in the end what a tool left of its working ``folder``."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def describe_vendor_run(args: argparse.Namespace, tools: str, seconds: float) -> dict[str, Any]:
    """What ran a graph on a vendor's engine, ``tools`` in words, and where: of ``run.json`` and ``perf.json``."""
    settings = json.loads(args.settings)
    return {
        "kind": settings["kind"],
        "software": f"a rehearsal by stand-ins of {tools}" if settings["rehearsal"] else tools,
        "options": {key: value for key, value in settings.items() if key != "kind"},
        "found": read_json(args.ready),
        "rehearsal": settings["rehearsal"],
        "seconds": round(seconds, 3),
        **describe_run(),
    }


def output_bytes(args: argparse.Namespace, images: Sequence[IndexedImage]) -> dict[int, int]:
    """Bytes of each output file, by its number: those of all images are equal, since a compiled graph has one size."""
    recipe = recipe_of(args)
    placement = recipe.preprocess().placement(images[0].height, images[0].width)
    return cast(RawOutputs, recipe.files()).output_bytes(placement)
