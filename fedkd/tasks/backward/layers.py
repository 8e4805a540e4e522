"""Plain layers: what each computes, and what it does with the gradient of its output.

Letters: x the input, y the output, g the gradient of the loss in y. Shapes have the samples first.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.trainers.descents import Descent

Saved = tuple[Any, ...]
"""What a layer keeps from forward to backward."""


class Layer(ABC):
    """One layer; its parameters are handed in, so that it holds none.

    Attributes:
        indices: of its parameters among those of the network.
    """

    indices: tuple[int, ...] = ()

    @abstractmethod
    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """The output, and what ``backward`` will need."""

    @abstractmethod
    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """Give the gradients of the parameters; the result is the gradient in x, or anything where it is not wanted."""


class LinearLayer(Layer):
    """y = x W^T + b; gradients g^T x in W and the sum of g in b, g W in x."""

    def __init__(self, index: int, bias: bool) -> None:
        self._weight, self._bias = index, index + 1 if bias else None
        self.indices = (index, index + 1) if bias else (index,)

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep x."""
        weight = parameters[self._weight].t()
        if self._bias is None:
            return torch.mm(x, weight), (x,)
        return torch.addmm(parameters[self._bias], x, weight), (x,)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """The gradient in x comes first: a step may change W."""
        (x,) = saved
        below = torch.mm(g, descent.parameters[self._weight]) if wanted else g
        descent.give_product(self._weight, g.t(), x)
        if self._bias is not None:
            descent.give(self._bias, g.sum(0))
        return below


class Convolution(Layer):
    """torch.nn.Conv2d with zero padding."""

    def __init__(self, index: int, module: nn.Conv2d) -> None:
        self._weight, self._bias = index, index + 1 if module.bias is not None else None
        self.indices = (index,) if module.bias is None else (index, index + 1)
        self._shape = (list(module.stride), list(map(int, module.padding)), list(module.dilation))
        self._outputs, self._groups = module.out_channels, module.groups

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep x."""
        bias = None if self._bias is None else parameters[self._bias]
        stride, padding, dilation = self._shape
        return torch.conv2d(x, parameters[self._weight], bias, stride, padding, dilation, self._groups), (x,)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """All gradients in one call."""
        (x,) = saved
        stride, padding, dilation = self._shape
        mask = [wanted, True, self._bias is not None]
        outputs = None if self._bias is None else [self._outputs]
        below, weight, bias = torch.ops.aten.convolution_backward(
            g,
            x,
            descent.parameters[self._weight],
            outputs,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            self._groups,
            mask,
        )
        descent.give(self._weight, weight)
        if self._bias is not None:
            descent.give(self._bias, bias)
        return below if wanted else g


class GroupNormalisation(Layer):
    """torch.nn.GroupNorm with weight and bias."""

    def __init__(self, index: int, module: nn.GroupNorm) -> None:
        self._weight, self._bias = self.indices = (index, index + 1)
        self._groups, self._epsilon = module.num_groups, module.eps

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep x, means and standard deviations."""
        weight, bias = parameters[self._weight], parameters[self._bias]
        y, mean, rstd = torch.ops.aten.native_group_norm(x, weight, bias, *_sizes(x), self._groups, self._epsilon)
        return y, (x, mean, rstd)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """All gradients in one call, which wants g to lie as x does."""
        x, mean, rstd = saved
        weight = descent.parameters[self._weight]
        below, of_weight, of_bias = torch.ops.aten.native_group_norm_backward(
            as_laid(g, x), x, mean, rstd, weight, *_sizes(x), self._groups, [wanted, True, True]
        )
        descent.give(self._weight, of_weight)
        descent.give(self._bias, of_bias)
        return below if wanted else g


class MaxPooling(Layer):
    """torch.nn.MaxPool2d."""

    def __init__(self, module: nn.MaxPool2d) -> None:
        kernel, stride, padding, dilation = (
            _pair(value) for value in (module.kernel_size, module.stride, module.padding, module.dilation)
        )
        self._arguments = (kernel, stride, padding, dilation, module.ceil_mode)

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep where the largest were."""
        y, places = torch.ops.aten.max_pool2d_with_indices(x, *self._arguments)
        return y, (x, places)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """To the largest."""
        x, places = saved
        below: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(as_laid(g, x), x, *self._arguments, places)
        return below


class Rectifier(Layer):
    """y = max(x, 0), in place: nobody else keeps x."""

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep y."""
        return x.relu_(), (x,)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """G where y > 0."""
        (y,) = saved
        below: Tensor = torch.ops.aten.threshold_backward(g, y, 0)
        return below


class Flattening(Layer):
    """Each sample as one row, in the order of channels, height and width."""

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep the shape."""
        return x.flatten(1), (x,)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """In the shape, and the order in memory, of x."""
        (x,) = saved
        return as_laid(g.view(x.shape), x)


def as_laid(values: Tensor, other: Tensor) -> Tensor:
    """The values in the order in memory of another tensor of their shape."""
    if values.ndim != 4 or values.stride() == other.stride():
        return values
    last = other.is_contiguous(memory_format=torch.channels_last) and not other.is_contiguous()
    return values.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _sizes(x: Tensor) -> tuple[int, int, int]:
    """Samples, channels, values a channel."""
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
