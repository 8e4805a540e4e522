"""Multi-layer perceptron."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from itertools import pairwise

import torch

from fedkd.data.bounds import within
from fedkd.models.base import WIDEST, Model, linear_dim


@dataclass(frozen=True)
class Mlp(Model):
    """Linear-ReLU layers on the flattened sample, then a linear output.

    Args:
        hidden: width of each hidden layer, >= 1; (32,) is 784-32-10 on 28 x 28 images, 25,450 parameters.
    """

    hidden: tuple[int, ...]

    def __post_init__(self) -> None:
        within(self, "hidden", 1, WIDEST)

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Sum over the linear layers."""
        widths = [math.prod(shape), *self.hidden, classes]
        return sum(linear_dim(inputs, outputs) for inputs, outputs in pairwise(widths))

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """Flatten, then Linear and ReLU alternating, ending in Linear."""
        widths = [math.prod(shape), *self.hidden]
        network: list[torch.nn.Module] = [torch.nn.Flatten()]
        for inputs, outputs in itertools.pairwise(widths):
            network += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        return torch.nn.Sequential(*network, torch.nn.Linear(widths[-1], classes))
