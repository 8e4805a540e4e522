"""Gradients of any network, by autograd from the closed gradient of the loss in the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.tasks.backward.backward import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.trainers.descents import Descent


class Autograd(Network):
    """One forward pass and one of autograd.

    Args:
        why: no other way was taken.
    """

    def __init__(self, module: nn.Module, why: str) -> None:
        self._module, self._why = module, why
        self._parameters = list(module.parameters())

    @property
    def name(self) -> str:
        """And why."""
        return f"autograd ({self._why})"

    def forward(self, x: Tensor, descent: Descent) -> tuple[Tensor, Tensor]:
        """Keep the outputs with their history."""
        outputs: Tensor = self._module(x)
        return outputs.detach(), outputs

    def backward(self, gradient: Tensor, saved: Tensor, descent: Descent) -> None:
        """All gradients exist before the first is given, so that a step does not disturb another gradient."""
        for index, each in enumerate(torch.autograd.grad(saved, self._parameters, gradient)):
            descent.give(index, each)
