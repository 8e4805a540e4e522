"""One linear layer: softmax or least-squares regression as a network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from fedkd.models.base import Model


@dataclass(frozen=True)
class Linear(Model):
    """Outputs x W^T + b of the flattened sample.

    Args:
        bias: whether b is there.
    """

    bias: bool

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """W and b."""
        return (math.prod(shape) + self.bias) * classes

    def features(self, shape: tuple[int, ...]) -> int:
        """The flattened sample."""
        return math.prod(shape)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """Flatten, Linear."""
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), classes, bias=self.bias))
