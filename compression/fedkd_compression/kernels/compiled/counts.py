"""How often each symbol occurs in each context, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets, Rules, Symbols, Words


u32, word = np.uint32, np.uintp


@compiled
def cell_of(symbol: np.signedinteger[Any]) -> np.uint32:
    """The cell of a symbol."""
    cell = u32(np.int32(symbol) + np.int32(127))
    return cell if cell < u32(255) else u32(255)


@compiled
def _count(symbols: Symbols, contexts: Octets, copies: Words, total: Counts) -> None:
    # Four copies of the counters, for equal neighbours would wait for each other.
    shared = contexts.size > 0
    for i in range(symbols.size):
        at = word(i)
        row = word(contexts[at]) & word(15) if shared else word(0)
        copies[at & word(3), row, word(cell_of(symbols[at]))] += u32(1)
    for context in range(16):
        for cell in range(256):
            for copy in range(4):
                total[context, cell] += copies[copy, context, cell]


def count(symbols: Symbols, contexts: Octets) -> Counts:
    """How often each cell occurs in each context, int64 [16, 256]."""
    total = np.zeros((16, 256), np.int64)
    _count(symbols, contexts, np.zeros((4, 16, 256), np.uint32), total)
    return total


@compiled
def _outside(symbols: Symbols, contexts: Octets, rules: Rules, width: int, found: Counts) -> int:
    # The place is always written and only sometimes kept, which spares a branch that is hard to foresee.
    shared, number = contexts.size > 0, 0
    for i in range(symbols.size):
        rule = rules[word(contexts[word(i)]) & word(15) if shared else word(0)]
        cell = (np.int32(symbols[word(i)]) - rule[1]) * rule[0]
        found[word(number)] = i
        number += int(u32(cell) >= u32(width))
        if number == found.size:
            break
    return number


def outside(symbols: Symbols, contexts: Octets, rules: Rules, width: int, most: int) -> Counts:
    """Places of the symbols that no cell in [0, width) covers, int64 [at most ``most`` + 1]."""
    found = np.empty(most + 1, np.int64)
    return found[: int(_outside(symbols, contexts, rules, width, found))]
