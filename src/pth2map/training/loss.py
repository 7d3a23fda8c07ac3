"""The multi-box loss of RetinaFace's training (biubug6/Pytorch_Retinaface)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pth2map.training.batch import Batch

LOC_WEIGHT = 2.0
NEGATIVES = 7
"""Background priors that are learnt to each prior with a face, the hardest of the image."""


@dataclass(frozen=True, eq=False)
class LossSums:
    """Sums over the priors of a batch, and over how many faces and landmarks they are means."""

    loc: Tensor
    conf: Tensor
    landms: Tensor
    faces: int
    landmarked: int

    def means(self) -> Tensor:
        """``(4,)`` float32: the loss, and its parts for boxes, scores and landmarks, which are not weighted."""
        faces, landmarked = max(self.faces, 1), max(self.landmarked, 1)
        loc, conf, landms = self.loc / faces, self.conf / faces, self.landms / landmarked
        return torch.stack([LOC_WEIGHT * loc + conf + landms, loc, conf, landms])


def multibox_loss(outputs: Sequence[Tensor], batch: Batch) -> LossSums:
    """Smooth L1 of boxes and landmarks, cross-entropy of scores, of a batch.

    ``outputs`` are those of the network with logits: ``loc (B, P, 4)``, ``conf (B, P, 2)``, ``landms (B, P, 10)``.
    Of the B · P priors, those that learn a face count, and for the scores :data:`NEGATIVES` times as many others of the
    same image, those that look most like faces. The sums are float32 whatever the outputs are.
    """
    loc, conf, landms = outputs
    margins = conf[..., 1].float() - conf[..., 0].float()
    flat = margins.flatten()
    negatives = hardest_negatives(margins.detach(), batch)
    return LossSums(
        loc=_smooth_l1(loc.flatten(0, 1)[batch.positives], batch.loc),
        conf=functional.softplus(-flat[batch.positives]).sum() + functional.softplus(flat[negatives]).sum(),
        landms=_smooth_l1(landms.flatten(0, 1)[batch.landmarked], batch.landms),
        faces=len(batch.positives),
        landmarked=len(batch.landmarked),
    )


def hardest_negatives(margins: Tensor, batch: Batch) -> Tensor:
    """Rows of the background priors that the scores are learnt from, ``(M,)`` int64.

    ``margins (B, P)`` is by how much a face's logit is above the other: the cross-entropy of a background prior rises
    with it.
    """
    priors = margins.shape[1]
    wanted = [min(NEGATIVES * count, priors - count) for count in batch.counts]
    most = max(wanted)
    background = margins.flatten().index_fill(0, batch.positives, -torch.inf).view_as(margins)
    rows = background.topk(most, dim=1).indices + priors * torch.arange(len(wanted), device=margins.device)[:, None]
    places = torch.arange(most, device=margins.device)
    return rows[places < torch.tensor(wanted, device=margins.device)[:, None]]


def _smooth_l1(values: Tensor, targets: Tensor) -> Tensor:
    return functional.smooth_l1_loss(values.float(), targets, reduction="sum")
