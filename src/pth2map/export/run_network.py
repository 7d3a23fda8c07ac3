"""The network in PyTorch on real images."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pth2map.datasets.images import read_image
from pth2map.export.reference import Reference
from pth2map.networks.catalogue import build
from pth2map.networks.checkpoints import load_weights
from pth2map.recipes.recipe import Preprocess


def run_network(network: str, weights: Path, preprocess: Preprocess, images: Sequence[tuple[str, Path]]) -> Reference:
    """Outputs of ``network`` with the checkpoint ``weights`` on images given by name and file."""
    module = build(network).eval()
    loaded = load_weights(module, weights)
    outputs = []
    for _, path in images:
        batch = torch.from_numpy(preprocess(read_image(path))[0][None])
        with torch.inference_mode():
            outputs.append(tuple(output.numpy() for output in module(batch)))
    facts = {
        "sha256": loaded.sha256,
        "entries": loaded.entries,
        "read_as": list(loaded.applied),
        "synthetic": loaded.synthetic,
    }
    return Reference(tuple(name for name, _ in images), tuple(outputs), facts)
