"""A 32-bit checksum in 32 lanes, after the manner of xxHash32: add, multiply, rotate, multiply.

Every step is a bijection of the state for fixed data and of the data for a fixed state, so any change
confined to one 32-bit word changes the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES = 32
_P1, _P2, _P3 = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)
_CHUNK = 1 << 12


def _rotated(x: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
    return (x << np.uint32(by)) | (x >> np.uint32(32 - by))


def checksum(data: NDArray[np.uint8], seed: int) -> int:
    """The checksum of bytes [m] and a 32-bit seed."""
    size = len(data)
    padded = np.zeros(-(-size // (4 * LANES)) * 4 * LANES, np.uint8)
    padded[:size] = data
    lanes = np.arange(1, LANES + 1, dtype=np.uint32) * _P3
    for block in padded.view("<u4").astype(np.uint32, copy=False).reshape(-1, LANES):
        lanes = _rotated(lanes + block * _P2, 13) * _P1
    total = (size * int(_P3) + seed) & 0xFFFFFFFF
    for lane in lanes.tolist():
        total = ((total ^ lane) * int(_P1) + int(_P2)) & 0xFFFFFFFF
        total ^= total >> 15
    total = (total ^ (total >> 13)) * int(_P3) & 0xFFFFFFFF
    return total ^ (total >> 16)
