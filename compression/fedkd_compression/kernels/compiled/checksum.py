"""The compiled checksum; see the portable module for the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.portable.checksum import LANES

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words


u32 = np.uint32


@compiled
def _mixed(lane: np.uint32, block: np.uint32) -> np.uint32:
    t = u32(lane + u32(block * u32(0x85EBCA77)))
    return u32(u32(t << u32(13) | t >> u32(19)) * u32(0x9E3779B1))


@compiled
def _checksum(words: Words, tail: Words, size: int, seed: int) -> int:
    lanes = np.empty(64, np.uint32)
    for j in range(64):
        lanes[j] = u32(u32(j + 1) * u32(0xC2B2AE3D))
    for i in range(words.size // 64):
        for j in range(64):
            lanes[j] = _mixed(lanes[j], words[np.uintp(i * 64 + j)])
    for j in range(tail.size):
        lanes[j] = _mixed(lanes[j], tail[j])
    half = 32
    while half > 0:
        for j in range(half):
            lanes[j] = _mixed(lanes[j], lanes[j + half])
        half //= 2
    total = lanes[0] ^ u32(seed)
    total = u32(u32((total ^ total >> u32(15)) * u32(0x85EBCA77)) + u32(size))
    total = u32((total ^ total >> u32(13)) * u32(0xC2B2AE3D))
    return int(total ^ total >> u32(16))


def checksum(data: Octets, seed: int) -> int:
    """The checksum of bytes and a 32-bit seed."""
    whole = len(data) // (4 * LANES) * 4 * LANES
    head = data[:whole].view(np.uint32)
    tail = np.zeros(4 * LANES if whole < len(data) else 0, np.uint8)
    tail[: len(data) - whole] = data[whole:]
    head = head if head.flags.aligned else head.copy()
    # Frames are read-only when they arrive: one compiled form serves both ends.
    head.flags.writeable = False
    return int(_checksum(head, tail.view(np.uint32), len(data), seed))
