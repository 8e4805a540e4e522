"""The entropy coder: interleaved rANS with tables that are part of the stream.

Layout: shape 1 | width - 1 1 | low + REACH 1 | frequencies | escapes: count varint, size varint, Rice code |
states 4 each | words 2 each, little endian. The shape's bits: tables 0-2 (0 one for all, 1 .. 4 mirrored 1, 2, 4, 8),
log2 of the lanes 3-4, whether there are escapes 5, half of precision - 8 6-7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import folding, frequencies, rice, varint
from fedkd_compression.codecs.model import Model, rules_of
from fedkd_compression.errors import WireError
from fedkd_compression.kernels.portable.counts import REACH
from fedkd_compression.kernels.portable.rans import LEAST

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Halves, Octets, Rules, Symbols, Words


_HEAD = 3
_MANY_LANES = ((1 << 16, 3), (1 << 12, 2))
_FINE = ((1 << 16, 12), (1 << 12, 10))
_NONE = np.empty(0, np.uint8)
_WORD_BITS = 16


@dataclass(frozen=True)
class _Shape:
    """How a stream is built: what its first three bytes say."""

    tables: int
    mirrored: bool
    log_lanes: int
    escapes: bool
    precision: int
    width: int
    low: int

    def put(self) -> bytes:
        kind = self.tables.bit_length() if self.mirrored else 0
        shape = kind | self.log_lanes << 3 | self.escapes << 5 | (self.precision - 8) // 2 << 6
        return bytes((shape, self.width - 1, self.low + REACH))

    @staticmethod
    def take(data: Octets) -> _Shape:
        if len(data) < _HEAD or data[0] & 7 > 4 or data[0] >> 6 > 2 or int(data[1]) + int(data[2]) > 2 * REACH:
            raise WireError("frame: an entropy-coded stream without a valid shape")
        shape, width, low = (int(octet) for octet in data[:_HEAD])
        tables = 1 << max((shape & 7) - 1, 0)
        return _Shape(
            tables, shape & 7 > 0, shape >> 3 & 3, shape & 32 > 0, 8 + 2 * (shape >> 6), width + 1, low - REACH
        )

    @property
    def columns(self) -> int:
        """Cells of a table, that of the escapes included."""
        return self.width + self.escapes

    def rules(self) -> Rules:
        """How contexts use the tables."""
        return rules_of(self.tables, self.mirrored, self.low)


def encode(symbols: Symbols, contexts: Octets, model: Model) -> bytes:
    """Code symbols [m], m > 0, with their contexts ([m] or [0]) and a model of them."""
    shape = _shape(model, len(symbols))
    table = frequencies.normalised(model.counts, shape.precision)
    entries = kernels.backend().entries_of(table, shape.precision, shape.rules(), shape.width)
    most = _most_words(model, table, shape, len(symbols))
    states, words = kernels.backend().rans_encode(symbols, contexts, entries, 1 << shape.log_lanes, most)
    parts = [shape.put(), frequencies.put(table)]
    if shape.escapes:
        where = kernels.backend().outside(symbols, contexts, shape.rules(), shape.width, model.escapes)
        numbers = folding.folded(symbols[where].astype(np.int32))
        coded = rice.encode(numbers, rice.parameter(numbers)[0])
        parts += [varint.put(len(numbers)), varint.put(len(coded)), coded]
    return b"".join((*parts, states.astype("<u4", copy=False).tobytes(), words.astype("<u2", copy=False).tobytes()))


def decode(data: Octets, count: int, contexts: Callable[[], Octets] | None) -> Symbols:
    """Read ``count`` > 0 symbols [count], int8 if all fit.

    Raises:
        WireError: the stream is not one of ``count`` symbols.
    """
    shape = _Shape.take(data)
    table, used = frequencies.take(data[_HEAD:], shape.tables, shape.columns, shape.precision)
    at = _HEAD + used
    escapes, at = _take_escapes(data, at, count) if shape.escapes else (np.empty(0, np.int32), at)
    states, words = _take_words(data[at:], 1 << shape.log_lanes)
    shared = contexts() if shape.mirrored and contexts is not None else _NONE
    if shape.mirrored and len(shared) != count:
        raise WireError(f"frame: {count} symbols need contexts that the operator does not have")
    out: Symbols = np.empty(count, np.int32 if shape.escapes else np.int8)
    slots = kernels.backend().slots_of(table, shape.precision)
    if not kernels.backend().rans_decode(words, states, slots, shared, shape.rules(), out):
        raise WireError(f"frame: an entropy-coded stream does not end after {count} symbols")
    return _filled(out, escapes, shared, shape) if shape.escapes else out


def _shape(model: Model, count: int) -> _Shape:
    log_lanes = next((lanes for least, lanes in _MANY_LANES if count >= least), 0)
    precision = next((bits for least, bits in _FINE if count >= least), 8)
    tables, columns = model.counts.shape
    if columns > 1 << (precision - 1):
        precision += 2
    escapes = model.escapes > 0
    return _Shape(tables, model.mirrored, log_lanes, escapes, precision, columns - escapes, model.low)


def _most_words(model: Model, table: Counts, shape: _Shape, count: int) -> int:
    """A bound on the words: a symbol of frequency f makes the state x at most 2^p/f (1 + f/x) times as large."""
    bits = (model.counts * (shape.precision - np.log2(np.maximum(table, 1)))).sum()
    growth = math.log2(1 + 2.0**shape.precision / LEAST)
    return min(count, int((bits + growth * count) / _WORD_BITS) + 2)


def _take_words(data: Octets, lanes: int) -> tuple[Words, Halves]:
    """States [lanes], and the words with as many zeros as lanes after them."""
    if len(data) < 4 * lanes or len(data) % 2:
        raise WireError("frame: an entropy-coded stream is cut off")
    padded = np.zeros(len(data) // 2 - lanes, np.uint16)
    padded.view(np.uint8)[: len(data) - 4 * lanes] = data[4 * lanes :]
    return data[: 4 * lanes].copy().view("<u4").astype(np.uint32), padded.view("<u2").astype(np.uint16, copy=False)


def _take_escapes(data: Octets, at: int, most: int) -> tuple[Symbols, int]:
    count, at = varint.take(data, at)
    size, at = varint.take(data, at)
    if count > most or at + size > len(data):
        raise WireError(f"frame: {count} escapes are cut off or too many")
    return folding.unfolded(rice.decode(data[at : at + size], count)), at + size


def _filled(out: Symbols, escapes: Symbols, contexts: Octets, shape: _Shape) -> Symbols:
    """Put the escapes where the escape cell was decoded."""
    where = kernels.backend().outside(out, contexts, shape.rules(), shape.width, len(escapes))
    if len(where) != len(escapes):
        raise WireError(f"frame: {len(escapes)} escapes for {len(where)} places")
    out[where] = escapes
    return out
