"""An exported graph against its network on real images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pth2map.datasets.images import read_image
from pth2map.engines.session import Session
from pth2map.export.parity import compare, merge
from pth2map.files.hashing import hash_file
from pth2map.networks.catalogue import build, entry
from pth2map.networks.checkpoints import load_weights
from pth2map.recipes.recipe import Preprocess


def check_graph(
    network: str,
    weights: Path,
    graph: Path,
    session: Session,
    preprocess: Preprocess,
    images: Sequence[Path],
    max_abs: float,
) -> dict[str, Any]:
    """Compare the outputs of ``session`` (which runs ``graph``) with PyTorch's on ``images``.

    Returns the differences by output and the hashes of graph and weights as JSON values. Raises ``InputError`` when an
    element differs by more than ``max_abs`` or is not finite.
    """
    module = build(network).eval()
    loaded = load_weights(module, weights)
    parities = []
    for path in images:
        batch = preprocess(read_image(path))[0][None]
        with torch.inference_mode():
            reference = [output.numpy() for output in module(torch.from_numpy(batch))]
        parities.append(compare(reference, session.run(batch), entry(network).outputs))
    parity = merge(parities)
    parity.check(max_abs)
    return {
        **parity.to_json(),
        "max_abs_allowed": max_abs,
        "graph": hash_file(graph),
        "weights": {"sha256": loaded.sha256, "entries": loaded.entries, "read_as": list(loaded.applied)},
    }
