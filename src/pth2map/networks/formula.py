"""Weights computed from names and shapes, for runs and tests that need no trained file."""

import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pth2map.files.atomic import replacing
from pth2map.networks.catalogue import build
from pth2map.networks.checkpoints import FORMULA

# Buffers that are geometry, not weights: they stay as the network builds them.
_AS_BUILT = re.compile(r"\.cell_anchors\.\d+$")


def formula_state_dict(network: nn.Module, scale_rules: Sequence[tuple[str, float]] = ()) -> dict[str, Tensor]:
    """A state dict for ``network`` in which every entry depends on its own name and shape alone.

    Normal numbers, seeded with the CRC-32 of the name: He-scaled for convolutions, near 1 for normalisation
    scales and variances, near 0 for biases and means; ``num_batches_tracked`` is 0. A rule
    ``(pattern, factor)`` scales the entries in whose name the pattern is found; the first such rule counts.
    Rules keep activations and scores in a useful range. Anchors stay as they are.
    """
    return {
        name: old if _AS_BUILT.search(name) else _entry(name, tuple(old.shape), scale_rules)
        for name, old in network.state_dict().items()
    }


def save_formula_weights(network: str, scale_rules: Sequence[tuple[str, float]], path: Path) -> None:
    """Write the :func:`formula_state_dict` of a network of the catalogue as a checkpoint; equal rules, equal bytes.

    The file says what it is: whoever loads it, from wherever, gets ``synthetic``.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:  # given a path, torch would write its name too
        rules = [list(rule) for rule in scale_rules]
        torch.save({FORMULA: rules, "state_dict": formula_state_dict(build(network), scale_rules)}, file)


def _entry(name: str, shape: tuple[int, ...], scale_rules: Sequence[tuple[str, float]]) -> Tensor:
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) >= 2:
        values = noise * math.sqrt(2.0 / math.prod(shape[1:]))
    elif last == "weight":
        values = 1 + 0.1 * noise
    elif last in ("bias", "running_mean"):
        values = 0.1 * noise
    elif last == "running_var":
        values = 1 + 0.1 * np.abs(noise)
    else:
        raise ValueError(f"no formula for the state-dict entry {name} of shape {shape}")
    factor = next((factor for pattern, factor in scale_rules if re.search(pattern, name)), 1.0)
    return torch.from_numpy((values * factor).astype(np.float32))
