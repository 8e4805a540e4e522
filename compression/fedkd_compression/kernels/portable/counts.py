"""How often each symbol occurs in each context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets, Rules, Symbols

CONTEXTS = 16
CELLS = 256
REACH = 127
"""Symbols in [-REACH, REACH] have a cell of their own; the last cell is for all others."""


def cells_of(symbols: Symbols) -> Counts:
    """The cell of each symbol, int64 [m]."""
    wide = symbols.astype(np.int64)
    return np.where(np.abs(wide) <= REACH, wide + REACH, CELLS - 1)


def count(symbols: Symbols, contexts: Octets) -> Counts:
    """How often each cell occurs in each context, int64 [16, 256].

    ``contexts`` is [m], of which the low four bits count, or [0] for context 0 everywhere.
    """
    cells = cells_of(symbols)
    if len(contexts):
        cells += (contexts.astype(np.int64) & (CONTEXTS - 1)) * CELLS
    return np.bincount(cells, minlength=CONTEXTS * CELLS).reshape(CONTEXTS, CELLS).astype(np.int64, copy=False)


def outside(symbols: Symbols, contexts: Octets, rules: Rules, width: int, most: int) -> Counts:
    """Places of the symbols that no cell in [0, width) covers, int64 [at most ``most`` + 1].

    Cell i of a context's table is the symbol sign * i + offset, with its rule (sign, offset, table) in rules [16, 3].
    """
    wide = rules.astype(np.int64)
    own = wide[contexts & 15] if len(contexts) else wide[:1]
    cells = (symbols - own[:, 1]) * own[:, 0]
    return np.flatnonzero((cells < 0) | (cells >= width))[: most + 1]
