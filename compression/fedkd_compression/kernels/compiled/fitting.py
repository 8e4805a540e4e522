"""Tables of their own for few different symbols, compiled: what ``tables.fitted`` finds, in as many columns as occur.

Legend: ``own`` counts [8 or 1, 2 reach + 1] of the symbols -reach .. reach, as ``Survey.own`` has them; low the symbol
of the first column; first the column of the least symbol that is not negative, where cells begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.bits import code_bits
from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.portable.counts import REACH
from fedkd_compression.kernels.portable.tables import CELL_BITS, ESCAPE_BITS

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts

    Scale = tuple[int, int, Counts, Counts]
    Fit = tuple[int, int, int, int]


@compiled
def _cut(total: Counts, reach: int, last: int, sign: int) -> int:
    """The first symbol from one end on, towards ``last``, that is worth its cell; see ``tables``.

    ``sign`` is 1 upwards, -1 downwards; what lies beyond the symbols is only empty cells.
    """
    at = -reach * sign
    gain = np.int64(CELL_BITS) * min(REACH - reach, (last + REACH * sign) * sign)
    best, most = min(at * sign, last * sign) * sign, gain
    while (last - at) * sign > 0 and abs(at) <= reach:
        gain += CELL_BITS - ESCAPE_BITS * total[at + reach]
        at += sign
        if gain > most:
            best, most = at, gain
    if (last - at) * sign > 0 and gain + CELL_BITS * ((last - at) * sign) > most:
        best = last
    return best


@compiled
def _gather(own: Counts, reach: int, tables: int, low: int, width: int, out: Counts) -> int:
    """Counts [tables, width + 1] that tables would have, the last column all others; how many those are."""
    outer = 0
    out[:tables] = 0
    for row in range(own.shape[0]):
        for place in range(own.shape[1]):
            column = place - reach - low
            column = column if 0 <= column < width else width
            out[row * tables // own.shape[0], column] += own[row, place]
            outer += own[row, place] if column == width else 0
    return outer


@compiled
def _grade(counted: Counts, columns: int, scale: Scale, out: Counts) -> None:
    steps, precision, logarithms, _ = scale
    total = np.int64(0)
    for column in range(columns):
        total += counted[column]
    for column in range(columns):
        below = logarithms[total] - logarithms[counted[column]]
        out[column] = precision * steps + 1
        if counted[column] > 0:
            out[column] = min((below * steps + (1 << 19)) >> 20, np.int64(precision * steps))


@compiled
def _largest(values: Counts, columns: int, first: int) -> int:
    """The column of the largest value; of equal ones the first in the order of cells, negative symbols last."""
    most = first if first < columns else 0
    for column in range(first, columns):
        most = column if values[column] > values[most] else most
    for column in range(first):
        most = column if values[column] > values[most] else most
    return most


@compiled
def _spend(grades: Counts, columns: int, first: int, counted: Counts, scale: Scale, out: Counts) -> np.int64:
    """Into ``out`` the frequencies that grades stand for; the cost of symbols under them."""
    _, precision, logarithms, powers = scale
    total, whole, cost = np.int64(1) << precision, np.int64(0), np.int64(0)
    for column in range(columns):
        whole += powers[grades[column]] if grades[column] < powers.size else 0
    excess = -total
    for column in range(columns):
        weight = powers[grades[column]] if grades[column] < powers.size else np.int64(0)
        out[column] = max((weight * total + whole // 2) // max(whole, np.int64(1)), np.int64(1)) if weight > 0 else 0
        excess += out[column]
    while excess != 0:
        most = _largest(out, columns, first)
        moved = min(excess, max(out[most] // 2, np.int64(1)))
        out[most] -= moved
        excess -= moved
    for column in range(columns):
        cost += counted[column] * ((np.int64(precision) << 20) - logarithms[out[column]])
    return cost


@compiled
def window(own: Counts, reach: int) -> tuple[int, int]:
    """First symbol and number of the symbols that have cells."""
    total = np.zeros(own.shape[1], np.int64)
    for row in range(own.shape[0]):
        for place in range(own.shape[1]):
            total[place] += own[row, place]
    low = _cut(total, reach, REACH, 1)
    return low, _cut(total, reach, low, -1) + 1 - low


@compiled
def fit(own: Counts, reach: int, low: int, width: int, scale: Scale, best: Counts) -> Fit:
    """Into ``best`` the tables that make symbols and themselves shortest; their number, columns, bytes and cost.

    ``best`` is [8 or 1, width + 1]; fewer than 2^14 symbols.
    """
    rows, first = own.shape[0], min(max(-low, 0), width)
    counted, grades = np.empty((rows, width + 1), np.int64), np.empty((rows, width + 1), np.int64)
    trial = np.empty((rows, width + 1), np.int64)
    found, least, size, best_cost, columns = 0, np.int64(0), 0, np.int64(0), width
    for power in range(4):
        tables = 1 << power
        if tables > rows:
            break
        columns, cost = width + (1 if _gather(own, reach, tables, low, width, counted) else 0), np.int64(0)
        for row in range(tables):
            _grade(counted[row], columns, scale, grades[row])
            cost += _spend(grades[row], columns, first, counted[row], scale, trial[row])
        k, bits = code_bits(grades, tables, columns, scale[1] * scale[0] + 1)
        if found == 0 or cost + (bits << 20) < least:
            found, least, best_cost = tables, cost + (bits << 20), cost
            size = (tables * columns * k + 7) // 8 + (bits - tables * columns * k + 7) // 8
            best[:tables, :columns] = trial[:tables, :columns]
    return found, columns, size, int(best_cost)
