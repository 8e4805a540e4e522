"""Gradients of any network, by autograd from the closed gradient of the loss in the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.tasks.backward.backward import Backward

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.tasks.base import Batch, Task
    from fedkd.trainers.descents import Descent


class Autograd(Backward):
    """One forward pass and one of autograd.

    Args:
        why: no other way was taken.
    """

    def __init__(self, module: nn.Module, task: Task, why: str) -> None:
        self._module, self._task, self._why = module, task, why
        self._parameters = list(module.parameters())

    @property
    def name(self) -> str:
        """And why."""
        return f"autograd ({self._why})"

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """All gradients exist before the first is given, so that a step does not disturb another gradient."""
        outputs = self._module(batch.x)
        seen: Tensor = outputs.detach()
        gradients = torch.autograd.grad(outputs, self._parameters, self._task.gradient(seen, batch))
        for index, gradient in enumerate(gradients):
            descent.give(index, gradient)
        return seen
