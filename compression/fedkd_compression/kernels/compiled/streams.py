"""Compiled random words; see the portable module for the hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Keys, Octets, Words


u32 = np.uint32


@compiled
def hashed(j: int, low: np.uint32, high: np.uint32) -> np.uint32:
    """Word j of the stream (low, high)."""
    x = u32(u32(j) * u32(0x9E3779B9) + low)
    x = u32((x ^ x >> u32(16)) * u32(0x21F0AAAD)) ^ high
    x = u32((x ^ x >> u32(15)) * u32(0xD35A2D97))
    return x ^ x >> u32(15)


@compiled
def dithered(drawn: np.uint32) -> np.float32:
    """A word as a dither."""
    odd = np.int32(u32(u32(drawn >> u32(8)) * u32(2) + u32(1))) - np.int32(1 << 24)
    return np.float32(np.int32(odd)) * np.float32(2.0**-25)


@compiled
def uniform(drawn: np.uint32) -> np.float32:
    """A word as a uniform."""
    return np.float32(np.int32(drawn >> u32(8))) * np.float32(2.0**-24)


@compiled
def halves(key: np.uint64) -> tuple[np.uint32, np.uint32]:
    """Low and high 32 bits of a stream's identity."""
    return u32(key & np.uint64(0xFFFFFFFF)), u32(key >> np.uint64(32))


@compiled
def _words(keys: Keys, out: Words) -> None:
    for row in range(out.shape[0]):
        low, high = halves(keys[row])
        for j in range(out.shape[1]):
            out[row, j] = hashed(j, low, high)


@compiled
def _uniforms(keys: Keys, out: NDArray[np.float32]) -> None:
    for row in range(out.shape[0]):
        low, high = halves(keys[row])
        for j in range(out.shape[1]):
            out[row, j] = uniform(hashed(j, low, high))


@compiled
def _dither(keys: Keys, out: NDArray[np.float32]) -> None:
    for row in range(out.shape[0]):
        low, high = halves(keys[row])
        for j in range(out.shape[1]):
            out[row, j] = dithered(hashed(j, low, high))


@compiled
def _bins(keys: Keys, out: Octets) -> None:
    for row in range(out.shape[0]):
        low, high = halves(keys[row])
        for j in range(out.shape[1]):
            out[row, j] = np.uint8(hashed(j, low, high) >> u32(28))


def words(keys: Keys, count: int) -> Words:
    """Random words, uint32 [n, count]."""
    _words(keys, out := np.empty((len(keys), count), np.uint32))
    return out


def uniforms(keys: Keys, count: int) -> NDArray[np.float32]:
    """Uniforms, float32 [n, count]."""
    _uniforms(keys, out := np.empty((len(keys), count), np.float32))
    return out


def dither(keys: Keys, count: int) -> NDArray[np.float32]:
    """Dither, float32 [n, count]."""
    _dither(keys, out := np.empty((len(keys), count), np.float32))
    return out


def bins(keys: Keys, count: int) -> Octets:
    """Sixteen bins of the dither, uint8 [n, count]."""
    _bins(keys, out := np.empty((len(keys), count), np.uint8))
    return out
