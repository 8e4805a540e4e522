"""Rows with few coordinates that are not zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def spread(values: Tensor, positions: Tensor, dim: int) -> Tensor:
    """Rows [n, dim] with values [n, k] at positions [n, k], zeros elsewhere."""
    return values.new_zeros(len(values), dim).scatter_(1, positions, values)
