"""Which tables describe symbols in fewest bytes: one for all, or one for some bins of what both ends know.

Contexts are 0 .. 15, and context 15 - c mirrors context c (``Operator.contexts``): a symbol in the upper half is
negated and shares the table of its mirror. So 2, 4, 8 or 16 bins of the dither need 1, 2, 4 or 8 tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.counts import CONTEXTS, REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Rules

_ESCAPE_BITS = 24
_CELL_BITS = 6
_HALF = CONTEXTS // 2


@dataclass(frozen=True)
class Model:
    """Symbols that a table covers, and how contexts share tables.

    Args:
        low: the first symbol of every table.
        counts: int64 [tables, width]; the last column counts all other symbols (escapes) when ``escapes`` > 0.
        mirrored: whether upper contexts are negated and share the tables of the lower ones.
        escapes: number of symbols outside the tables.
        bytes: estimated size of tables and coded symbols.
    """

    low: int
    counts: Counts
    mirrored: bool
    escapes: int
    bytes: float


def best(counts: Counts, with_contexts: bool) -> Model:
    """The shortest model of counts [16, 256], as the kernel ``count`` gives them."""
    cells, outside = _folded(counts) if with_contexts else (counts[:, :-1], counts[:, -1])
    total = cells.sum(axis=0)
    first = _cut(total)
    last = len(total) - _cut(total[first:][::-1])
    kept = cells[:, first:last]
    outside = outside + cells.sum(axis=1) - kept.sum(axis=1)
    escapes = int(outside.sum())
    finest = np.concatenate((kept, outside[:, None]), axis=1) if escapes else kept
    groups = (1, 2, 4, 8) if with_contexts else (1,)
    tables = [finest.reshape(group, len(finest) // group, -1).sum(axis=1) for group in groups]
    sizes = _bytes(np.concatenate(tables), groups)
    chosen = min(range(len(groups)), key=sizes.__getitem__)
    return Model(first - REACH, tables[chosen], with_contexts, escapes, sizes[chosen] + _ESCAPE_BITS * escapes / 8)


def _folded(counts: Counts) -> tuple[Counts, Counts]:
    """Counts of the lower contexts and their mirrors together: cells [8, 255], others [8]."""
    lower, upper = counts[:_HALF], counts[: _HALF - 1 : -1]
    return lower[:, :-1] + upper[:, -2::-1], lower[:, -1] + upper[:, -1]


@cache
def rules_of(model_tables: int, mirrored: bool, low: int) -> Rules:
    """Sign, offset and table of each context, int32 [16, 3]: cell i of a table is the symbol sign * i + offset."""
    context = np.arange(CONTEXTS)
    lower = np.minimum(context, CONTEXTS - 1 - context)
    sign = np.where((context >= _HALF) & mirrored, -1, 1)
    table = lower * model_tables // _HALF if mirrored else 0 * lower
    return np.stack((sign, sign * low, table), axis=1).astype(np.int32)


def _cut(total: Counts) -> int:
    """How many cells to drop at the start, where they cost more in a table than as escapes; one cell stays."""
    lost = np.concatenate(((0,), np.cumsum(total[:-1])))
    return int((np.arange(len(total)) * _CELL_BITS - _ESCAPE_BITS * lost).argmax())


def _bytes(counts: Counts, groups: tuple[int, ...]) -> list[float]:
    """Estimated bytes of consecutive groups of tables [T, W]: entropy, table and escapes."""
    sums = counts.sum(axis=1)
    bits = sums * np.log2(np.maximum(sums, 1)) - (counts * np.log2(np.maximum(counts, 1))).sum(axis=1)
    starts = np.cumsum((0, *groups[:-1]))
    cells = _CELL_BITS * counts.shape[1]
    return [float(part + cells * size) / 8 for part, size in zip(np.add.reduceat(bits, starts), groups, strict=True)]
