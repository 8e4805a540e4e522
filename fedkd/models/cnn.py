"""Small convolutional networks with GroupNorm."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkd.data.bounds import at_least, within
from fedkd.errors import ConfigurationError
from fedkd.models.base import WIDEST, Model, linear_dim


@dataclass(frozen=True)
class Cnn(Model):
    """Blocks of Conv 3x3, GroupNorm, ReLU, MaxPool 2, then one hidden linear layer and the output.

    Args:
        channels: output channels of each block, each a multiple of groups; every block halves the image.
        hidden: width of the hidden linear layer, >= 1.
        groups: groups of the GroupNorm, >= 1.
    """

    channels: tuple[int, ...]
    hidden: int
    groups: int

    def __post_init__(self) -> None:
        within(self, "hidden", 1, WIDEST)
        at_least(self, "groups", 1)
        within(self, "channels", 1, WIDEST)
        if not self.channels or any(width % self.groups for width in self.channels):
            raise ConfigurationError(
                f"Cnn: channels={list(self.channels)} are not multiples of groups={self.groups}; "
                "choose one or more positive multiples"
            )

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Convolutions with their norms, and the two linear layers."""
        inputs, height, width = image_shape("Cnn", shape, 2 ** len(self.channels))
        total = 0
        for outputs in self.channels:
            total += linear_dim(9 * inputs, outputs) + 2 * outputs
            inputs, height, width = outputs, height // 2, width // 2
        return total + linear_dim(inputs * height * width, self.hidden) + linear_dim(self.hidden, classes)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The blocks, Flatten, Linear, ReLU, Linear."""
        inputs, height, width = image_shape("Cnn", shape, 2 ** len(self.channels))
        network: list[torch.nn.Module] = []
        for outputs in self.channels:
            network += [
                torch.nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
                torch.nn.GroupNorm(self.groups, outputs),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
            ]
            inputs, height, width = outputs, height // 2, width // 2
        return torch.nn.Sequential(*network, *head(inputs * height * width, self.hidden, classes))


def image_shape(model: str, shape: tuple[int, ...], smallest: int) -> tuple[int, int, int]:
    """Channels, height, width of a sample.

    Raises:
        ConfigurationError: the sample is no image, or its sides are below ``smallest``.
    """
    if len(shape) != 3 or min(shape[1:]) < smallest:
        raise ConfigurationError(
            f"{model}: samples of shape {list(shape)} are not images [channels, height, width] of at least "
            f"{smallest} x {smallest} pixels; choose model=mlp or fewer blocks"
        )
    return shape[0], shape[1], shape[2]


def head(inputs: int, hidden: int, classes: int) -> tuple[torch.nn.Module, ...]:
    """Flatten, hidden layer, output."""
    return (
        torch.nn.Flatten(),
        torch.nn.Linear(inputs, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, classes),
    )
