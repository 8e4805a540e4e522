"""Frequencies that sum to a power of two, and the coder's tables from them (see ``rans.py``).

A coder has one table, or 1, 2, 4 or 8 of them for sixteen contexts. Then context 15 - c mirrors context c
(``Operator.contexts``): the lower contexts share the tables evenly, and a symbol in an upper context is negated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.bits import code_bits
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, OTHERS, REACH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Words

_HALF = CONTEXTS // 2
_WHOLE = 32
CELL_BITS, ESCAPE_BITS = 3, 24
"""About what a cell of a table costs, and a symbol that is left to the escapes."""


def normalised(weights: Counts, precision: int) -> Counts:
    """Frequencies [T, 256] that sum to 2^precision a row, at least 1 where weights are; rows without weights on 0.

    Weights [T, 256] are at most 2^32; all arithmetic is in whole numbers, so that both ends find the same.
    """
    total = 1 << precision
    sums = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    frequencies = np.where(weights > 0, np.maximum((weights * total + sums // 2) // sums, 1), 0)
    for row in frequencies:
        while (excess := int(row.sum()) - total) != 0:
            most = int(row.argmax())
            # A frequency gives at most half of itself, so that none falls to zero.
            row[most] -= min(excess, max(int(row[most]) // 2, 1))
    return frequencies


def fitted(
    own: Counts, steps: int, precision: int, logarithms: Counts, powers: Counts
) -> tuple[int, int, Counts, Counts, int, int]:
    """The tables that make symbols and themselves shortest.

    Columns are ``width`` symbols from ``low`` on and, if some symbols are none of these, one for all others. Outer
    symbols are left to it where they would cost more in the tables.

    Args:
        own: int64 [R, 256], how often each cell occurs in each row; R is 1, or 8 that T = 1, 2, 4 or 8 tables share.
        steps: a grade is round(-steps log2(share)); ``precision * steps + 1`` for a share of zero.
        precision: bits of a frequency.
        logarithms: 2^20 log2 of 0 (as 0), 1, .., 2^14.
        powers: what a table gives to each grade but the last.

    Returns:
        low, width, grades [T, columns], frequencies [T, 256], Rice parameter of the grades, bits of their code.
    """
    total = own.sum(axis=0)[np.arange(-REACH, REACH + 1)]
    first = _cut(total)
    low, width = first - REACH, len(total) - _cut(total[first:][::-1]) - first
    cells = np.arange(low, low + width) % CELLS
    outer = own.sum(axis=1) - own[:, cells].sum(axis=1)
    finest = np.concatenate((own[:, cells], outer[:, None]), axis=1) if outer.any() else own[:, cells]
    if outer.any():
        cells = np.append(cells, OTHERS)
    groups = [group for group in (1, 2, 4, 8) if group <= len(own)]
    counted = np.concatenate([finest.reshape(group, len(own) // group, -1).sum(axis=1) for group in groups])
    starts = np.cumsum([0, *groups[:-1]])
    grades = _graded(counted, steps, precision, logarithms)
    weights = np.zeros((len(grades), CELLS), np.int64)
    weights[:, cells] = np.append(powers, 0)[grades]
    table = normalised(weights, precision)
    costs = (precision << 20) - logarithms[table[:, cells]]
    codes = code_bits(grades, starts, precision * steps + 1)
    bits = codes.min(axis=0)
    chosen = int(((bits << 20) + np.add.reduceat((counted * costs).sum(axis=1), starts)).argmin())
    rows = slice(starts[chosen], starts[chosen] + groups[chosen])
    return low, width, grades[rows], table[rows], int(codes[:, chosen].argmin()), int(bits[chosen])


def _cut(total: Counts) -> int:
    """How many cells to drop at the start, where they cost more than as escapes; one cell stays."""
    lost = np.concatenate(((0,), np.cumsum(total[:-1])))
    return int((np.arange(len(total)) * CELL_BITS - ESCAPE_BITS * lost).argmax())


def _graded(counted: Counts, steps: int, precision: int, logarithms: Counts) -> Counts:
    """Grades of counts [T, columns]."""
    below = _log2(counted.sum(axis=1, keepdims=True), logarithms) - _log2(counted, logarithms)
    grades = np.minimum((below * steps + (1 << 19)) >> 20, precision * steps)
    return np.where(counted > 0, grades, precision * steps + 1)


def _log2(numbers: Counts, logarithms: Counts) -> Counts:
    excess = np.maximum(np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 14, 0)
    found: Counts = logarithms[numbers >> excess] + (excess << 20)
    return found


def entries_of(table: Counts, precision: int, mirrored: bool) -> NDArray[np.uint64]:
    """The encoder's entries, uint64 [256, 16 or 1, 2], for every cell and context.

    Args:
        table: frequencies [T, 256] that sum to 2^precision; cells without one get the entry of the others' cell.
        precision: p.
        mirrored: whether there are sixteen contexts.
    """
    safe = np.maximum(table, 1)
    shift = np.maximum(np.frexp(safe - 1)[1].astype(np.int64), 1)
    reciprocal = (np.left_shift(1, shift + 31) + safe - 1) // safe
    bias = np.cumsum(table, axis=1) - table
    # A frequency of one would need a reciprocal of 2^32: x // 1 is x, so 2^32 - 1 and a larger bias give the same.
    single = safe == 1
    reciprocal[single] = 0xFFFFFFFF
    bias[single] += (1 << precision) - 1
    shift = np.where(single, 0, shift - 1) + _WHOLE
    first = safe << (31 - precision) | reciprocal << 32
    made = np.stack((first, bias | ((1 << precision) - safe) << 32 | shift << 48), axis=2)
    made = np.where((table == 0)[:, :, None], made[:, OTHERS : OTHERS + 1], made).view(np.uint64)
    return np.ascontiguousarray(_in_contexts(made, mirrored).swapaxes(0, 1))


def slots_of(table: Counts, precision: int, mirrored: bool) -> tuple[NDArray[np.int8], Words]:
    """The decoder's slots, int8 [16 or 1, 2^precision], and spans, uint32 [16 or 1, 256].

    A slot is a symbol; the span of a symbol's cell is its frequency times 2^16, plus its first slot.
    """
    tables = len(table)
    cells = np.repeat(np.tile(np.arange(CELLS), tables), table.reshape(-1)).astype(np.uint8).view(np.int8)
    slots = cells.reshape(tables, 1 << precision)
    spans = _in_contexts((table << 16 | np.cumsum(table, axis=1) - table).astype(np.uint32), mirrored)
    if mirrored:
        lower = np.repeat(slots, _HALF // tables, axis=0)
        slots = np.concatenate((lower, -lower[::-1]))
    return slots, np.ascontiguousarray(spans)


def _in_contexts(table: NDArray[np.generic], mirrored: bool) -> NDArray[np.generic]:
    """What each context has of tables [T, 256, ...]: [16 or 1, 256, ...]."""
    if not mirrored:
        return table
    lower = np.repeat(table, _HALF // len(table), axis=0)
    return np.concatenate((lower, lower[::-1, -np.arange(CELLS)]))
