"""The uniform quantiser with a dead zone, and the centroids of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.reductions import LANES, chunked, folded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats, Symbols


def dead_zone_encode(
    rows: Floats, steps: Floats, threshold: float, cells: int, symbols: Symbols
) -> NDArray[np.float64]:
    """Fill symbols [n, d] with sign(x) q, q = floor(t + (1 - threshold)), t = |x| / step; a step of 0 gives zeros.

    Rows [n, d] and steps [n] have one dtype, which t and q are computed in; symbols are int8 where they fit, or int32.
    Returns float64 [n, cells]: for k = 1 .. cells the mean of t - q where q > 0 and min(q, cells) = k, or 0 where there
    is none; summed in the order of ``dots``.
    """
    safe = np.where(steps > 0, steps, 1).astype(rows.dtype)[:, None]
    t = np.abs(rows) / safe
    q = np.floor(t + rows.dtype.type(1 - threshold))
    q[steps == 0] = 0
    symbols[:] = np.where(rows < 0, -q, q)
    rest, cell = t.astype(np.float64) - q, np.minimum(q, cells)
    means = [_mean(rest, cell == k) for k in range(1, cells + 1)]
    return np.stack(means, axis=1) if means else np.zeros((len(rows), 0))


def _mean(rest: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the chosen coordinates of each row, or 0."""
    parts = chunked(np.where(chosen, rest, 0))
    lanes = np.zeros((*parts.shape[:2], LANES))
    for i in range(parts.shape[2]):
        lanes += parts[:, :, i]
    mean: NDArray[np.float64] = folded(folded(lanes)) / np.maximum(chosen.sum(axis=1), 1)
    return mean


def dead_zone_decode(symbols: Symbols, steps: Floats, offsets: Floats) -> Floats:
    """sign(q) (|q| + offsets[min(|q|, cells) - 1]) step, 0 for q = 0, in the dtype of steps [n]; offsets [n, cells]."""
    cells = offsets.shape[1]
    shifts = np.zeros((len(steps), cells + 1), steps.dtype)
    shifts[:, 1:] = offsets
    size = np.abs(symbols.astype(steps.dtype))
    cell = np.abs(symbols.astype(np.int64).clip(-cells, cells))
    with np.errstate(over="ignore", invalid="ignore"):
        value = (size + np.take_along_axis(shifts, cell, axis=1)) * steps[:, None]
    restored: Floats = np.where(symbols < 0, -value, value)
    return restored
