"""EnergySVD: the singular vectors that hold a share of the energy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values
from fedkd_compression.operators.matrices import height_of, matrices, outer, sides

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Named

_TALLEST = 2**24


@dataclass(frozen=True)
class EnergySVD(Operator):
    """C(M) = U diag(s) V^T with the fewest singular values that hold the share ``energy`` of |M|^2.

    Source: Wu et al., FedKD (2022). |C(M) - M|^2 = the sum of the squares cut off <= (1 - energy) |M|^2, so
    delta = energy for every row; a margin of 2^-20 of |M|^2 (2^-40 for float64) covers the rounding of the factors.
    U and V are values, s is side information, in float64. A row of zeros has rank 0. A row whose factors would be no
    shorter than itself is sent as it is: whenever energy = 1, or its full rank is needed.

    Args:
        energy: share of the squared norm that is kept, in (0, 1].
        height: rows of the matrix M; None for those of a tensor given to ``shaped``, or else the most nearly square
            matrix. Zeros fill the last rows.

    Example:
        >>> EnergySVD(energy=0.95).delta(dim=1000)
        0.95
    """

    energy: float
    height: int | None = None
    traits = Traits(ragged=True)

    def __post_init__(self) -> None:
        if not 0 < self.energy <= 1:
            raise OperatorError(f"EnergySVD: energy={self.energy} is outside (0, 1]; choose energy = 0.95")
        if self.height is not None and not 1 <= self.height <= _TALLEST:
            raise OperatorError(f"EnergySVD: height={self.height} is outside [1, 2^24]; choose height = null")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """U and V as values [1, k (a + b)] and s as side [1, k] of a row [1, d]; or the row as values alone."""
        left, s, right = torch.linalg.svd(matrices(rows, self.height)[0].double(), full_matrices=False)
        rank = _rank(s, self.energy + (2.0**-20 if rows.dtype == torch.float32 else 2.0**-40))
        if rank is None or not self._is_shorter(rank, rows.shape[1]):
            return Code(values=rows)
        factors = torch.cat((left[:, :rank].flatten(), right[:rank].T.flatten()))
        return Code(values=factors.to(rows.dtype)[None], side=s[None, :rank].contiguous())

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """(U s) V^T in float64 where there are singular values, else the row."""
        if code.side is None:
            return expect_values(code, dim)
        rank, (tall, wide) = code.side.shape[1], sides(dim, self.height)
        if not self._is_shorter(rank, dim):
            raise WireError(f"frame: {rank} singular values are too many for dim={dim}")
        values = expect_values(code, rank * (tall + wide)).double()
        left, right = values[:, : rank * tall].reshape(1, tall, rank), values[:, rank * tall :].reshape(1, wide, rank)
        return outer(left * code.side[:, None].double(), right, dim)

    def delta(self, dim: int) -> float:
        """The share that is kept."""
        return self.energy

    def shaped(self, tensors: tuple[Named, ...]) -> EnergySVD:
        """With the height of a tensor, where the row is one tensor and no height was given."""
        return self if self.height is not None else replace(self, height=height_of(tensors))

    def _is_shorter(self, rank: int, dim: int) -> bool:
        tall, wide = sides(dim, self.height)
        return rank * (tall + wide + 1) < dim


def _rank(s: Tensor, share: float) -> int | None:
    """How many of the decreasing singular values hold a share of their squares; None where no number does."""
    if not s[0] > 0:
        return 0
    held = (s / s[0]).square().cumsum(0)
    enough = torch.nonzero(held >= share * held[-1])
    return int(enough[0, 0]) + 1 if len(enough) else None
