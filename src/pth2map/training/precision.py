"""Steps of an optimizer in full or in mixed precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pth2map.training.settings import TrainingSettings
    from pth2map.training.world import World


class Precision:
    """Mixed precision as apex's O1 and O2 mean it, by ``torch.autocast`` and a scale of the loss that stays as it is.

    Parameters and their updates are float32 at both levels. A step that would take a gradient that is not finite is not
    made. Without ``amp`` everything is float32 and every step is made.
    """

    def __init__(self, settings: TrainingSettings, world: World, optimizer: torch.optim.Optimizer) -> None:
        self._scale = settings.loss_scale
        self._optimizer = optimizer
        self._made = 0
        self.autocast = torch.autocast(world.device.type, world.autocast, enabled=settings.amp)
        self._scaler = torch.amp.GradScaler(world.device.type, init_scale=self._scale, enabled=settings.amp)
        optimizer.register_step_post_hook(self._count)

    def step(self, loss: torch.Tensor) -> bool:
        """Backward and update. Returns whether the update was made."""
        before = self._made
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        if self._scaler.is_enabled():
            self._scaler.update(self._scale)
        return self._made > before

    def state_dict(self) -> dict[str, object]:
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        self._scaler.load_state_dict(state)

    def _count(self, *_: object) -> None:
        self._made += 1
