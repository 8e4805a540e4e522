"""Compiled rANS; see the portable module for the method.

Legend: x state, at next word, i symbol, c context, p precision. Unsigned indices spare the test for negative ones; four
states in variables of their own, no branches, and no contexts where there are none (``contexts`` is None, for which
another form is compiled) let the processor work on several symbols at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled, parallel
from fedkd_compression.kernels.portable.rans import first_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Halves, Keys, Octets, Words

    Narrow = NDArray[np.int8]
    Tables = tuple[Narrow, Words, np.uint32]
    State = tuple[np.uint32, np.uintp]


u8, u16, u32, u64, word = np.uint8, np.uint16, np.uint32, np.uint64, np.uintp


@compiled
def _put(x: np.uint32, place: np.uintp, entries: Keys, out: Halves, at: np.uintp) -> State:
    first, second = entries[place], entries[place | word(1)]
    out[at] = u16(x)
    large = x >= u32(first)
    at = at - word(1) if large else at
    x = x >> u32(16) if large else x
    quotient = u32(u64(x) * (first >> u64(32)) >> (second >> u64(48)))
    return u32(u32(x + u32(second)) + u32(quotient * (u32(second >> u64(32)) & u32(0xFFFF)))), at


@compiled
def _place(symbols: Narrow, contexts: Octets | None, i: np.uintp) -> np.uintp:
    """Where the entry of a symbol starts."""
    if contexts is None:
        return word(u8(symbols[i])) << word(1)
    return word(u8(symbols[i])) << word(5) | (word(contexts[i]) & word(15)) << word(1)


@compiled
def _put_any(
    symbols: Narrow, contexts: Octets | None, entries: Keys, x: Words, begin: int, end: int, out: Halves, at: np.uintp
) -> np.uintp:
    mask, i = word(x.size - 1), word(end)
    while i > word(begin):
        i -= word(1)
        x[i & mask], at = _put(x[i & mask], _place(symbols, contexts, i), entries, out, at)
    return at


@compiled
def _put_four(
    symbols: Narrow, contexts: Octets | None, entries: Keys, x: Words, begin: int, end: int, out: Halves, at: np.uintp
) -> np.uintp:
    """The same for four lanes and a multiple of four symbols."""
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    i = word(end)
    while i > word(begin):
        i -= word(4)
        x3, at = _put(x3, _place(symbols, contexts, i + word(3)), entries, out, at)
        x2, at = _put(x2, _place(symbols, contexts, i + word(2)), entries, out, at)
        x1, at = _put(x1, _place(symbols, contexts, i + word(1)), entries, out, at)
        x0, at = _put(x0, _place(symbols, contexts, i), entries, out, at)
    x[0], x[1], x[2], x[3] = x0, x1, x2, x3
    return at


@compiled
def _encode(
    first: int,
    last: int,
    symbols: Narrow,
    contexts: Octets | None,
    entries: Keys,
    chunk: int,
    states: Words,
    sizes: Counts,
    out: Halves,
) -> None:
    # A symbol has at most one word, and what may be written over is one place more.
    for item in range(first, last):
        begin, end = item * chunk, min(item * chunk + chunk, symbols.size)
        whole = end - (end - begin) % 4 if states.shape[1] == 4 else begin
        bottom = word((item + 1) * (chunk + 1) - 1)
        at = _put_any(symbols, contexts, entries, states[item], whole, end, out, bottom)
        if whole > begin:
            at = _put_four(symbols, contexts, entries, states[item], begin, whole, out, at)
        sizes[item] = bottom - at


def rans_encode(
    symbols: Narrow, contexts: Octets, entries: Keys, lanes: int, chunk: int
) -> tuple[Words, Counts, Halves]:
    """States, numbers of words and all words of the chunks of symbols."""
    chunks = -(-len(symbols) // chunk)
    states = np.full((chunks, lanes), first_state(lanes), np.uint32)
    sizes, out = np.empty(chunks, np.int64), np.empty(chunks * (chunk + 1), np.uint16)
    shared = contexts if len(contexts) else None
    parallel(_encode, chunks, len(symbols), symbols, shared, entries.reshape(-1), chunk, states, sizes, out)
    ends = range(chunk + 1, len(out) + 1, chunk + 1)
    words = [out[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]
    return states, sizes, words[0] if chunks == 1 else np.concatenate(words)


@compiled
def _get(x: np.uint32, c: np.uintp, tables: Tables, words: Halves, at: np.uintp) -> tuple[np.uint32, np.uintp, np.int8]:
    slots, spans, p = tables
    slot = x & ((u32(1) << p) - u32(1))
    symbol = slots[c << word(p) | word(slot)]
    span = spans[c << word(8) | word(u8(symbol))]
    x = u32((span >> u32(16)) * (x >> p)) + u32(slot - (span & u32(0xFFFF)))
    small = x < u32(1 << 15)
    refilled = u32(x << u32(16)) | u32(words[at])
    return (refilled if small else x), (at + word(1) if small else at), symbol


@compiled
def _context(contexts: Octets | None, i: np.uintp) -> np.uintp:
    return word(0) if contexts is None else word(contexts[i]) & word(15)


@compiled
def _get_any(
    words: Halves,
    at: np.uintp,
    end: np.uintp,
    x: Words,
    tables: Tables,
    known: Octets | None,
    out: Narrow,
    begin: int,
) -> np.uintp:
    """Symbols from ``begin`` on; the next word, or one beyond the end where there were too few."""
    mask = word(x.size - 1)
    for i in range(word(begin), word(out.size)):
        lane = word(i) & mask
        if at > end:
            break
        x[lane], after, out[i] = _get(x[lane], _context(known, word(i)), tables, words, at)
        if x.size == 1 and after > end:
            # One lane goes on without words when there are none left.
            after, x[lane] = at, x[lane] >> u32(16)
        at = after
    return at


@compiled
def _get_four(
    words: Halves,
    at: np.uintp,
    end: np.uintp,
    x: Words,
    tables: Tables,
    known: Octets | None,
    out: Narrow,
    stop: int,
) -> np.uintp:
    """The same for four lanes and a multiple of four symbols before ``stop``."""
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    i = word(0)
    while i < word(stop) and at <= end:
        x0, at, out[i] = _get(x0, _context(known, i), tables, words, at)
        x1, at, out[i + word(1)] = _get(x1, _context(known, i + word(1)), tables, words, at)
        x2, at, out[i + word(2)] = _get(x2, _context(known, i + word(2)), tables, words, at)
        x3, at, out[i + word(3)] = _get(x3, _context(known, i + word(3)), tables, words, at)
        i += word(4)
    x[0], x[1], x[2], x[3] = x0, x1, x2, x3
    return at


@compiled
def _part(contexts: Octets | None, begin: int, end: int) -> Octets | None:
    if contexts is None:
        return None
    return contexts[begin:end]


@compiled
def _decode(
    first: int,
    last: int,
    words: Halves,
    ends: Counts,
    sizes: Counts,
    states: Words,
    tables: Tables,
    contexts: Octets | None,
    chunk: int,
    out: Narrow,
    reached: Counts,
) -> None:
    for item in range(first, last):
        begin, stop = item * chunk, min(item * chunk + chunk, out.size)
        x, found, known = states[item], out[begin:stop], _part(contexts, begin, stop)
        whole = found.size - found.size % 4 if x.size == 4 else 0
        at, end = word(ends[item] - sizes[item]), word(ends[item])
        at = _get_four(words, at, end, x, tables, known, found, whole) if whole > 0 else at
        reached[item] = _get_any(words, at, end, x, tables, known, found, whole)


def rans_decode(
    words: Halves,
    sizes: Counts,
    states: Words,
    slots: Narrow,
    spans: Words,
    contexts: Octets,
    chunk: int,
    out: Narrow,
) -> bool:
    """Fill ``out`` with symbols; whether words and states were exactly theirs."""
    ends, final, reached = np.cumsum(sizes), states.copy(), np.empty(len(sizes), np.int64)
    tables = slots.reshape(-1), spans.reshape(-1), u32(slots.shape[1].bit_length() - 1)
    shared = contexts if len(contexts) else None
    parallel(_decode, len(sizes), len(out), words, ends, sizes, final, tables, shared, chunk, out, reached)
    return bool((reached == ends).all() and (final == first_state(states.shape[1])).all())
