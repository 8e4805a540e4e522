"""The compiled checksum; see the portable module for the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.portable.checksum import LANES, merged, started

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words


u32 = np.uint32


@compiled
def _absorb(words: Words, lanes: Words) -> None:
    for i in range(words.size // 64):
        for j in range(64):
            t = u32(lanes[j] + u32(words[np.uintp(i * 64 + j)] * u32(0x85EBCA77)))
            lanes[j] = u32(u32(t << u32(13) | t >> u32(19)) * u32(0x9E3779B1))


def checksum(data: Octets, seed: int) -> int:
    """The checksum of bytes and a 32-bit seed."""
    whole = len(data) // (4 * LANES) * 4 * LANES
    lanes = started()
    head = data[:whole].view(np.uint32)
    _absorb(head if head.flags.aligned else head.copy(), lanes)
    if whole < len(data):
        tail = np.zeros(4 * LANES, np.uint8)
        tail[: len(data) - whole] = data[whole:]
        _absorb(tail.view(np.uint32), lanes)
    return merged(lanes, len(data), seed)
