"""Symbols: the shortest of several codes, named by the first byte of the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import rice, varint
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Contexts = Callable[[], NDArray[np.uint8]]

CONSTANT, FIXED, RICE, RANS = range(4)


def encode_symbols(symbols: NDArray[np.int32], contexts: Contexts | None) -> bytes:
    """Code symbols [m]; ``contexts`` draws uint8 [m] that the receiver has too."""
    if len(symbols) == 0:
        return b""
    least, most = int(symbols.min()), int(symbols.max())
    if least == most:
        return bytes((CONSTANT,)) + varint.put(varint.folded(least))
    width = (most - least).bit_length()
    fixed = 1 + len(varint.put(varint.folded(least))) + 1 + (len(symbols) * width + 7) // 8
    folded = _folded(symbols)
    k, size = rice.parameter(folded)
    if size < fixed:
        return bytes((RICE,)) + rice.encode(folded, k)
    shifted = (symbols.astype(np.int64) - least).astype(np.uint32)
    head = bytes((FIXED,)) + varint.put(varint.folded(least)) + bytes((width,))
    return head + kernels.backend().pack(shifted, width).tobytes()


def decode_symbols(data: NDArray[np.uint8], count: int, contexts: Contexts | None) -> NDArray[np.int32]:
    """Read ``count`` symbols, int32 [count].

    Raises:
        WireError: the data are no code of ``count`` symbols.
    """
    if count == 0:
        return np.empty(0, np.int32)
    if len(data) == 0:
        raise WireError("frame: symbols are missing")
    code, body = data[0], data[1:]
    if code == CONSTANT:
        value, _ = varint.take(memoryview(body), 0)
        return _checked(np.full(count, varint.unfolded(value), np.int64))
    if code == RICE:
        return _unfolded(rice.decode(body, count))
    if code == FIXED:
        least, at = varint.take(memoryview(body), 0)
        width = int(body[at]) if at < len(body) else 33
        if width > 32 or len(body) - at - 1 < (count * width + 7) // 8:
            raise WireError(f"frame: {count} symbols of fixed width are cut off")
        values = kernels.backend().unpack(body[at + 1 :], count, width)
        return _checked(values.astype(np.int64) + varint.unfolded(least))
    raise WireError(f"frame: symbol code {code} is unknown")


def _checked(values: NDArray[np.int64]) -> NDArray[np.int32]:
    if len(values) and not -(1 << 31) <= int(values.min()) <= int(values.max()) < 1 << 31:
        raise WireError("frame: a symbol exceeds 32 bits")
    return values.astype(np.int32)


def _folded(symbols: NDArray[np.int32]) -> NDArray[np.uint32]:
    return ((symbols << 1) ^ (symbols >> 31)).view(np.uint32)


def _unfolded(numbers: NDArray[np.uint32]) -> NDArray[np.int32]:
    return ((numbers >> np.uint32(1)) ^ (np.uint32(0) - (numbers & np.uint32(1)))).view(np.int32)
