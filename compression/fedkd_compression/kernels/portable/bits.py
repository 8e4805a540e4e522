"""Bit strings, least significant bit first: fixed width and unary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words


def pack(values: Words, width: int) -> Octets:
    """The low ``width`` bits of each value, one after another, uint8 [ceil(m width / 8)]."""
    if width == 0:
        return np.empty(0, np.uint8)
    octets = np.ascontiguousarray(values.astype("<u4", copy=False)).view(np.uint8).reshape(-1, 4)
    return np.packbits(np.unpackbits(octets, axis=1, bitorder="little")[:, :width].reshape(-1), bitorder="little")


def unpack(data: Octets, count: int, width: int) -> Words:
    """Read ``count`` values; ``data`` holds at least count * width bits."""
    padded = np.zeros((count, 32), np.uint8)
    if width and count:
        padded[:, :width] = np.unpackbits(data, count=count * width, bitorder="little").reshape(count, width)
    return np.packbits(padded, axis=1, bitorder="little").reshape(-1).view("<u4").astype(np.uint32, copy=False)


def unary_pack(values: Words) -> Octets:
    """Each value as that many zeros and a one."""
    ends = np.cumsum(values.astype(np.int64) + 1)
    marks = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    marks[ends - 1] = 1
    return np.packbits(marks, bitorder="little")


def unary_unpack(data: Octets, count: int) -> Words | None:
    """Read ``count`` values, or None when the data end before; what follows them is ignored."""
    ends = np.flatnonzero(np.unpackbits(data, bitorder="little"))[:count]
    if len(ends) < count:
        return None
    return (np.diff(ends, prepend=-1) - 1).astype(np.uint32)
