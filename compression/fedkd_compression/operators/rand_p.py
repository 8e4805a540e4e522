"""RandP: every coordinate kept with the same probability, by itself; both ends draw which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    from fedkd_compression.keys import Key

_GRID = 1 << 24


@dataclass(frozen=True)
class RandP(Operator):
    """C(x)_j = x_j b_j/p with independent b_j = 1 with probability p, else 0, from the shared key.

    omega = 1/p - 1 exactly: E (b/p - 1)^2 = 1/p - 1. The positions are never sent. The number of values differs from
    key to key, about p d; unlike ``RandK`` there is nothing to sort, and coordinates do not depend on each other.

    Args:
        probability: p in [2^-24, 1]; the nearest multiple of 2^-24 is used everywhere, in omega too.

    Example:
        >>> RandP(probability=0.25).omega(dim=100)
        3.0
    """

    probability: float
    traits = Traits(unbiased=True, exact=True, additive=True, anywhere=True, ragged=True)

    def __post_init__(self) -> None:
        if not 1 / _GRID <= self.probability <= 1:
            raise OperatorError(
                f"RandP: probability={self.probability} is outside [2^-24, 1]; choose probability = 0.05"
            )

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The kept coordinates [1, k] of a row [1, d], as they are."""
        return Code(values=rows.gather(1, self._positions(key, rows.shape[1], rows.device)))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The kept coordinates over p, zeros elsewhere."""
        positions = self._positions(key, dim, "cpu" if code.values is None else code.values.device)
        return spread(expect_values(code, positions.shape[1]) * (1 / self._share()), positions, dim)

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The weighted sum of the values, put in place once."""
        positions = self._positions(key, dim, weights.device)
        values = weighted_sum(expect_values(code, positions.shape[1]), weights) * (1 / self._share())
        return spread(values[None], positions, dim)[0]

    def omega(self, dim: int) -> float:
        """The variance of b/p."""
        return 1 / self._share() - 1

    def kept(self, key: Key, dim: int) -> int:
        """As many as the key draws."""
        return self._positions(key, dim, "cpu").shape[1]

    def _share(self) -> float:
        """The probability on the grid of the uniforms, where it is met exactly."""
        return round(self.probability * _GRID) / _GRID

    def _positions(self, key: Key, dim: int, device: torch.device | str) -> Tensor:
        """Increasing positions of the kept coordinates for a key of one row, int64 [1, k]."""
        drawn = kernels.on(device).uniforms(key.array(), dim)[0]
        return torch.nonzero(drawn < self._share())[:, 0][None]
