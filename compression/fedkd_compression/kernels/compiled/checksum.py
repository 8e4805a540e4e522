"""The compiled checksum; see the portable module for the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled
from fedkd_compression.kernels.compiled.lent import addresses, lent
from fedkd_compression.kernels.portable.checksum import LANES, NOTHING

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words


u32 = np.uint32
_BLOCK = 4 * LANES


@compiled
def _mixed(lane: np.uint32, block: np.uint32) -> np.uint32:
    t = u32(lane + u32(block * u32(0x85EBCA77)))
    return u32(u32(t << u32(13) | t >> u32(19)) * u32(0x9E3779B1))


@compiled
def _checksum(start: Words, at: np.uint64, blocks: int, tail: Words, size: int, seed: int) -> int:
    """Of the words at the start, of blocks that lie at an address, aligned or not, and of those at the end."""
    lanes = np.empty(64, np.uint32)
    for j in range(64):
        lanes[j] = u32(u32(j + 1) * u32(0xC2B2AE3D))
    for j in range(start.size):
        lanes[j & 63] = _mixed(lanes[j & 63], start[j])
    words = lent(at, blocks * 64, start)
    for i in range(blocks):
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


def checksum(data: Octets, seed: int, ahead: Octets = NOTHING) -> int:
    """The checksum of bytes and a 32-bit seed; some bytes may lie ahead of the others, elsewhere."""
    # The first blocks are put together, so that the others lie as they are.
    taken = min(-len(ahead) % _BLOCK, len(data))
    blocks = (len(data) - taken) // _BLOCK
    rest = taken + blocks * _BLOCK
    start, tail = _padded(ahead, data[:taken]), _padded(data[rest:])
    (at,) = addresses([data[taken:]])
    return int(_checksum(start, at, blocks, tail, len(ahead) + len(data), seed))


def _padded(*parts: Octets) -> Words:
    """Bytes one after the other as words, with zeros up to whole blocks."""
    size = sum(map(len, parts))
    out = np.zeros(-(-size // _BLOCK) * _BLOCK, np.uint8)
    np.concatenate(parts, out=out[:size])
    return out.view(np.uint32)
