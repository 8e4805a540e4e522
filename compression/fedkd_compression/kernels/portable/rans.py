"""Range asymmetric numeral systems (rANS) in chunks of interleaved lanes, each chunk with a string of 16-bit words.

Symbol i of a chunk belongs to lane i mod lanes. A state x is in [2^15, 2^31). To put a symbol of frequency f that
starts at slot b, out of 2^p: while x >= f 2^(31-p) the low 16 bits leave; then x = (x // f) 2^p + b + x mod f. The
encoder goes backwards, so that the decoder goes forwards. Source: Duda (2014); interleaving by Giesen (2014).

A single lane starts below 2^15, at 1, and has no word until it is above: so its first words cost nothing. Its decoder
takes words only while some are left.

The encoder's entry of a cell: f 2^(31-p) and the reciprocal of f in the low and high half of the first number; bias
32 bits, 2^p - f 16 bits and a shift 16 bits in the second, so that x // f is a multiplication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.portable.counts import CONTEXTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Halves, Octets, Words

LEAST = 1 << 15
_LOW = np.uint64(0xFFFFFFFF)


def first_state(lanes: int) -> int:
    """The encoder's first state and the decoder's last."""
    return 1 if lanes == 1 else LEAST


def rans_encode(
    symbols: NDArray[np.int8], contexts: Octets, entries: NDArray[np.uint64], lanes: int, chunk: int
) -> tuple[Words, Counts, Halves]:
    """States [n, lanes], numbers of words [n] and all words of the n = ceil(m / chunk) chunks of symbols [m].

    Args:
        symbols: int8 [m]; each has an entry.
        contexts: [m], or [0] for context 0 everywhere.
        entries: [256, 16 or 1, 2], from ``entries_of``.
        lanes: states of a chunk, a power of two.
        chunk: symbols of a chunk, a multiple of ``lanes``.
    """
    cells, rows, present = _in_chunks(symbols.view(np.uint8), contexts, lanes, chunk)
    state = np.full((len(cells), lanes), first_state(lanes), np.uint64)
    words, large = np.empty(cells.shape, np.uint16), np.empty(cells.shape, bool)
    for step in reversed(range(chunk // lanes)):
        first, second = np.moveaxis(entries[cells[:, step], rows[:, step]], 2, 0)
        words[:, step] = state & np.uint64(0xFFFF)
        large[:, step] = present[:, step] & (state >= first & _LOW)
        x = np.where(large[:, step], state >> np.uint64(16), state)
        quotient = x * (first >> np.uint64(32)) >> (second >> np.uint64(48))
        put = x + (second & _LOW) + quotient * (second >> np.uint64(32) & np.uint64(0xFFFF))
        state = np.where(present[:, step], put & _LOW, x)
    return state.astype(np.uint32), large.sum(axis=(1, 2)).astype(np.int64), words[large]


def rans_decode(
    words: Halves,
    sizes: Counts,
    states: Words,
    slots: NDArray[np.int8],
    spans: Words,
    contexts: Octets,
    chunk: int,
    out: NDArray[np.int8],
) -> bool:
    """Fill ``out`` [m] with symbols; whether words and states were exactly those of m symbols.

    Args:
        words: all words, and four more, of any value.
        sizes: words of each of the n chunks, int64 [n]; they sum to all words.
        states: [n, lanes].
        slots: from ``slots_of``.
        spans: from ``slots_of``.
        contexts: [m], or [0] for context 0 everywhere.
        chunk: symbols of a chunk, a multiple of the lanes.
        out: int8 [m], -128 where a symbol is none of [-127, 127].
    """
    precision, lanes = slots.shape[1].bit_length() - 1, states.shape[1]
    symbols, rows, present = _in_chunks(np.zeros(len(out), np.int8), contexts, lanes, chunk)
    state, ends = states.astype(np.uint64), np.cumsum(sizes)[:, None]
    at = ends - sizes[:, None]
    for step in range(chunk // lanes):
        slot = state & np.uint64(slots.shape[1] - 1)
        symbols[:, step] = found = slots[rows[:, step], slot]
        span = spans[rows[:, step], found.view(np.uint8)].astype(np.uint64)
        x = (span >> np.uint64(16)) * (state >> np.uint64(precision)) + slot - (span & np.uint64(0xFFFF)) & _LOW
        small = present[:, step] & (x < LEAST) & ((lanes > 1) | (at < ends))
        places = np.minimum(at + np.cumsum(small, axis=1) - small, len(words) - 1)
        state = np.where(present[:, step], np.where(small, x << np.uint64(16) & _LOW | words[places], x), state)
        at = at + small.sum(axis=1, keepdims=True)
        if (at > ends).any():
            return False
    out[:] = symbols.reshape(-1)[: len(out)]
    return bool((at == ends).all() and (state == first_state(lanes)).all())


def _in_chunks(
    values: NDArray[np.generic], contexts: Octets, lanes: int, chunk: int
) -> tuple[NDArray[np.generic], Octets, NDArray[np.bool_]]:
    """Values and contexts as [n, steps, lanes], zeros after the last, and where there are any."""
    shape = (-(-len(values) // chunk), chunk // lanes, lanes)
    whole = shape[0] * chunk
    padded, rows = np.zeros(whole, values.dtype), np.zeros(whole, np.uint8)
    padded[: len(values)] = values
    rows[: len(contexts)] = contexts & (CONTEXTS - 1)
    return padded.reshape(shape), rows.reshape(shape), (np.arange(whole) < len(values)).reshape(shape)
