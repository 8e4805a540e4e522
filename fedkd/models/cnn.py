"""Small convolutional networks, normalised."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkd.data.bounds import one_of, within
from fedkd.errors import ConfigurationError
from fedkd.models.base import WIDEST, Model, linear_dim
from fedkd.models.norms import NORMS, Norm, norm_dim, norm_layers


@dataclass(frozen=True)
class Cnn(Model):
    """Blocks of Conv 3x3, norm, ReLU, MaxPool 2, then one hidden linear layer, if any, and the output.

    Args:
        channels: output channels of each block, >= 1; every block halves the image.
        hidden: width of the hidden linear layer; 0: none.
        groups: groups of a GroupNorm, >= 1, of which all channels are multiples; without meaning for other norms.
        norm: ``group``, ``batch`` (its running statistics travel with the model), ``local_batch`` (none are kept: those
            of the batch serve in evaluation too) or ``none``.
    """

    channels: tuple[int, ...]
    hidden: int
    groups: int
    norm: Norm

    def __post_init__(self) -> None:
        within(self, "hidden", 0, WIDEST)
        within(self, "groups", 1, WIDEST)
        within(self, "channels", 1, WIDEST)
        one_of(self, "norm", NORMS)
        if not self.channels or (self.norm == "group" and any(width % self.groups for width in self.channels)):
            raise ConfigurationError(
                f"Cnn: channels={list(self.channels)} are not multiples of groups={self.groups}; "
                "choose one or more positive multiples"
            )

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Convolutions with their norms, and the linear layers."""
        inputs, height, width = image_shape("Cnn", shape, 2 ** len(self.channels))
        total = 0
        for outputs in self.channels:
            total += linear_dim(9 * inputs, outputs) + norm_dim(self.norm, outputs)
            inputs, height, width = outputs, height // 2, width // 2
        return total + head_dim(inputs * height * width, self.hidden, classes)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The blocks, Flatten, Linear, ReLU, Linear; without a hidden layer the last alone."""
        inputs, height, width = image_shape("Cnn", shape, 2 ** len(self.channels))
        network: list[torch.nn.Module] = []
        for outputs in self.channels:
            network += [
                torch.nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
                *norm_layers(self.norm, outputs, self.groups),
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
    """Flatten, hidden layer if it has units, output."""
    between = (torch.nn.Linear(inputs, hidden), torch.nn.ReLU()) if hidden else ()
    return (torch.nn.Flatten(), *between, torch.nn.Linear(hidden or inputs, classes))


def head_dim(inputs: int, hidden: int, classes: int) -> int:
    """Parameters of ``head``."""
    return linear_dim(inputs, hidden) * bool(hidden) + linear_dim(hidden or inputs, classes)
