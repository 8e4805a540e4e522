"""What every model configuration is: layers, and weights that are a function of the key alone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from fedkd_compression.keys import Key


WIDEST = 2**20
"""Units of a layer, at most."""


class Model(ABC):
    """Which network: a frozen dataclass of plain values, named in the configuration."""

    @abstractmethod
    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The network with unset weights.

        Args:
            shape: shape of one sample, (features,) or (channels, height, width).
            classes: number of outputs, at least 1.

        Raises:
            ConfigurationError: the network cannot take this shape.
        """

    @abstractmethod
    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """Numbers that travel, in closed form: parameters and running statistics, known before torch is loaded."""

    def features(self, shape: tuple[int, ...]) -> int:
        """How many numbers the head reads, the last layer, which is linear: a class takes one more for its bias."""
        return self.dim(shape, 2) - self.dim(shape, 1) - 1

    def build(self, shape: tuple[int, ...], classes: int, key: Key) -> torch.nn.Module:
        """The network on the CPU in float32, initialised from the key; torch's own generator stays as it was.

        Weights and biases of linear and convolution layers are uniform in +-1/sqrt(fan_in), torch's own
        rule; GroupNorm starts as the identity, BatchNorm with mean 0 and variance 1.

        Args:
            shape: shape of one sample.
            classes: number of outputs; 0 (regression) gives one output.
            key: the randomness, one row.

        Example:
            ``Mlp(hidden=(32,)).build((1, 28, 28), 10, Key.of(0, "model"))`` has 25,450 parameters.
        """
        # Torch's constructors draw weights of their own; they are replaced, and the draws undone.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            network = self.layers(shape, max(classes, 1))
        for name, module in network.named_modules():
            _initialise(module, key.fold(name))
        return network


def linear_dim(inputs: int, outputs: int) -> int:
    """Parameters of a linear layer with bias."""
    return (inputs + 1) * outputs


def parameters(network: torch.nn.Module) -> int:
    """Number of trainable values of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def _initialise(module: torch.nn.Module, key: Key) -> None:
    """Set the weights that this module itself owns."""
    # A class of torch's modules exists only once torch is loaded.
    from fedkd.models.batch_norm import BatchNorm

    if isinstance(module, torch.nn.GroupNorm | BatchNorm):
        with torch.no_grad():
            module.weight.fill_(1.0)
            module.bias.fill_(0.0)
    elif isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
        bound = 1 / math.sqrt(module.weight[0].numel())
        for name, parameter in module.named_parameters():
            values = key.fold(name).uniforms(parameter.numel())
            with torch.no_grad():
                parameter.copy_(((2 * values - 1) * bound).reshape(parameter.shape))
