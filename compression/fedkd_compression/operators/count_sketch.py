"""CountSketch: coordinates hashed into few sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.keys import Key
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values
from fedkd_compression.operators.sums import weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd_compression.arrays import Counts

_TOGETHER = 1 << 20
"""Coordinates that are hashed together: their buckets are in memory together."""


@dataclass(frozen=True)
class CountSketch(Operator):
    """C(x) = (1/t) sum_r S_r^T S_r x: S_r adds coordinate j with a random sign to one of m random buckets.

    Source: Charikar et al. (2002); the mean of the t estimates in place of their median, so that C is linear: sketches
    of many rows under one key are added as they are, and decoded once.

    omega = (d - 1)/(m t) exactly. For t = 1 the error of coordinate j is the sum of s_j s_i x_i over the i != j of its
    bucket; the signs are independent, so its variance is (|x|^2 - x_j^2)/m, and the sum over j is (d - 1) |x|^2/m. The
    mean of t independent unbiased estimates has 1/t of it. ``RandK`` with k = m t has less: d/(m t) - 1.

    The upper 31 bits w of a random word give the bucket floor(w m/2^31), which is uniform up to 2^-31 m, the last bit
    gives the sign. Sums are float64, in the order of the coordinates, on the CPU.

    Args:
        columns: m, number of buckets.
        depth: t, number of independent hashes; columns * depth values are sent, at most dim.

    Example:
        >>> CountSketch(columns=20).omega(dim=101)
        5.0
    """

    columns: int
    depth: int = 1
    traits = Traits(unbiased=True, exact=True, additive=True, fixed_size=True)

    def __post_init__(self) -> None:
        for name, value in (("columns", self.columns), ("depth", self.depth)):
            if value < 1:
                raise OperatorError(f"CountSketch: {name}={value} is below 1; choose {name} >= 1")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The sums [n, depth * columns], in the rows' dtype."""
        dim, sums = rows.shape[1], np.empty((len(rows), self.depth, self.columns))
        for some in _groups(len(rows), dim):
            own = rows[some].double().numpy()
            for r, (cells, signs) in enumerate(self._hashes(Key(key.rows[some]), dim)):
                found = np.bincount(cells.reshape(-1), (own * signs).reshape(-1), len(own) * self.columns)
                sums[some, r] = found.reshape(len(own), self.columns)
        return Code(values=torch.from_numpy(sums).to(rows.dtype).flatten(1))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The mean of the estimates, in the values' dtype."""
        values = expect_values(code, self.depth * self.columns)
        sums = values.double().numpy().reshape(-1, self.depth, self.columns)
        restored = torch.empty(len(sums), dim, dtype=values.dtype)
        for some in _groups(len(sums), dim):
            restored[some] = torch.from_numpy(self._restored(sums[some], Key(key.rows[some]), dim))
        return restored

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The weighted sum of the sketches, decoded once."""
        sums = weighted_sum(expect_values(code, self.depth * self.columns), weights)
        return torch.from_numpy(self._restored(sums.numpy().reshape(1, self.depth, self.columns), key, dim)[0])

    def omega(self, dim: int) -> float:
        """Every pair of coordinates meets with probability 1/columns."""
        return max(dim - 1, 0) / (self.columns * self.depth)

    def check(self, dim: int) -> None:
        """A sketch longer than the row would be no compression."""
        if self.columns * self.depth > dim:
            raise OperatorError(
                f"CountSketch: columns * depth = {self.columns * self.depth} exceeds dim={dim}; choose at most dim"
            )

    def _hashes(self, key: Key, dim: int) -> Iterator[tuple[Counts, NDArray[np.float64]]]:
        """For each hash the bucket and the sign of every coordinate, [n, dim]; rows' buckets follow one another."""
        streams = key.spread(self.depth).array().reshape(-1, self.depth)
        first = np.arange(len(streams), dtype=np.int64)[:, None] * self.columns
        for keys in streams.T:
            words = kernels.backend().words(np.ascontiguousarray(keys), dim)
            wide = (words >> np.uint32(1)).astype(np.uint64) * np.uint64(self.columns) >> np.uint64(31)
            cells: Counts = wide.astype(np.int64) + first
            yield cells, 1 - 2 * (words & np.uint32(1)).astype(np.float64)

    def _restored(self, sums: NDArray[np.float64], key: Key, dim: int) -> NDArray[np.float64]:
        """The mean of the estimates from sums [n, depth, columns], float64 [n, dim]."""
        total = np.zeros((len(sums), dim))
        for r, (cells, signs) in enumerate(self._hashes(key, dim)):
            total += sums[:, r].reshape(-1)[cells] * signs
        return total / self.depth


def _groups(count: int, dim: int) -> Iterator[slice]:
    """Rows that are hashed together."""
    step = max(_TOGETHER // max(dim, 1), 1)
    return (slice(start, start + step) for start in range(0, count, step))
