"""Keys: randomness as a function of (seed, purpose, round, client), never of order, process or device.

A key holds one 64-bit stream for each row of a batch. Word i of a stream is a 32-bit hash of (i, stream);
the hash is in ``kernels/portable/streams.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.errors import OperatorError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Counts, Keys, Words

_WORDS = 1 << 32


@dataclass(frozen=True)
class Key:
    """A stream of random words for each row of a batch.

    Args:
        rows: one 64-bit stream identity a row.

    Example:
        >>> key = Key.of(0, "uplink", 3, 17)     # seed, purpose, round, client
        >>> key.dither(4).shape
        torch.Size([1, 4])
    """

    rows: tuple[int, ...]

    @staticmethod
    def of(seed: int, *path: int | str) -> Key:
        """The stream of a path; different paths, and paths of other types, give independent streams."""
        return Key((_digest(b"key", (seed, *path)),))

    @staticmethod
    def stack(keys: Sequence[Key]) -> Key:
        """One key whose rows are the rows of all keys, in order."""
        return Key(tuple(row for key in keys for row in key.rows))

    def fold(self, *path: int | str) -> Key:
        """A sub-stream of every row."""
        return Key(tuple(_digest(row.to_bytes(8, "little"), path) for row in self.rows))

    def repeat(self, count: int) -> Key:
        """Every row ``count`` times, one after another."""
        return Key(tuple(row for row in self.rows for _ in range(count)))

    def spread(self, count: int) -> Key:
        """``count`` sub-streams of every row, one after another: cheaper than a ``fold`` for each.

        Sub-stream i of the stream k is splitmix64's finaliser of k + (i + 1) 0x9E3779B97F4A7C15 (Steele et al., 2014).
        """
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = self.array()[:, None] + steps
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return Key(tuple((z ^ z >> np.uint64(31)).reshape(-1).tolist()))

    def row(self, i: int) -> Key:
        """The key of row i alone."""
        return Key((self.rows[i],))

    def words(self, count: int) -> Words:
        """Random words, uint32 [rows, count]; the first words do not depend on ``count``."""
        return kernels.backend().words(self.array(), _counted(count))

    def uniforms(self, count: int, device: torch.device | str = "cpu") -> Tensor:
        """Uniform on multiples of 2^-24 in [0, 1), float32 [rows, count]."""
        return kernels.on(device).uniforms(self.array(), _counted(count))

    def dither(self, count: int, device: torch.device | str = "cpu") -> Tensor:
        """Uniform on odd multiples of 2^-25 in (-1/2, 1/2), float32 [rows, count]; symmetric, exact."""
        return kernels.on(device).dither(self.array(), _counted(count))

    def signs(self, count: int, device: torch.device | str = "cpu") -> Tensor:
        """Signs -1 and 1 with equal probability, float32 [rows, count]."""
        return self.dither(count, device).sign()

    def permutation(self, count: int) -> Counts:
        """A uniform order of range(count), int64 [count]; for a key of one row."""
        return np.argsort(self._single().words(count)[0], kind="stable").astype(np.int64, copy=False)

    def generator(self) -> np.random.Generator:
        """NumPy's Philox generator seeded by the stream; for a key of one row."""
        return np.random.Generator(np.random.Philox(key=self._single().rows[0]))

    def array(self) -> Keys:
        """The streams as uint64 [rows], as kernels take them."""
        return np.array(self.rows, dtype=np.uint64)

    def _single(self) -> Key:
        if len(self.rows) != 1:
            raise OperatorError(f"Key: {len(self.rows)} rows where one is needed; choose one with key.row(i)")
        return self


def _counted(count: int) -> int:
    if not 0 <= count <= _WORDS:
        raise OperatorError(f"Key: count={count} is outside [0, 2^32]; draw from several folds")
    return count


def _digest(start: bytes, path: tuple[int | str, ...]) -> int:
    """64 bits of blake2b over a canonical encoding: every item with its type and length."""
    state = blake2b(digest_size=8, person=b"fedkd key")
    state.update(start)
    for item in path:
        state.update(_tagged(item))
    return int.from_bytes(state.digest(), "little")


def _tagged(item: int | str) -> bytes:
    if isinstance(item, str):
        data, tag = item.encode(), b"s"
    else:
        try:
            number = operator.index(item)
        except TypeError:
            raise OperatorError(f"Key: {item!r} is neither int nor str; name the stream with one of them") from None
        data, tag = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True), b"i"
    return tag + len(data).to_bytes(4, "little") + data
