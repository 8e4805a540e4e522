"""How many bytes the shortest code of few symbols takes, for many messages at once and without making any.

What ``codecs/choice.py`` decides, restated for messages of one lane (``codecs/stream.py``) whose symbols all have
cells: the same estimates, compared in the same order, and the coder's state run through, its words not kept.

Legend: F, B frequencies and starts [T, 256] of the cells, those of the escape in place of missing ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled, parallel
from fedkd_compression.kernels.compiled.fitting import fit, window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Halves, Octets, Words

    Narrow = NDArray[np.int8]
    Scale = tuple[int, int, Counts, Counts]
    Names = tuple[Halves, Words, Words, Octets]
    Known = tuple[Names, Scale, Counts]
    Sizes = NDArray[np.float64]

u8, u32, word = np.uint8, np.uint32, np.uintp
_BIT = 8.0 * (1 << 20)
_NEAR = 1.0


@compiled
def _varint(number: int) -> int:
    size = 1
    while number > 0x7F:
        number >>= 7
        size += 1
    return size


@compiled
def _folded(symbol: int) -> int:
    return 2 * symbol if symbol >= 0 else -2 * symbol - 1


@compiled
def _rice(times: Counts, reach: int) -> int:
    """The bytes of the Rice code of symbols that occur so often; no parameter above 8 can be best."""
    total, best = np.int64(0), np.int64(1) << 40
    for place in range(times.size):
        total += times[place]
    for k in range(9):
        unary = np.int64(0)
        for place in range(times.size):
            unary += times[place] * ((_folded(place - reach) >> k) + 1)
        best = min(best, 1 + (total * k + 7) // 8 + (unary + 7) // 8)
    return int(best)


@compiled
def _seen(symbol: np.int64, context: np.int64, tables: int) -> tuple[np.int64, np.int64]:
    """The table of a symbol in a context, and the symbol as that table sees it."""
    if context >= 8:
        return (15 - context) * tables // 8, -symbol
    return context * tables // 8, symbol


@compiled
def _context(contexts: Octets, i: int) -> np.int64:
    return np.int64(contexts[i]) & np.int64(15) if contexts.size else np.int64(0)


@compiled
def _count(symbols: Narrow, contexts: Octets, reach: int, own: Counts, times: Counts) -> None:
    own[:] = 0
    times[:] = 0
    for i in range(symbols.size):
        symbol = np.int64(symbols[i])
        row, mirrored = _seen(symbol, _context(contexts, i), 8)
        own[row, mirrored + reach] += 1
        times[symbol + reach] += 1


@compiled
def _stream(symbols: Narrow, contexts: Octets, F: Words, B: Words, precision: int) -> int:
    """The bytes of the stream: the coder's state, run through (``portable/rans.py``)."""
    x, words = u32(1), 0
    for back in range(symbols.size):
        i = symbols.size - 1 - back
        row, symbol = _seen(np.int64(symbols[i]), _context(contexts, i), F.shape[0])
        frequency, start = F[row, symbol & 255], B[row, symbol & 255]
        if x >= frequency << u32(31 - precision):
            words += 1
            x = x >> u32(16)
        quotient = x // frequency
        x = u32(quotient << u32(precision)) + start + (x - quotient * frequency)
    width, left = 0, x
    while left > 0:
        width += 1
        left = left >> u32(8)
    return max(width, 3 if words else 1) + 2 * words


@compiled
def _nearest(own: Counts, reach: int, costs: Halves, totals: Words) -> int:
    totals[:] = 0
    for row in range(own.shape[0]):
        for place in range(own.shape[1]):
            number = u32(own[row, place])
            if number > 0:
                sizes = costs[row, (place - reach) & 255]
                for k in range(sizes.size):
                    totals[k] += number * sizes[k]
    least = totals[0]
    for k in range(totals.size):
        least = min(least, totals[k])
    best = 0
    while totals[best] != least:
        best += 1
    return best


@compiled
def _spent(own: Counts, reach: int, F: Words, costs: Counts) -> np.int64:
    cost = np.int64(0)
    for row in range(own.shape[0]):
        for place in range(own.shape[1]):
            if own[row, place] > 0:
                cost += own[row, place] * costs[F[row * F.shape[0] // own.shape[0], (place - reach) & 255]]
    return cost


@compiled
def _escaped(symbols: Narrow, contexts: Octets, reach: int, covered: Octets, times: Counts) -> int:
    """The bytes of the escapes' values; 0 without any."""
    number = 0
    times[:] = 0
    for i in range(symbols.size):
        row, symbol = _seen(np.int64(symbols[i]), _context(contexts, i), covered.shape[0])
        if covered[row, symbol & 255] == 0:
            times[np.int64(symbols[i]) + reach] += 1
            number += 1
    return _varint(number) + _rice(times, reach) if number else 0


@compiled
def _tables(best: Counts, tables: int, columns: int, low: int, width: int, reach: int) -> tuple[Words, Words, Octets]:
    """F, B and which cells are covered, of fitted tables, for the symbols up to reach."""
    F, B = np.zeros((tables, 256), np.uint32), np.zeros((tables, 256), np.uint32)
    covered, first = np.zeros((tables, 256), np.uint8), min(max(-low, 0), width)
    for row in range(tables):
        start = np.int64(0)
        for column in range(first, width):
            F[row, (low + column) & 255], B[row, (low + column) & 255] = best[row, column], start
            start += best[row, column]
        outer, below = (best[row, width] if columns > width else np.int64(0)), start
        start += outer
        for column in range(first):
            F[row, (low + column) & 255], B[row, (low + column) & 255] = best[row, column], start
            start += best[row, column]
        for symbol in range(-reach, reach + 1):
            covered[row, symbol & 255] = F[row, symbol & 255] > 0
            if F[row, symbol & 255] == 0:
                F[row, symbol & 255], B[row, symbol & 255] = max(outer, np.int64(1)), below
    return F, B, covered


@compiled
def _fixed(least: int, most: int, count: int) -> int:
    """The bytes of fixed width, or of a constant."""
    if least == most:
        return 1 + _varint(_folded(least))
    width = 0
    while (most - least) >> width:
        width += 1
    return 2 + _varint(_folded(least)) + (count * width + 7) // 8


@compiled
def _named(symbols: Narrow, contexts: Octets, own: Counts, times: Counts, known: Known, sizes: Sizes) -> int:
    """Tables that a name stands for: estimate and bytes into ``sizes``."""
    (named, frequencies, starts, inside), scale, costs = known
    reach = times.size // 2
    name = _nearest(own, reach, named, np.empty(named.shape[2], np.uint32))
    values = _escaped(symbols, contexts, reach, inside[name], times)
    made = (2 if values else 1) + values + _stream(symbols, contexts, frequencies[name], starts[name], scale[1])
    sizes[3] = 1 + values + _spent(own, reach, frequencies[name], costs) / _BIT + 1.0
    return int(made)


@compiled
def _own(symbols: Narrow, contexts: Octets, own: Counts, times: Counts, known: Known, sizes: Sizes) -> int:
    """Tables of its own, likewise."""
    reach = times.size // 2
    low, width = window(own, reach)
    best = np.empty((own.shape[0], width + 1), np.int64)
    tables, columns, head, cost = fit(own, reach, low, width, known[1], best)
    F, B, covered = _tables(best, tables, columns, low, width, reach)
    values = _escaped(symbols, contexts, reach, covered, times) if columns > width else 0
    sizes[2] = 4 + head + values + cost / _BIT + 1.0
    return int(4 + head + values + _stream(symbols, contexts, F, B, known[1][1]))


@compiled
def _bound(own: Counts, reach: int, logarithms: Counts) -> float:
    """What tables of its own take at least: a bit a grade, and the entropy; 0 where symbols lie outside the window."""
    low, width = window(own, reach)
    least = 1e9
    for place in range(own.shape[1]):
        if not 0 <= place - reach - low < width and own[:, place].any():
            return 0.0
    for power in range(4):
        tables, cost = 1 << power, np.int64(0)
        if tables > own.shape[0]:
            break
        each = own.shape[0] // tables
        for row in range(tables):
            total = np.int64(0)
            for place in range(own.shape[1]):
                number = np.int64(0)
                for other in range(row * each, row * each + each):
                    number += own[other, place]
                total += number
                cost -= number * logarithms[number]
            cost += total * logarithms[total]
        least = min(least, (tables * width + 7) // 8 + cost / _BIT)
    return 4 + least + 1.0


@compiled
def _shortest(sizes: Sizes, made: Counts) -> tuple[int, float]:
    """The least of what is made in the order of estimates, while one may be shorter; the last of those estimates."""
    done, first, coded, last = np.zeros(sizes.size, np.uint8), 1 << 40, 1 << 40, 0.0
    for _ in range(sizes.size):
        found = -1
        for i in range(sizes.size):
            if not done[i] and (found < 0 or sizes[i] < sizes[found]):
                found = i
        done[found] = 1
        if coded < first and sizes[found] >= coded + _NEAR:
            break
        coded, last = min(coded, int(made[found])), sizes[found]
    return coded, last


@compiled
def _length(symbols: Narrow, contexts: Octets, least: int, most: int, known: Known) -> int:
    """The bytes of the shortest code: fixed width, Rice, tables of its own, tables that a name stands for."""
    reach = max(abs(least), abs(most))
    own, times = np.empty((8 if contexts.size else 1, 2 * reach + 1), np.int64), np.empty(2 * reach + 1, np.int64)
    sizes, made = np.full(4, 1e12), np.empty(4, np.int64)
    _count(symbols, contexts, reach, own, times)
    made[0], made[1] = _fixed(least, most, symbols.size), 1 + _rice(times, reach)
    sizes[0], sizes[1] = made[0], made[1]
    made[3] = _named(symbols, contexts, own, times, known, sizes)
    coded, last = _shortest(sizes, made)
    # What comes after all that were made, and is no nearer than the next, changes nothing.
    if _bound(own, reach, known[1][2]) > max(coded + _NEAR, last) + 0.01:
        return coded
    made[2] = _own(symbols, contexts, own, times, known, sizes)
    return _shortest(sizes, made)[0]


@compiled
def _lengths(begin: int, end: int, symbols: Narrow, contexts: Octets, known: Known, out: Counts) -> None:
    for row in range(begin, end):
        least, most = 127, -128
        for symbol in symbols[row]:
            least, most = min(least, int(symbol)), max(most, int(symbol))
        if least == most or least < -127:
            out[row] = _fixed(least, most, symbols.shape[1]) if least == most > -128 else -1
        else:
            out[row] = _length(symbols[row], contexts[row], least, most, known)


def lengths(symbols: Narrow, contexts: Octets, known: Known) -> Counts:
    """The bytes of the shortest code of every row, int64 [n]; -1 where a symbol has no cell.

    Args:
        symbols: int8 [n, m] with 0 < m < 2^13, -128 for those without a cell.
        contexts: uint8 [n, m], or [n, 0] for none.
        known: of the names: what cells cost [T, 256, 240]; F, B and covered cells under each, [240, T, 256]. Of tables
            of their own: steps, precision, logarithms, powers. What frequencies cost.
    """
    out = np.empty(len(symbols), np.int64)
    parallel(_lengths, len(symbols), symbols.size, symbols, contexts, known, out)
    return out
