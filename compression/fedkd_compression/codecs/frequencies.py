"""Frequencies of symbols that sum to 2^p, and their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets

_LENGTH_BITS = 4
_MOST_BITS = 13
_PLACES = np.arange(_MOST_BITS - 1)


def normalised(counts: Counts, precision: int) -> Counts:
    """Frequencies [T, W] that sum to 2^precision a row, at least 1 where counts are; rows without counts on 0."""
    total = 1 << precision
    sums = counts.sum(axis=1, keepdims=True)
    scaled = np.rint(counts * (total / np.maximum(sums, 1))).astype(np.int64)
    frequencies = np.where(counts > 0, np.maximum(scaled, 1), 0)
    for row in frequencies:
        while (excess := int(row.sum()) - total) != 0:
            most = int(row.argmax())
            # A frequency gives at most half of itself, so that none falls to zero.
            row[most] -= min(excess, max(int(row[most]) // 2, 1))
    return frequencies


def put(frequencies: Counts) -> bytes:
    """Each as its length in bits (four bits), then, all together, their bits below the leading one."""
    flat = frequencies.reshape(-1)
    lengths = np.frexp(flat)[1]
    kept = np.maximum(lengths - 1, 0)[:, None] > _PLACES
    low = (flat[:, None] >> _PLACES & 1)[kept].astype(np.uint8)
    return (
        kernels.backend().pack(lengths.astype(np.uint32), _LENGTH_BITS).tobytes()
        + np.packbits(low, bitorder="little").tobytes()
    )


def take(data: Octets, tables: int, width: int, precision: int) -> tuple[Counts, int]:
    """Read frequencies [tables, width], and the number of bytes that they took.

    Raises:
        WireError: cut off, or not frequencies of this precision.
    """
    middle = (tables * width * _LENGTH_BITS + 7) // 8
    if middle > len(data):
        raise WireError("frame: frequencies are cut off")
    lengths = kernels.backend().unpack(data, tables * width, _LENGTH_BITS).astype(np.int64)
    kept = np.maximum(lengths - 1, 0)[:, None] > _PLACES
    bits = int(kept.sum())
    end = middle + (bits + 7) // 8
    if end > len(data) or lengths.max() > _MOST_BITS:
        raise WireError("frame: frequencies are cut off or too large")
    low = np.zeros(kept.shape, np.int64)
    low[kept] = np.unpackbits(data[middle:end], count=bits, bitorder="little")
    leading = np.where(lengths > 0, np.int64(1) << np.maximum(lengths - 1, 0), 0)
    frequencies = ((low << _PLACES).sum(axis=1) + leading).reshape(tables, width)
    if (frequencies.sum(axis=1) != 1 << precision).any():
        raise WireError(f"frame: frequencies do not sum to 2^{precision}")
    return frequencies, end
