"""Compiled reductions over rows, in the portable module's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.compiled.chunks import CHUNK, chunk_of, over_chunks
from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats, Unsigned

LANES = 64


@compiled
def folded(sums: NDArray[np.float64]) -> float:
    """A power of two of sums, folded in halves in place."""
    width = sums.size
    while width > 1:
        width //= 2
        for j in range(width):
            sums[j] += sums[j + width]
    total: float = sums[0]
    return total


@compiled
def _products(x: Floats, y: Floats, lanes: NDArray[np.float64]) -> None:
    whole = x.size // LANES * LANES
    for left in range(0, whole, LANES):
        one, other = x[left : left + LANES], y[left : left + LANES]
        for j in range(LANES):
            lanes[j] += np.float64(one[j]) * np.float64(other[j])
    one, other = x[whole:], y[whole:]
    for j in range(one.size):
        lanes[j] += np.float64(one[j]) * np.float64(other[j])


@compiled
def _dots(first: int, last: int, chunks: int, a: Floats, b: Floats, sums: NDArray[np.float64]) -> None:
    lanes = np.empty(LANES)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, a.shape[1])
        lanes[:] = 0.0
        _products(a[row, start:stop], b[row, start:stop], lanes)
        sums[row, item - row * chunks] = folded(lanes)


@compiled
def _squares(first: int, last: int, chunks: int, rows: Floats, sums: NDArray[np.float64]) -> None:
    lanes = np.empty(LANES)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, rows.shape[1])
        x = rows[row, start:stop]
        lanes[:] = 0.0
        _products(x, x, lanes)
        sums[row, item - row * chunks] = folded(lanes)


@compiled
def _folded_rows(sums: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for row in range(out.size):
        out[row] = folded(sums[row])


def chunks_of(count: int, dim: int) -> NDArray[np.float64]:
    """Zeros for a sum of each chunk, up to a power of two: [n, chunks]."""
    return np.zeros((count, 1 << max(-(-dim // CHUNK) - 1, 0).bit_length()))


def folded_rows(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of chunks of every row, folded: float64 [n]."""
    if sums.shape[1] == 1:
        return sums[:, 0]
    _folded_rows(sums, out := np.empty(len(sums)))
    return out


def dots(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Sum of products of every pair of rows, float64 [n]."""
    over_chunks(_dots, *a.shape, a, b, sums := chunks_of(*a.shape))
    return folded_rows(sums)


def squares(rows: Floats) -> NDArray[np.float64]:
    """Sum of squares of every row, float64 [n]."""
    over_chunks(_squares, *rows.shape, rows, sums := chunks_of(*rows.shape))
    return folded_rows(sums)


@compiled
def peak(bits: Unsigned) -> np.unsignedinteger[Any]:
    """The largest absolute value of floats, as its bits, which are ordered as the values are."""
    word = bits.dtype.type
    magnitude, most = word(word(~word(0)) >> word(1)), word(0)
    # By index, compared and narrowed to the words' own type at each step: only so do vector instructions come of it.
    for j in range(bits.size):
        value = word(bits[j] & magnitude)
        most = value if value > most else most
    return most


@compiled
def _peaks(first: int, last: int, chunks: int, bits: Unsigned, out: Unsigned) -> None:
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, bits.shape[1])
        out[row, item - row * chunks] = peak(bits[row, start:stop])


def _peak_bits(rows: Floats) -> Unsigned:
    """The largest absolute value of each row as its bits."""
    word = np.uint32 if rows.dtype == np.float32 else np.uint64
    out: Unsigned = np.zeros((len(rows), -(-rows.shape[1] // CHUNK)), word)
    over_chunks(_peaks, *rows.shape, rows.view(word), out)
    most: Unsigned = out.max(axis=1, initial=0)
    return most


def peaks(rows: Floats) -> NDArray[np.float64]:
    """Largest absolute value of every row, float64 [n]."""
    return _peak_bits(rows).view(rows.dtype).astype(np.float64)


def all_finite(rows: Floats) -> bool:
    """Whether no value [n, d] is NaN or infinite: neither is below infinity."""
    infinity = 0x7F800000 if rows.dtype == np.float32 else 0x7FF0000000000000
    return int(_peak_bits(rows).max(initial=0)) < infinity
