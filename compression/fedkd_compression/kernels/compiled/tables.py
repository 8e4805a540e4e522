"""Frequencies and the coder's tables, compiled; see the portable module for their layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.bits import code_bits
from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, REACH
from fedkd_compression.kernels.portable.tables import CELL_BITS, ESCAPE_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Words

    Scale = tuple[int, int, Counts, Counts]

u8, u32, u64 = np.uint8, np.uint32, np.uint64


@compiled
def _normalise_row(weights: Counts, total: int, out: Counts) -> None:
    whole, excess = 0, -total
    for cell in range(256):
        whole += weights[cell]
    for cell in range(256):
        weight = weights[cell]
        out[cell] = max((weight * total + whole // 2) // max(whole, 1), 1) if weight > 0 else 0
        excess += out[cell]
    while excess != 0:
        most = 0
        for cell in range(256):
            most = cell if out[cell] > out[most] else most
        moved = min(excess, max(out[most] // 2, 1))
        out[most] -= moved
        excess -= moved


@compiled
def _normalise(weights: Counts, total: int, out: Counts) -> None:
    for row in range(weights.shape[0]):
        _normalise_row(weights[row], total, out[row])


def normalised(weights: Counts, precision: int) -> Counts:
    """Frequencies that sum to 2^precision a row."""
    _normalise(weights, 1 << precision, out := np.empty(weights.shape, np.int64))
    return out


@compiled
def _log2(number: np.int64, logarithms: Counts) -> np.int64:
    excess = 0
    while number >> excess >= 1 << 14:
        excess += 1
    found: np.int64 = logarithms[number >> excess]
    return found + (excess << 20)


@compiled
def _grade(counted: Counts, columns: int, scale: Scale, out: Counts) -> None:
    steps, precision, logarithms, _ = scale
    total = 0
    for column in range(columns):
        total += counted[column]
    for column in range(columns):
        below = _log2(np.int64(total), logarithms) - _log2(counted[column], logarithms)
        out[column] = precision * steps + 1
        if counted[column] > 0:
            out[column] = min((below * steps + (1 << 19)) >> 20, np.int64(precision * steps))


@compiled
def _gather(own: Counts, tables: int, low: int, width: int, out: Counts) -> int:
    """Counts [tables, width + 1] that tables would have, the last column all others; how many those are."""
    outer = 0
    for table in range(tables):
        for column in range(width + 1):
            out[table, column] = 0
    for row in range(own.shape[0]):
        for cell in range(256):
            column = (cell - low) % 256
            column = width if cell == 128 or column >= width else column
            out[row * tables // own.shape[0], column] += own[row, cell]
            outer += own[row, cell] if column == width else 0
    return outer


@compiled
def _spend(grades: Counts, columns: int, counted: Counts, low: int, scale: Scale, table: Counts) -> int:
    """Into ``table`` the frequencies that grades stand for; the cost of symbols under them."""
    _, precision, logarithms, powers = scale
    weights, cost, width = np.zeros(256, np.int64), 0, grades.size - 1
    for column in range(columns):
        cell = (low + column) % 256 if column < width else 128
        weights[cell] = powers[grades[column]] if grades[column] < powers.size else 0
    _normalise_row(weights, 1 << precision, table)
    for column in range(columns):
        frequency = table[(low + column) % 256 if column < width else 128]
        cost += counted[column] * ((precision << 20) - logarithms[frequency])
    return cost


@compiled
def _keep(tables: int, table: Counts, grades: Counts, best_table: Counts, best_grades: Counts) -> None:
    for row in range(tables):
        for cell in range(256):
            best_table[row, cell] = table[row, cell]
        for column in range(grades.shape[1]):
            best_grades[row, column] = grades[row, column]


@compiled
def _fit(
    own: Counts, low: int, width: int, scale: Scale, best_table: Counts, best_grades: Counts
) -> tuple[int, int, int, int]:
    """The best tables and their grades; their number, columns and code."""
    counted, grades = np.zeros((own.shape[0], width + 1), np.int64), np.zeros((own.shape[0], width + 1), np.int64)
    trial, found, least, best_k, best_bits, columns = np.zeros((own.shape[0], 256), np.int64), 0, 0, 0, 0, width
    for power in range(4):
        tables = 1 << power
        if tables > own.shape[0]:
            break
        columns, cost = width + (1 if _gather(own, tables, low, width, counted) else 0), 0
        for row in range(tables):
            _grade(counted[row], columns, scale, grades[row])
            cost += _spend(grades[row], columns, counted[row], low, scale, trial[row])
        k, bits = code_bits(grades, tables, columns, scale[1] * scale[0] + 1)
        cost += bits << 20
        if found == 0 or cost < least:
            found, least, best_k, best_bits = tables, cost, k, bits
            _keep(tables, trial, grades, best_table, best_grades)
    return found, columns, best_k, best_bits


@compiled
def _cut(own: Counts, low: int, high: int, step: int) -> int:
    """The first symbol from ``low`` on that is worth its cell: what the cells before it would cost, less escapes."""
    at, best, gain, most = low, low, 0, 0
    while at != high:
        gain += CELL_BITS
        for row in range(own.shape[0]):
            gain -= ESCAPE_BITS * own[row, at % 256]
        at += step
        if gain > most:
            best, most = at, gain
    return best


def fitted(
    own: Counts, steps: int, precision: int, logarithms: Counts, powers: Counts
) -> tuple[int, int, Counts, Counts, int, int]:
    """The tables that make symbols and themselves shortest: first symbol, width, grades, frequencies, code."""
    low = int(_cut(own, -REACH, REACH, 1))
    width = int(_cut(own, REACH, low, -1)) + 1 - low
    table, grades = np.empty(own.shape, np.int64), np.empty((len(own), width + 1), np.int64)
    tables, columns, k, bits = _fit(own, low, width, (steps, precision, logarithms, powers), table, grades)
    return low, width, np.ascontiguousarray(grades[:tables, :columns]), table[:tables], int(k), int(bits)


@compiled
def _entry(frequency: np.int64, start: np.int64, precision: int) -> tuple[np.uint64, np.uint64]:
    total = 1 << precision
    shift, reciprocal, bias = 0, np.int64(0xFFFFFFFF), start + np.int64(total - 1)
    if frequency > 1:
        while 2 << shift < frequency:
            shift += 1
        reciprocal, bias = ((1 << (shift + 32)) + frequency - 1) // frequency, start
    first = u64(frequency << (31 - precision)) | u64(reciprocal) << u64(32)
    return first, u64(bias) | u64(total - frequency) << u64(32) | u64(shift + 32) << u64(48)


@compiled
def _entries(table: Counts, precision: int, out: NDArray[np.uint64]) -> None:
    contexts = out.shape[1]
    for context in range(contexts):
        upper = context >= 8
        row = (15 - context if upper else context) * table.shape[0] // 8 if contexts > 1 else 0
        below, start = np.int64(0), np.int64(0)
        for cell in range(128):
            below += table[row, cell]
        others = _entry(max(table[row, 128], np.int64(1)), below, precision)
        for cell in range(256):
            place = u8(-cell) if upper else u8(cell)
            out[place, context, 0], out[place, context, 1] = others
            if table[row, cell] > 0:
                out[place, context, 0], out[place, context, 1] = _entry(table[row, cell], start, precision)
                start += table[row, cell]


def entries_of(table: Counts, precision: int, mirrored: bool) -> NDArray[np.uint64]:
    """The encoder's entries for every cell and context."""
    _entries(table, precision, out := np.empty((CELLS, CONTEXTS if mirrored else 1, 2), np.uint64))
    return out


@compiled
def _slots(table: Counts, slots: NDArray[np.int8], spans: Words) -> None:
    contexts = slots.shape[0]
    for context in range(contexts):
        upper = context >= 8
        row = (15 - context if upper else context) * table.shape[0] // 8 if contexts > 1 else 0
        at = 0
        for cell in range(256):
            place = u8(-cell) if upper else u8(cell)
            spans[context, place] = table[row, cell] << 16 | at
            for slot in range(at, at + table[row, cell]):
                slots[context, slot] = np.int8(place)
            at += table[row, cell]


def slots_of(table: Counts, precision: int, mirrored: bool) -> tuple[NDArray[np.int8], Words]:
    """The decoder's slots and spans."""
    contexts = CONTEXTS if mirrored else 1
    slots, spans = np.empty((contexts, 1 << precision), np.int8), np.empty((contexts, CELLS), np.uint32)
    _slots(table, slots, spans)
    return slots, spans
