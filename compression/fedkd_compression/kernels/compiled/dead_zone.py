"""The compiled uniform quantiser with a dead zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.compiled.chunks import TILE, chunk_of, over_chunks
from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.compiled.reductions import LANES, chunks_of, folded, folded_rows
from fedkd_compression.kernels.compiled.rounding import narrowed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Floats, Symbols


@compiled
def _rounded(
    x: Floats, step: np.floating[Any], shift: np.floating[Any], sizes: Floats, wide: NDArray[np.int32]
) -> None:
    for j in range(x.size):
        sizes[j] = abs(x[j]) / step
        wide[j] = np.int32(np.copysign(np.floor(sizes[j] + shift), x[j]))


@compiled
def _rests(
    sizes: Floats, wide: NDArray[np.int32], most: int, cells: NDArray[np.int32], rests: NDArray[np.float64]
) -> None:
    for j in range(cells.size):
        q = np.int32(abs(wide[j]))
        rests[j] = np.float64(sizes[j]) - np.float64(q)
        cells[j] = min(q, np.int32(most))


@compiled
def _gather(cells: NDArray[np.int32], rests: NDArray[np.float64], cell: np.int32, lane: NDArray[np.float64]) -> int:
    """Add the rests of a cell to its lanes; how many they are."""
    found = np.int32(0)
    for j in range(cells.size):
        found = np.int32(found + np.int32(cells[j] == cell))
    whole = cells.size // LANES * LANES
    for left in range(0, whole, LANES):
        one, rest = cells[left : left + LANES], rests[left : left + LANES]
        for j in range(LANES):
            lane[j] += rest[j] if one[j] == cell else 0.0
    one, rest = cells[whole:], rests[whole:]
    for j in range(one.size):
        lane[j] += rest[j] if one[j] == cell else 0.0
    return int(found)


@compiled
def _encode(
    first: int,
    last: int,
    chunks: int,
    rows: Floats,
    steps: Floats,
    shift: np.floating[Any],
    symbols: Symbols,
    sums: NDArray[np.float64],
    hits: Counts,
) -> None:
    most = sums.shape[1]
    sizes, rests, lanes = np.empty(TILE, rows.dtype), np.empty(TILE), np.empty((most, LANES))
    wide, cells = np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, rows.shape[1])
        if steps[row] == 0:
            symbols[row, start:stop] = 0
            continue
        lanes[:] = 0.0
        for left in range(start, stop, TILE):
            right = min(stop, left + TILE)
            _rounded(rows[row, left:right], steps[row], shift, sizes, wide)
            narrowed(wide, symbols[row, left:right])
            _rests(sizes, wide, most, cells[: right - left], rests)
            for cell in range(most):
                found = _gather(cells[: right - left], rests, np.int32(cell + 1), lanes[cell])
                hits[row, item - row * chunks, cell] += found
        for cell in range(most):
            sums[row, cell, item - row * chunks] = folded(lanes[cell])


def dead_zone_encode(
    rows: Floats, steps: Floats, threshold: float, cells: int, symbols: Symbols
) -> NDArray[np.float64]:
    """Fill symbols [n, d]; the cells' means [n, cells]."""
    count, dim = rows.shape
    flat = chunks_of(count * cells, dim)
    sums = flat.reshape(count, cells, flat.shape[1])
    hits = np.zeros((count, flat.shape[1], cells), np.int64)
    over_chunks(_encode, count, dim, rows, steps, rows.dtype.type(1 - threshold), symbols, sums, hits)
    means: NDArray[np.float64] = folded_rows(flat).reshape(count, cells) / np.maximum(hits.sum(axis=1), 1)
    return means


@compiled
def _shifted(symbols: Symbols, shifts: Floats, cells: NDArray[np.int32], sizes: Floats) -> None:
    """|q| plus the shift of its cell; one pass a cell is faster than a look-up a symbol."""
    most, least = np.int32(shifts.size - 1), np.int32(1 - shifts.size)
    for j in range(symbols.size):
        q = np.int32(symbols[j])
        sizes[j] = abs(sizes.dtype.type(q))
        cells[j] = np.int32(abs(min(max(q, least), most)))
    for cell in range(1, shifts.size):
        shift, chosen = shifts[cell], np.int32(cell)
        for j in range(symbols.size):
            sizes[j] += shift if cells[j] == chosen else sizes.dtype.type(0)


@compiled
def _decode(
    first: int, last: int, chunks: int, symbols: Symbols, steps: Floats, shifts: Floats, received: Floats
) -> None:
    cells, sizes = np.empty(TILE, np.int32), np.empty(TILE, received.dtype)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, symbols.shape[1])
        step = steps[row]
        for left in range(start, stop, TILE):
            q, out = symbols[row, left : min(stop, left + TILE)], received[row, left : min(stop, left + TILE)]
            _shifted(q, shifts[row], cells, sizes)
            for j in range(out.size):
                value = sizes[j] * step
                out[j] = -value if q[j] < 0 else value


def dead_zone_decode(symbols: Symbols, steps: Floats, offsets: Floats) -> Floats:
    """Received rows [n, d]."""
    shifts = np.zeros((len(steps), offsets.shape[1] + 1), steps.dtype)
    shifts[:, 1:] = offsets
    received = np.empty(symbols.shape, steps.dtype)
    over_chunks(_decode, *symbols.shape, symbols, steps, shifts, received)
    return received
