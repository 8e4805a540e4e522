"""Quantise, restore and count many small rows in one call: kernels of ``rounding`` and ``lengths``, one after another.

For rows of one chunk in float64, whose calls would otherwise take longer than their work. A batch that needs care
(scales near the end of the range, values that are not finite, symbols of more than an octet) is left to those kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.compiled.lengths import _lengths
from fedkd_compression.kernels.compiled.rounding import _dither_encode, _levels_decode, _levels_encode
from fedkd_compression.kernels.compiled.streams import _bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Keys
    from fedkd_compression.kernels.compiled.lengths import Known, Narrow

    Reals = NDArray[np.float64]
    Found = tuple[Narrow, Reals, Counts]

LARGEST = 1e150
"""Scales beyond which received rows may overflow."""
NARROW = 126.0


@compiled
def _levels(
    rows: Reals,
    norms: Reals,
    levels: np.float64,
    keys: Keys,
    known: Known,
    symbols: Narrow,
    received: Reals,
    bytes_: Counts,
) -> bool:
    count, dim = rows.shape
    contexts = np.empty(rows.shape, np.uint8)
    for row in range(count):
        if not norms[row] < LARGEST:
            return False
    _levels_encode(0, count, 1, rows, norms, levels, keys, symbols)
    _levels_decode(0, count, 1, symbols, norms, levels, received)
    _bins(0, count, 1, keys, contexts)
    for row in range(count):
        for j in range(dim):
            contexts[row, j] >>= 1
    _lengths(0, count, symbols, contexts, known, bytes_)
    return True


@compiled
def _dither(
    rows: Reals, steps: Reals, keys: Keys, known: Known, symbols: Narrow, received: Reals, bytes_: Counts
) -> bool:
    count, dim = rows.shape
    contexts = np.empty(rows.shape, np.uint8)
    for row in range(count):
        if not steps[row] < LARGEST:
            return False
        for j in range(dim):
            if not abs(rows[row, j]) <= steps[row] * NARROW:
                return False
    _dither_encode(0, count, 1, rows, steps, keys, symbols, received)
    _bins(0, count, 1, keys, contexts)
    _lengths(0, count, symbols, contexts, known, bytes_)
    return True


def levels(rows: Reals, norms: Reals, levels: int, keys: Keys, known: Known) -> Found | None:
    """Symbols, received rows and bytes of the symbols' code, for QSGD with these norms; None: needs care."""
    out = np.empty(rows.shape, np.int8), np.empty_like(rows), np.empty(len(rows), np.int64)
    return out if _levels(rows, norms, np.float64(levels), keys, known, *out) and out[2].min() >= 0 else None


def dither(rows: Reals, steps: Reals, keys: Keys, known: Known) -> Found | None:
    """The same for subtractive dither with these spacings."""
    out = np.empty(rows.shape, np.int8), np.empty_like(rows), np.empty(len(rows), np.int64)
    return out if _dither(rows, steps, keys, known, *out) and out[2].min() >= 0 else None
