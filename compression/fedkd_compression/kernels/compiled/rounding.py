"""Compiled quantisers.

A tile of a row passes through short loops, each of which vectorises: hash into a buffer, round into int32, narrow. One
loop for all of it is slower by half: its chain of operations is longer than a processor looks ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.compiled.chunks import TILE, chunk_of, over_chunks
from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.compiled.streams import dithered, fill, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats, Keys, Symbols, Words


@compiled
def narrowed(wide: NDArray[np.int32], symbols: Symbols) -> None:
    """Values that fit, as symbols; clamping lets the compiler use instructions that pack with saturation."""
    limits = np.iinfo(symbols.dtype)
    for j in range(symbols.size):
        symbols[j] = symbols.dtype.type(min(max(wide[j], np.int32(limits.min)), np.int32(limits.max)))


@compiled
def _rounded_received(
    x: Floats, step: np.floating[Any], drawn: Words, wide: NDArray[np.int32], received: Floats
) -> None:
    for j in range(x.size):
        u = dithered(drawn[j])
        q = np.rint(x[j] / step + u)
        wide[j] = np.int32(q)
        received[j] = (q - u) * step


@compiled
def _restored(symbols: Symbols, step: np.floating[Any], drawn: Words, received: Floats) -> None:
    for j in range(received.size):
        received[j] = (received.dtype.type(symbols[j]) - dithered(drawn[j])) * step


@compiled
def _dither_encode(
    first: int, last: int, chunks: int, rows: Floats, steps: Floats, keys: Keys, symbols: Symbols, received: Floats
) -> None:
    drawn, wide = np.empty(TILE, np.uint32), np.empty(TILE, np.int32)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, rows.shape[1])
        for left in range(start, stop, TILE):
            right = min(stop, left + TILE)
            q, restored = symbols[row, left:right], received[row, left:right]
            fill(drawn[: right - left], keys[row], left)
            if steps[row] == 0:
                q[:] = 0
                _restored(q, steps[row], drawn, restored)
            else:
                _rounded_received(rows[row, left:right], steps[row], drawn, wide, restored)
                narrowed(wide, q)


@compiled
def _dither_decode(
    first: int, last: int, chunks: int, symbols: Symbols, steps: Floats, keys: Keys, received: Floats
) -> None:
    drawn = np.empty(TILE, np.uint32)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, symbols.shape[1])
        for left in range(start, stop, TILE):
            right = min(stop, left + TILE)
            fill(drawn[: right - left], keys[row], left)
            _restored(symbols[row, left:right], steps[row], drawn, received[row, left:right])


@compiled
def _levelled(
    x: Floats, norm: np.floating[Any], levels: np.floating[Any], drawn: Words, wide: NDArray[np.int32]
) -> None:
    for j in range(x.size):
        ratio = abs(x[j]) / norm * levels
        whole = np.floor(ratio)
        q = np.int32(whole) + np.int32(uniform(drawn[j]) < ratio - whole)
        wide[j] = -q if x[j] < 0 else q


@compiled
def _levels_encode(
    first: int,
    last: int,
    chunks: int,
    rows: Floats,
    norms: Floats,
    levels: np.floating[Any],
    keys: Keys,
    symbols: Symbols,
) -> None:
    drawn, wide = np.empty(TILE, np.uint32), np.empty(TILE, np.int32)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, rows.shape[1])
        norm = norms[row] if norms[row] > 0 else levels
        for left in range(start, stop, TILE):
            right = min(stop, left + TILE)
            fill(drawn[: right - left], keys[row], left)
            _levelled(rows[row, left:right], norm, levels, drawn, wide)
            narrowed(wide, symbols[row, left:right])


@compiled
def _levels_decode(
    first: int,
    last: int,
    chunks: int,
    symbols: Symbols,
    norms: Floats,
    levels: np.floating[Any],
    received: Floats,
) -> None:
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, symbols.shape[1])
        norm = norms[row]
        for j in range(start, stop):
            received[row, j] = received.dtype.type(symbols[row, j]) / levels * norm


def dither_encode(rows: Floats, steps: Floats, keys: Keys, symbols: Symbols) -> Floats:
    """Fill symbols [n, d]; the received rows [n, d]."""
    over_chunks(_dither_encode, *rows.shape, rows, steps, keys, symbols, received := np.empty(rows.shape, rows.dtype))
    return received


def dither_decode(symbols: Symbols, steps: Floats, keys: Keys) -> Floats:
    """Received rows [n, d]."""
    received = np.empty(symbols.shape, steps.dtype)
    over_chunks(_dither_decode, *symbols.shape, symbols, steps, keys, received)
    return received


def levels_encode(rows: Floats, norms: Floats, levels: int, keys: Keys, symbols: Symbols) -> None:
    """Fill symbols [n, d]."""
    over_chunks(_levels_encode, *rows.shape, rows, norms, rows.dtype.type(levels), keys, symbols)


def levels_decode(symbols: Symbols, norms: Floats, levels: int) -> Floats:
    """Received rows [n, d]."""
    received = np.empty(symbols.shape, norms.dtype)
    over_chunks(_levels_decode, *symbols.shape, symbols, norms, norms.dtype.type(levels), received)
    return received
