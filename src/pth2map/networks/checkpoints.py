"""Published weights into a network: every tensor in its place, or a sentence that says what is wrong."""

import pickle
import re
import struct
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pth2map.files.errors import InputError, some
from pth2map.files.hashing import hash_file
from pth2map.files.kinds import looks_like

# What torch.load's unpickler and zip reader raise on damaged bytes (found by feeding it damaged files).
UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

WRITTEN_BY_TORCH = (b"PK\x03\x04", b"\x80")  # a zip archive since torch 1.6, pickles before
WRAPPERS = ("state_dict", "model")
"""Keys that a state dict may lie under, beside other things that the training code keeps."""
FORMULA = "pth2map_formula"
"""Key beside ``state_dict`` in a checkpoint whose entries were made of a formula."""
COUNTER = "num_batches_tracked"  # batch norm counts training steps; inference never reads it


@dataclass(frozen=True)
class LoadedWeights:
    """Where weights came from: the file's SHA-256, the entries loaded, and how the file's names were read.

    ``applied`` holds what was met: ``"state_dict"`` or ``"model"`` and ``"module."``, the wrappers taken off; the key
    of a renaming; ``"no num_batches_tracked"``, a file without these counters.
    """

    sha256: str
    entries: int
    applied: tuple[str, ...]
    synthetic: bool = False
    """Whether the file says that its entries were made of a formula."""


def tunnel_name(name: str) -> str:
    """What the Ascend training code calls the RetinaFace tensor ``name``.

    It wraps each convolution block in a module with one member, ``tunnel``, and writes heads in lower case.

    >>> tunnel_name("fpn.output1.0.weight"), tunnel_name("ClassHead.0.conv1x1.bias")
    ('fpn.output1.tunnel.0.weight', 'classHead.0.conv1x1.bias')
    """
    name = re.sub(r"^(body\.stage\d\.\d|fpn\.\w+|ssh\d\.\w+)\.", r"\1.tunnel.", name)
    return re.sub(r"^(Class|Bbox|Landmark)(?=Head\.)", lambda head: head[0].lower(), name)


RENAMES: Mapping[str, Callable[[str], str]] = {"tunnel": tunnel_name}


def load_weights(
    network: nn.Module, path: Path, rename: Mapping[str, Callable[[str], str]] = RENAMES, besides: tuple[str, ...] = ()
) -> LoadedWeights:
    """Fill ``network`` with the tensors of a checkpoint written by ``torch.save``; no code in it is run.

    The state dict may stand alone or under a key of ``WRAPPERS``, and its names may all begin with ``module.``.
    ``rename`` offers other namings, each a function from the network's name of a tensor to the file's; one
    that fits more names than the network's own is taken, for all of them. The counters
    ``num_batches_tracked`` may be absent, all together. Names that begin with one of ``besides`` are left alone, such
    as the classifier of a backbone.

    Raises ``InputError`` if the file is no such checkpoint, lacks or adds a name, holds a tensor of another
    shape or kind, or a value that is not finite; ``network`` is then as it was.
    """
    content = _read(path)
    tensors, unwrapped = _unwrapped(content, path)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(besides)}
    expected = network.state_dict()
    naming, renamed = _naming(tensors, expected, rename)
    without = _absent_counters(tensors, naming)
    wanted = {theirs: ours for theirs, ours in naming.items() if theirs not in without}
    _check(tensors, {theirs: expected[ours] for theirs, ours in wanted.items()}, path)
    network.load_state_dict(expected | {ours: tensors[theirs] for theirs, ours in wanted.items()})
    applied = (*unwrapped, *renamed, *([f"no {COUNTER}"] if without else []))
    synthetic = isinstance(content, Mapping) and FORMULA in content
    return LoadedWeights(hash_file(path), len(tensors), applied, synthetic)


def _read(path: Path) -> Any:
    """The object that ``torch.save`` wrote, made of tensors and plain containers."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {found}; expected a file of weights (.pth)")
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(WRITTEN_BY_TORCH):
        raise InputError(f"{path} is no PyTorch checkpoint: {looks_like(head)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on odd contents, which the error below tells of
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise InputError(f"cannot read the PyTorch checkpoint {path}: {_refusal(str(error))}") from error


def _refusal(text: str) -> str:
    """Why ``torch.load`` gave up, in words that name the remedy."""
    if "TorchScript archive" in text:
        return "it is a TorchScript program; save the network's state_dict() instead"
    if code := re.search(r"GLOBAL (\S+)", text):
        return f"it names the Python object {code[1]} and no code is loaded; save the state_dict() alone"
    return "it is cut short, damaged, or not written by torch.save; fetch it again"


def _unwrapped(value: Any, path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The bare state dict, and the wrappers taken off."""
    applied = []
    for wrapper in WRAPPERS:
        if isinstance(value, Mapping) and isinstance(value.get(wrapper), Mapping):
            value = value[wrapper]
            applied.append(wrapper)
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{path} holds a {type(value).__name__} where a state dict (names to tensors) is expected")
    if other := [
        str(name) for name, tensor in value.items() if not (isinstance(name, str) and isinstance(tensor, Tensor))
    ]:
        keys = " or ".join(map(repr, WRAPPERS))
        raise InputError(f"{path} holds no state dict, plain or under {keys}: no named tensors are {some(other)}")
    if all(name.startswith("module.") for name in value):
        value = {name.removeprefix("module."): tensor for name, tensor in value.items()}
        applied.append("module.")
    return dict(value), applied


def _naming(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], rename: Mapping[str, Callable[[str], str]]
) -> tuple[dict[str, str], list[str]]:
    """The file's name of each entry to the network's, and the key of the renaming if one is used."""
    namings = {None: {name: name for name in expected}} | {
        key: {theirs(name): name for name in expected} for key, theirs in rename.items()
    }
    best = max(namings, key=lambda key: len(namings[key].keys() & tensors.keys()))
    return namings[best], [] if best is None else [best]


def _absent_counters(tensors: Mapping[str, Tensor], naming: Mapping[str, str]) -> set[str]:
    """All counters, if the file has none of them: torch before 0.4.1 kept none."""
    counters = {name for name in naming if name.endswith(COUNTER)}
    return set() if counters & tensors.keys() else counters


def _check(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    common = [name for name in expected if name in tensors]
    findings = {
        "missing": [name for name in expected if name not in tensors],
        "unexpected": [name for name in tensors if name not in expected],
        "of another shape or kind": [
            f"{name} {_kind(tensors[name])} for {_kind(expected[name])}"
            for name in common
            if _kind(tensors[name]) != _kind(expected[name])
        ],
    }
    if any(findings.values()):
        matched = len(common) - len(findings["of another shape or kind"])
        details = "; ".join(f"{len(names)} {what}: {some(names, 3)}" for what, names in findings.items() if names)
        raise InputError(
            f"{path} does not fit the network: {matched} of {len(expected)} entries match. {details}. "
            "Is it the checkpoint of another network?"
        )
    if broken := [name for name in expected if not torch.isfinite(tensors[name].float()).all()]:
        raise InputError(f"{path} holds values that are not finite in {some(broken)}")


def _kind(tensor: Tensor) -> str:
    """``float (8, 3, 3, 3)``; the float types are one kind, as they convert to the network's."""
    kind = "float" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {tuple(tensor.shape)}"
