"""The residual block: a module class, hence imported only where a network is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.models.norms import Norm, norm_layers

if TYPE_CHECKING:
    from torch import Tensor


class ResidualBlock(torch.nn.Module):
    """relu(body(x) + shortcut(x)); body is Conv 3x3, norm, ReLU, Conv 3x3, norm.

    The shortcut is the identity where the shape stays, else Conv 1x1 and norm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int, norm: Norm) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
            *norm_layers(norm, outputs, groups),
            torch.nn.ReLU(),
            torch.nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            *norm_layers(norm, outputs, groups),
        )
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False),
                *norm_layers(norm, outputs, groups),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x [n, inputs, height, width]; the result [n, outputs, height / stride, width / stride]."""
        return torch.relu(self.body(x) + self.shortcut(x))
