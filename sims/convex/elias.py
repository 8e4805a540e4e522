"""Elias codes for quantised vectors, as published with QSGD: what entropy-coded messages are compared with.

A message of symbols is a bit that names the layout, and then for every coordinate (dense), or for every coordinate that
is not zero after the gap before it (sparse), the Elias gamma code of the level and a sign. The shorter one is sent.
Source: Alistarh et al., QSGD (2017), sections on coding; gamma is the shortest of Elias's codes for small numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import Key, Operator, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Numbers = NDArray[np.int64]
    Octets = NDArray[np.uint8]


def gamma(numbers: Numbers) -> Numbers:
    """Bits of the gamma code of numbers >= 1: 2 floor(log2 n) + 1."""
    bits: Numbers = 2 * (np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1) + 1
    return bits


def lengths(symbols: Numbers) -> Numbers:
    """Bytes of the messages of symbols [K, m], int64 [K]."""
    levels = np.abs(symbols)
    signs = (levels > 0).sum(axis=1)
    dense = gamma(levels + 1).sum(axis=1) + signs
    place = np.where(levels > 0, np.arange(1, symbols.shape[1] + 1), 0)
    before = np.maximum.accumulate(np.pad(place, ((0, 0), (1, 0)))[:, :-1], axis=1)
    pairs = gamma(np.where(levels > 0, place - before, 1)) + gamma(np.maximum(levels, 1))
    sparse = np.where(levels > 0, pairs, 0).sum(axis=1) + signs
    bytes_: Numbers = (1 + np.minimum(dense, sparse) + 7) // 8
    return bytes_


def encode(symbols: Numbers) -> bytes:
    """The message of symbols [m]: what ``lengths`` counts."""
    dense = "".join(_gamma(abs(symbol) + 1) + _sign(symbol) for symbol in symbols.tolist())
    sparse, last = "", -1
    for place in np.flatnonzero(symbols).tolist():
        symbol = int(symbols[place])
        sparse += _gamma(place - last) + _gamma(abs(symbol)) + _sign(symbol)
        last = place
    bits = "0" + dense if len(dense) <= len(sparse) else "1" + sparse
    return np.packbits(np.array(list(bits), np.uint8)).tobytes()


def decode(data: bytes, count: int) -> Numbers:
    """Read ``count`` symbols; what a sparse message leaves out is zero, and so are the bits after its end."""
    bits = "".join(map(str, np.unpackbits(np.frombuffer(data, np.uint8)).tolist()))
    symbols, at, place = np.zeros(count, np.int64), 1, -1
    sparse = bits[0] == "1"
    while place + 1 < count and "1" in bits[at:]:
        step = 1
        if sparse:
            step, at = _read(bits, at)
        level, at = _read(bits, at)
        level -= 0 if sparse else 1
        place += step
        if level:
            symbols[place], at = level if bits[at] == "0" else -level, at + 1
    return symbols


def measured(operator: Operator, rows: Tensor, key: Key) -> tuple[Numbers, Tensor]:
    """Bytes of the frames of rows [K, d] with Elias codes in place of ours, and the rows as received."""
    ours, received = measure(operator, rows, key)
    symbols = operator.encode(rows, key).symbols
    assert symbols is not None
    total: Numbers = ours.header + ours.side + lengths(symbols.numpy().astype(np.int64))
    return total, received


def _gamma(number: int) -> str:
    return "0" * (number.bit_length() - 1) + f"{number:b}"


def _sign(symbol: int) -> str:
    return "" if symbol == 0 else "0" if symbol > 0 else "1"


def _read(bits: str, at: int) -> tuple[int, int]:
    start = bits.index("1", at)
    end = start + (start - at) + 1
    return int(bits[start:end], 2), end
