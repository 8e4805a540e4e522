"""A 32-bit checksum in 64 lanes, after the manner of xxHash32: multiply, add, rotate, multiply.

Every step is a bijection of the state for fixed data, and of the data for a fixed state; lanes are folded in pairs,
a fold being a bijection of either. So any change confined to one 32-bit word changes the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words

LANES = 64
NOTHING = np.empty(0, np.uint8)
"""No bytes."""
_P1, _P2, _P3 = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)


def started() -> Words:
    """The lanes before any data."""
    return np.arange(1, LANES + 1, dtype=np.uint32) * _P3


def absorbed(lanes: Words, block: Words) -> Words:
    """The lanes after a block of one word a lane."""
    mixed = lanes + block * _P2
    return (mixed << np.uint32(13) | mixed >> np.uint32(19)) * _P1


def merged(lanes: Words, size: int, seed: int) -> int:
    """The lanes folded into 32 bits, with the number of bytes and the seed."""
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = absorbed(lanes[:half], lanes[half:])
    total = (int(lanes[0]) ^ seed) & 0xFFFFFFFF
    total = ((total ^ total >> 15) * int(_P2) + size) & 0xFFFFFFFF
    total = (total ^ total >> 13) * int(_P3) & 0xFFFFFFFF
    return total ^ total >> 16


def checksum(data: Octets, seed: int, ahead: Octets = NOTHING) -> int:
    """The checksum of bytes [m] and a 32-bit seed; some bytes may lie ahead of the others, elsewhere."""
    data = np.concatenate((ahead, data))
    padded = np.zeros(-(-len(data) // (4 * LANES)) * 4 * LANES, np.uint8)
    padded[: len(data)] = data
    lanes = started()
    for block in padded.view(np.uint32).reshape(-1, LANES):
        lanes = absorbed(lanes, block)
    return merged(lanes, len(data), seed)
