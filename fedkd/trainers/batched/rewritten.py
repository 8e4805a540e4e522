"""Layers that many networks can compute at once: module classes, hence imported only where a network is rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import torch

from fedkd.models.batch_norm import EPSILON, BatchNorm

if TYPE_CHECKING:
    from torch import Tensor


class UnfoldedConvolution(torch.nn.Module):
    """What a Conv2d computes: patches [b L, C kh kw] times its weights as a matrix, L the places of the output.

    Of many networks at once this is one batched matrix product, where convolutions become one with a group a network.
    """

    def __init__(self, convolution: torch.nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self._like = convolution.kernel_size, convolution.stride, convolution.dilation
        self._padding = tuple(map(int, convolution.padding))

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x [b, C, height, width]; the result as the convolution's."""
        patches = self._patches(x)
        samples, height, width = patches.shape[:3]
        rows = patches.reshape(samples * height * width, -1)
        y = torch.nn.functional.linear(rows, self.weight.flatten(1), self.bias)
        return y.view(samples, height, width, -1).permute(0, 3, 1, 2).contiguous()

    def _patches(self, x: Tensor) -> Tensor:
        """A view [b, L's height, L's width, C, kh, kw] of the padded images."""
        vertical, horizontal = self._padding
        x = torch.nn.functional.pad(x, (horizontal, horizontal, vertical, vertical))
        for axis, kernel, stride, dilation in zip((2, 3), *self._like, strict=True):
            x = x.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        return x.permute(0, 2, 3, 1, 4, 5)


class PlainGroupNorm(torch.nn.GroupNorm):
    """A GroupNorm that does not ask in which order its input lies, which torch.vmap cannot answer for all orders."""

    def forward(self, x: Tensor) -> Tensor:
        """The same values."""
        return super().forward(x.contiguous())


class CountingBatchNorm(BatchNorm):
    """A BatchNorm whose mean and variance are those of the samples that count: not of those that fill up a batch.

    Statistics are computed in the type of ``counted``, whatever that of the samples.

    Attributes:
        counted: [b], 1 for a sample that counts and 0 for others; to be put in place for every call, as parameters are.
    """

    counted: Tensor

    def _by_batch(self, x: Tensor) -> Tensor:
        """Nothing asks for a value, so that a step can be recorded."""
        wide, samples = x.to(self.counted.dtype), self.counted.sum()
        share, shape = self.counted / samples, (-1, *[1] * (x.ndim - 2))
        mean = share @ _over_places(wide)
        centred = wide - mean.view(shape)
        variance = share @ _over_places(centred.square())
        factor = self.weight * (variance + EPSILON).rsqrt()
        count = samples * (x.numel() // (x.shape[0] * x.shape[1]))
        self._move(mean, variance * (count / (count - 1).clamp(min=1)))
        return (centred * factor.view(shape) + self.bias.view(shape)).to(x.dtype)


def _over_places(x: Tensor) -> Tensor:
    """Means over height and width, where there are some [b, C]."""
    return x.mean((2, 3)) if x.ndim == 4 else x


def rewrite(module: torch.nn.Module, unfold: bool) -> torch.nn.Module:
    """The module itself, with layers replaced by others that do the same.

    Args:
        module: changed in place.
        unfold: convolutions too, where a matrix product does the same.
    """
    if unfold and _unfoldable(module):
        return UnfoldedConvolution(module)
    if type(module) is torch.nn.GroupNorm:
        module.__class__ = PlainGroupNorm
    if type(module) is BatchNorm:
        module.__class__ = CountingBatchNorm
        module.register_buffer("counted", torch.empty(0))
    for name, child in module.named_children():
        setattr(module, name, rewrite(child, unfold))
    return module


def _unfoldable(module: torch.nn.Module) -> TypeGuard[torch.nn.Conv2d]:
    plain = type(module) is torch.nn.Conv2d and module.groups == 1
    return plain and module.padding_mode == "zeros" and not isinstance(module.padding, str)
