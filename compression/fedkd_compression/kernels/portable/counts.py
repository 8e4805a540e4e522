"""Symbols as the coder sees them, and how often each occurs in each context.

A symbol in [-127, 127] has the cell ``symbol mod 256`` of its own; cell 128, that of -128, is for all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Octets, Symbols

CONTEXTS = 16
CELLS = 256
REACH = 127
OTHERS = 128


def narrowed(symbols: Symbols) -> NDArray[np.int8]:
    """Symbols [m] as int8, -128 in place of those that have no cell of their own."""
    if symbols.dtype == np.int8:
        return symbols
    return np.where(np.abs(symbols.astype(np.int64)) <= REACH, symbols, -REACH - 1).astype(np.int8)


def count(symbols: NDArray[np.int8], contexts: Octets) -> Counts:
    """How often each cell occurs in each context, int64 [16, 256].

    ``contexts`` is [m], of which the low four bits count, or [0] for context 0 everywhere.
    """
    cells = symbols.view(np.uint8).astype(np.int64)
    if len(contexts):
        cells += (contexts.astype(np.int64) & (CONTEXTS - 1)) * CELLS
    return np.bincount(cells, minlength=CONTEXTS * CELLS).reshape(CONTEXTS, CELLS).astype(np.int64, copy=False)


def summary(times: Counts, others: Symbols) -> tuple[int, int, int, int]:
    """The least and the most of symbols, the Rice parameter that makes them shortest, and the bytes of their Rice code.

    Args:
        times: int64 [256], how often each cell occurs; that of the others does not count.
        others: int32 [w], symbols that have no cell of their own.
    """
    cells = np.flatnonzero(times)
    cells = cells[cells != OTHERS]
    symbols = np.concatenate((cells.astype(np.uint8).view(np.int8).astype(np.int32), others)).astype(np.int64)
    counts = np.concatenate((times[cells], np.ones(len(others), np.int64)))
    folded = np.where(symbols >= 0, 2 * symbols, -2 * symbols - 1)
    k = np.arange(32)
    unary = (folded >> k[:, None]) @ counts + counts.sum()
    sizes = 1 + (int(counts.sum()) * k + 7) // 8 + (unary + 7) // 8
    return int(symbols.min()), int(symbols.max()), int(sizes.argmin()), int(sizes.min())


def outside(symbols: NDArray[np.int8], contexts: Octets, covered: Octets, most: int) -> Counts:
    """Places of the symbols whose cell is 0 in ``covered`` [16 or 1, 256], int64 [at most ``most``]."""
    rows = contexts & (CONTEXTS - 1) if len(contexts) else 0
    return np.flatnonzero(covered[rows, symbols.view(np.uint8)] == 0)[:most]


def spent(own: Counts, table: Counts, costs: Counts) -> tuple[int, int]:
    """The cost of symbols under tables, and how many have no frequency of their own.

    Args:
        own: int64 [R, 256], as for ``fitted``.
        table: frequencies [T, 256]; cells without one cost what the others' cell does.
        costs: the cost of a symbol of each frequency, int64 [2^p + 1].
    """
    counted = own.reshape(len(table), -1, CELLS).sum(axis=1)
    sizes = costs[table]
    missing = table == 0
    missing[:, OTHERS] = True
    return int((counted * np.where(missing, sizes[:, OTHERS:][:, :1], sizes)).sum()), int(counted[missing].sum())


def cheapest(own: Counts, costs: NDArray[np.uint16]) -> int:
    """The first of K tables, of which costs [R, 256, K] are known, that makes symbols with counts [R, 256] shortest."""
    rows, cells = np.nonzero(own)
    return int((own[rows, cells] @ costs[rows, cells].astype(np.int64)).argmin())
