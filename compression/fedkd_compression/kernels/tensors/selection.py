"""The positions of the largest entries of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.kernels.tensors.streams import words

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys

_TOP_BIT = -(1 << 31)


def largest(rows: Tensor, count: int) -> Tensor:
    """Increasing positions, int64 [n, count], of the largest absolute values; of equal ones the first."""
    # The bits of non-negative floats are ordered as the floats are.
    return _chosen(rows.abs().view(torch.int32 if rows.dtype == torch.float32 else torch.int64), count)


def drawn(keys: Keys, dim: int, count: int, device: torch.device | str) -> Tensor:
    """Increasing positions, int64 [n, count], of the largest of ``dim`` random words."""
    # With the top bit flipped, signed integers are ordered as their bits are as unsigned ones.
    return _chosen(words(keys, dim, device) ^ _TOP_BIT, count)


def _chosen(values: Tensor, count: int) -> Tensor:
    """Increasing positions of the largest integers; of equal ones ``topk`` alone would not find the first."""
    n, dim = values.shape
    if count in (0, dim):
        return torch.arange(count, device=values.device).repeat(n, 1)
    least = _ranked(values, count)[:, None]
    above, level = values > least, values == least
    left = count - above.sum(1, keepdim=True)
    kept = above | level & (level.cumsum(1) <= left)
    return kept.nonzero()[:, 1].reshape(n, count)


def _ranked(values: Tensor, count: int) -> Tensor:
    """The ``count``-th largest of every row; looked for from the nearer end."""
    rest = values.shape[1] - count + 1
    if count <= rest:
        return values.topk(count, sorted=False).values.amin(1)
    return values.topk(rest, largest=False, sorted=False).values.amax(1)
