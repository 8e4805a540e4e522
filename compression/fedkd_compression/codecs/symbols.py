"""Symbols: the shortest of several codes, named by the first byte of the stream.

| first byte | code | what follows |
|---|---|---|
| 0 | constant | the symbol |
| 1 | fixed width | the least symbol, bits a symbol, the differences from the least |
| 2 | Rice | Rice code of the folded symbols |
| 3 | tables | a histogram, escapes if it has any, entropy-coded stream |
| 4, 5 | a model that both ends have | (5: escapes,) entropy-coded stream |
| 6 | parametric tables with escapes | their name, escapes, entropy-coded stream |
| 7 | Zstandard | see ``zstd.py`` |
| 16 .. 255 | parametric tables 0 .. 239 | entropy-coded stream |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import escapes, folding, histogram, parametric, rice, stream, varint
from fedkd_compression.codecs import zstd as zstandard
from fedkd_compression.codecs.choice import (
    CONSTANT,
    FIXED,
    NAMED,
    NAMED_ESCAPES,
    RICE,
    SHARED,
    SHARED_ESCAPES,
    TABLES,
    ZSTD,
    shortest,
)
from fedkd_compression.codecs.survey import NONE, Survey
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Symbols
    from fedkd_compression.codecs.static_model import StaticModel
    from fedkd_compression.codecs.tables import Tables

    Contexts = Callable[[], Octets]

_WIDEST, _MISSING = 32, -1
_ESCAPED = (SHARED_ESCAPES, NAMED_ESCAPES)


def encode_symbols(
    symbols: Symbols, contexts: Contexts | None, shared: StaticModel | None = None, zstd: bool = False
) -> bytes:
    """Code symbols [m], int8 or int32, in the shortest of the codes.

    Args:
        symbols: contiguous.
        contexts: draws uint8 [m], or [0] for none, that the receiver has too.
        shared: a model that the receiver has too; without it the stream cannot be read, if it was the shortest.
        zstd: whether the receiver is known to have Zstandard; only then is that code tried.

    Raises:
        OperatorError: contexts of another number, a model with contexts where there are none, or no Zstandard here.
    """
    if len(symbols) == 0:
        return b""
    survey = Survey.of(symbols, NONE if contexts is None else contexts())
    return shortest(survey, shared, zstd)


def decode_symbols(data: Octets, count: int, contexts: Contexts | None, shared: StaticModel | None = None) -> Symbols:
    """Read ``count`` symbols [count], int32, or int8 if all fit.

    Raises:
        WireError: the data are no code of ``count`` symbols, or need a model or Zstandard that this end does not have.
    """
    if count == 0:
        return np.empty(0, np.int32)
    code, body = (int(data[0]) if len(data) else _MISSING), data[1:]
    if ZSTD < code < NAMED or code == _MISSING:
        raise WireError("frame: symbols are missing or in an unknown code")
    if code in (CONSTANT, FIXED):
        return _fixed(body, count, code == CONSTANT)
    if code == RICE:
        return folding.unfolded(rice.decode(body, count)[0])
    if code == ZSTD:
        return zstandard.decode(body, count)
    return _streamed(code, body, count, contexts, shared)


def _streamed(code: int, body: Octets, count: int, contexts: Contexts | None, shared: StaticModel | None) -> Symbols:
    """Read the entropy-coded stream of a code, and what precedes it."""
    if code in (TABLES, SHARED, SHARED_ESCAPES):
        tables, used, whole = _given(code, body, count, shared)
        known = contexts() if tables.mirrored and contexts is not None else NONE
    else:
        known = NONE if contexts is None else contexts()
        tables, used, whole = _named(code, body, len(known) > 0)
    values = np.empty(0, np.int32)
    if code in _ESCAPED or (code == TABLES and tables.escapes):
        values, more = escapes.take(body[used:], count)
        used += more
    found = stream.take(body[used:], count, known, tables, whole)
    return escapes.filled(found, values) if tables.escapes else found


def _given(code: int, body: Octets, count: int, shared: StaticModel | None) -> tuple[Tables, int, bool]:
    """The tables that a stream holds or that both ends have, how many bytes they took, whether the stream is whole."""
    if code == TABLES:
        model, used, whole = histogram.take(body, histogram.steps_of(count))
        return model.tables(), used, whole
    if shared is None:
        raise WireError("frame: symbols are coded with a shared model, which this end does not have")
    return shared.tables, 0, False


def _named(code: int, body: Octets, mirrored: bool) -> tuple[Tables, int, bool]:
    """The same for parametric tables."""
    if code >= NAMED:
        return parametric.named(code - NAMED, mirrored), 0, False
    if len(body) == 0 or body[0] >= parametric.NAMES:
        raise WireError("frame: parametric tables without a valid name")
    return parametric.named(int(body[0]), mirrored), 1, False


def _fixed(body: Octets, count: int, constant: bool) -> Symbols:
    folded, at = varint.take(body, 0)
    least, values = varint.unfolded(folded), np.zeros(count, np.int64)
    if not constant:
        width = int(body[at]) if at < len(body) else _WIDEST + 1
        if width > _WIDEST or len(body) - at - 1 < (count * width + 7) // 8:
            raise WireError(f"frame: {count} symbols of fixed width are cut off")
        values += kernels.backend().unpack(body[at + 1 :], count, width)
    if not -(1 << 31) <= least <= int(values.max()) + least < 1 << 31:
        raise WireError("frame: a symbol exceeds 32 bits")
    return (values + least).astype(np.int32)
