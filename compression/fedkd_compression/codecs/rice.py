"""Rice code: the low k bits of each number as they are, the rest in unary; the two in a string each."""

from __future__ import annotations

from math import log, log2
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets, Words

_WIDEST = 31


def parameter(numbers: Words) -> tuple[int, int]:
    """The k that makes numbers [m] shortest, and their size in bytes then."""
    return parameter_of_counts(numbers, np.ones(len(numbers), np.int64))


def parameter_of_counts(numbers: Words, counts: Counts) -> tuple[int, int]:
    """The same for each of numbers [m] as often as counts [m] say."""
    total = int(counts.sum())
    mean = float(numbers @ counts.astype(np.float64)) / max(total, 1)
    near = round(log2(max(log(2) * mean, 1.0)))
    candidates = range(max(0, near - 1), min(_WIDEST, near + 1) + 1)
    return min(((k, _size(numbers, counts, total, k)) for k in candidates), key=lambda found: found[1])


def _size(numbers: Words, counts: Counts, total: int, k: int) -> int:
    unary = int((numbers >> np.uint32(k)) @ counts) + total
    return 1 + (total * k + 7) // 8 + (unary + 7) // 8


def encode(numbers: Words, k: int) -> bytes:
    """One byte for k, the low bits, the unary part."""
    low = kernels.backend().pack(numbers, k)
    high = kernels.backend().unary_pack(numbers >> np.uint32(k))
    return bytes((k,)) + low.tobytes() + high.tobytes()


def decode(data: Octets, count: int) -> Words:
    """Read ``count`` numbers, uint32 [count].

    Raises:
        WireError: the data end early, or a number does not fit into 32 bits.
    """
    if len(data) == 0 or data[0] > _WIDEST:
        raise WireError("frame: a Rice code without a valid parameter")
    k = int(data[0])
    middle = 1 + (count * k + 7) // 8
    if middle > len(data) or (high := kernels.backend().unary_unpack(data[middle:], count)) is None:
        raise WireError(f"frame: a Rice code of {count} numbers is cut off")
    if count and int(high.max()) > 0xFFFFFFFF >> k:
        raise WireError("frame: a Rice-coded number exceeds 32 bits")
    return kernels.backend().unpack(data[1:middle], count, k) | (high << np.uint32(k))
