"""Range asymmetric numeral systems (rANS) in interleaved lanes, sharing one string of 16-bit words.

Symbol i belongs to lane i mod lanes (a power of two). A state x is in [2^15, 2^31). To put a symbol of frequency f that
starts at b, out of 2^p: while x >= f 2^(31-p) the low 16 bits leave; then x = (x // f) 2^p + b + x mod f. The encoder
goes backwards, so that the decoder goes forwards. Source: Duda (2014); interleaving by Giesen (2014).

An entry of the encoder is (f 2^(31-p), reciprocal of f, bias, shift 2^16 + 2^p - f): x // f is a multiplication.
A slot of the decoder is 2^24 cell + 2^12 (f - 1) + offset of the slot within its cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.counts import cells_of

if TYPE_CHECKING:
    from fedkd_compression.arrays import Halves, Octets, Rules, Symbols, Words


LEAST = 1 << 15


def rans_encode(symbols: Symbols, contexts: Octets, entries: Words, lanes: int, most: int) -> tuple[Words, Halves]:
    """States [lanes] and words of symbols [m].

    Args:
        symbols: int8 or int32 [m].
        contexts: [m], or [0] for context 0 everywhere.
        entries: [16, 256, 4].
        lanes: number of states.
        most: a bound on the number of words.
    """
    wide = entries.astype(np.uint64)
    cells = cells_of(symbols)
    rows = contexts & 15 if len(contexts) else np.zeros(len(symbols), np.uint8)
    state = np.full(lanes, LEAST, np.uint64)
    backwards = [np.empty(0, np.uint64)]
    for start in range((len(symbols) - 1) // lanes * lanes, -1, -lanes):
        limit, reciprocal, bias, packed = wide[rows[start : start + lanes], cells[start : start + lanes]].T
        active = state[: len(limit)]
        large = active >= limit
        backwards.append(active[large][::-1] & np.uint64(0xFFFF))
        active[large] >>= np.uint64(16)
        quotient = (active * reciprocal >> np.uint64(32)) >> (packed >> np.uint64(16))
        active += bias + quotient * (packed & np.uint64(0xFFFF))
    return state.astype(np.uint32), np.concatenate(backwards)[::-1].astype(np.uint16)


def rans_decode(
    words: Halves,
    states: Words,
    slots: Words,
    contexts: Octets,
    rules: Rules,
    out: Symbols,
) -> bool:
    """Fill ``out`` [m] with symbols; whether words and states were exactly those of m symbols.

    Args:
        words: the words, and as many zeros as there are lanes after them.
        states: [lanes].
        slots: [tables, 2^p].
        contexts: [m], or [0] for context 0 everywhere.
        rules: [16, 3] sign, offset, table of each context: cell i of a table is the symbol sign * i + offset.
        out: int8 where symbols fit, or int32.
    """
    lanes, precision = len(states), slots.shape[1].bit_length() - 1
    rows = contexts & 15 if len(contexts) else np.zeros(len(out), np.uint8)
    state = states.astype(np.uint64)
    at, end = 0, len(words) - lanes
    for start in range(0, len(out), lanes):
        sign, offset, table = rules[rows[start : start + lanes]].T
        active = state[: len(sign)]
        slot = slots[table, active & np.uint64(slots.shape[1] - 1)].astype(np.uint64)
        frequency = (slot >> np.uint64(12) & np.uint64(0xFFF)) + np.uint64(1)
        active[:] = frequency * (active >> np.uint64(precision)) + (slot & np.uint64(0xFFF)) & np.uint64(0xFFFFFFFF)
        small = np.flatnonzero(active < LEAST)
        active[small] = active[small] << np.uint64(16) | words[at : at + len(small)].astype(np.uint64)
        at += len(small)
        out[start : start + lanes] = (slot >> np.uint64(24)).astype(np.int32) * sign + offset
        if at > end:
            return False
    return at == end and bool((state == LEAST).all())
