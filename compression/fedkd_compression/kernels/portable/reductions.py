"""Reductions over rows in a fixed order, which suits vectors, threads and graphics processors alike.

A row is cut into chunks of 16384 coordinates. In a chunk coordinate j is added to lane j mod 64, in increasing order,
and the lanes are folded in halves: 64 -> 32 -> ... -> 1. The sums of the chunks, followed by zeros up to a power of
two, are folded in halves too. All in float64, without fused multiply-add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats

LANES = 64
CHUNK = 16384


def dots(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Sum of a_j b_j of every pair of rows [n, d], float64 [n], in this module's order."""
    one, other = chunked(a), chunked(b)
    lanes = np.zeros((*one.shape[:2], LANES))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for i in range(one.shape[2]):
            lanes += one[:, :, i].astype(np.float64) * other[:, :, i].astype(np.float64)
        return folded(folded(lanes))


def squares(rows: Floats) -> NDArray[np.float64]:
    """Sum of squares of every row [n, d], float64 [n]: ``dots(rows, rows)``."""
    return dots(rows, rows)


def chunked(rows: Floats) -> Floats:
    """Rows [n, d], followed by zeros where needed, as [n, chunks, steps, lanes]."""
    count, dim = rows.shape
    steps = min(CHUNK, -(-dim // LANES) * LANES) // LANES
    chunks = -(-dim // CHUNK)
    padded = np.zeros((count, chunks * steps * LANES), rows.dtype)
    padded[:, :dim] = rows
    return padded.reshape(count, chunks, steps, LANES)


def folded(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums [..., m] over the last axis, in halves after zeros up to a power of two; 0 when m = 0."""
    m = sums.shape[-1]
    width = 1 << max(m - 1, 0).bit_length()
    padded = np.zeros((*sums.shape[:-1], width))
    padded[..., :m] = sums
    while width > 1:
        width //= 2
        padded = padded[..., :width] + padded[..., width:]
    halved: NDArray[np.float64] = padded[..., 0]
    return halved


def peaks(rows: Floats) -> NDArray[np.float64]:
    """Largest absolute value of every row [n, d], float64 [n]; 0 when d = 0."""
    largest: NDArray[np.float64] = np.abs(rows).max(axis=1, initial=0).astype(np.float64)
    return largest


def all_finite(rows: Floats) -> bool:
    """Whether no value [n, d] is NaN or infinite."""
    return bool(np.isfinite(rows).all())
