"""Compiled rANS; see the portable module for the method.

Legend: x state, e entry or slot, at next word. Unsigned indices spare the test for negative ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.compiled.counts import cell_of
from fedkd_compression.kernels.portable.rans import LEAST

if TYPE_CHECKING:
    from fedkd_compression.arrays import Halves, Octets, Rules, Symbols, Words


u16, u32, u64, word = np.uint16, np.uint32, np.uint64, np.uintp


@compiled
def _put(x: np.uint32, e: Words, out: Halves, at: np.uintp) -> tuple[np.uint32, np.uintp]:
    out[at] = u16(x)
    large = x >= e[word(0)]
    at = at - word(1) if large else at
    x = x >> u32(16) if large else x
    quotient = u32(u64(x) * u64(e[word(1)]) >> u64(32)) >> (e[word(3)] >> u32(16))
    return u32(x + e[word(2)] + u32(quotient * (e[word(3)] & u32(0xFFFF)))), at


@compiled
def _encode(
    symbols: Symbols,
    contexts: Octets,
    entries: Words,
    states: Words,
    out: Halves,
) -> np.uintp:
    shared = contexts.size > 0
    mask = word(states.size - 1)
    at = word(out.size - 1)
    i = word(symbols.size)
    while i > word(0):
        i -= word(1)
        row = word(contexts[i]) & word(15) if shared else word(0)
        states[i & mask], at = _put(states[i & mask], entries[row, word(cell_of(symbols[i]))], out, at)
    return at + word(1)


def rans_encode(symbols: Symbols, contexts: Octets, entries: Words, lanes: int, most: int) -> tuple[Words, Halves]:
    """States and words of symbols."""
    states = np.full(lanes, LEAST, np.uint32)
    out = np.empty(most + 1, np.uint16)
    return states, out[int(_encode(symbols, contexts, entries, states, out)) :]


@compiled
def _get(x: np.uint32, e: np.uint32, precision: np.uint32, words: Halves, at: np.uintp) -> tuple[np.uint32, np.uintp]:
    x = u32(((e >> u32(12) & u32(0xFFF)) + u32(1)) * (x >> precision)) + (e & u32(0xFFF))
    small = x < u32(1 << 15)
    refilled = u32(x << u32(16)) | u32(words[at])
    return (refilled if small else x), (at + word(1) if small else at)


@compiled
def _decode(
    words: Halves, states: Words, slots: Words, contexts: Octets, rules: Rules, out: Symbols, precision: int
) -> bool:
    low, shift, mask = u32((1 << precision) - 1), u32(precision), word(states.size - 1)
    signs, offsets, tables = rules[:, 0].copy(), rules[:, 1].copy(), rules[:, 2] << precision
    at, end = word(0), word(words.size - states.size)
    shared = contexts.size > 0
    i = word(0)
    while i < word(out.size):
        if (i & mask) == word(0) and at > end:
            return False
        context = word(contexts[i]) & word(15) if shared else word(0)
        x = states[i & mask]
        e = slots[word(tables[context]) + word(x & low)]
        states[i & mask], at = _get(x, e, shift, words, at)
        out[i] = np.int32(e >> u32(24)) * signs[context] + offsets[context]
        i += word(1)
    return bool(at == end)


def rans_decode(
    words: Halves,
    states: Words,
    slots: Words,
    contexts: Octets,
    rules: Rules,
    out: Symbols,
) -> bool:
    """Fill ``out`` with symbols; whether words and states were exactly theirs."""
    final = states.copy()
    exact = _decode(words, final, slots.reshape(-1), contexts, rules, out, slots.shape[1].bit_length() - 1)
    return bool(exact and (final == LEAST).all())
