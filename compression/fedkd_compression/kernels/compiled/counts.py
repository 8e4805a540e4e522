"""Symbols as the coder sees them, and how often each occurs in each context, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled, parallel
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Octets, Symbols, Words


u8, u32, word = np.uint8, np.uint32, np.uintp
_PIECE, _FEW, _BLOCK = 1 << 17, 1 << 13, 64


@compiled
def _narrow(symbols: Symbols, out: NDArray[np.int8]) -> None:
    for i in range(symbols.size):
        symbol = np.int32(symbols[i])
        out[i] = np.int8(symbol if u32(symbol + np.int32(127)) < u32(255) else np.int32(-128))


def narrowed(symbols: Symbols) -> NDArray[np.int8]:
    """Symbols as int8, -128 in place of those that have no cell of their own."""
    if symbols.dtype == np.int8:
        return symbols
    _narrow(symbols, out := np.empty(len(symbols), np.int8))
    return out


@compiled
def _place(symbols: NDArray[np.int8], contexts: Octets | None, i: np.uintp) -> np.uintp:
    """Where the counter of a symbol is."""
    if contexts is None:
        return word(u8(symbols[i]))
    return word(u8(symbols[i])) << word(4) | word(contexts[i]) & word(15)


@compiled
def _count(first: int, last: int, symbols: NDArray[np.int8], contexts: Octets | None, piece: int, out: Words) -> None:
    # Four copies of the counters, for equal neighbours would wait for each other.
    for item in range(first, last):
        begin, end = item * piece, min(item * piece + piece, symbols.size)
        one, two, three, four = out[item, 0], out[item, 1], out[item, 2], out[item, 3]
        i, whole = word(begin), word(end - (end - begin) % 4)
        while i < whole:
            one[_place(symbols, contexts, i)] += u32(1)
            two[_place(symbols, contexts, i + word(1))] += u32(1)
            three[_place(symbols, contexts, i + word(2))] += u32(1)
            four[_place(symbols, contexts, i + word(3))] += u32(1)
            i += word(4)
        while i < word(end):
            one[_place(symbols, contexts, i)] += u32(1)
            i += word(1)


@compiled
def _gather(found: Words, total: Counts) -> None:
    rows = found.shape[2] // 256
    for item in range(found.shape[0]):
        for copy in range(4):
            for cell in range(256):
                for row in range(rows):
                    total[row, cell] += found[item, copy, cell * rows + row]


@compiled
def _count_few(symbols: NDArray[np.int8], contexts: Octets, total: Counts) -> None:
    shared = contexts.size > 0
    for i in range(symbols.size):
        row = word(contexts[word(i)]) & word(15) if shared else word(0)
        total[row, word(u8(symbols[word(i)]))] += 1


def count(symbols: NDArray[np.int8], contexts: Octets) -> Counts:
    """How often each cell occurs in each context, int64 [16, 256]."""
    total = np.zeros((CONTEXTS, CELLS), np.int64)
    if len(symbols) < _FEW:
        _count_few(symbols, contexts, total)
        return total
    rows = CONTEXTS if len(contexts) else 1
    piece = max(_PIECE, -(-len(symbols) // 64))
    found = np.zeros((-(-len(symbols) // piece), 4, CELLS * rows), np.uint32)
    shared = contexts if len(contexts) else None
    parallel(_count, len(found), len(symbols), symbols, shared, piece, found)
    _gather(found, total)
    return total


@compiled
def _add(symbol: int, times: np.int64, unary: Counts) -> None:
    folded = 2 * symbol if symbol >= 0 else -2 * symbol - 1
    for k in range(32):
        unary[k] += ((folded >> k) + 1) * times


@compiled
def _summary(times: Counts, others: Symbols, unary: Counts) -> tuple[int, int, int]:
    least, most, total = 1 << 40, -(1 << 40), others.size
    for symbol in range(-127, 128):
        number = times[u8(symbol)]
        if number > 0:
            least, most, total = min(least, symbol), symbol, total + int(number)
            _add(symbol, number, unary)
    for i in range(others.size):
        symbol = int(others[i])
        least, most = min(least, symbol), max(most, symbol)
        _add(symbol, np.int64(1), unary)
    best = 0
    for k in range(32):
        unary[k] = 1 + (total * k + 7) // 8 + (unary[k] + 7) // 8
        best = k if unary[k] < unary[best] else best
    return least, most, best


def summary(times: Counts, others: Symbols) -> tuple[int, int, int, int]:
    """The least and the most of symbols, their best Rice parameter, and the bytes of their Rice code."""
    least, most, k = _summary(times, others, sizes := np.zeros(32, np.int64))
    return int(least), int(most), int(k), int(sizes[k])


@compiled
def _all_cover(covered: Octets, symbol: int) -> bool:
    number = 0
    for row in range(covered.shape[0]):
        number += int(covered[row, symbol % 256] != 0)
    return bool(number == covered.shape[0])


@compiled
def _inner(covered: Octets) -> tuple[int, int]:
    """The longest run of symbols around 0 that every context covers: its least and its length."""
    low, high = 0, -1
    while high < 127 and _all_cover(covered, high + 1):
        high += 1
    while high >= 0 and low > -127 and _all_cover(covered, low - 1):
        low -= 1
    return low, high - low + 1


@compiled
def _find(
    symbols: NDArray[np.int8], contexts: Octets, covered: Octets, begin: int, end: int, found: Counts, number: int
) -> int:
    for i in range(begin, end):
        row = word(contexts[word(i)]) & word(15) if contexts.size > 0 else word(0)
        if number < found.size and covered[row, word(u8(symbols[word(i)]))] == 0:
            found[word(number)] = i
            number += 1
    return number


@compiled
def _outside(symbols: NDArray[np.int8], contexts: Octets, covered: Octets, found: Counts) -> int:
    # Blocks whose symbols every context covers are told by a few operations on all of their symbols at once.
    low, length = _inner(covered)
    least, span, number, blocks = u8(low), u8(length), 0, symbols.size // _BLOCK
    for block in range(blocks):
        start, outer = word(block * _BLOCK), u8(0)
        for j in range(_BLOCK):
            outer |= u8(u8(u8(symbols[start + word(j)]) - least) >= span)
        if outer:
            number = _find(symbols, contexts, covered, block * _BLOCK, block * _BLOCK + _BLOCK, found, number)
    return _find(symbols, contexts, covered, blocks * _BLOCK, symbols.size, found, number)


def outside(symbols: NDArray[np.int8], contexts: Octets, covered: Octets, most: int) -> Counts:
    """Places of the symbols whose cell is not covered, int64 [at most ``most``]."""
    found = np.empty(most, np.int64)
    return found[: int(_outside(symbols, contexts, covered, found))]


@compiled
def _spent(own: Counts, table: Counts, costs: Counts) -> tuple[int, int]:
    cost, missing = 0, 0
    for row in range(own.shape[0]):
        frequencies = table[row * table.shape[0] // own.shape[0]]
        for cell in range(256):
            number = own[row, cell]
            if number > 0:
                absent = frequencies[cell] == 0 or cell == 128
                missing += number if absent else 0
                cost += number * costs[frequencies[128] if absent else frequencies[cell]]
    return cost, missing


def spent(own: Counts, table: Counts, costs: Counts) -> tuple[int, int]:
    """The cost of symbols under tables, and how many have no frequency of their own."""
    cost, missing = _spent(own, table, costs)
    return int(cost), int(missing)


@compiled
def _cheapest(own: Counts, costs: NDArray[np.uint16], totals: Counts) -> int:
    for row in range(own.shape[0]):
        for cell in range(256):
            number = own[row, cell]
            if number > 0:
                for k in range(totals.size):
                    totals[k] += number * costs[row, cell, k]
    best = 0
    for k in range(totals.size):
        best = k if totals[k] < totals[best] else best
    return best


def cheapest(own: Counts, costs: NDArray[np.uint16]) -> int:
    """The first of K tables that makes symbols with counts [R, 256] shortest."""
    return int(_cheapest(own, costs, np.zeros(costs.shape[2], np.int64)))
