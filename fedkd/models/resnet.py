"""Small residual network, normalised."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkd.data.bounds import one_of, within
from fedkd.errors import ConfigurationError
from fedkd.models.base import WIDEST, Model, linear_dim
from fedkd.models.cnn import image_shape
from fedkd.models.norms import NORMS, Norm, norm_dim, norm_layers

_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class ResNet(Model):
    """A 3x3 stem, three stages of residual blocks at widths w, 2w, 4w, average pooling, linear output.

    The stages of He et al. 2016 (arXiv 1512.03385) for small images; stages two and three halve the
    image.

    Args:
        width: channels of the first stage, >= 1.
        blocks: residual blocks of each stage, in [1, 1000].
        groups: groups of a GroupNorm, >= 1, of which the width is a multiple; without meaning for other norms.
        norm: as in ``Cnn``; theirs is ``batch``.
    """

    width: int
    blocks: int
    groups: int
    norm: Norm

    def __post_init__(self) -> None:
        within(self, "width", 1, WIDEST)
        within(self, "blocks", 1, _MOST_BLOCKS)
        within(self, "groups", 1, WIDEST)
        one_of(self, "norm", NORMS)
        if self.norm == "group" and self.width % self.groups:
            raise ConfigurationError(
                f"ResNet: width={self.width} is not a multiple of groups={self.groups}; choose a multiple"
            )

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Stem, blocks and output; a convolution has no bias, its norm some numbers a channel."""
        inputs, _, _ = image_shape("ResNet", shape, 4)
        each = norm_dim(self.norm, 1)
        total, inputs = (9 * inputs + each) * self.width, self.width
        for stage in range(3):
            for block in range(self.blocks):
                outputs = self.width << stage
                total += (9 * inputs + 9 * outputs + 2 * each) * outputs
                # The first block of stages two and three halves the image, so its shortcut has weights.
                total += (inputs + each) * outputs if stage and not block else 0
                inputs = outputs
        return total + linear_dim(inputs, classes)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """Stem, stages, pooling, output."""
        # A class of torch's modules exists only once torch is loaded.
        from fedkd.models.residual import ResidualBlock

        inputs, _, _ = image_shape("ResNet", shape, 4)
        network: list[torch.nn.Module] = [
            torch.nn.Conv2d(inputs, self.width, kernel_size=3, padding=1, bias=False),
            *norm_layers(self.norm, self.width, self.groups),
            torch.nn.ReLU(),
        ]
        inputs = self.width
        for stage in range(3):
            for block in range(self.blocks):
                outputs, stride = self.width << stage, 2 if stage and not block else 1
                network.append(ResidualBlock(inputs, outputs, stride, self.groups, self.norm))
                inputs = outputs
        pooling = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        return torch.nn.Sequential(*network, *pooling, torch.nn.Linear(inputs, classes))
