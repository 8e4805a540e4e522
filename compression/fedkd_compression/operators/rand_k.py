"""RandK: a random subset of the coordinates, which both ends draw from the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values
from fedkd_compression.operators.sparse import spread
from fedkd_compression.operators.sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Counts
    from fedkd_compression.keys import Key

_FEW, _LONG = 64, 1 << 15
"""Up to dim/64 coordinates of rows of at least 2^15 are drawn one by one: shorter rows are faster drawn together."""


@dataclass(frozen=True)
class RandK(Operator):
    """Keep k coordinates drawn from the shared key, scaled by dim/k so that E C(x) = x.

    omega = dim/k - 1 exactly. The positions are never sent, both ends draw them: those of the k largest of dim random
    words; or, for k <= dim/64 of at least 2^15 coordinates, the first k distinct ones of a stream of positions, each
    uniform up to 2^-64 dim, in time that does not grow with dim. Either is a uniform subset.

    Args:
        k: number of coordinates kept, in [1, dim].

    Example:
        >>> RandK(k=10).omega(dim=100)
        9.0
    """

    k: int
    traits = Traits(unbiased=True, exact=True, additive=True, fixed_size=True, anywhere=True)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise OperatorError(f"RandK: k={self.k} is below 1; choose k >= 1")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The drawn coordinates [n, k], as they are."""
        return Code(values=rows.gather(1, _drawn(rows, key, rows.shape[1], self.k)))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The drawn coordinates times dim/k, zeros elsewhere."""
        values = expect_values(code, self.k)
        return spread(values * (dim / self.k), _drawn(values, key, dim, self.k), dim)

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The weighted sum of the values, put in place once."""
        values = weighted_sum(expect_values(code, self.k), weights) * (dim / self.k)
        return spread(values[None], _drawn(values, key, dim, self.k), dim)[0]

    def omega(self, dim: int) -> float:
        """Each coordinate is kept with probability k/dim."""
        return dim / self.k - 1

    def kept(self, key: Key, dim: int) -> int:
        """As many as the field says."""
        return self.k

    def check(self, dim: int) -> None:
        """There must be k coordinates."""
        if self.k > dim:
            raise OperatorError(f"RandK: k={self.k} exceeds dim={dim}; choose k <= dim")


def _drawn(like: Tensor, key: Key, dim: int, count: int) -> Tensor:
    """Increasing positions, int64 [n, count]: a uniform subset for each row of the key."""
    if dim < _LONG or count > dim // _FEW:
        return kernels.on(like.device).drawn(key.array(), dim, count)
    positions = np.empty((len(key.rows), count), np.int64)
    for i in range(len(positions)):
        positions[i] = _few(key.row(i), dim, count)
    return torch.from_numpy(positions).to(like.device)


def _few(key: Key, dim: int, count: int) -> Counts:
    """The first ``count`` distinct positions of a stream, increasing; each turn draws as many as are still missing."""
    found, turn = np.empty(0, np.int64), 0
    while len(found) < count:
        high, low = key.fold(turn).words(2 * (count - len(found))).astype(np.uint64).reshape(2, -1)
        # The upper half of a 64-bit word times dim, of which 96 bits do not fit.
        drawn = (high * np.uint64(dim) + (low * np.uint64(dim) >> np.uint64(32))) >> np.uint64(32)
        found, turn = _distinct(np.sort(np.concatenate((found, drawn.astype(np.int64))))), turn + 1
    return found


def _distinct(increasing: Counts) -> Counts:
    return increasing[np.diff(increasing, prepend=-1) > 0]
