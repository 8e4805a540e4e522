"""Compiled reductions over rows, in the portable module's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats, Unsigned


@compiled
def squares(rows: Floats) -> NDArray[np.float64]:
    """Sum of squares of every row, float64 [n]."""
    out, lanes = np.empty(rows.shape[0]), np.empty(64)
    for row in range(rows.shape[0]):
        x = rows[row]
        lanes[:] = 0.0
        whole = x.size // 64 * 64
        for i in range(x.size // 64):
            for j in range(64):
                v = np.float64(x[np.uintp(i * 64 + j)])
                lanes[j] += v * v
        for j in range(whole, x.size):
            lanes[j - whole] += np.float64(x[j]) * np.float64(x[j])
        width = 64
        while width > 1:
            width //= 2
            for j in range(width):
                lanes[j] += lanes[j + width]
        out[row] = lanes[0]
    return out


@compiled
def _peaks(bits: Unsigned, magnitude: np.unsignedinteger[Any], out: Unsigned) -> None:
    for row in range(bits.shape[0]):
        most = bits[row, 0] & magnitude
        for j in range(bits.shape[1]):
            most = max(most, bits[row, j] & magnitude)
        out[row] = most


def _peak_bits(rows: Floats) -> Unsigned:
    """The largest absolute value of each row as its bits, which are ordered as the values are."""
    word, sign = (np.uint32, 0x7FFFFFFF) if rows.dtype == np.float32 else (np.uint64, 0x7FFFFFFFFFFFFFFF)
    out: Unsigned = np.zeros(len(rows), word)
    if rows.size:
        _peaks(rows.view(word), word(sign), out)
    return out


def peaks(rows: Floats) -> NDArray[np.float64]:
    """Largest absolute value of every row, float64 [n]."""
    return _peak_bits(rows).view(rows.dtype).astype(np.float64)


def all_finite(rows: Floats) -> bool:
    """Whether no value [n, d] is NaN or infinite: neither is below infinity."""
    infinity = 0x7F800000 if rows.dtype == np.float32 else 0x7FF0000000000000
    return int(_peak_bits(rows).max(initial=0)) < infinity
