"""Quantisers: rows to small integers and back, one scale a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.streams import dither_of, uniform_of, words

if TYPE_CHECKING:
    from fedkd_compression.arrays import Floats, Keys, Symbols


def dither_encode(rows: Floats, steps: Floats, keys: Keys, symbols: Symbols) -> Floats:
    """Fill symbols [n, d] with q = round(x/step + u); the rows that they decode to. A step of 0 gives zeros.

    Rows [n, d] and steps [n] have one dtype; symbols are int8 where they fit, or int32.
    """
    drawn = dither_of(words(keys, rows.shape[1])).astype(rows.dtype, copy=False)
    safe = np.where(steps > 0, steps, 1).astype(rows.dtype)[:, None]
    q = np.rint(rows / safe + drawn)
    q[steps == 0] = 0
    symbols[:] = q
    with np.errstate(over="ignore"):
        received: Floats = (q - drawn) * steps[:, None]
    return received


def dither_decode(symbols: Symbols, steps: Floats, keys: Keys) -> Floats:
    """(q - u) step, in the dtype of steps [n]."""
    drawn = dither_of(words(keys, symbols.shape[1])).astype(steps.dtype, copy=False)
    with np.errstate(over="ignore"):
        received: Floats = (symbols.astype(steps.dtype) - drawn) * steps[:, None]
    return received


def levels_encode(rows: Floats, norms: Floats, levels: int, keys: Keys, symbols: Symbols) -> None:
    """Fill symbols [n, d] with sign(x) (floor(t) + [u < t - floor(t)]), t = levels |x| / norm; norm 0 gives zeros."""
    drawn = uniform_of(words(keys, rows.shape[1])).astype(rows.dtype, copy=False)
    scale = rows.dtype.type(levels)
    safe = np.where(norms > 0, norms, scale).astype(rows.dtype)[:, None]
    ratio = np.abs(rows) / safe * scale
    whole = np.floor(ratio)
    q = whole + (drawn < ratio - whole)
    symbols[:] = np.where(rows < 0, -q, q)


def levels_decode(symbols: Symbols, norms: Floats, levels: int) -> Floats:
    """(q / levels) norm, in the dtype of norms [n]."""
    restored: Floats = symbols.astype(norms.dtype) / norms.dtype.type(levels) * norms[:, None]
    return restored
