"""Rice code: the low k bits of each number as they are, the rest in unary; the two in a string each."""

from __future__ import annotations

from math import log, log2
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words

_WIDEST = 31


def parameter(numbers: Words) -> tuple[int, int]:
    """The k that makes numbers [m] shortest, and their size in bytes then."""
    mean = float(numbers.mean(dtype=np.float64)) if len(numbers) else 0.0
    near = round(log2(max(log(2) * mean, 1.0)))
    candidates = range(max(0, near - 1), min(_WIDEST, near + 1) + 1)
    return min(((k, _size(numbers, k)) for k in candidates), key=lambda found: found[1])


def _size(numbers: Words, k: int) -> int:
    unary = int((numbers >> np.uint32(k)).sum(dtype=np.uint64)) + len(numbers)
    return 1 + (len(numbers) * k + 7) // 8 + (unary + 7) // 8


def encode(numbers: Words, k: int) -> bytes:
    """One byte for k, the low bits, the unary part."""
    low = kernels.backend().pack(numbers, k)
    high = kernels.backend().unary_pack(numbers >> np.uint32(k))
    return bytes((k,)) + low.tobytes() + high.tobytes()


def decode(data: Octets, count: int) -> tuple[Words, int]:
    """Read ``count`` numbers, uint32 [count], and the number of bytes that they took.

    Raises:
        WireError: the data end early, or a number does not fit into 32 bits.
    """
    if len(data) == 0 or data[0] > _WIDEST:
        raise WireError("frame: a Rice code without a valid parameter")
    k, body = int(data[0]), data[1:]
    middle = (count * k + 7) // 8
    if middle > len(body) or (high := kernels.backend().unary_unpack(body[middle:], count)) is None:
        raise WireError(f"frame: a Rice code of {count} numbers is cut off")
    if count and int(high.max()) > 0xFFFFFFFF >> k:
        raise WireError("frame: a Rice-coded number exceeds 32 bits")
    end = 1 + middle + (int(high.sum(dtype=np.uint64)) + count + 7) // 8
    return kernels.backend().unpack(body[:middle], count, k) | (high << np.uint32(k)), end
