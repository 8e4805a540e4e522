"""Small residual network with GroupNorm."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkd.data.bounds import at_least, within
from fedkd.errors import ConfigurationError
from fedkd.models.base import WIDEST, Model, linear_dim
from fedkd.models.cnn import image_shape

_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class ResNet(Model):
    """A 3x3 stem, three stages of residual blocks at widths w, 2w, 4w, average pooling, linear output.

    The stages of He et al. 2016 (arXiv 1512.03385) for small images, GroupNorm in place of BatchNorm;
    stages two and three halve the image.

    Args:
        width: channels of the first stage, a multiple of groups.
        blocks: residual blocks of each stage, in [1, 1000].
        groups: groups of the GroupNorm, >= 1.
    """

    width: int
    blocks: int
    groups: int

    def __post_init__(self) -> None:
        within(self, "width", 1, WIDEST)
        within(self, "blocks", 1, _MOST_BLOCKS)
        at_least(self, "groups", 1)
        if self.width % self.groups:
            raise ConfigurationError(
                f"ResNet: width={self.width} is not a multiple of groups={self.groups}; choose a multiple"
            )

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Stem, blocks and output; a convolution has no bias, its norm has two numbers a channel."""
        inputs, _, _ = image_shape("ResNet", shape, 4)
        total, inputs = (9 * inputs + 2) * self.width, self.width
        for stage in range(3):
            for block in range(self.blocks):
                outputs = self.width << stage
                total += (9 * inputs + 2 + 9 * outputs + 2) * outputs
                # The first block of stages two and three halves the image, so its shortcut has weights.
                total += (inputs + 2) * outputs if stage and not block else 0
                inputs = outputs
        return total + linear_dim(inputs, classes)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """Stem, stages, pooling, output."""
        # A class of torch's modules exists only once torch is loaded.
        from fedkd.models.residual import ResidualBlock

        inputs, _, _ = image_shape("ResNet", shape, 4)
        network: list[torch.nn.Module] = [
            torch.nn.Conv2d(inputs, self.width, kernel_size=3, padding=1, bias=False),
            torch.nn.GroupNorm(self.groups, self.width),
            torch.nn.ReLU(),
        ]
        inputs = self.width
        for stage in range(3):
            for block in range(self.blocks):
                outputs, stride = self.width << stage, 2 if stage and not block else 1
                network.append(ResidualBlock(inputs, outputs, stride, self.groups))
                inputs = outputs
        pooling = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        return torch.nn.Sequential(*network, *pooling, torch.nn.Linear(inputs, classes))
