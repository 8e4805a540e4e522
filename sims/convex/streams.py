"""The framework's keys for many rounds' clients at once: ``Key.of``'s hash, blake2b, compiled (RFC 7693)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from fedkd.keys import EVERYONE, Purpose
from fedkd_compression import Key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Octets = NDArray[np.uint8]

u64 = np.uint64
FIRST = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    np.uint64,
)  # fmt: skip
ORDERS = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    np.int64,
)
ROUNDS, BLOCK, DIGEST = 12, 128, 8
PERSON = b"fedkd key"


def _parameters() -> Words:
    """The state before the first block: a digest of eight bytes, no key, and what the hash is for."""
    block = np.zeros(64, np.uint8)
    block[[0, 2, 3]] = DIGEST, 1, 1
    block[48 : 48 + len(PERSON)] = np.frombuffer(PERSON, np.uint8)
    return FIRST ^ block.view(np.uint64)


STATE = _parameters()


@njit(cache=True, nogil=True)
def _turned(value: np.uint64, bits: int) -> np.uint64:
    return u64(value >> u64(bits)) | u64(value << u64(64 - bits))


@njit(cache=True, nogil=True)
def _mix(v: Words, a: int, b: int, c: int, d: int, x: np.uint64, y: np.uint64) -> None:
    v[a] = v[a] + v[b] + x
    v[d] = _turned(v[d] ^ v[a], 32)
    v[c] = v[c] + v[d]
    v[b] = _turned(v[b] ^ v[c], 24)
    v[a] = v[a] + v[b] + y
    v[d] = _turned(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = _turned(v[b] ^ v[c], 63)


@njit(cache=True, nogil=True)
def _digest(block: Octets, size: int, state: Words, first: Words, orders: NDArray[np.int64], v: Words) -> np.uint64:
    """The first word of the digest of one block, of which ``size`` bytes are the message."""
    m = block.view(np.uint64)
    v[:8] = state
    v[8:] = first
    v[12] ^= u64(size)
    v[14] = ~v[14]
    for turn in range(ROUNDS):
        s = orders[turn % 10]
        for i in range(4):
            _mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]])
        for i in range(4):
            _mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]])
    return state[0] ^ v[0] ^ v[8]


@njit(cache=True, nogil=True)
def _put(number: np.int64, block: Octets, at: int) -> int:
    """A whole number >= 0 as ``Key`` tags it: its kind, how many bytes, the bytes; where it ends."""
    size, rest = 1, number >> 7
    while rest > 0:
        size, rest = size + 1, rest >> 8
    block[at] = 105
    block[at + 1] = size
    block[at + 2 : at + 5] = 0
    for i in range(size):
        block[at + 5 + i] = number >> (8 * i) & 255
    return at + 5 + size


@njit(cache=True, nogil=True)
def _streams(
    heads: Octets, sizes: NDArray[np.int64], round_: int, clients: NDArray[np.int64], constants: tuple, out: Words
) -> None:
    block, v = np.zeros(BLOCK, np.uint8), np.empty(16, np.uint64)
    state, first, orders = constants
    for row in range(clients.size):
        for seed in range(len(heads)):
            block[:] = 0
            block[: sizes[seed]] = heads[seed, : sizes[seed]]
            at = _put(clients[row], block, _put(round_, block, sizes[seed]))
            out[row, seed] = _digest(block, at, state, first, orders, v)


@njit(cache=True, nogil=True)
def _folded(keys: Words, number: int, constants: tuple, out: Words) -> None:
    block, v = np.zeros(BLOCK, np.uint8), np.empty(16, np.uint64)
    state, first, orders = constants
    for row in range(keys.size):
        block[:] = 0
        for i in range(8):
            block[i] = keys[row] >> u64(8 * i) & u64(255)
        out[row] = _digest(block, _put(number, block, 8), state, first, orders, v)


def _tagged(item: int | str) -> bytes:
    data, tag = (item.encode(), b"s") if isinstance(item, str) else (_number(item), b"i")
    return tag + len(data).to_bytes(4, "little") + data


def _number(item: int) -> bytes:
    return item.to_bytes(item.bit_length() // 8 + 1, "little", signed=True)


class Streams:
    """Keys of one purpose for all seeds.

    Example:
        >>> Streams((0, 1), "uplink").of(3, np.arange(20))[7, 1] == Key.of(1, "uplink", 3, 7).rows[0]
        True
    """

    def __init__(self, seeds: tuple[int, ...], purpose: Purpose) -> None:
        heads = [b"key" + _tagged(seed) + _tagged(purpose) for seed in seeds]
        self._sizes = np.array([len(head) for head in heads], np.int64)
        self._heads = np.zeros((len(heads), int(self._sizes.max())), np.uint8)
        for row, head in enumerate(heads):
            self._heads[row, : len(head)] = np.frombuffer(head, np.uint8)

    def of(self, round_: int, clients: NDArray[np.int64]) -> Words:
        """The streams of clients [N] in a round, uint64 [N, S]."""
        out = np.empty((len(clients), len(self._heads)), np.uint64)
        _streams(self._heads, self._sizes, round_, clients, (STATE, FIRST, ORDERS), out)
        return out

    def everyone(self, round_: int) -> Words:
        """Those of what concerns all clients, uint64 [S]."""
        return self.of(round_, np.array([EVERYONE]))[0]


def folded(keys: Words, number: int) -> Words:
    """``Key.fold(number)`` of every stream [K]."""
    _folded(keys, number, (STATE, FIRST, ORDERS), out := np.empty_like(keys))
    return out


def key_of(keys: Words) -> Key:
    """The key of streams [K]."""
    return Key(tuple(keys.tolist()))
