"""Random words by hashing a counter: bit-identical on every device that has 32-bit integers.

Word i of the stream (k0, k1), with k0 the low and k1 the high 32 bits, all arithmetic modulo 2^32:

    x = i * 0x9E3779B9 + k0
    x ^= x >> 16;  x *= 0x21F0AAAD;  x ^= k1
    x ^= x >> 15;  x *= 0xD35A2D97;  x ^= x >> 15

The shifts and multipliers are those of Wellons' search for hashes of low bias (github.com/skeeto/hash-prospector).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Keys, Octets, Words

_CHUNK = 1 << 20
_COUNTER, _FIRST, _SECOND = np.uint32(0x9E3779B9), np.uint32(0x21F0AAAD), np.uint32(0xD35A2D97)


def hashed(key: np.uint64, start: int, stop: int) -> Words:
    """Words start .. stop of one stream, uint32 [stop - start]."""
    low, high = np.uint32(int(key) & 0xFFFFFFFF), np.uint32(int(key) >> 32)
    x = np.arange(start, stop, dtype=np.uint64).astype(np.uint32)
    x *= _COUNTER
    x += low
    x ^= x >> np.uint32(16)
    x *= _FIRST
    x ^= high
    x ^= x >> np.uint32(15)
    x *= _SECOND
    x ^= x >> np.uint32(15)
    return x


def words(keys: Keys, count: int) -> Words:
    """The first words of every stream, uint32 [n, count]."""
    out = np.empty((len(keys), count), np.uint32)
    for row, key in zip(out, keys, strict=True):
        for start in range(0, count, _CHUNK):
            stop = min(count, start + _CHUNK)
            row[start:stop] = hashed(key, start, stop)
    return out


def uniforms(keys: Keys, count: int) -> NDArray[np.float32]:
    """Multiples of 2^-24 in [0, 1), float32 [n, count]."""
    return uniform_of(words(keys, count))


def dither(keys: Keys, count: int) -> NDArray[np.float32]:
    """Odd multiples of 2^-25 in (-1/2, 1/2), float32 [n, count]."""
    return dither_of(words(keys, count))


def bins(keys: Keys, count: int) -> Octets:
    """The top four bits of every word, uint8 [n, count]: sixteen bins of the dither."""
    return (words(keys, count) >> np.uint32(28)).astype(np.uint8)


def uniform_of(drawn: Words) -> NDArray[np.float32]:
    """A word as a uniform."""
    return (drawn >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def dither_of(drawn: Words) -> NDArray[np.float32]:
    """A word as a dither: with m its top 24 bits, (2 m + 1 - 2^24) 2^-25."""
    odd = ((drawn >> np.uint32(8)) * np.uint32(2) + np.uint32(1)).astype(np.int32) - np.int32(1 << 24)
    return odd.astype(np.float32) * np.float32(2.0**-25)
