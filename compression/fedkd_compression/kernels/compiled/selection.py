"""Compiled selection: a bound from a sample, then exactly among the few values that reach it."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.chunks import CHUNK, TILE, chunk_of, over_chunks
from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Unsigned

_SAMPLE = 8192


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
                cells[np.uintp(wide & np.uint64((1 << width) - 1))] += 1
        cell = (1 << width) - 1
        while cells[cell] < left:
            left -= cells[cell]
            cell -= 1
        prefix = prefix << np.uint64(width) | np.uint64(cell)
    return prefix, left


@compiled
def _collect(magnitudes: Unsigned, threshold: np.uint64, level: int, out: Counts) -> None:
    """Places of the values above the threshold, and of the first ``level`` equal to it; ``out`` has one place more."""
    found = 0
    for i in range(magnitudes.size):
        value = np.uint64(magnitudes[i])
        equal = int(value == threshold) & int(level > 0)
        out[found] = i
        found += int(value > threshold) | equal
        level -= equal


def _exactly(magnitudes: Unsigned, count: int) -> Counts:
    threshold, level = _threshold(magnitudes, count, 8 * magnitudes.itemsize)
    _collect(magnitudes, threshold, level, out := np.empty(count + 1, np.int64))
    return out[:count]


@compiled
def _reaching(first: int, last: int, chunks: int, rows: Unsigned, bound: Unsigned, counts: Counts) -> None:
    """How many values of each chunk reach the bound."""
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, rows.shape[1])
        part, least, found = rows[row, start:stop], bound[0], np.int32(0)
        for j in range(part.size):
            found = np.int32(found + np.int32(part[j] >= least))
        counts[item] = found


@compiled
def _places(
    first: int, last: int, chunks: int, rows: Unsigned, bound: Unsigned, offsets: Counts, places: Counts
) -> None:
    """Where they are; eight marks at a time are seen to be zero, as most are."""
    marks, here = np.zeros(TILE, np.uint8), np.empty(TILE + 1, np.int64)
    eights = marks.view(np.uint64)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, rows.shape[1])
        least, end = bound[0], offsets[item]
        for left in range(start, stop, TILE):
            part = rows[row, left : min(stop, left + TILE)]
            marks[part.size :] = 0
            for j in range(part.size):
                marks[j] = np.uint8(part[j] >= least)
            found = 0
            for i in range(eights.size):
                if eights[i] != 0:
                    for j in range(8 * i, 8 * i + 8):
                        here[found] = left + j
                        found += marks[j]
            for i in range(found):
                places[end + i] = here[i]
            end += found


def _bound(magnitudes: Unsigned, count: int) -> Unsigned:
    """A value that somewhat more than ``count`` values reach, very likely; at least 1, so that zeros never do."""
    # An odd stride meets all columns of matrices whose widths are powers of two.
    sample = np.ascontiguousarray(magnitudes[:: len(magnitudes) // _SAMPLE | 1])
    expected = count * len(sample) / len(magnitudes)
    rank = min(len(sample), int(expected + 6 * sqrt(expected) + 8))
    threshold, _ = _threshold(sample, rank, 8 * sample.itemsize)
    bound: Unsigned = np.array([max(threshold, 1)], magnitudes.dtype)
    return bound


def largest(magnitudes: Unsigned, count: int) -> Counts:
    """Increasing positions of the ``count`` largest, int64 [count]."""
    dim = len(magnitudes)
    if count in (0, dim):
        return np.arange(count, dtype=np.int64)
    if dim < 4 * _SAMPLE:
        return _exactly(magnitudes, count)
    rows, bound = magnitudes[np.newaxis], _bound(magnitudes, count)
    over_chunks(_reaching, 1, dim, rows, bound, counts := np.empty(-(-dim // CHUNK), np.int64))
    ends = np.cumsum(counts)
    if ends[-1] < count and bound[0] > 1:
        return _exactly(magnitudes, count)
    places: NDArray[np.int64] = np.empty(ends[-1], np.int64)
    over_chunks(_places, 1, dim, rows, bound, ends - counts, places)
    if ends[-1] >= count:
        chosen: Counts = places[_exactly(magnitudes[places], count)]
        return chosen
    # Of the first ``count`` values at most ends[-1] are not 0.
    zeros = np.flatnonzero(magnitudes[:count] == 0)[: count - ends[-1]]
    return np.sort(np.concatenate((places, zeros)))
