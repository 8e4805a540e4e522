"""The coder's tables from frequencies: entries of the encoder, slots of the decoder (see ``rans.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Rules, Words


def entries_of(table: Counts, precision: int, rules: Rules, width: int) -> Words:
    """The encoder's entry of every context and cell, uint32 [16, 256, 4].

    Args:
        table: frequencies [tables, columns] that sum to 2^precision; a column beyond ``width`` is for escapes.
        precision: p.
        rules: [16, 3] sign, offset, table of each context: cell i of a table is the symbol sign * i + offset.
        width: cells that have a symbol of their own; codes without one get the escapes' entry, if there is one.
    """
    safe = np.maximum(table, 1)
    shift = np.maximum(np.frexp(safe - 1)[1].astype(np.int64), 1)
    reciprocal = (np.left_shift(1, shift + 31) + safe - 1) // safe
    bias = np.cumsum(table, axis=1) - table
    # A frequency of one would need a reciprocal of 2^32: x // 1 is x, so 2^32 - 1 and a larger bias give the same.
    single = safe == 1
    reciprocal[single] = 0xFFFFFFFF
    bias[single] += (1 << precision) - 1
    shift = np.where(single, 0, shift - 1)
    made = np.stack((safe << (31 - precision), reciprocal, bias, shift << 16 | (1 << precision) - safe), axis=2)
    entries = np.zeros((CONTEXTS, CELLS, 4), np.uint32)
    for context, (sign, offset, row) in enumerate(rules.tolist()):
        if made.shape[1] > width:
            entries[context] = made[row, -1]
        entries[context, np.arange(width) * sign + offset + REACH] = made[row, :width]
    return entries


def slots_of(table: Counts, precision: int) -> Words:
    """The decoder's slots, uint32 [tables, 2^precision]."""
    tables, width = table.shape
    flat = table.reshape(-1)
    cell = np.repeat(np.tile(np.arange(width), tables) << 24 | np.maximum(flat - 1, 0) << 12, flat)
    start = np.repeat((np.cumsum(table, axis=1) - table).reshape(-1), flat)
    return (cell | np.tile(np.arange(1 << precision), tables) - start).astype(np.uint32).reshape(tables, -1)
