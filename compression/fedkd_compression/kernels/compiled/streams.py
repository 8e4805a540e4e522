"""Compiled random words; see the portable module for the hash.

Loops step the hash's counter x = j * 0x9E3779B9 + low by additions: multiplying a 64-bit j does not vectorise well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.chunks import TILE, chunk_of, over_chunks
from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Keys, Octets, Words


u32 = np.uint32
STEP = u32(0x9E3779B9)
_UNIT, _LEAST = np.float32(2.0**-24), np.float32(2.0**-25 - 0.5)


@compiled
def counter(key: np.uint64, j: int) -> tuple[np.uint32, np.uint32]:
    """The counter at word j of a stream, and the stream's high half."""
    return u32(u32(j) * STEP + u32(key & np.uint64(0xFFFFFFFF))), u32(key >> np.uint64(32))


@compiled
def hashed(x: np.uint32, high: np.uint32) -> np.uint32:
    """The word of a counter."""
    x = u32((x ^ x >> u32(16)) * u32(0x21F0AAAD)) ^ high
    x = u32((x ^ x >> u32(15)) * u32(0xD35A2D97))
    return x ^ x >> u32(15)


@compiled
def dithered(drawn: np.uint32) -> np.float32:
    """A word as a dither: with m its top 24 bits, m 2^-24 + 2^-25 - 1/2, in which nothing is rounded."""
    return np.float32(np.int32(drawn >> u32(8))) * _UNIT + _LEAST


@compiled
def uniform(drawn: np.uint32) -> np.float32:
    """A word as a uniform."""
    return np.float32(np.int32(drawn >> u32(8))) * _UNIT


@compiled
def fill(out: Words, key: np.uint64, start: int) -> None:
    """Words start, start + 1, .. of a stream, as many as ``out`` holds."""
    x, high = counter(key, start)
    for j in range(out.size):
        out[j] = hashed(x, high)
        x = u32(x + STEP)


@compiled
def _words(first: int, last: int, chunks: int, keys: Keys, out: Words) -> None:
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, out.shape[1])
        fill(out[row, start:stop], keys[row], start)


@compiled
def _uniforms(first: int, last: int, chunks: int, keys: Keys, out: NDArray[np.float32]) -> None:
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, out.shape[1])
        x, high = counter(keys[row], start)
        for j in range(start, stop):
            out[row, j] = uniform(hashed(x, high))
            x = u32(x + STEP)


@compiled
def _dither(first: int, last: int, chunks: int, keys: Keys, out: NDArray[np.float32]) -> None:
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, out.shape[1])
        x, high = counter(keys[row], start)
        for j in range(start, stop):
            out[row, j] = dithered(hashed(x, high))
            x = u32(x + STEP)


@compiled
def _bins(first: int, last: int, chunks: int, keys: Keys, out: Octets) -> None:
    drawn = np.empty(TILE, np.uint32)
    for item in range(first, last):
        row, start, stop = chunk_of(item, chunks, out.shape[1])
        for left in range(start, stop, TILE):
            part = out[row, left : min(stop, left + TILE)]
            fill(drawn[: part.size], keys[row], left)
            for j in range(part.size):
                part[j] = np.uint8(drawn[j] >> u32(28))


def words(keys: Keys, count: int) -> Words:
    """Random words, uint32 [n, count]."""
    over_chunks(_words, len(keys), count, keys, out := np.empty((len(keys), count), np.uint32))
    return out


def uniforms(keys: Keys, count: int) -> NDArray[np.float32]:
    """Uniforms, float32 [n, count]."""
    over_chunks(_uniforms, len(keys), count, keys, out := np.empty((len(keys), count), np.float32))
    return out


def dither(keys: Keys, count: int) -> NDArray[np.float32]:
    """Dither, float32 [n, count]."""
    over_chunks(_dither, len(keys), count, keys, out := np.empty((len(keys), count), np.float32))
    return out


def bins(keys: Keys, count: int) -> Octets:
    """Sixteen bins of the dither, uint8 [n, count]."""
    over_chunks(_bins, len(keys), count, keys, out := np.empty((len(keys), count), np.uint8))
    return out
