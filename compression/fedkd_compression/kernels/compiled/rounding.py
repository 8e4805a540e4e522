"""Compiled quantisers: hash, round and restore in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.compiled.streams import dithered, halves, hashed, uniform

if TYPE_CHECKING:
    from fedkd_compression.arrays import Floats, Keys, Symbols


@compiled
def _dither_encode(rows: Floats, steps: Floats, keys: Keys, symbols: Symbols, received: Floats) -> None:
    for row in range(rows.shape[0]):
        low, high = halves(keys[row])
        step = steps[row]
        if step == 0:
            symbols[row] = 0
            received[row] = 0
            continue
        for j in range(rows.shape[1]):
            u = dithered(hashed(j, low, high))
            q = np.rint(rows[row, j] / step + u)
            symbols[row, j] = symbols.dtype.type(np.int32(q))
            received[row, j] = (q - u) * step


def dither_encode(rows: Floats, steps: Floats, keys: Keys, symbols: Symbols) -> Floats:
    """Fill symbols [n, d]; the received rows [n, d]."""
    _dither_encode(rows, steps, keys, symbols, received := np.empty_like(rows))
    return received


@compiled
def _dither_decode(symbols: Symbols, steps: Floats, keys: Keys, received: Floats) -> None:
    for row in range(symbols.shape[0]):
        low, high = halves(keys[row])
        step = steps[row]
        for j in range(symbols.shape[1]):
            received[row, j] = (received.dtype.type(symbols[row, j]) - dithered(hashed(j, low, high))) * step


def dither_decode(symbols: Symbols, steps: Floats, keys: Keys) -> Floats:
    """Received rows [n, d]."""
    _dither_decode(symbols, steps, keys, received := np.empty(symbols.shape, steps.dtype))
    return received


@compiled
def _levels_encode(rows: Floats, norms: Floats, levels: np.floating[Any], keys: Keys, symbols: Symbols) -> None:
    for row in range(rows.shape[0]):
        low, high = halves(keys[row])
        norm = norms[row] if norms[row] > 0 else levels
        for j in range(rows.shape[1]):
            x = rows[row, j]
            ratio = abs(x) / norm * levels
            whole = np.floor(ratio)
            q = np.int32(whole) + np.int32(uniform(hashed(j, low, high)) < ratio - whole)
            symbols[row, j] = symbols.dtype.type(-q if x < 0 else q)


def levels_encode(rows: Floats, norms: Floats, levels: int, keys: Keys, symbols: Symbols) -> None:
    """Fill symbols [n, d]."""
    _levels_encode(rows, norms, rows.dtype.type(levels), keys, symbols)


@compiled
def _levels_decode(symbols: Symbols, norms: Floats, levels: np.floating[Any], received: Floats) -> None:
    for row in range(symbols.shape[0]):
        for j in range(symbols.shape[1]):
            received[row, j] = received.dtype.type(symbols[row, j]) / levels * norms[row]


def levels_decode(symbols: Symbols, norms: Floats, levels: int) -> Floats:
    """Received rows [n, d]."""
    received = np.empty(symbols.shape, norms.dtype)
    _levels_decode(symbols, norms, norms.dtype.type(levels), received)
    return received
