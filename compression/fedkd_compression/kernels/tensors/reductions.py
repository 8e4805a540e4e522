"""Reductions over rows, in the portable module's order: every step adds whole vectors, so nothing is left to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.kernels.portable.reductions import CHUNK, LANES

if TYPE_CHECKING:
    from torch import Tensor


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a_j b_j of every pair of rows [n, d], float64 [n]."""
    ones, others = chunked(a), chunked(b)
    lanes = ones.new_zeros(*ones.shape[:2], LANES, dtype=torch.float64)
    for one, other in zip(ones.unbind(2), others.unbind(2), strict=True):
        lanes += one.double() * other.double()
    return folded(folded(lanes))


def squares(rows: Tensor) -> Tensor:
    """Sum of squares of every row [n, d], float64 [n]."""
    return dots(rows, rows)


def chunked(rows: Tensor) -> Tensor:
    """Rows [n, d], followed by zeros where needed, as [n, chunks, steps, lanes]."""
    count, dim = rows.shape
    steps = min(CHUNK, -(-dim // LANES) * LANES) // LANES
    chunks = -(-dim // CHUNK)
    return torch.nn.functional.pad(rows, (0, chunks * steps * LANES - dim)).reshape(count, chunks, steps, LANES)


def folded(sums: Tensor) -> Tensor:
    """Sums [..., m] over the last axis, in halves after zeros up to a power of two; 0 when m = 0."""
    m = sums.shape[-1]
    width = 1 << max(m - 1, 0).bit_length()
    sums = torch.nn.functional.pad(sums, (0, width - m))
    while width > 1:
        width //= 2
        sums = sums[..., :width] + sums[..., width:]
    return sums[..., 0]


def peaks(rows: Tensor) -> Tensor:
    """Largest absolute value of every row [n, d], float64 [n]; 0 when d = 0."""
    if rows.shape[1] == 0:
        return rows.new_zeros(len(rows), dtype=torch.float64)
    return rows.abs().amax(1).double()


def all_finite(rows: Tensor) -> bool:
    """Whether no value [n, d] is NaN or infinite."""
    return bool(torch.isfinite(rows).all())
