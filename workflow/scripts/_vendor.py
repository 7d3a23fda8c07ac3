"""What commands share that look at what a vendor's tool has printed and made."""

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from _shard import add_index_arguments, add_recipe_arguments, recipe_of
from pth2map.datasets.index import IndexedImage
from pth2map.engines.tool_output import require_outputs
from pth2map.files.atomic import read_json, write_json
from pth2map.files.errors import InputError
from pth2map.files.provenance import describe_run
from pth2map.recipes.recipe import RawOutputs
from pth2map.recipes.tensor_files import names_by_stem


def add_tool_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", required=True, type=int, help="exit status of the tool")
    parser.add_argument("--printed", required=True, type=Path, help="what the tool printed")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, metavar="JSON", help="the engine's entry in the config")
    parser.add_argument("--ready", required=True, type=Path, help="facts of the engine (.json)")


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a tool that ran the tensor files of a shard."""
    add_tool_arguments(parser)
    add_engine_arguments(parser)
    add_index_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument("--made", required=True, type=Path, help="where it wrote: the folder `outputs`, and a report")
    parser.add_argument("--outputs", required=True, type=Path, help="output: folder of result files")
    parser.add_argument("--run", required=True, type=Path, help="output: where and with what it ran (.json)")


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


def write_perf(args: argparse.Namespace, tools: str, seconds: float, measured: dict[str, Any]) -> None:
    """Write what was measured of a point, with what was at work."""
    described = describe_vendor_run(args, tools, seconds)
    point = {key: described.pop(key) for key in ("kind", "options", "rehearsal")}
    synthetic = read_json(args.parity)["weights"]["synthetic"]
    write_json(args.perf, {**point, "synthetic": synthetic, **measured, "run": described})


def require_raw_outputs(args: argparse.Namespace, images: Sequence[IndexedImage], besides: Sequence[str] = ()) -> None:
    """Raise ``InputError`` unless all raw files of the images are there, whole, and no others.

    Those of all images are equally long, since a compiled graph has one size.
    """
    recipe = recipe_of(args)
    placement = recipe.preprocess().placement(images[0].height, images[0].width)
    sizes = cast(RawOutputs, recipe.files()).output_bytes(placement)
    require_outputs(args.made / "outputs", list(names_by_stem([image.name for image in images])), sizes, besides)


def move_outputs(args: argparse.Namespace, pattern: str, folder: Path) -> None:
    for path in (args.made / "outputs").glob(pattern):
        path.rename(folder / path.name)
