"""An exported graph against its network on real images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pth2map.datasets.images import read_image
from pth2map.engines.session import Session
from pth2map.export.parity import compare, merge
from pth2map.export.reference import Reference
from pth2map.files.hashing import hash_file
from pth2map.recipes.recipe import Preprocess


def check_graph(
    reference: Reference,
    graph: Path,
    session: Session,
    output_names: Sequence[str],
    preprocess: Preprocess,
    file_of: Callable[[str], Path],
    max_abs: float,
) -> dict[str, Any]:
    """Compare the outputs of ``session`` (which runs ``graph``) with the network's; ``file_of`` finds an image.

    Returns the differences by output and the hashes of graph and weights as JSON values. Raises ``InputError`` when an
    element differs by more than ``max_abs`` or is not finite.
    """
    parities = []
    for name, outputs in zip(reference.images, reference.outputs, strict=True):
        batch = preprocess(read_image(file_of(name)))[0][None]
        parities.append(compare(outputs, session.run(batch), output_names))
    parity = merge(parities)
    parity.check(max_abs)
    return {
        **parity.to_json(),
        "max_abs_allowed": max_abs,
        "graph": hash_file(graph),
        "weights": dict(reference.weights),
    }
