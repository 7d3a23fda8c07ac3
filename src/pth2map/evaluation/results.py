"""What is written of a scored point: for a person, for a program, and where it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pth2map import __version__
from pth2map.datasets.index import DatasetIndex


@dataclass(frozen=True)
class Result:
    """The score of one point."""

    model: str
    engine: str
    variant: str
    index: DatasetIndex
    metrics: Mapping[str, float]
    """Fractions."""
    protocol: Sequence[str]
    notes: Sequence[str]
    hashes: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The content of ``map.json``: nothing that differs between two equal runs."""
        return {
            "model": self.model,
            "engine": self.engine,
            "variant": self.variant,
            "dataset": self.index.dataset,
            "images": len(self.index.images),
            "subset": self.index.subset,
            "full_dataset": self.index.full,
            "metrics": dict(self.metrics),
            "protocol": "; ".join(self.protocol),
            "notes": list(self.notes),
            "hashes": dict(self.hashes),
            "pth2map": __version__,
        }

    def to_text(self) -> str:
        """The content of ``map.txt``."""
        rows = [
            f"{self.model} on {self.engine}, {self.variant}: {self.index.dataset}, {len(self.index.images)} images",
            "",
            "AP       " + "".join(f"{name:>10}" for name in self.metrics),
            "%        " + "".join(f"{100 * value:>10.2f}" for value in self.metrics.values()),
            "fraction " + "".join(f"{value:>10.6f}" for value in self.metrics.values()),
            "",
            "Protocol",
            *(f"  {clause}" for clause in self.protocol),
        ]
        if self.notes:
            rows += ["", "Notes", *(f"  {note}" for note in self.notes)]
        rows += ["", "Hashes", *(f"  {name:<13}{value}" for name, value in self.hashes.items())]
        return "\n".join(rows) + "\n"


def dataset_clauses(index: DatasetIndex, title: str, full_count: int) -> list[str]:
    """The protocol's words on which images were scored."""
    count = f"{len(index.images):,} images"
    if index.full:
        return [f"images: {title}, all {count}"]
    what = f"a subset: {index.subset}" if index.subset else f"{count} of a folder that is not the published set of {full_count:,}"
    return [f"images: {title}, {what}; NOT comparable with published figures"]
