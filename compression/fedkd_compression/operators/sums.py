"""Weighted sums in the order of the rows, rounded after every step, whatever the device and the number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def weighted_sum(rows: Tensor, weights: Tensor) -> Tensor:
    """Sum of weights [n] times rows [n, m], float64 [m]: each product, then each sum, is rounded."""
    total = weights.new_zeros(rows.shape[1])
    for row, weight in zip(rows, weights, strict=True):
        total += row.to(weights.dtype) * weight
    return total
