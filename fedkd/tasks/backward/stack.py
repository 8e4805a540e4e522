"""A network of plain layers, whose backward pass takes each layer's step as soon as its gradient is made.

For a linear layer y = x W^T + b and the gradient g of the loss in y, the gradient in W is the product g^T x. Plain SGD
adds it to W in one matrix product, W <- W - rate g^T x, so that it is never stored; that saves
memory traffic where a network is mostly linear layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.backward.backward import Network
from fedkd.tasks.backward.layers import (
    Convolution,
    Flattening,
    GroupNormalisation,
    Layer,
    LinearLayer,
    MaxPooling,
    Rectifier,
    Saved,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.trainers.descents import Descent


class Stack(Network):
    """Layers one after another; the first needs no gradient of its input."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    @staticmethod
    def of(module: nn.Module) -> Stack | str:
        """The stack that computes what the module does; or why there is none, in a few words."""
        if not isinstance(module, torch.nn.Sequential):
            return f"{type(module).__name__} is no sequence of layers"
        layers: list[Layer] = []
        index = 0
        for part in module:
            made = _layer(part, index)
            if made is None:
                return f"{type(part).__name__} is no plain layer"
            layers.append(made)
            index += sum(1 for _ in part.parameters())
        if not layers or isinstance(layers[0], Rectifier):
            return "no layer with parameters comes first"
        return Stack(_pooled_first(layers))

    @property
    def name(self) -> str:
        """How it differs from autograd."""
        return "fused"

    def forward(self, x: Tensor, descent: Descent) -> tuple[Tensor, list[Saved]]:
        """Through all layers; keep what each keeps."""
        with torch.no_grad():
            parameters, kept = descent.parameters, list[Saved]()
            for layer in self.layers:
                x, saved = layer.forward(x, parameters)
                kept.append(saved)
            return x, kept

    def backward(self, gradient: Tensor, saved: list[Saved], descent: Descent) -> None:
        """A layer gives its gradients after it has used its parameters."""
        with torch.no_grad():
            for position in range(len(self.layers) - 1, -1, -1):
                gradient = self.layers[position].backward(gradient, saved[position], descent, position > 0)


def _layer(part: nn.Module, index: int) -> Layer | None:
    """What computes this module, whose first parameter has this index; None where nothing does so exactly."""
    nn = torch.nn
    if type(part) is nn.Linear:
        return LinearLayer(index, part.bias is not None)
    if type(part) is nn.Conv2d and part.padding_mode == "zeros" and not isinstance(part.padding, str):
        return Convolution(index, part)
    if type(part) is nn.GroupNorm and part.affine:
        return GroupNormalisation(index, part)
    if type(part) is nn.MaxPool2d and not part.return_indices:
        return MaxPooling(part)
    if type(part) is nn.ReLU:
        return Rectifier()
    if type(part) is nn.Flatten and (part.start_dim, part.end_dim) == (1, -1):
        return Flattening()
    return None


def _pooled_first(layers: Sequence[Layer]) -> list[Layer]:
    """With every ReLU that a max-pooling follows after it: the same values, a quarter of the work."""

    def swapped() -> Iterator[Layer]:
        rest = list(layers)
        while rest:
            if len(rest) > 1 and isinstance(rest[0], Rectifier) and isinstance(rest[1], MaxPooling):
                yield rest.pop(1)
            yield rest.pop(0)

    return list(swapped())
