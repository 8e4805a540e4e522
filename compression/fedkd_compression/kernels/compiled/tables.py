"""The coder's tables, compiled; see the portable module for their layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Rules, Words


@compiled
def _fill(entry: Words, frequency: int, start: int, precision: int) -> None:
    total = 1 << precision
    entry[0] = frequency << (31 - precision)
    if frequency == 1:
        entry[1], entry[2], entry[3] = 0xFFFFFFFF, start + total - 1, total - 1
        return
    shift = 1
    while 1 << shift < frequency:
        shift += 1
    entry[1] = ((1 << (shift + 31)) + frequency - 1) // frequency
    entry[2], entry[3] = start, (shift - 1) << 16 | (total - frequency)


@compiled
def _entries(table: Counts, precision: int, rules: Rules, width: int, reach: int, out: Words) -> None:
    for context in range(out.shape[0]):
        sign, offset, row = rules[context, 0], rules[context, 1], rules[context, 2]
        if table.shape[1] > width:
            last = table[row, width]
            for cell in range(out.shape[1]):
                _fill(out[context, cell], max(last, 1), (1 << precision) - last, precision)
        start = 0
        for cell in range(width):
            _fill(out[context, cell * sign + offset + reach], max(table[row, cell], 1), start, precision)
            start += table[row, cell]


def entries_of(table: Counts, precision: int, rules: Rules, width: int) -> Words:
    """The encoder's entry of every context and cell."""
    _entries(table, precision, rules, width, REACH, out := np.zeros((CONTEXTS, CELLS, 4), np.uint32))
    return out


@compiled
def _slots(table: Counts, out: Words) -> None:
    for row in range(table.shape[0]):
        at = 0
        for cell in range(table.shape[1]):
            frequency = table[row, cell]
            for offset in range(frequency):
                out[row, at] = cell << 24 | (frequency - 1) << 12 | offset
                at += 1


def slots_of(table: Counts, precision: int) -> Words:
    """The decoder's slots."""
    _slots(table, out := np.empty((len(table), 1 << precision), np.uint32))
    return out
