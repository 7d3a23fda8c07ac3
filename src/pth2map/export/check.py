"""An exported graph against its network on real images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pth2map.datasets.images import read_image
from pth2map.engines.session import Session
from pth2map.export.parity import compare, compare_rows, merge
from pth2map.export.reference import Reference
from pth2map.files.hashing import hash_file
from pth2map.networks.catalogue import Entry
from pth2map.recipes.recipe import Preprocess


def check_graph(
    reference: Reference,
    graph: Path,
    session: Session,
    network: Entry,
    preprocess: Preprocess,
    file_of: Callable[[str], Path],
    max_abs: float | None,
    max_abs_of: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """Compare the outputs of ``session`` (which runs ``graph``) with the network's; ``file_of`` finds an image.

    Returns the differences by output and the hashes of graph and weights as JSON values. Raises ``InputError`` when an
    element differs by more than ``max_abs``, or what ``max_abs_of`` has for its output, or is not finite, and when rows
    cannot be paired. Without ``max_abs`` differences are measured alone, which goes for networks without rows.
    """
    parities = []
    for name, outputs in zip(reference.images, reference.outputs, strict=True):
        found = session.run(preprocess(read_image(file_of(name)))[0][None])
        if network.rows:
            assert max_abs is not None
            scores_within = max_abs_of.get("scores", max_abs)
            parities.append(compare_rows(outputs, found, network.outputs, scores_within))
        else:
            parities.append(compare(outputs, found, network.outputs))
    parity = merge(parities)
    if max_abs is not None:
        parity.check(max_abs, max_abs_of)
    return {
        **parity.to_json(),
        "max_abs_allowed": max_abs,
        "max_abs_allowed_of": dict(max_abs_of),
        "graph": hash_file(graph),
        "weights": dict(reference.weights),
    }
