"""Convolutional networks without normalisation, as published comparisons have them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch

from fedkd.data.bounds import within
from fedkd.errors import ConfigurationError
from fedkd.models.base import WIDEST, Model, linear_dim
from fedkd.models.cnn import head, head_dim, image_shape

_LARGEST = 256
"""Side of a convolution, at most."""


@dataclass(frozen=True)
class PlainCnn(Model):
    """Blocks of Conv, ReLU, MaxPool 2, then one hidden linear layer, if any, and the output.

    On 1 x 28 x 28 images with 10 classes:

    | channels | kernel | padding | hidden | parameters | used by |
    |---|---|---|---|---|---|
    | 32, 64 | 5 | 2 | 512 | 1,663,370 | federated averaging (McMahan et al. 2017, arXiv 1602.05629) |
    | 10, 20 | 5 | 0 | 50 | 21,840 | MCM on MNIST (Philippenko and Dieuleveut 2021, arXiv 2102.12528) |
    | 32, 64 | 3 | 1 | 128 | 421,642 | MCM on Fashion-MNIST |

    Args:
        channels: output channels of each block; every block halves the image.
        kernel: side of the convolutions, in [1, 256].
        padding: zeros around every image, in [0, kernel]; (kernel - 1)/2 keeps its size.
        hidden: width of the hidden linear layer; 0: none.
    """

    channels: tuple[int, ...]
    kernel: int
    padding: int
    hidden: int

    def __post_init__(self) -> None:
        within(self, "kernel", 1, _LARGEST)
        within(self, "padding", 0, self.kernel)
        within(self, "channels", 1, WIDEST)
        within(self, "hidden", 0, WIDEST)
        if not self.channels:
            raise ConfigurationError("PlainCnn: channels=[] has no block; choose channels = [32, 64]")

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Convolutions and linear layers."""
        inputs, height, width = self._features(shape)
        sides = self.kernel**2
        widths = (shape[0], *self.channels)
        blocks = sum(linear_dim(sides * before, after) for before, after in pairwise(widths))
        return blocks + head_dim(inputs * height * width, self.hidden, classes)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The blocks, Flatten, Linear, ReLU, Linear; without a hidden layer the last alone."""
        features = self._features(shape)
        network: list[torch.nn.Module] = []
        inputs = shape[0]
        for outputs in self.channels:
            network += [
                torch.nn.Conv2d(inputs, outputs, self.kernel, padding=self.padding),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
            ]
            inputs = outputs
        return torch.nn.Sequential(*network, *head(features[0] * features[1] * features[2], self.hidden, classes))

    def _features(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Channels, height and width that the blocks leave of a sample; every block needs two pixels a side."""
        grown, smallest = self.kernel - 1 - 2 * self.padding, 1
        for _ in self.channels:
            smallest = 2 * smallest + grown
        _, height, width = image_shape("PlainCnn", shape, max(smallest, 2))
        for _ in self.channels:
            height, width = (height - grown) // 2, (width - grown) // 2
        return self.channels[-1], height, width
