"""Trace a network of the project in the vendor's interpreter, whose torch may not load what a newer one traced.

It needs torch and nothing else: of the project it imports the network's module alone, which keeps to that too. Script
and module keep to the syntax of Python 3.7.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pickle
import re
import sys
import warnings
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import torch
except ImportError as missing:
    print(f"error: {missing}; run this with the interpreter that torch_aie is installed for", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from typing import NoReturn

NETWORKS = {
    "retinaface_mobilenet025": ("pth2map.networks.retinaface", "RetinaFace.mobilenet025"),
    "retinaface_resnet50": ("pth2map.networks.retinaface", "RetinaFace.resnet50"),
    "centerface": ("pth2map.networks.centerface", "CenterFace"),
}
"""Module and constructor, as in the project's own catalogue."""

WRAPPERS = ("state_dict", "model")
"""Keys that a state dict may lie under."""


def fail(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def build(source: Path, name: str) -> torch.nn.Module:
    """The named network, from the project whose packages lie in ``source``."""
    if not (source / "pth2map/networks").is_dir():
        fail(f"{source}: holds no pth2map/networks; expected the folder src of the project")
    sys.path.insert(0, str(source))
    sys.dont_write_bytecode = True  # the project is another interpreter's
    module, constructor = NETWORKS[name]
    network: torch.nn.Module = attrgetter(constructor)(importlib.import_module(module))()
    return network


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Fill ``network`` with a state dict, alone or wrapped, whose names and shapes are those of the network."""
    tensors = unwrapped(read(path), path)
    expected = network.state_dict()
    shapes, wanted = ({name: tuple(entry.shape) for name, entry in each.items()} for each in (tensors, expected))
    findings = [
        f"{len(names)} {what} (such as {names[0]})"
        for what, names in (
            ("missing", [name for name in wanted if name not in shapes]),
            ("unexpected", [name for name in shapes if name not in wanted]),
            ("of another shape", [name for name in wanted if shapes.get(name, wanted[name]) != wanted[name]]),
        )
        if names
    ]
    if findings:
        fail(f"{path}: does not fit the network of {len(wanted)} entries: {', '.join(findings)}; is it another's?")
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor.float()).all()]
    if broken:
        fail(f"{path}: holds values that are not finite in {len(broken)} entries (such as {broken[0]})")
    network.load_state_dict(tensors)


def read(path: Path) -> Any:
    if not path.is_file():
        fail(f"{path}: no such file; expected weights (.pth)")
    try:
        return torch.load(str(path), map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        AttributeError,
        EOFError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".:")
        fail(f"{path}: torch {torch.__version__} cannot read these weights ({reason}); fetch them again")


def unwrapped(value: Any, path: Path) -> dict[str, torch.Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(value, dict) and isinstance(value.get(wrapper), dict):
            value = value[wrapper]
    if not isinstance(value, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in value.values()):
        fail(f"{path}: holds no state dict (names to tensors), plain or under {' or '.join(WRAPPERS)}")
    prefix = "module."
    stripped = all(name.startswith(prefix) for name in value)
    return {name[len(prefix) :] if stripped else name: tensor for name, tensor in value.items()}


def trace(network: torch.nn.Module, width: int, height: int) -> Any:
    """Traced on numbers of a fixed seed, in the range that pictures have once a mean was taken off."""
    torch.manual_seed(0)
    network.eval()
    with torch.no_grad():
        return torch.jit.trace(  # type: ignore[no-untyped-call]
            network, 60 * torch.randn(1, 3, height, width)
        )


def save(program: Any, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        program.save(str(temporary))
        temporary.replace(path)
    finally:
        if temporary.exists():
            temporary.unlink()


def size_of(text: str) -> tuple[int, int]:
    """Width and height: ``1000`` is 1000x1000."""
    if not re.match(r"[1-9]\d*(x[1-9]\d*)?$", text):
        raise ValueError
    width, _, height = text.partition("x")
    return int(width), int(height or width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, type=Path, help="folder src of the project")
    parser.add_argument("--network", required=True, choices=sorted(NETWORKS), help="name in the project's catalogue")
    parser.add_argument("--weights", required=True, type=Path, help="checkpoint (.pth)")
    parser.add_argument("--size", required=True, type=size_of, help="width and height of the input: 1000 or 1000x800")
    parser.add_argument("--ts", required=True, type=Path, help="output (.ts)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)  # newer torch
    warnings.filterwarnings("ignore", "TypedStorage is deprecated", UserWarning)  # torch 2.0, of its own code
    network = build(args.source, args.network)
    load_weights(network, args.weights)
    save(trace(network, *args.size), args.ts)


if __name__ == "__main__":
    main()
