"""Batch normalisation: a module class, hence imported only where a network is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

MOMENTUM = 0.1
"""The share of a batch in the running statistics."""
EPSILON = 1e-5
"""Added to variances."""


class BatchNorm(torch.nn.Module):
    """y = weight (x - mean) / sqrt(variance + 1e-5) + bias, every channel by itself.

    In training mean and variance are those of the batch, and the running ones move: r <- .9 r + .1 (mean, unbiased
    variance). In evaluation they are the running ones. Source: Ioffe and Szegedy 2015 (arXiv 1502.03167), with torch's
    constants. The running statistics are all the buffers that there are: nothing counts batches.

    Args:
        channels: C, >= 1.
        tracks: whether there are running statistics; without them those of the batch serve in evaluation too.

    Shapes: x and y [n, C] or [n, C, height, width].
    """

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(self, channels: int, tracks: bool) -> None:
        super().__init__()
        self.weight, self.bias = torch.nn.Parameter(torch.ones(channels)), torch.nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels) if tracks else None)
        self.register_buffer("running_var", torch.ones(channels) if tracks else None)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in training the running statistics move."""
        if self.running_mean is None or self.running_var is None or self.training:
            return self._by_batch(x)
        # An average of compressed updates may have made a variance negative.
        variance = self.running_var.clamp(min=0)
        return torch.nn.functional.batch_norm(x, self.running_mean, variance, self.weight, self.bias, eps=EPSILON)

    def extra_repr(self) -> str:
        """As torch's own layers show themselves."""
        return f"{len(self.weight)}, tracks={self.running_mean is not None}"

    def _by_batch(self, x: Tensor) -> Tensor:
        """The kernel is told of no running statistics: it would make NaN of a single value's variance."""
        if x.numel() == x.shape[1]:
            # Of one value a channel the mean is the value itself: not up to rounding, as the kernel has it.
            self._move(x.detach().flatten(), torch.zeros_like(self.weight))
            return (x - x) * self.weight.view(-1, *[1] * (x.ndim - 2)) + self.bias.view(-1, *[1] * (x.ndim - 2))
        y, mean, inverse = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, 0.0, EPSILON)
        count = x.numel() // x.shape[1]
        self._move(mean, (inverse**-2 - EPSILON).clamp(min=0) * (count / max(count - 1, 1)))
        return y

    def _move(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics in place, where there are some."""
        if self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                self.running_mean.mul_(1 - MOMENTUM).add_(mean, alpha=MOMENTUM)
                self.running_var.mul_(1 - MOMENTUM).add_(variance, alpha=MOMENTUM)
