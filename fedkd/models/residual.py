"""The residual block: a module class, hence imported only where a network is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class ResidualBlock(torch.nn.Module):
    """relu(body(x) + shortcut(x)); body is Conv 3x3, GroupNorm, ReLU, Conv 3x3, GroupNorm.

    The shortcut is the identity where the shape stays, else Conv 1x1 and GroupNorm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
            torch.nn.GroupNorm(groups, outputs),
            torch.nn.ReLU(),
            torch.nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            torch.nn.GroupNorm(groups, outputs),
        )
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False),
                torch.nn.GroupNorm(groups, outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x [n, inputs, height, width]; the result [n, outputs, height / stride, width / stride]."""
        return torch.relu(self.body(x) + self.shortcut(x))
