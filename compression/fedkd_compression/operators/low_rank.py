"""LowRank: a row as a matrix, and that as the product of two thin ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values
from fedkd_compression.operators.matrices import height_of, matrices, outer, sides, times
from fedkd_compression.operators.norms import l2_norms

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Named

_DEPENDENT = 1e-10
"""A column that keeps a smaller share of its norm beside the earlier ones is one of their combinations, rounded."""


@dataclass(frozen=True)
class LowRank(Operator):
    """C(M) = P P^T M with P an orthonormal basis of the columns of M S: one step of subspace iteration from a start S.

    Source: Vogels et al., PowerSGD (2019). For M [a, b], P [a, r] and Q = M^T P [b, r] are sent. A projection never
    adds energy: |C(M) - M|^2 = |M|^2 - |P^T M|^2. From a cold start, Gaussian and drawn from the key, it keeps at least
    delta = r/min(a, b) in expectation: with M = U D V^T of rank k, W an orthonormal basis of V^T S and B = W^T D^2 W,
    |P^T M|^2 = tr(B^-1 W^T D^4 W) >= tr(B^-1 B^2) = tr B, since W W^T <= 1; and W is uniformly random, so that
    E tr B = r/k |M|^2. A warm start has no such bound.

    Products are summed in the fixed order of the kernels, so all backends send and receive the same bits. A row whose
    factors would be no shorter than itself is sent as it is.

    Args:
        rank: r, at least 1; the shorter side of the matrix where that is less.
        height: a, rows of the matrix; None for those of a tensor given to ``shaped``, or else the most nearly square
            matrix. Zeros fill the last rows.

    Example:
        >>> LowRank(rank=4).delta(dim=10_000)
        0.04
    """

    rank: int
    height: int | None = None
    traits = Traits(fixed_size=True, anywhere=True)
    # No annotation, so no field: it is neither configured nor part of the operator's name, which the receiver has too.
    start = None  # type: Tensor | None

    def __post_init__(self) -> None:
        for name, value in (("rank", self.rank), ("height", self.height)):
            if value is not None and value < 1:
                raise OperatorError(f"LowRank: {name}={value} is below 1; choose {name} >= 1")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """P and Q of each row, [n, r (a + b)]; or the rows [n, d]."""
        rank = self._kept_rank(rows.shape[1])
        if not rank:
            return Code(values=rows)
        stacked = matrices(rows, self.height)
        basis = _orthonormal(times(stacked, self._starts(stacked, rank, key))).to(rows.dtype)
        shadow = times(stacked.transpose(1, 2), basis).to(rows.dtype)
        return Code(values=torch.cat((basis.flatten(1), shadow.flatten(1)), 1))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """P Q^T."""
        rank = self._kept_rank(dim)
        if not rank:
            return expect_values(code, dim)
        basis, shadow = self._factors(code, rank, dim)
        return outer(basis, shadow, dim).to(basis.dtype)

    def delta(self, dim: int) -> float:
        """The bound of the class's docstring; 1 for a row that is sent as it is."""
        rank = self._kept_rank(dim)
        if not rank:
            return 1.0
        return 0.0 if self.start is not None else rank / min(sides(dim, self.height))

    def shaped(self, tensors: tuple[Named, ...]) -> LowRank:
        """With the height of a tensor, where the row is one tensor and no height was given."""
        return self if self.height is not None else replace(self, height=height_of(tensors))

    def warmed(self, code: Code, dim: int) -> LowRank:
        """The operator that starts from what a code sent: one row's, or n rows' for the next n.

        Directions turn slowly from round to round, so the steps of subspace iteration add up. Columns of zeros are
        started cold. The receiver needs no start.

        Example:
            >>> code, received = operator.transmit(rows, key)
            >>> operator = operator.warmed(code, dim)
        """
        warm, rank = replace(self), self._kept_rank(dim)
        if rank:
            object.__setattr__(warm, "start", self._factors(code, rank, dim)[1])
        return warm

    def _kept_rank(self, dim: int) -> int:
        """The rank that is sent; 0 where the row itself is as short."""
        tall, wide = sides(dim, self.height)
        rank = min(self.rank, tall, wide)
        return rank if rank * (tall + wide) < dim else 0

    def _factors(self, code: Code, rank: int, dim: int) -> tuple[Tensor, Tensor]:
        """P [n, a, r] and Q [n, b, r]."""
        tall, wide = sides(dim, self.height)
        values = expect_values(code, rank * (tall + wide))
        return values[:, : rank * tall].reshape(-1, tall, rank), values[:, rank * tall :].reshape(-1, wide, rank)

    def _starts(self, stacked: Tensor, rank: int, key: Key) -> Tensor:
        """S [n, b, r]: the columns of the start with largest value 1, and cold ones where it has none."""
        shape = (len(stacked), stacked.shape[2], rank)
        # In float32 no libm's last bits are left of the normal numbers.
        drawn = np.empty(shape)
        for i in range(shape[0]):
            drawn[i] = key.row(i).generator().standard_normal(shape[1:])
        cold = torch.from_numpy(drawn).float().to(device=stacked.device, dtype=stacked.dtype)
        if self.start is None:
            return cold
        if self.start.shape != shape:
            found = tuple(self.start.shape)
            raise OperatorError(f"LowRank: start {found} for rows that need {shape}; warm up with codes of such rows")
        warm = self.start.to(device=stacked.device, dtype=stacked.dtype)
        peaks = warm.abs().amax(1, keepdim=True)
        return torch.where(peaks > 0, warm / peaks, cold)


def _orthonormal(columns: Tensor) -> Tensor:
    """An orthonormal basis of columns [n, a, r], float64: Gram and Schmidt's, each column cleared twice.

    A column that depends on the earlier ones, a column of zeros for one, becomes zero.
    """
    basis: list[Tensor] = []
    for column in columns.unbind(2):
        rest = column.contiguous()
        least = l2_norms(rest) * _DEPENDENT
        for known in basis * 2:
            rest = rest - known * kernels.on(rest.device).dots(known, rest)[:, None]
        norms = l2_norms(rest)[:, None]
        basis.append(torch.where(norms > least[:, None], rest / torch.where(norms > 0, norms, 1), 0))
    return torch.stack(basis, 2)
