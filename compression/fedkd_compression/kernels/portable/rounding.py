"""Quantisers: rows to small integers and back, one scale a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.portable.streams import dither_of, uniform_of, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]


def dither_encode(rows: Floats, steps: Floats, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int32], Floats]:
    """q = round(x/step + u) and what it decodes to, rows [n, d], steps [n] of one dtype; step 0 gives zeros."""
    drawn = dither_of(words(keys, rows.shape[1])).astype(rows.dtype, copy=False)
    safe = np.where(steps > 0, steps, 1).astype(rows.dtype)[:, None]
    q = np.rint(rows / safe + drawn)
    q[steps == 0] = 0
    return q.astype(np.int32), (q - drawn) * steps[:, None]


def dither_decode(symbols: NDArray[np.int32], steps: Floats, keys: NDArray[np.uint64]) -> Floats:
    """(q - u) step, in the dtype of steps [n]."""
    drawn = dither_of(words(keys, symbols.shape[1])).astype(steps.dtype, copy=False)
    restored: Floats = (symbols.astype(steps.dtype) - drawn) * steps[:, None]
    return restored


def levels_encode(rows: Floats, norms: Floats, levels: int, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """sign(x) (floor(t) + [u < t - floor(t)]) with t = levels |x| / norm; norm 0 gives zeros."""
    drawn = uniform_of(words(keys, rows.shape[1])).astype(rows.dtype, copy=False)
    safe = np.where(norms > 0, norms, 1).astype(rows.dtype)[:, None]
    ratio = np.abs(rows) / safe * rows.dtype.type(levels)
    whole = np.floor(ratio)
    q = (whole + (drawn < ratio - whole)).astype(np.int32)
    return np.where(rows < 0, -q, q)


def levels_decode(symbols: NDArray[np.int32], norms: Floats, levels: int) -> Floats:
    """(q / levels) norm, in the dtype of norms [n]."""
    restored: Floats = symbols.astype(norms.dtype) / norms.dtype.type(levels) * norms[:, None]
    return restored
