"""Symbols: the shortest of several codes, named by the first byte of the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import folding, model, rans, rice, varint
from fedkd_compression.errors import WireError
from fedkd_compression.kernels.portable.counts import REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets, Symbols

    Contexts = Callable[[], Octets]

CONSTANT, FIXED, RICE, RANS = range(4)
_EMPTY = np.empty(0, np.uint8)
_CELLS = np.arange(-REACH, REACH + 1, dtype=np.int32)
_FOLDED = folding.folded(_CELLS)
_OVERHEAD = 20.0
"""Bytes of an entropy-coded stream that its model does not count: shape, states, rounding."""


def encode_symbols(symbols: Symbols, contexts: Contexts | None) -> bytes:
    """Code symbols [m], int8 or int32; ``contexts`` draws uint8 [m] that the receiver has too."""
    if len(symbols) == 0:
        return b""
    shared = _EMPTY if contexts is None else contexts()
    counts = kernels.backend().count(symbols, shared)
    total = counts.sum(axis=0)
    if total[-1]:
        least, most = int(symbols.min()), int(symbols.max())
    else:
        present = np.flatnonzero(total)
        least, most = int(present[0]) - REACH, int(present[-1]) - REACH
    if least == most:
        return bytes((CONSTANT,)) + varint.put(varint.folded(least))
    chosen = model.best(counts, contexts is not None)
    width = (most - least).bit_length()
    fixed = 7 + len(symbols) * width / 8
    k, rice_size = _rice(symbols, total)
    if chosen.bytes + _OVERHEAD < min(fixed, rice_size):
        return bytes((RANS,)) + rans.encode(symbols, shared, chosen)
    if rice_size < fixed:
        return bytes((RICE,)) + rice.encode(folding.folded(symbols.astype(np.int32)), k)
    return bytes((FIXED,)) + _fixed(symbols, least, width)


def decode_symbols(data: Octets, count: int, contexts: Contexts | None) -> Symbols:
    """Read ``count`` symbols [count], int32, or int8 if all fit.

    Raises:
        WireError: the data are no code of ``count`` symbols.
    """
    if count == 0:
        return np.empty(0, np.int32)
    if len(data) == 0 or data[0] > RANS:
        raise WireError("frame: symbols are missing or in an unknown code")
    code, body = int(data[0]), data[1:]
    if code == RANS:
        return rans.decode(body, count, contexts)
    if code == RICE:
        return folding.unfolded(rice.decode(body, count))
    least, at = varint.take(body, 0)
    if code == CONSTANT:
        return _checked(np.full(count, varint.unfolded(least), np.int64))
    width = int(body[at]) if at < len(body) else 33
    if width > 32 or len(body) - at - 1 < (count * width + 7) // 8:
        raise WireError(f"frame: {count} symbols of fixed width are cut off")
    values = kernels.backend().unpack(body[at + 1 :], count, width)
    return _checked(values.astype(np.int64) + varint.unfolded(least))


def _rice(symbols: Symbols, total: Counts) -> tuple[int, float]:
    """The Rice parameter and size: from the counts, or from the symbols when some are beyond the counts' reach."""
    if total[-1]:
        return rice.parameter(folding.folded(symbols.astype(np.int32)))
    return rice.parameter_of_counts(_FOLDED, total[:-1])


def _fixed(symbols: Symbols, least: int, width: int) -> bytes:
    shifted = (symbols.astype(np.int64) - least).astype(np.uint32)
    return varint.put(varint.folded(least)) + bytes((width,)) + kernels.backend().pack(shifted, width).tobytes()


def _checked(values: Counts) -> Symbols:
    if not -(1 << 31) <= int(values.min()) <= int(values.max()) < 1 << 31:
        raise WireError("frame: a symbol exceeds 32 bits")
    return values.astype(np.int32)
