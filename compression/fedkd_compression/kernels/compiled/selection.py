"""Compiled selection: the threshold from histograms of the leading bits, then one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Unsigned


word = np.uintp


@compiled
def _threshold(magnitudes: Unsigned, count: int, bits: int) -> tuple[np.uint64, int]:
    """The smallest kept magnitude, and how many of those equal to it are kept: 11 bits at a time from the top."""
    prefix, left, shift = np.uint64(0), count, bits
    while shift > 0:
        width = min(11, shift)
        shift -= width
        cells = np.zeros(1 << width, np.int64)
        for value in magnitudes:
            wide = np.uint64(value) >> np.uint64(shift)
            if wide >> np.uint64(width) == prefix:
                cells[word(wide & np.uint64((1 << width) - 1))] += 1
        cell = (1 << width) - 1
        while cells[cell] < left:
            left -= cells[cell]
            cell -= 1
        prefix = prefix << np.uint64(width) | np.uint64(cell)
    return prefix, left


@compiled
def _collect(magnitudes: Unsigned, threshold: np.uint64, level: int, out: Counts) -> None:
    found = 0
    for i in range(magnitudes.size):
        value = np.uint64(magnitudes[i])
        if value > threshold or (value == threshold and level > 0):
            level -= value == threshold
            out[found] = i
            found += 1


def largest(magnitudes: Unsigned, count: int) -> Counts:
    """Increasing positions of the ``count`` largest, int64 [count]."""
    out = np.arange(count, dtype=np.int64)
    if 0 < count < len(magnitudes):
        threshold, level = _threshold(magnitudes, count, 8 * magnitudes.itemsize)
        _collect(magnitudes, threshold, level, out)
    return out
